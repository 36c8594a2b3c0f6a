"""Whatever is wrong with a file, reading it is one kind of error, which has its path."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings, strategies as st

from encoders.audio.reading import read_segment
from encoders.audio.waveform import AudioError
from tests.encoders.audio.containers import write_av

RATE = 16000


def no_samples(path: Path) -> None:
    soundfile.write(path, np.zeros(0), RATE)


def no_bytes(path: Path) -> None:
    path.write_bytes(b"")


def plain_text(path: Path) -> None:
    path.write_text("These are the notes on recording seven.\n" * 20)


def absent(path: Path) -> None:
    path.unlink(missing_ok=True)


def folder(path: Path) -> None:
    path.mkdir()


def not_a_number(path: Path) -> None:
    samples = np.full(RATE, 0.1, np.float32)
    samples[77] = np.nan
    soundfile.write(path, samples, RATE, subtype="FLOAT")


def infinite(path: Path) -> None:
    soundfile.write(path, np.full(RATE, np.inf, np.float32), RATE, subtype="FLOAT")


def truncated(path: Path) -> None:
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 4 * RATE), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def forged_length(path: Path) -> None:
    """A header that announces four gigabytes."""
    soundfile.write(path, np.zeros(RATE), RATE)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(content[:44])


def only_a_header(path: Path) -> None:
    soundfile.write(path, np.zeros(RATE), RATE)
    path.write_bytes(path.read_bytes()[:44])


@pytest.mark.parametrize(
    ("damage", "suffix"),
    [
        (no_samples, "wav"),
        (no_samples, "flac"),
        (no_samples, "ogg"),
        (no_bytes, "wav"),
        (no_bytes, "m4a"),
        (plain_text, "wav"),
        (plain_text, "mp3"),
        (plain_text, "m4a"),
        (absent, "wav"),
        (folder, "wav"),
        (not_a_number, "wav"),
        (infinite, "wav"),
        (truncated, "wav"),
        (truncated, "aiff"),
        (truncated, "au"),
        (truncated, "flac"),
        (truncated, "ogg"),
        (truncated, "mp3"),
        (forged_length, "wav"),
        (only_a_header, "wav"),
        (only_a_header, "flac"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_damaged_file_is_one_kind_of_error_with_its_path(tmp_path, damage, suffix):
    path = tmp_path / f"broken.{suffix}"
    damage(path)
    with pytest.raises(AudioError, match=rf"broken\.{suffix}"):
        read_segment(path)


def test_a_segment_lost_to_truncation_is_refused(tmp_path):
    path = tmp_path / "cut.wav"
    truncated(path)
    with pytest.raises(AudioError, match=r"cut\.wav"):
        read_segment(path, 2.0, 3.0)


def test_a_segment_before_the_cut_is_read(tmp_path):
    path = tmp_path / "cut.wav"
    truncated(path)
    assert read_segment(path, 0.0, 1.0).duration_s == 1.0


@pytest.mark.parametrize("announced", [0xFFFFFFFF, 0x7FFFF000], ids=["ffmpeg", "sox"])
def test_a_wav_written_to_a_pipe_is_read(tmp_path, write_tone, announced):
    """Its writer could not go back to the header; the length announced is the largest there is."""
    content = bytearray(write_tone("a.wav").read_bytes())
    content[4:8] = content[40:44] = struct.pack("<I", announced)
    (tmp_path / "pipe.wav").write_bytes(content)
    assert read_segment(tmp_path / "pipe.wav").duration_s == 1.0


@pytest.mark.parametrize("lost", [2, 1000])
def test_a_file_that_lost_a_moment_is_read(tmp_path, write_tone, lost):
    content = write_tone("a.wav").read_bytes()
    (tmp_path / "b.wav").write_bytes(content[:-lost])
    assert len(read_segment(tmp_path / "b.wav").samples) == RATE - lost // 2


def test_an_unreadable_file_is_one_kind_of_error(write_tone, monkeypatch):
    path = write_tone("a.wav")

    def denied(*_args: object, **_named: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(soundfile, "SoundFile", denied)
    with pytest.raises(AudioError, match=r"a\.wav: cannot be read .*Permission denied"):
        read_segment(path)


def test_memory_that_does_not_suffice_is_one_kind_of_error(write_tone, monkeypatch):
    def exhausted(*_args: object, **_named: object) -> None:
        raise MemoryError

    monkeypatch.setattr(soundfile.SoundFile, "read", exhausted)
    with pytest.raises(AudioError, match=r"a\.wav: cannot be read \(MemoryError\)"):
        read_segment(write_tone("a.wav"))


@pytest.fixture(scope="module")
def originals(tmp_path_factory, make_tone) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("originals")
    for suffix in ("wav", "flac", "ogg", "mp3", "aiff"):
        soundfile.write(folder / f"a.{suffix}", make_tone(0.25), RATE)
    write_av(folder / "a.m4a", [make_tone(0.25)], RATE)
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".aiff", ".m4a"])
@given(data=st.data())
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_damage_is_a_result_or_one_kind_of_error(tmp_path, originals, suffix, data):
    content = bytearray(originals[suffix])
    reach = data.draw(st.sampled_from([64, 256, len(content)]))
    places = st.tuples(st.integers(0, min(reach, len(content)) - 1), st.integers(0, 255))
    for place, value in data.draw(st.lists(places, max_size=8)):
        content[place] = value
    end = data.draw(st.integers(1, len(content)) | st.just(len(content)))
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(content[:end])
    try:
        found = read_segment(path)
    except AudioError as error:
        told = str(error)
    else:
        told = str(path) if len(found.samples) and np.isfinite(found.samples).all() else ""
    assert str(path) in told
