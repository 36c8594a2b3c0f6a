"""What was heard is remembered of a file, and heard again of another one in its place."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import soundfile

from encoders.audio.waveform import CANCELLED
from encoders.decode_index import REHASH, DecodeIndex, odd_recordings
from encoders.utterance import Utterance

RATE = 16000


@pytest.fixture
def utterance(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full((RATE, 2), [0.5, -0.5]), RATE)
    return Utterance(id="u", audio=tmp_path / "a.wav")


def remembered(tmp_path, utterance):
    return DecodeIndex(tmp_path / "hints.json").get(utterance)


@pytest.fixture
def heard(tmp_path, utterance):
    with DecodeIndex(tmp_path / "hints.json") as index:
        return index.decode(utterance)[0]


def test_what_was_heard_is_remembered_with_what_was_odd(tmp_path, utterance, heard):
    assert remembered(tmp_path, utterance) == heard
    assert heard.notes == (CANCELLED,)


def put_in_its_place(path, change):
    """Another recording of the same path, size and time of writing."""
    status = path.stat()
    other = path.with_name("other.wav")
    soundfile.write(other, np.full((RATE, 2), 0.25), RATE)
    change(other, path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)


@pytest.mark.parametrize("change", [shutil.copyfile, os.replace], ids=["written", "moved"])
def test_another_file_of_the_same_size_and_time_is_heard_again(tmp_path, utterance, heard, change):
    put_in_its_place(utterance.audio, change)
    assert remembered(tmp_path, utterance) is None
    assert DecodeIndex(tmp_path / "hints.json").decode(utterance)[0].key != heard.key


def test_another_channel_is_heard_on_its_own(tmp_path, utterance, heard):
    other = Utterance(id="u", audio=utterance.audio, channel=1)
    assert remembered(tmp_path, other) is None
    assert DecodeIndex(tmp_path / "hints.json").decode(other)[0].key != heard.key


def test_asked_to_rehash_it_believes_nothing_that_it_did_not_hear(
    tmp_path, utterance, heard, monkeypatch
):
    monkeypatch.setenv(REHASH, "1")
    with DecodeIndex(tmp_path / "hints.json") as index:
        assert index.get(utterance) is None
        index.decode(utterance)
        assert index.get(utterance) == heard
    monkeypatch.delenv(REHASH)
    assert remembered(tmp_path, utterance) == heard


def test_odd_recordings_are_named_by_what_is_odd(heard):
    lines = odd_recordings({name: heard for name in "abcde"})
    assert lines == (f"5 recordings (a, b, c and 2 more): {CANCELLED}",)
