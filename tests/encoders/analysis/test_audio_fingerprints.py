"""A signature survives what copies go through, and different recordings have different ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from encoders.analysis.fingerprints import MOVES, signature_of
from encoders.analysis.recording_quality import QualityIndex, sound_of
from encoders.audio.reading import read_segment
from encoders.audio.waveform import Audio
from encoders.store import EmbeddingStore

RATE = 16_000


def speech(seed: int) -> np.ndarray:
    """Syllables of random pitch, colour and length."""
    rng = np.random.default_rng(seed)
    parts = [np.zeros(1600)]
    for _ in range(8):
        time = np.arange(round(RATE * rng.uniform(0.1, 0.25))) / RATE
        harmonic, pitch = np.arange(1, 16)[:, None], rng.uniform(90, 250)
        loud = np.exp(-(((harmonic * pitch - rng.uniform(300, 2500)) / 200) ** 2))
        wave = (loud * np.sin(2 * np.pi * harmonic * pitch * time)).sum(axis=0)
        parts += [wave * np.hanning(len(time)) * rng.uniform(0.3, 1), np.zeros(rng.integers(1500))]
    whole = np.concatenate([*parts, np.zeros(1600)])
    return (0.3 * whole / np.abs(whole).max() + 1e-4 * rng.standard_normal(len(whole))).astype("f4")


def likeness(one: Audio, other: Audio) -> float:
    a, b = signature_of(one), signature_of(other)
    return float(max(a.moved[MOVES.index(0)] @ b.moved[MOVES.index(0)], a.narrow @ b.narrow))


CHANGES = {
    "20 ms later": lambda x: Audio(np.concatenate([np.zeros(320, np.float32), x]), RATE),
    "20 ms cut": lambda x: Audio(x[320:], RATE),
    "quieter": lambda x: Audio(x * np.float32(0.2), RATE),
    "padded": lambda x: Audio(np.pad(x, 4800), RATE),
    "8 kHz": lambda x: Audio(soxr.resample(x, RATE, 8000, "HQ"), 8000),
    "noise": lambda x: Audio(
        (x + 0.1 * x.std() * np.random.default_rng(0).standard_normal(len(x))).astype("f4"), RATE
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_keeps_its_signature(change):
    found = [likeness(Audio(speech(n), RATE), CHANGES[change](speech(n))) for n in range(5)]
    assert min(found) >= 0.98


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
def test_a_copy_in_a_lossy_container_keeps_its_signature(tmp_path, suffix):
    for n in range(3):
        path = tmp_path / f"{n}.{suffix}"
        soundfile.write(path, speech(n), RATE)
        assert likeness(Audio(speech(n), RATE), read_segment(path)) >= 0.98


def test_different_recordings_have_different_signatures():
    signed = np.stack([signature_of(Audio(speech(n), RATE)).moved[2] for n in range(40)])
    alike = signed @ signed.T - np.eye(len(signed))
    assert alike.max() < 0.9


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0),
        np.zeros(RATE),
        np.ones(RATE),
        np.sin(np.arange(2 * RATE) / 7),
        np.random.default_rng(0).standard_normal(2 * RATE) / 9,
        speech(0)[1600:3200],
    ],
    ids=["nothing", "silence", "offset", "tone", "noise", "a tenth of a second"],
)
def test_what_holds_nothing_to_know_it_by_tells_nothing(samples):
    found = signature_of(Audio(samples.astype(np.float32), RATE))
    assert not found.telling
    assert np.isfinite(found.moved).all()


# ---------------------------------------------------------------- kept beside the embeddings


def test_a_sound_that_was_kept_is_the_one_that_was_heard(tmp_path):
    audio, key = Audio(speech(1), RATE), "a" * 64
    first = QualityIndex(EmbeddingStore(tmp_path))
    first.add(key, audio)
    first.save()
    again = QualityIndex(EmbeddingStore(tmp_path))
    assert again.missing([key]) == []
    read, heard = again.read([key])[key], sound_of(audio)
    np.testing.assert_array_equal(read.signature.moved, heard.signature.moved)
    np.testing.assert_array_equal(read.signature.narrow, heard.signature.narrow)
    assert read.sample_rate_hz == RATE
    assert read.quiet == pytest.approx(heard.quiet)


def test_a_damaged_sound_is_left_out_and_the_others_are_read(tmp_path):
    sounds = QualityIndex(EmbeddingStore(tmp_path))
    for n in range(3):
        sounds.add(f"{n}" * 64, Audio(speech(n), RATE))
    sounds.save()
    (shard,) = Path(tmp_path).rglob("*.safetensors")
    content = bytearray(shard.read_bytes())
    content[-40] ^= 1
    shard.write_bytes(content)
    again = QualityIndex(EmbeddingStore(tmp_path))
    assert len(again.read([f"{n}" * 64 for n in range(3)])) == 2


def test_without_a_cache_what_was_heard_is_known_all_the_same():
    sounds = QualityIndex(None)
    sounds.add("a" * 64, Audio(speech(1), RATE))
    sounds.save()
    assert sounds.missing(["a" * 64, "b" * 64]) == ["b" * 64]
    assert list(sounds.read(["a" * 64, "b" * 64])) == ["a" * 64]


@pytest.mark.parametrize(("peak", "clipped"), [(0.9, False), (1.0, True)])
def test_samples_at_full_scale_in_a_row_are_clipped(peak, clipped):
    wave = np.clip(2 * np.sin(np.arange(RATE) / 9), -1, 1) * peak
    assert (sound_of(Audio(wave.astype(np.float32), RATE)).clipped > 0.3) is clipped
