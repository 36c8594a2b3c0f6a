"""The names that users type, and what becomes of them."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace

import pytest

from encoders.specs import (
    FAMILIES,
    BertSpec,
    LogMelSpec,
    Modality,
    SentenceSpec,
    SpectrogramCnnSpec,
    SpeechSpec,
    model_part,
    spec_from_json,
)
from encoders.typed_names import SHORT_NAMES, parse_modality


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_a_short_name_is_its_spec(name):
    spec = SHORT_NAMES[name]
    assert parse_modality(name, spec.kind).encoder == spec


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_a_family_has_a_module(name):
    assert SHORT_NAMES[name].family in FAMILIES


@pytest.mark.parametrize("kind", ["audio", "text"])
def test_the_modality_has_the_name_of_its_kind(kind):
    assert parse_modality("logmel" if kind == "audio" else "minilm", kind).name == kind


def test_the_last_layer_is_the_default():
    assert parse_modality("wav2vec2-base", "audio").layer == -1


@pytest.mark.parametrize(
    ("typed", "layer", "pooling"),
    [
        ("wav2vec2-base@layer=9", 9, "mean+std"),
        ("wav2vec2-base@pooling=max", -1, "max"),
        ("wav2vec2-base@layer=-2,pooling=mean+max", -2, "mean+max"),
        ("wav2vec2-base@pooling=mean,layer=0", 0, "mean"),
        ("wav2vec2-base:untrained@layer=3", 3, "mean+std"),
    ],
)
def test_options_set_the_modality(typed, layer, pooling):
    found = parse_modality(typed, "audio")
    assert (found.layer, found.pooling) == (layer, pooling)


def test_options_leave_the_spec_alone():
    """Layer and pooling are slices of one extraction, not new keys."""
    assert parse_modality("wav2vec2-base@layer=9,pooling=max", "audio").encoder == SpeechSpec()


@pytest.mark.parametrize(("typed", "kind"), [("wav2vec2-large", "audio"), ("bert-base", "text")])
def test_untrained_is_a_field_of_the_spec(typed, kind):
    trained = parse_modality(typed, kind).encoder
    assert parse_modality(f"{typed}:untrained", kind).encoder == replace(trained, untrained=True)


@pytest.mark.parametrize(("typed", "kind"), [("logmel", "audio"), ("minilm", "text")])
def test_what_has_no_untrained_form_says_so(typed, kind):
    with pytest.raises(ValueError, match=f"{typed} has no untrained form"):
        parse_modality(f"{typed}:untrained", kind)


@pytest.mark.parametrize(
    ("typed", "kind", "near"),
    [
        ("wav2vec2-bsae", "audio", "wav2vec2-base"),
        ("log-mel", "audio", "logmel"),
        ("bert", "text", "bert-base"),
        ("mini-lm", "text", "minilm"),
    ],
)
def test_an_unknown_name_offers_the_nearest(typed, kind, near):
    with pytest.raises(ValueError, match=f"no such encoder; did you mean.*{near}"):
        parse_modality(typed, kind)


@pytest.mark.parametrize("typed", ["", "zzzzzz", "@layer=1"])
def test_a_name_near_nothing_offers_them_all(typed):
    with pytest.raises(ValueError, match=r"minilm.*bert-base.*roberta-base"):
        parse_modality(typed, "text")


@pytest.mark.parametrize(("typed", "kind"), [("minilm", "audio"), ("logmel", "text")])
def test_an_encoder_of_the_other_kind_is_refused(typed, kind):
    with pytest.raises(ValueError, match=rf"{typed}: is an encoder of \w+, not of {kind}"):
        parse_modality(typed, kind)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("logmel@lyaer=1", "unknown option.*lyaer.*did you mean layer"),
        ("logmel@layer=nine", "layer 'nine' is not a whole number"),
        ("logmel@layer=1.5", "layer '1.5' is not a whole number"),
        ("logmel@layer", "layer '' is not a whole number"),
        ("logmel@pooling=median", "pooling 'median': of logmel embeddings there is mean, std, max"),
        ("logmel@pooling=mean+mode", "pooling 'mode'"),
        ("logmel@pooling=cls", "pooling 'cls'"),
    ],
)
def test_a_wrong_option_is_named(typed, message):
    with pytest.raises(ValueError, match=message):
        parse_modality(typed, "audio")


def test_text_can_be_pooled_by_its_first_token():
    assert parse_modality("bert-base@pooling=cls", "text").pooling == "cls"


@pytest.mark.parametrize("name", ["./folder", "/some/folder", "../up", "owner/model"])
def test_a_path_or_hub_name_is_a_speech_checkpoint(name):
    assert parse_modality(name, "audio").encoder == SpeechSpec(checkpoint=name)


def test_a_text_folder_is_known_by_its_modules(text_checkpoint):
    bert, sentence = text_checkpoint("bert"), text_checkpoint("sentence")
    assert parse_modality(str(bert), "text").encoder == BertSpec(checkpoint=str(bert))
    assert parse_modality(str(sentence), "text").encoder == SentenceSpec(checkpoint=str(sentence))


def test_a_hub_name_of_sentence_transformers_is_a_sentence_model():
    name = "sentence-transformers/all-mpnet-base-v2"
    assert parse_modality(name, "text").encoder == SentenceSpec(checkpoint=name)


# ---------------------------------------------------------------- options that set the spec


NETWORK = "resnet50:untrained"


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ("window_s=4,hop_s=2", {"window_s": 4.0, "hop_s": 2.0}),
        ("sample_rate_hz=16000", {"sample_rate_hz": 16000}),
        ("reference=window, tail=drop", {"reference": "window", "tail": "drop"}),
        ("mel_sample_rate_hz=22050", {"mel_sample_rate_hz": 22050}),
        ("mel_sample_rate_hz=none,trim_db=none", {"mel_sample_rate_hz": None, "trim_db": None}),
        ("trim_db=40", {"trim_db": 40.0}),
        ("weights=./a@b=c.pth", {"checkpoint": "./a@b=c.pth"}),
    ],
)
def test_options_set_fields_of_the_spec(options, fields):
    plain = parse_modality(NETWORK, "audio").encoder
    assert parse_modality(f"{NETWORK}@{options}", "audio").encoder == replace(plain, **fields)


def test_options_of_the_spec_stand_beside_those_of_the_modality():
    found = parse_modality(f"{NETWORK}@pooling=max,hop_s=0.5,layer=0", "audio")
    assert (found.pooling, found.layer, found.encoder.hop_s) == ("max", 0, 0.5)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("windw_s=4", "unknown option.*windw_s.*did you mean window_s"),
        ("family=speech", "unknown option.*family"),
        ("storage=frames", "unknown option.*storage"),
        ("checkpoint=x", "unknown option.*checkpoint.*known are.*weights"),
        ("n_mels=many", "n_mels 'many' is not a whole number"),
        ("n_mels=12.5", "n_mels '12.5' is not a whole number"),
        ("n_mels=none", "n_mels 'none' is not a whole number"),
        ("hop_s=fast", "hop_s 'fast' is not a number"),
        ("hop_s=inf", "hop_s 'inf' is not a number"),
        ("hop_s", "hop_s '' is not a number"),
        ("weights=", "weights '': expected a word"),
        ("trim_db=off", "trim_db 'off' is not a number"),
        ("reference=clip", "reference 'clip': expected one of file, window"),
        ("n_mels=40,n_mels=80", "an option is set twice"),
        ("n_fft=100", "n_fft 100: expected 512 or more"),
    ],
)
def test_a_wrong_option_of_a_spec_is_named(typed, said):
    with pytest.raises(ValueError, match=said) as caught:
        parse_modality(f"{NETWORK}@{typed}", "audio")
    assert NETWORK in str(caught.value)


def test_what_names_no_options_takes_none():
    known = r"unknown option.*n_mels.*known are layer, pooling, windows$"
    with pytest.raises(ValueError, match=known):
        parse_modality("egemaps@n_mels=40", "audio")


@pytest.mark.parametrize("name", [name for name, spec in SHORT_NAMES.items() if spec.options])
def test_every_option_is_a_field(name):
    spec = SHORT_NAMES[name]
    assert set(spec.options) <= {found.name for found in fields(spec)}


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_a_spec_comes_back_from_json(name):
    spec = SHORT_NAMES[name]
    assert spec_from_json(json.loads(json.dumps(asdict(spec)))) == spec


# ---------------------------------------------------------------- sequences


def test_log_mel_frames_come_without_differences_pooled_by_four():
    found = Modality(name="audio", encoder=LogMelSpec()).as_sequence()
    assert found.encoder == LogMelSpec(storage="frames", deltas=0, time_pool=4)


def test_of_a_deep_model_only_its_layer_is_kept():
    found = Modality(name="audio", encoder=SpeechSpec(), layer=9).as_sequence()
    assert found.encoder == SpeechSpec(storage="frames", time_pool=4, layers=(9,))
    assert found.layer == -1


def test_tokens_are_not_pooled():
    found = Modality(name="text", encoder=BertSpec(), layer=3).as_sequence()
    assert found.encoder == BertSpec(storage="frames", layers=(3,))


def test_a_sentence_model_gives_its_tokens():
    found = Modality(name="text", encoder=SentenceSpec()).as_sequence()
    assert found.encoder == SentenceSpec(storage="frames")


@pytest.mark.parametrize(
    "spec", [LogMelSpec(), SpeechSpec(), BertSpec(), SentenceSpec(), SpectrogramCnnSpec()]
)
def test_a_sequence_of_a_sequence_is_itself(spec):
    once = Modality(name="x", encoder=spec, layer=2).as_sequence()
    assert once.as_sequence() == once


def test_a_layer_counts_those_that_the_spec_keeps():
    modality = Modality(name="audio", encoder=SpeechSpec(layers=(4, 9)), layer=0)
    assert modality.as_sequence().encoder.layers == (4,)


# ---------------------------------------------------------------- sharing


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SpeechSpec(), SpeechSpec(storage="frames", layers=(3,), time_pool=4)),
        (SpeechSpec(), SpeechSpec(storage_dtype="float16")),
        (BertSpec(), BertSpec(storage="frames", layers=(-1,))),
        (LogMelSpec(), LogMelSpec(storage="frames", time_pool=4)),
        (SentenceSpec(), SentenceSpec(storage_dtype="float16")),
        (SpectrogramCnnSpec(), SpectrogramCnnSpec(storage="frames", storage_dtype="float16")),
    ],
)
def test_specs_that_differ_in_storage_share_a_model(one, other):
    assert model_part(one) == model_part(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SpeechSpec(), SpeechSpec(untrained=True)),
        (SpeechSpec(), SpeechSpec(revision="main")),
        (BertSpec(), BertSpec(max_length=64)),
        (LogMelSpec(), LogMelSpec(deltas=0)),
        (SentenceSpec(), SentenceSpec(storage="frames")),
        (SpectrogramCnnSpec(), SpectrogramCnnSpec(hop_s=0.5)),
    ],
)
def test_specs_that_differ_before_storage_do_not(one, other):
    assert model_part(one) != model_part(other)
