"""Keys and fingerprints: content and every field decide them, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest
import soundfile

from encoders.audio.reading import read_segment
from encoders.audio.waveform import Audio
from encoders.encoder import fingerprint_of
from encoders.specs import (
    BertSpec,
    EgemapsSpec,
    LogMelSpec,
    MfccSpec,
    SentenceSpec,
    SpectrogramCnnSpec,
    SpeechSpec,
    fingerprint,
)
from encoders.store import audio_key
from tests.conftest import REPOSITORY

SPEC = LogMelSpec()


def test_the_key_of_audio_does_not_depend_on_the_file(tmp_path, make_tone):
    samples = (make_tone(0.5) * 32767).astype(np.int16)
    for name in ("a.wav", "deep name with spaces.flac", "b.aiff"):
        soundfile.write(tmp_path / name, samples, 16000)
    keys = {audio_key(read_segment(path)) for path in tmp_path.iterdir()}
    assert len(keys) == 1


def test_the_key_of_audio_depends_on_the_rate(make_tone):
    samples = make_tone(0.1)
    assert audio_key(Audio(samples, 16000)) != audio_key(Audio(samples, 22050))


def test_the_key_of_audio_depends_on_every_sample(make_tone):
    samples = make_tone(0.1)
    changed = samples.copy()
    changed[-1] = np.nextafter(changed[-1], np.float32(1))
    assert audio_key(Audio(samples, 16000)) != audio_key(Audio(changed, 16000))


def test_the_key_of_a_segment_is_that_of_the_same_samples_alone(tmp_path, make_tone):
    samples = (make_tone(1.0) * 32767).astype(np.int16)
    soundfile.write(tmp_path / "whole.wav", samples, 16000)
    soundfile.write(tmp_path / "part.wav", samples[4000:8000], 16000)
    part = read_segment(tmp_path / "whole.wav", 0.25, 0.5)
    assert audio_key(part) == audio_key(read_segment(tmp_path / "part.wav"))


def test_the_key_of_audio_is_pinned():
    """Another value would orphan every cache in the world: raise FORMAT_VERSION then."""
    samples = np.array([0.0, 0.5, -0.25], np.float32)
    found = audio_key(Audio(samples, 16000))
    assert found == "0a5c1bc953acad9dc78e886da75a357a5ea4c29e3155a4d7a3060b73680f82e0"


def test_the_key_of_big_endian_samples_is_the_same(make_tone):
    samples = make_tone(0.1)
    assert audio_key(Audio(samples.astype(">f4"), 16000)) == audio_key(Audio(samples, 16000))


def test_the_key_of_a_slice_does_not_depend_on_its_memory(make_tone):
    samples = make_tone(0.1)
    assert audio_key(Audio(samples[::2], 16000)) == audio_key(Audio(samples[::2].copy(), 16000))


SPECS = [LogMelSpec(), MfccSpec(), EgemapsSpec(), SpeechSpec(), BertSpec(), SentenceSpec()]
SPECS += [SpectrogramCnnSpec(sample_rate_hz=16000, trim_db=20.0)]
OTHER = {
    "storage": "frames",
    "storage_dtype": "float16",
    "sample_rate_hz": 8000,
    "window_ms": 32.0,
    "hop_ms": 12.5,
    "n_mels": 40,
    "deltas": 2,
    "time_pool": 4,
    "checkpoint": "./other",
    "revision": "0123abc",
    "untrained": True,
    "layers": (3,),
    "max_length": 64,
    "window_s": 20.0,
    "overlap_s": 2.0,
    "precision": "bfloat16",
    "backend": "openvino",
    "clean": "s4",
    "n_mfcc": 13,
    "window": "hamming",
    "axis": "frequency",
    "architecture": "resnet50",
    "trim_db": 30.0,
    "n_fft": 2048,
    "win_length": 256,
    "window_function": "hann",
    "hop_length": 80,
    "mel_sample_rate_hz": 22050,
    "reference": "window",
    "top_db": 60.0,
    "hop_s": 0.5,
    "tail": "drop",
    "scaling": "decibels",
    "image_size": 112,
    "interpolation": "nearest",
}


@pytest.mark.parametrize(
    ("spec", "name"),
    [(spec, f.name) for spec in SPECS for f in fields(spec) if f.name != "family"],
    ids=lambda value: value if isinstance(value, str) else value.family,
)
def test_every_field_of_a_spec_changes_its_fingerprint(spec, name):
    other = replace(spec, **{name: OTHER[name]})
    assert other != spec
    assert fingerprint(other, "w", 1) != fingerprint(spec, "w", 1)


def test_the_families_have_fingerprints_of_their_own():
    assert len({fingerprint(spec, "w", 1) for spec in SPECS}) == len(SPECS)


def test_the_weights_change_a_fingerprint():
    assert fingerprint(SPEC, "w", 1) != fingerprint(SPEC, "v", 1)


def test_the_version_of_the_numerics_changes_a_fingerprint(monkeypatch):
    import encoders.spectra.acoustic as acoustic

    before = fingerprint_of(SPEC)
    monkeypatch.setattr(acoustic, "NUMERICS_VERSION", acoustic.NUMERICS_VERSION + 1)
    assert fingerprint_of(SPEC) != before


def test_the_fingerprint_does_not_depend_on_the_process():
    program = (
        "from encoders.encoder import fingerprint_of; from encoders.specs import LogMelSpec; "
        "print(fingerprint_of(LogMelSpec()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONHASHSEED": "99"},
    )
    assert done.stdout.strip() == fingerprint_of(LogMelSpec())
