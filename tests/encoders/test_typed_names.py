"""Options after ``@``: fields of the spec that its class lists, read strictly by their type."""

from __future__ import annotations

from dataclasses import fields
from typing import get_type_hints

import pytest
from hypothesis import given, strategies as st

from encoders.specs import FAMILIES, BertSpec, MfccSpec, SentenceSpec
from encoders.typed_names import MODALITY_OPTIONS, SHORT_NAMES, SYNONYMS, parse_modality, parsed

CLASSES = [family.spec for family in FAMILIES.values()]


@pytest.mark.parametrize(
    ("typed", "kind", "spec"),
    [
        ("bert-base@max_length=64", "text", BertSpec(max_length=64)),
        ("bert-base@max_length=none", "text", BertSpec()),
        ("bert-base@max_length=64,clean=s4", "text", BertSpec(max_length=64, clean="s4")),
        ("minilm@clean=s4", "text", SentenceSpec(clean="s4")),
        ("mfcc@n_mfcc=20", "audio", MfccSpec(n_mfcc=20)),
        ("mfcc13@trim_db=30", "audio", MfccSpec(n_mfcc=13, trim_db=30.0)),
        ("mfcc@trim_db=1.5e1,axis=frequency", "audio", MfccSpec(trim_db=15.0, axis="frequency")),
        ("mfcc@ window = hamming ", "audio", MfccSpec(window="hamming")),
    ],
)
def test_an_option_is_a_field_of_the_spec(typed, kind, spec):
    assert parse_modality(typed, kind).encoder == spec


def test_options_of_the_spec_and_of_the_modality_stand_side_by_side():
    found = parse_modality("bert-base@max_length=64,clean=s4,pooling=cls,layer=3", "text")
    assert found.encoder == BertSpec(max_length=64, clean="s4")
    assert (found.layer, found.pooling) == (3, "cls")


def test_a_published_front_end_can_be_typed():
    typed = (
        "mfcc13@sample_rate_hz=8000,window_ms=64,n_fft=1024,window=hamming,hop_ms=12.5,n_mels=128,"
        "trim_db=30,mel_sample_rate_hz=22050,pooling=mean"
    )
    found = parse_modality(typed, "audio")
    spec = found.encoder
    assert isinstance(spec, MfccSpec)
    assert (spec.window_samples, spec.hop_samples, spec.n_fft) == (512, 100, 1024)
    assert found.pooling == "mean"


def test_untrained_and_options_go_together():
    spec = parse_modality("bertweet:untrained@max_length=32", "text").encoder
    assert spec == BertSpec(checkpoint="vinai/bertweet-base", untrained=True, max_length=32)


@pytest.mark.parametrize(
    ("typed", "kind", "message"),
    [
        ("bert-base@maxlength=64", "text", "'maxlength'; did you mean max_length"),
        ("bert-base@poling=cls", "text", "'poling'; did you mean pooling\\?"),
        (
            "bert-base@zzz=1",
            "text",
            "known are layer, pooling, windows, context, ahead, max_l",
        ),
        ("bert-base@n_mfcc=13", "text", "unknown option 'n_mfcc'"),
        ("bert-base@checkpoint=x", "text", "unknown option 'checkpoint'"),
        ("bert-base@max_length=64.0", "text", "max_length '64.0' is not a whole number"),
        ("bert-base@max_length=6_4", "text", "max_length '6_4' is not a whole number"),
        ("bert-base@max_length=", "text", "max_length '' is not a whole number"),
        ("bert-base@max_length=2", "text", "max_length=2: expected 3 or more"),
        ("minilm@max_length=-5", "text", "max_length=-5: expected 3 or more"),
        ("bert-base@max_length=64,max_length=32", "text", "an option is set twice"),
        ("bert-base@clean=S4", "text", "clean 'S4': expected one of none, s4"),
        ("mfcc@trim_db=nan", "audio", "trim_db 'nan' is not a number"),
        ("mfcc@trim_db=loud", "audio", "trim_db 'loud' is not a number"),
        ("mfcc@axis=both", "audio", "axis 'both': expected one of time, frequency"),
        ("mfcc@n_mfcc=81", "audio", "--audio mfcc@n_mfcc=81: n_mfcc=81: expected 1 to n_mels=80"),
        (
            "mfcc@axis=frequency,pooling=mean",
            "audio",
            "pooling 'mean': of mfcc embeddings there is course40",
        ),
        ("logmel@n_mel=40", "audio", "unknown option 'n_mel'; did you mean n_mels"),
        ("wav2vec2-base@layers=6-3", "audio", "layers '6-3': expected numbers as in 3.6 or 0-6"),
    ],
)
def test_a_wrong_option_says_what_was_expected(typed, kind, message):
    with pytest.raises(ValueError, match=message):
        parse_modality(typed, kind)


@pytest.mark.parametrize("cls", CLASSES)
def test_every_option_is_a_field_whose_type_can_be_read(cls):
    hints = get_type_hints(cls)
    assert set(cls.options) <= {field.name for field in fields(cls)} - {"family"}
    assert not set(cls.options) & set(MODALITY_OPTIONS)
    for name in cls.options:
        default = getattr(cls(), name)
        text = "none" if default is None else str(default)
        assert parsed(name, text, hints[name]) == default


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_every_short_name_takes_its_own_values_as_options(name):
    spec = SHORT_NAMES[name]
    words = {name: SYNONYMS.get(name, name) for name in spec.options}
    pairs = [f"{word}={getattr(spec, name)}" for name, word in words.items()]
    typed = f"{name}@{','.join(pairs)}".replace("None", "none")
    assert parse_modality(typed, spec.kind).encoder == spec


@given(st.integers(-(10**9), 10**9))
def test_whole_numbers_are_read_back(number):
    assert parsed("x", str(number), int) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_back(number):
    assert parsed("x", repr(number), float | None) == number


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False)])
def test_truth_is_read(text, value):
    assert parsed("x", text, bool) is value


@pytest.mark.parametrize("text", ["True", "1", "yes", ""])
def test_nothing_else_is_true_or_false(text):
    with pytest.raises(ValueError, match="expected true or false"):
        parsed("x", text, bool)


@pytest.mark.parametrize(
    ("typed", "layers"), [("3", (3,)), ("0-2", (0, 1, 2)), ("1+4-5", (1, 4, 5)), ("none", None)]
)
def test_layers_are_numbers_and_stretches_of_them(typed, layers):
    assert parse_modality(f"hubert-base@layers={typed}", "audio").encoder.layers == layers
