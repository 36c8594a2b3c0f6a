"""What is missing is encoded, once; what fails is listed; what is there is not touched."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import encoders.extraction as extraction
from encoders.audio.reading import read_utterance
from encoders.audio.waveform import Audio, AudioError
from encoders.decode_index import DecodeIndex
from encoders.encoder import Encoder, fingerprint_of, load_encoder
from encoders.extraction import default_store, embed_audio, embed_text
from encoders.files import StoreError, write_atomically
from encoders.pooling import for_storage
from encoders.specs import BertSpec, LogMelSpec, Spec, SpeechSpec
from encoders.store import Embedding, EmbeddingStore, text_key
from encoders.utterance import Utterance

SPEC = LogMelSpec(n_mels=10)
NO_STARTS = np.zeros(0, np.float32)
FRAMES = LogMelSpec(n_mels=10, storage="frames", time_pool=4)


def stored(store: EmbeddingStore, spec: Spec, key: str) -> np.ndarray:
    return store.space(spec, fingerprint_of(spec)).read([key])[0].values


@pytest.fixture
def utterances(tone_corpus) -> tuple[Utterance, ...]:
    return tone_corpus.utterances


@pytest.fixture
def passes(monkeypatch) -> list[int]:
    """Number of inputs of every forward pass, in order."""
    seen: list[int] = []

    class Counting(Encoder):
        def encode(self, inputs):
            seen.append(len(inputs))
            return super().encode(inputs)

    monkeypatch.setattr(
        extraction, "load_encoder", lambda *how: Counting(load_encoder(*how).module)
    )
    return seen


@pytest.fixture
def no_model(monkeypatch) -> Callable[[], None]:
    """After this call nothing can be loaded."""

    def forbid() -> None:
        def refuse(*_args):
            raise AssertionError("a model was loaded")

        monkeypatch.setattr(extraction, "load_encoder", refuse)

    return forbid


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


def test_what_is_decoded_is_held_for_the_next_reader_as_long_as_there_is_room(
    utterances, tmp_path, monkeypatch
):
    import encoders.decode_index as module

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


# ---------------------------------------------------------------- sharing a model


@pytest.fixture
def speech(speech_checkpoint) -> SpeechSpec:
    return SpeechSpec(checkpoint=str(speech_checkpoint("wav2vec2-group-norm")))


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
            {half: Embedding(np.full((1, 1, 1), 10.0**k, np.float32), 1, NO_STARTS)}
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


def test_the_cache_lies_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "here"))
    assert extraction.default_store().root == tmp_path / "here"


def test_the_cache_lies_at_home_otherwise(tmp_path, monkeypatch):
    monkeypatch.delenv("SERFUSION_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert extraction.default_store().root == tmp_path / ".cache" / "serfusion"


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


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch):
    def homeless(_path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("SERFUSION_CACHE", raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(StoreError, match=r"no home folder is known .*; set SERFUSION_CACHE"):
        default_store()


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
