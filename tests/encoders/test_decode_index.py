"""What was heard is remembered of a file, and heard again of another one in its place."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile

import encoders.decode_index as module
from encoders.audio.reading import read_utterance
from encoders.audio.waveform import CANCELLED, AudioError
from encoders.decode_index import REHASH, DecodeIndex, odd_recordings
from encoders.extraction import embed_audio
from encoders.specs import LogMelSpec
from encoders.utterance import Utterance

RATE = 16000
SPEC = LogMelSpec(n_mels=10)


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


# ---------------------------------------------------------------- held in memory


def test_what_is_decoded_is_held_for_the_next_reader_as_long_as_there_is_room(
    utterances, tmp_path, monkeypatch
):
    sizes = [read_utterance(one).samples.nbytes for one in utterances[:3]]
    hints = DecodeIndex(tmp_path / "hints.json", sizes[0] + sizes[1])
    first = [hints.decode(one) for one in utterances[:3]]
    read = []
    monkeypatch.setattr(
        module, "read_utterance", lambda one: read.append(one.id) or read_utterance(one)
    )
    again = [hints.decode(one) for one in utterances[:3]]
    assert read == ["u2"]
    with hints:
        pass
    hints.decode(utterances[0])
    assert read == ["u2", "u0"]
    for (heard, audio), (same, samples) in zip(first, again, strict=True):
        assert heard == same
        assert np.array_equal(audio.samples, samples.samples)


def test_a_recording_that_has_changed_is_not_the_one_that_is_held(utterances, tmp_path):
    hints = DecodeIndex(tmp_path / "hints.json", 10**6)
    before, _ = hints.decode(utterances[0])
    soundfile.write(utterances[0].audio, np.zeros(777, np.float32), 16000)
    after, audio = hints.decode(utterances[0])
    assert before.key != after.key
    assert len(audio.samples) == 777


# ---------------------------------------------------------------- content decides


def test_changed_content_has_a_new_key(utterances, store):
    before = embed_audio(utterances, [SPEC], store).keys
    samples, rate = soundfile.read(utterances[2].audio)
    soundfile.write(utterances[2].audio, samples * 0.5, rate)
    os.utime(utterances[2].audio, ns=(10**18, 10**18))
    found = embed_audio(utterances, [SPEC], store)
    assert found.encoded == 1
    assert {name for name in before if found.keys[name] != before[name]} == {"u2"}


def test_a_new_name_keeps_its_key(utterances, store, no_model):
    before = embed_audio(utterances, [SPEC], store).keys
    moved = [
        replace(u, id=f"new {u.id}", audio=u.audio.rename(u.audio.with_name(f"x{u.audio.name}")))
        for u in utterances
    ]
    no_model()
    assert list(embed_audio(moved, [SPEC], store).keys.values()) == list(before.values())


@pytest.mark.parametrize(
    "hints",
    [
        *(None, "", "[]", "{}", '{"a": 1}', '{"a": ["b"]}', "\xff", "null", "[" * 100_000),
        '{"a": [1, 2, 3]}',
        '{"a": ' + "9" * 5000 + "}",
    ],
    ids=range(11),
)
def test_hints_may_be_lost_or_damaged(utterances, store, no_model, hints):
    before = embed_audio(utterances, [SPEC], store)
    path = store.root / "hints.json"
    path.unlink() if hints is None else path.write_bytes(hints.encode("latin-1"))
    no_model()
    found = embed_audio(utterances, [SPEC], store)
    assert found.keys == before.keys
    assert found.encoded == 0


@pytest.mark.parametrize(
    "fields", [[5, 1.0, False], ["../x", 1.0, False], ["a" * 64, "1", False], ["a" * 64, 1.0, 0]]
)
def test_a_hint_of_another_form_is_ignored(utterances, store, fields):
    embed_audio(utterances, [SPEC], store)
    path = store.root / "hints.json"
    path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text()), fields)))
    assert DecodeIndex(path).get(utterances[0]) is None


def test_hints_that_cannot_be_kept_cost_no_result(utterances, tmp_path):
    (tmp_path / "file").touch()
    hints = DecodeIndex(tmp_path / "file" / "hints.json")
    heard, _ = hints.decode(utterances[0])
    assert "SERFUSION_CACHE" in (hints.save() or "")
    assert hints.get(utterances[0]) == heard


def test_lost_hints_are_made_again(utterances, store):
    embed_audio(utterances, [SPEC], store)
    before = (store.root / "hints.json").read_bytes()
    (store.root / "hints.json").unlink()
    embed_audio(utterances, [SPEC], store)
    assert (store.root / "hints.json").read_bytes() == before


def test_hints_of_another_process_are_kept(utterances, tmp_path):
    path = tmp_path / "hints.json"
    one, two = DecodeIndex(path), DecodeIndex(path)
    one.decode(utterances[0])
    two.decode(utterances[1])
    one.save()
    two.save()
    both = DecodeIndex(path)
    assert both.get(utterances[0]) is not None
    assert both.get(utterances[1]) is not None


def test_a_hint_of_a_changed_file_is_ignored(utterances, tmp_path):
    hints = DecodeIndex(tmp_path / "hints.json")
    hints.decode(utterances[0])
    os.utime(utterances[0].audio, ns=(10**18, 10**18))
    assert hints.get(utterances[0]) is None


def test_an_unreadable_file_leaves_no_hint(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"nothing")
    hints = DecodeIndex(tmp_path / "hints.json")
    with pytest.raises(AudioError):
        hints.decode(Utterance(id="a", audio=path))
    assert hints.get(Utterance(id="a", audio=path)) is None
