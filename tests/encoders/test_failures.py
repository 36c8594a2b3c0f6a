"""What cannot be encoded is listed alone; a cache in a bad place is told before any work."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import encoders.extraction as extraction
from encoders.audio.reading import read_utterance
from encoders.audio.waveform import Audio
from encoders.decode_index import DecodeIndex
from encoders.encoder import Encoder, load_encoder
from encoders.extraction import default_store, embed_audio
from encoders.files import StoreError, write_atomically
from encoders.specs import LogMelSpec
from encoders.store import Embedding
from encoders.utterance import Utterance

SPEC = LogMelSpec(n_mels=10)

# ---------------------------------------------------------------- what fails


def test_a_bad_file_is_listed_and_the_others_are_done(utterances, store):
    utterances[5].audio.write_bytes(b"RIFF of nothing")
    found = embed_audio(utterances, [SPEC], store)
    assert [failure.utterance for failure in found.failures] == ["u5"]
    assert "5.wav" in found.failures[0].why
    assert "u5" not in found.keys
    assert found.encoded == 11


def test_a_bad_file_is_listed_again_on_a_warm_run(utterances, store, no_model):
    utterances[5].audio.write_bytes(b"RIFF of nothing")
    embed_audio(utterances, [SPEC], store)
    no_model()
    found = embed_audio(utterances, [SPEC], store)
    assert [failure.utterance for failure in found.failures] == ["u5"]
    assert (found.encoded, found.cached) == (0, 11)


def test_an_embedding_that_is_not_finite_fails_alone(utterances, store, monkeypatch):
    class Overflowing(Encoder):
        def encode(self, inputs: list[Audio]) -> list[torch.Tensor]:
            return [
                found * (np.inf if len(audio.samples) == len(loud.samples) else 1)
                for audio, found in zip(inputs, super().encode(inputs), strict=True)
            ]

    loud = read_utterance(utterances[5])
    monkeypatch.setattr(
        extraction, "load_encoder", lambda *how: Overflowing(load_encoder(*how).module)
    )
    specs = [SPEC, replace(SPEC, storage="frames")]
    found = embed_audio(utterances, specs, store)
    assert [failure.utterance for failure in found.failures] == ["u5"]
    assert "its embedding by logmel holds values that are not finite" in found.failures[0].why
    assert sorted(found.keys) == sorted({u.id for u in utterances} - {"u5"})
    assert found.encoded == 11


def test_what_float16_cannot_hold_fails_alone(utterances, store, monkeypatch):
    half = replace(SPEC, storage_dtype="float16")
    monkeypatch.setattr(
        extraction,
        "embed",
        lambda _encoder, inputs, _specs: [
            {half: Embedding(np.full((1, 1, 1), 10.0**k, np.float32), 1, np.zeros(0, np.float32))}
            for k in range(len(inputs))
        ],
    )
    found = embed_audio(utterances[:6], [half], store)
    assert [failure.utterance for failure in found.failures] == ["u5"]
    assert "not finite as float16; store float32" in found.failures[0].why


# ---------------------------------------------------------------- a cache in a bad place


@pytest.fixture
def nowhere(tmp_path, monkeypatch) -> Path:
    """A cache below something that is no folder."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "file" / "cache"))
    return tmp_path / "file" / "cache"


def test_a_cache_that_cannot_be_written_is_told_before_a_model_runs(utterances, nowhere, no_model):
    no_model()
    with pytest.raises(StoreError, match=r"be written there .*set SERFUSION_CACHE") as caught:
        embed_audio(utterances, [SPEC], default_store())
    assert str(nowhere) in str(caught.value)


def test_a_folder_without_permission_is_told(utterances, store, monkeypatch, no_model):
    monkeypatch.setattr(os, "access", lambda *_: False)
    no_model()
    monkeypatch.delenv("SERFUSION_CACHE")
    with pytest.raises(StoreError, match=r"no permission to write.*not set, which is ~/\.cache"):
        embed_audio(utterances, [SPEC], store)


def test_a_cache_that_is_a_file_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="this is none; set SERFUSION_CACHE to a folder"):
        default_store()


def test_a_full_disk_is_told_with_the_file(tmp_path, monkeypatch):
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*a\.json'"):
        write_atomically(tmp_path / "a.json", b"x")
    assert list(tmp_path.iterdir()) == []


def test_an_absent_file_is_listed(utterances, store):
    utterances[0].audio.unlink()
    assert [f.utterance for f in embed_audio(utterances, [SPEC], store).failures] == ["u0"]


def test_an_utterance_without_audio_is_listed(utterances, store):
    mute = replace(utterances[0], audio=None)
    found = embed_audio([mute, utterances[1]], [SPEC], store)
    assert found.failures[0].why == "u0: has no audio file"
    assert list(found.keys) == ["u1"]


def test_a_segment_too_short_to_encode_is_listed(utterances, store, speech):
    """It decodes and has a key; only the encoder can tell that it is too short."""
    short = replace(utterances[3], end_s=0.02)
    found = embed_audio([*utterances[:3], short], [speech], store)
    assert [failure.utterance for failure in found.failures] == ["u3"]
    assert "shorter than one frame" in found.failures[0].why
    assert sorted(found.keys) == ["u0", "u1", "u2"]
    assert found.encoded == 3


def test_a_segment_too_short_for_one_model_has_no_key(utterances, store, speech):
    """Every arm has the same rows: what one model cannot encode is no row of the others."""
    short = replace(utterances[3], end_s=0.02)
    found = embed_audio([utterances[0], short], [SPEC, speech], store)
    assert list(found.keys) == ["u0"]
    assert [failure.utterance for failure in found.failures] == ["u3"]


def test_a_segment_too_short_is_listed_again_on_a_warm_run(utterances, store, speech):
    short = replace(utterances[3], end_s=0.02)
    embed_audio([utterances[0], short], [speech], store)
    found = embed_audio([utterances[0], short], [speech], store)
    assert [failure.utterance for failure in found.failures] == ["u3"]
    assert (found.encoded, found.cached) == (0, 1)


def test_every_utterance_of_a_short_content_is_listed(utterances, store, speech):
    twins = [replace(utterances[3], id=name, end_s=0.02) for name in ("one", "two")]
    found = embed_audio(twins, [speech], store)
    assert [failure.utterance for failure in found.failures] == ["one", "two"]


@pytest.fixture
def with_silence(utterances, tmp_path) -> tuple[Utterance, ...]:
    soundfile.write(tmp_path / "silent.wav", np.zeros(4000), 16000)
    return (*utterances, replace(utterances[0], id="hush", audio=tmp_path / "silent.wav"))


def test_a_silent_file_is_kept_and_known_to_be_silent(with_silence, store):
    found = embed_audio(with_silence, [SPEC], store)
    assert "hush" in found.keys
    assert DecodeIndex(store.root / "hints.json").silent(with_silence) == ("hush",)


# ---------------------------------------------------------------- surroundings


def test_the_cache_lies_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "here"))
    assert extraction.default_store().root == tmp_path / "here"


def test_the_cache_lies_at_home_otherwise(tmp_path, monkeypatch):
    monkeypatch.delenv("SERFUSION_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert extraction.default_store().root == tmp_path / ".cache" / "serfusion"


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch):
    def homeless(_path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("SERFUSION_CACHE", raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(StoreError, match=r"no home folder is known .*; set SERFUSION_CACHE"):
        default_store()
