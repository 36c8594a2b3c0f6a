"""Whisper through transformers and faster-whisper: tiny models with random weights, and fakes."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch

import encoders.asr.hub_whisper as hub_whisper
from encoders.asr.recognisers import RecogniserSpec, recogniser_fingerprint
from encoders.asr.transcript import NOTHING
from encoders.asr.transcription import TimedRecogniser, TranscriptCache, load_recogniser
from encoders.audio.waveform import Audio
from encoders.weights.sources import MissingWeightsError

RATE_HZ = 16000
LANGUAGES = ("en", "de")
SPECIAL = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    *(f"<|{code}|>" for code in LANGUAGES),
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)


def noise(seed: int, seconds: float = 1.0) -> Audio:
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 0.05 * 2**seed, round(seconds * RATE_HZ)).clip(-1, 1)
    return Audio(samples.astype(np.float32), RATE_HZ)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Folder of a Whisper of transformers whose words are single bytes."""
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    folder = tmp_path_factory.mktemp("hub-whisper")
    letters = list(bytes_to_unicode().values())
    names = [*letters, *SPECIAL]
    ids = {name: number for number, name in enumerate(names)}
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    tokenizer = WhisperTokenizer(
        str(folder / "vocab.json"),
        str(folder / "merges.txt"),
        unk_token="<|endoftext|>",
        additional_special_tokens=list(SPECIAL[1:]),
    )
    config = WhisperConfig(
        vocab_size=len(names),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        max_target_positions=448,
        decoder_start_token_id=ids["<|startoftranscript|>"],
        eos_token_id=ids["<|endoftext|>"],
        pad_token_id=ids["<|endoftext|>"],
        bos_token_id=ids["<|endoftext|>"],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = WhisperForConditionalGeneration(config)
        # Small weights would let every audio end in the same words.
        torch.nn.init.normal_(model.model.decoder.embed_tokens.weight, std=1.0)
        for cross in model.model.decoder.layers:
            for values in cross.encoder_attn.parameters():
                values.data.mul_(8.0)
    model.generation_config = GenerationConfig(
        decoder_start_token_id=ids["<|startoftranscript|>"],
        eos_token_id=ids["<|endoftext|>"],
        pad_token_id=ids["<|endoftext|>"],
        bos_token_id=ids["<|endoftext|>"],
        is_multilingual=True,
        lang_to_id={f"<|{code}|>": ids[f"<|{code}|>"] for code in LANGUAGES},
        task_to_id={"translate": ids["<|translate|>"], "transcribe": ids["<|transcribe|>"]},
        no_timestamps_token_id=ids["<|notimestamps|>"],
        max_length=12,
        suppress_tokens=[*range(10), *(ids[name] for name in SPECIAL[1:])],
    )
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)
    return folder


# ---------------------------------------------------------------- transformers


@pytest.fixture(scope="session")
def hub(tiny):
    return load_recogniser(RecogniserSpec(engine="transformers", checkpoint=str(tiny)))


@pytest.mark.arithmetic
def test_transformers_hears_each_utterance_alone(hub, tiny):
    sounds = [noise(seed) for seed in range(3)]
    alone = [
        load_recogniser(RecogniserSpec(engine="transformers", checkpoint=str(tiny))).transcribe(one)
        for one in sounds
    ]
    assert [hub.transcribe(one) for one in sounds[::-1]] == alone[::-1]
    assert all(one.text for one in alone)


def test_transformers_gives_times_scores_and_a_language(hub):
    found = hub.transcribe(noise(1, 1.5))
    assert found.language in LANGUAGES
    (segment,) = found.segments
    assert (segment.start_s, segment.end_s) == (0.0, 1.5)
    assert segment.avg_logprob < 0
    assert 0 < segment.no_speech_prob < 1
    assert (found.avg_logprob, found.no_speech_prob) == (
        segment.avg_logprob,
        segment.no_speech_prob,
    )


def test_what_is_longer_than_a_window_is_heard_in_windows(hub):
    long = noise(1, 31.5)
    found = hub.transcribe(long)
    assert [(one.start_s, one.end_s) for one in found.segments] == [(0.0, 30.0), (30.0, 31.5)]
    rest = Audio(long.samples[30 * RATE_HZ :], RATE_HZ)
    assert hub.transcribe(rest).segments[0].text == found.segments[1].text


def test_silence_is_not_shown_to_transformers(hub):
    assert hub.transcribe(Audio(np.zeros(RATE_HZ, np.float32), RATE_HZ)) == NOTHING


def test_the_language_that_is_asked_for_is_taken(tiny):
    asked = load_recogniser(
        RecogniserSpec(engine="transformers", checkpoint=str(tiny), language="de")
    )
    assert asked.transcribe(noise(0)).language == "de"
    with pytest.raises(ValueError, match="no language 'fr' here; known: de, en"):
        load_recogniser(RecogniserSpec(engine="transformers", checkpoint=str(tiny), language="fr"))


def test_an_old_folder_gets_the_tokens_that_it_does_not_name(tiny, tmp_path, monkeypatch, hub):
    monkeypatch.setattr(hub_whisper, "MULTILINGUAL_WORDS", 100)
    old = shutil.copytree(tiny, tmp_path / "old")
    said = json.loads((old / "generation_config.json").read_text())
    for name in ("is_multilingual", "lang_to_id", "task_to_id", "no_timestamps_token_id"):
        del said[name]
    (old / "generation_config.json").write_text(json.dumps(said))
    spec = RecogniserSpec(engine="transformers", checkpoint=str(old))
    assert load_recogniser(spec).transcribe(noise(1)) == hub.transcribe(noise(1))
    assert load_recogniser(replace(spec, language="de")).transcribe(noise(1)).language == "de"


def test_its_score_is_a_mean_over_tokens_however_many_hypotheses(tiny, hub):
    greedy = RecogniserSpec(engine="transformers", checkpoint=str(tiny), beam=1)
    one, five = load_recogniser(greedy).transcribe(noise(1)), hub.transcribe(noise(1))
    # The best of five is no less likely, and both are means over 12 tokens at most.
    assert one.avg_logprob - 1e-4 <= five.avg_logprob < 0


def test_its_transcripts_are_kept_under_its_weights(tiny, tmp_path, hub):
    spec = RecogniserSpec(engine="transformers", checkpoint=str(tiny))
    cache = TranscriptCache(tmp_path, spec)
    cache.write("key", hub.transcribe(noise(0)), "cpu")
    assert TranscriptCache(tmp_path, spec).read("key") == hub.transcribe(noise(0))
    about = json.loads((cache.folder / "spec.json").read_text())
    assert "transformers" in about["provenance"]
    german = RecogniserSpec(engine="transformers", checkpoint=str(tiny), language="de")
    assert recogniser_fingerprint(german) != recogniser_fingerprint(spec)


def test_a_folder_without_whisper_is_named(tmp_path, text_checkpoint):
    with pytest.raises(ValueError, match="is no Whisper model of transformers"):
        load_recogniser(
            RecogniserSpec(engine="transformers", checkpoint=str(text_checkpoint("bert")))
        )
    with pytest.raises(MissingWeightsError, match="no such file or folder"):
        load_recogniser(RecogniserSpec(engine="transformers", checkpoint=str(tmp_path / "none")))


# ---------------------------------------------------------------- faster-whisper


class FakeModel:
    """Stands for faster_whisper.WhisperModel: remembers how it is asked, says two segments."""

    asked: ClassVar[dict[str, object]] = {}
    supported_languages = ("en", "de")
    model = SimpleNamespace(is_multilingual=True)

    def __init__(self, folder, **options):
        FakeModel.asked = {"folder": folder, **options}

    def transcribe(self, samples, **options):
        FakeModel.asked |= options
        rows = [(0.0, 0.5, " so  it ", [1, 2, 3], -0.5), (0.5, 9.0, " goes", [4], -1.5)]
        found = [
            SimpleNamespace(
                start=a,
                end=b,
                text=t,
                tokens=n,
                avg_logprob=p,
                no_speech_prob=0.1,
                words=[SimpleNamespace(word=t, start=a, end=b, probability=0.5)],
            )
            for a, b, t, n, p in rows
        ]
        return iter(found), SimpleNamespace(language=options["language"] or "en")


@pytest.fixture
def faked(monkeypatch, tmp_path):
    module = ModuleType("faster_whisper")
    module.__spec__ = ModuleSpec("faster_whisper", None)
    module.WhisperModel = FakeModel
    monkeypatch.setitem(sys.modules, "faster_whisper", module)
    (tmp_path / "model.bin").write_bytes(b"weights")
    return RecogniserSpec(engine="faster", checkpoint=str(tmp_path))


def test_faster_whisper_is_asked_for_what_repeats_itself(faked, tmp_path):
    found = load_recogniser(faked).transcribe(noise(0))
    assert FakeModel.asked == {
        "folder": str(tmp_path),
        "device": "cpu",
        "device_index": 0,
        "compute_type": "int8",
        "language": None,
        "task": "transcribe",
        "beam_size": 5,
        "temperature": 0.0,
        "condition_on_previous_text": False,
        "without_timestamps": True,
    }
    assert found.text == "so it goes"
    # The end lies in the padding of the window.
    assert [one.end_s for one in found.segments] == [0.5, 1.0]
    assert found.avg_logprob == pytest.approx((3 * -0.5 + 1 * -1.5) / 4)


def test_only_what_is_longer_than_a_window_is_decoded_with_times(faked):
    recogniser = load_recogniser(faked)
    for seconds, without in ((30.0, True), (30.1, False)):
        recogniser.transcribe(noise(0, seconds))
        assert FakeModel.asked["without_timestamps"] is without


def test_greedy_search_and_temperatures_are_to_be_had_and_part_of_the_key(faked):
    other = replace(faked, beam=1, fallback=True)
    load_recogniser(other).transcribe(noise(0))
    assert FakeModel.asked["beam_size"] == 1
    assert FakeModel.asked["temperature"] == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    keys = {recogniser_fingerprint(one) for one in (faked, other, replace(other, beam=5))}
    assert len(keys) == 3


def test_faster_whisper_is_told_which_of_several_gpus(faked):
    load_recogniser(faked, "cuda:1")
    assert (FakeModel.asked["device"], FakeModel.asked["device_index"]) == ("cuda", 1)


def test_words_of_faster_whisper_have_their_own_times(faked):
    recogniser = load_recogniser(faked)
    assert isinstance(recogniser, TimedRecogniser)
    found = recogniser.words(noise(0))
    assert FakeModel.asked["word_timestamps"] is True
    assert [(one.text, one.start_s, one.end_s) for one in found.segments] == [
        (" so  it ", 0.0, 0.5),
        (" goes", 0.5, 9.0),
    ]
    assert found.avg_logprob == pytest.approx(np.log(0.5))
    assert recogniser.words(Audio(np.zeros(99, np.float32), RATE_HZ)) == NOTHING


def test_silence_is_not_shown_to_faster_whisper(faked):
    assert load_recogniser(faked).transcribe(Audio(np.zeros(99, np.float32), RATE_HZ)) == NOTHING


def test_its_fingerprint_follows_weights_and_precision(faked, tmp_path):
    first = recogniser_fingerprint(faked)
    exact = RecogniserSpec(engine="faster", checkpoint=str(tmp_path), compute="float32")
    assert recogniser_fingerprint(exact) != first
    (tmp_path / "model.bin").write_bytes(b"others")
    assert recogniser_fingerprint(faked) != first


def test_without_the_package_or_the_weights_the_next_step_is_told(monkeypatch, tmp_path, faked):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingWeightsError, match=r"faster-whisper-small .*fetch whisper-small\."):
        recogniser_fingerprint(RecogniserSpec(engine="faster", checkpoint="small"))
    with pytest.raises(MissingWeightsError, match="no such file or folder; expected a file of"):
        recogniser_fingerprint(RecogniserSpec(engine="faster", checkpoint=str(tmp_path / "none")))
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(MissingWeightsError, match=r"pip install 'serfusion\[fast\]'"):
        load_recogniser(faked)


def test_faster_whisper_hears_each_utterance_alone(tiny, tmp_path):
    pytest.importorskip("faster_whisper", reason="the extra 'fast' is not installed")
    from ctranslate2.converters import TransformersConverter

    copied = ["tokenizer.json", "preprocessor_config.json"]
    files = [name for name in copied if (tiny / name).is_file()]
    TransformersConverter(str(tiny), copy_files=files).convert(
        str(tmp_path / "ct2"), quantization="int8"
    )
    spec = RecogniserSpec(engine="faster", checkpoint=str(tmp_path / "ct2"))
    sounds = [noise(seed) for seed in range(3)]
    alone = [load_recogniser(spec).transcribe(one) for one in sounds]
    shared = load_recogniser(spec)
    assert [shared.transcribe(one) for one in sounds[::-1]] == alone[::-1]
    words = load_recogniser(spec).words(sounds[0])
    assert shared.words(sounds[0]) == words
    assert all(one.start_s <= one.end_s for one in words.segments)
