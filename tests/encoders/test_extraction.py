"""What is missing is encoded, once, and stopped without a loss; what is there is not touched."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import encoders.extraction as extraction
from encoders.encoder import fingerprint_of, load_encoder
from encoders.extraction import embed_audio, embed_text
from encoders.pooling import for_storage
from encoders.specs import BertSpec, LogMelSpec, Spec
from encoders.store import EmbeddingStore, text_key
from encoders.utterance import Utterance

SPEC = LogMelSpec(n_mels=10)
FRAMES = LogMelSpec(n_mels=10, storage="frames", time_pool=4)


def stored(store: EmbeddingStore, spec: Spec, key: str) -> np.ndarray:
    return store.space(spec, fingerprint_of(spec)).read([key])[0].values


@pytest.fixture
def small_chunks(monkeypatch) -> None:
    monkeypatch.setattr(extraction, "CHUNK", 4)


# ---------------------------------------------------------------- cold and warm


def test_every_utterance_gets_a_key(utterances, store):
    found = embed_audio(utterances, [SPEC], store)
    assert list(found.keys) == [u.id for u in utterances]
    assert (found.encoded, found.cached, found.failures) == (12, 0, ())


def test_the_store_holds_what_the_encoder_says(utterances, store):
    from encoders.audio.reading import read_utterance

    found = embed_audio(utterances, [SPEC], store)
    encoder = load_encoder(SPEC)
    for utterance in utterances:
        expected = for_storage(encoder.encode([read_utterance(utterance)])[0], SPEC)
        assert np.allclose(stored(store, SPEC, found.keys[utterance.id]), expected, rtol=1e-5)


def test_frames_are_stored_with_their_times(utterances, store):
    found = embed_audio(utterances[:1], [FRAMES], store)
    space = store.space(FRAMES, fingerprint_of(FRAMES))
    (entry,) = space.read(list(found.keys.values()))
    assert np.allclose(entry.start_s, np.arange(entry.values.shape[1]) * 0.04)
    assert entry.frame_count == 21


def test_pooled_storage_has_no_times(utterances, store):
    found = embed_audio(utterances[:1], [SPEC], store)
    (entry,) = store.space(SPEC, fingerprint_of(SPEC)).read(list(found.keys.values()))
    assert entry.start_s.shape == (0,)
    assert entry.frame_count == 21


def test_a_warm_run_encodes_nothing_and_loads_no_model(utterances, store, no_model):
    cold = embed_audio(utterances, [SPEC, FRAMES], store)
    no_model()
    warm = embed_audio(utterances, [SPEC, FRAMES], store)
    assert warm.keys == cold.keys
    assert (warm.encoded, warm.cached) == (0, 12)


def test_a_warm_run_decodes_nothing(utterances, store, monkeypatch):
    import encoders.decode_index as hints

    embed_audio(utterances, [SPEC], store)
    monkeypatch.setattr(hints, "read_utterance", lambda _utterance: 1 / 0)
    assert embed_audio(utterances, [SPEC], store).cached == 12


def test_a_warm_run_writes_nothing(utterances, store):
    embed_audio(utterances, [SPEC], store)
    before = {path: path.stat().st_mtime_ns for path in store.root.rglob("*")}
    embed_audio(utterances, [SPEC], store)
    assert {path: path.stat().st_mtime_ns for path in store.root.rglob("*")} == before


@pytest.mark.parametrize("content", [None, b"", b'{"format": 1}'])
def test_a_description_that_was_lost_or_damaged_is_written_again(utterances, store, content):
    embed_audio(utterances, [SPEC], store)
    (path,) = store.root.glob("*/spec.json")
    before = path.read_bytes()
    path.unlink() if content is None else path.write_bytes(content)
    embed_audio(utterances, [SPEC], store)
    assert path.read_bytes() == before


def test_a_new_spec_reads_the_audio_again(utterances, store):
    embed_audio(utterances, [SPEC], store)
    found = embed_audio(utterances, [SPEC, replace(SPEC, n_mels=12)], store)
    assert (found.encoded, found.cached) == (12, 0)


def test_one_new_utterance_is_the_only_one_encoded(utterances, store, passes):
    embed_audio(utterances[:-1], [SPEC], store)
    passes.clear()
    found = embed_audio(utterances, [SPEC], store)
    assert passes == [1]
    assert (found.encoded, found.cached) == (1, 11)


def test_no_utterance_is_no_work(store):
    assert embed_audio([], [SPEC], store).keys == {}


def test_equal_audio_is_encoded_once(utterances, store, passes, tmp_path):
    copy = tmp_path / "copy.flac"
    samples, rate = soundfile.read(utterances[0].audio, dtype="int16")
    soundfile.write(copy, samples, rate)
    twin = replace(utterances[0], id="twin", audio=copy, speaker="another")
    found = embed_audio([utterances[0], twin], [SPEC], store)
    assert passes == [1]
    assert found.keys["twin"] == found.keys["u0"]


def test_segments_of_one_file_have_keys_of_their_own(utterances, store):
    parts = [
        replace(utterances[0], id=f"part{k}", start_s=0.05 * k, end_s=0.05 * (k + 1))
        for k in range(3)
    ]
    assert len(set(embed_audio(parts, [SPEC], store).keys.values())) == 3


# ---------------------------------------------------------------- sharing a model


def test_specs_that_share_a_model_share_the_pass(utterances, store, passes, speech):
    last = replace(speech, storage="frames", time_pool=4, layers=(-1,))
    embed_audio(utterances[:3], [speech, last], store)
    assert passes == [3]


def test_specs_of_two_models_do_not(utterances, store, passes, speech):
    embed_audio(utterances[:3], [speech, SPEC], store)
    assert passes == [3, 3]


def test_a_spec_given_twice_is_one(utterances, store, passes):
    embed_audio(utterances[:3], [SPEC, SPEC], store)
    assert passes == [3]


def test_all_layers_are_stored(utterances, store, speech):
    found = embed_audio(utterances[:1], [speech], store)
    assert stored(store, speech, found.keys["u0"]).shape == (4, 1, 96)


def test_a_slice_of_all_layers_is_the_layer_alone(utterances, store, speech):
    one = replace(speech, layers=(2,))
    key = embed_audio(utterances[:1], [speech, one], store).keys["u0"]
    assert np.array_equal(stored(store, speech, key)[2:3], stored(store, one, key))


def test_a_layer_the_model_does_not_have_is_an_error_of_the_user(utterances, store, speech):
    with pytest.raises(ValueError, match="layer 40 of speech"):
        embed_audio(utterances[:1], [replace(speech, layers=(40,))], store)


# ---------------------------------------------------------------- stopping and resuming


def test_what_was_done_before_an_interruption_is_kept(
    utterances, store, passes, monkeypatch, small_chunks
):
    load = extraction.load_encoder

    def failing_later(*how):
        encoder = load(*how)
        encode = encoder.encode

        def once(inputs):
            if len(passes) == 2:
                raise KeyboardInterrupt
            return encode(inputs)

        encoder.encode = once
        return encoder

    with monkeypatch.context() as patch:
        patch.setattr(extraction, "load_encoder", failing_later)
        with pytest.raises(KeyboardInterrupt):
            embed_audio(utterances, [SPEC], store)
    passes.clear()
    found = embed_audio(utterances, [SPEC], EmbeddingStore(store.root))
    assert (found.encoded, found.cached) == (4, 8)
    assert passes == [4]


def test_an_interrupted_run_ends_as_an_undisturbed_one(
    utterances, store, tmp_path, monkeypatch, small_chunks
):
    read = extraction.DecodeIndex.decode
    count = 0

    def failing(hints, utterance):
        nonlocal count
        count += 1
        if count == 7:
            raise KeyboardInterrupt
        return read(hints, utterance)

    with monkeypatch.context() as patch:
        patch.setattr(extraction.DecodeIndex, "decode", failing)
        with pytest.raises(KeyboardInterrupt):
            embed_audio(utterances, [SPEC], store)
    resumed = embed_audio(utterances, [SPEC], store)
    undisturbed = EmbeddingStore(tmp_path / "undisturbed")
    expected = embed_audio(utterances, [SPEC], undisturbed)
    assert resumed.keys == expected.keys
    for key in expected.keys.values():
        assert np.array_equal(stored(store, SPEC, key), stored(undisturbed, SPEC, key))


def test_chunks_cover_every_utterance(utterances, store, passes, small_chunks):
    embed_audio(utterances[:10], [SPEC], store)
    assert passes == [4, 4, 2]


def test_progress_is_told_where_no_arm_needs_an_encoder(utterances, store):
    seen = []
    found = embed_audio(utterances, [], store, progress=lambda *told: seen.append(told))
    assert seen == [("audio", 12, 12)]
    assert len(found.keys) == 12
    assert embed_text({"u": "a"}, [], store, progress=lambda *_: None).encoded == 0


def test_progress_counts_up_to_the_end(utterances, store, small_chunks):
    utterances[0].audio.unlink()
    seen: list[tuple[str, int, int]] = []
    embed_audio(utterances, [SPEC], store, progress=lambda *told: seen.append(told))
    assert seen == [("audio", 4, 12), ("audio", 8, 12), ("audio", 12, 12)]


# ---------------------------------------------------------------- text


@pytest.fixture
def bert(text_checkpoint) -> BertSpec:
    return BertSpec(checkpoint=str(text_checkpoint("bert")))


def test_transcripts_are_encoded(store, bert):
    found = embed_text({"a": "the horse", "b": "said no"}, [bert], store)
    assert (found.encoded, found.cached) == (2, 0)
    assert stored(store, bert, found.keys["a"]).shape == (4, 1, 128)


def test_equal_transcripts_share_a_key(store, bert, passes):
    found = embed_text({"a": "no", "b": "no", "c": "said"}, [bert], store)
    assert found.keys["a"] == found.keys["b"] == text_key("no")
    assert passes == [2]


def test_warm_transcripts_load_no_model(store, bert, no_model):
    embed_text({"a": "the horse"}, [bert], store)
    no_model()
    assert embed_text({"b": "the horse"}, [bert], store).cached == 1


def test_tokens_have_no_times(store, bert):
    frames = replace(bert, storage="frames", layers=(-1,))
    found = embed_text({"a": "the horse"}, [frames], store)
    (entry,) = store.space(frames, fingerprint_of(frames)).read([found.keys["a"]])
    assert entry.values.shape == (1, 4, 32)
    assert entry.start_s.shape == (0,)


# ---------------------------------------------------------------- surroundings


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2])
def test_the_number_of_threads_changes_nothing_that_matters(
    utterances, tmp_path, speech, threads, count
):
    torch.set_num_threads(count)
    store = EmbeddingStore(tmp_path / str(count))
    key = embed_audio(utterances, [speech], store).keys["u0"]
    torch.set_num_threads(1)
    alone = EmbeddingStore(tmp_path / "alone")
    embed_audio(utterances[:1], [speech], alone)
    found, expected = stored(store, speech, key), stored(alone, speech, key)
    assert np.linalg.norm(found - expected) <= 1e-5 * np.linalg.norm(expected)


@pytest.mark.realdata
def test_real_speech_is_stored_and_found_again(data_folder, store, no_model):
    paths = sorted((data_folder / "ravdess" / "Actor_01").glob("*.flac"))[:4]
    utterances = [Utterance(id=path.stem, audio=path) for path in paths]
    cold = embed_audio(utterances, [SPEC], store)
    no_model()
    warm = embed_audio(utterances, [SPEC], store)
    assert (cold.encoded, warm.cached) == (4, 4)
    assert cold.keys == warm.keys
    assert isinstance(utterances[0].audio, Path)


def test_a_pickle_in_place_of_weights_is_one_message_and_is_not_run(text_checkpoint, tmp_path):
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "run"),)

    folder = tmp_path / "model"
    shutil.copytree(text_checkpoint("bert"), folder)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(ValueError, match="its weights cannot be read"):
        load_encoder(BertSpec(checkpoint=str(folder)))
    assert not (tmp_path / "run").exists()


def test_long_recordings_are_encoded_before_more_are_decoded(
    utterances, tmp_path, passes, monkeypatch
):
    monkeypatch.setattr(extraction, "LOADED_BYTES", 1)
    done = embed_audio(utterances[:3], [SPEC], EmbeddingStore(tmp_path / "few"))
    assert (done.encoded, passes) == (3, [1, 1, 1])
    monkeypatch.setattr(extraction, "LOADED_BYTES", 10**9)
    embed_audio(utterances[:3], [SPEC], EmbeddingStore(tmp_path / "many"))
    assert passes[3:] == [3]
