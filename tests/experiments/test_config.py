"""The experiment file: what is written is read, what is wrong is named."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings, strategies as st

from experiments.config import (
    ConfigError,
    OptionError,
    Study,
    identity_of,
    read_study,
    study_from_options,
    write_study,
)
from fusion.evaluation.goals import Goal
from fusion.training.arm_table import Normalise

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
LISTS = st.none() | st.lists(TEXT, max_size=3).map(tuple)
FIELDS = st.fixed_dictionaries(
    {
        "audio": TEXT,
        "text": TEXT,
        "root": st.none() | TEXT,
        "channel": st.none() | st.sampled_from(["mean", "1", 2]),
        "extra": st.none() | TEXT | st.lists(TEXT, min_size=1, max_size=3).map(tuple),
        "labels": LISTS,
        "arms": LISTS.filter(lambda arms: arms != ()),
        "map": LISTS,
        "head": LISTS,
        "asr": TEXT,
        "folds": st.none() | TEXT,
        "transcript": st.sampled_from(["gold", "asr", "gold_else_asr"]),
        "rows": st.sampled_from(["complete", "all"]),
        "trials": st.integers(0, 10**6),
        "seeds": st.integers(1, 10**6),
        "allow_contaminated": st.booleans(),
        "select": st.none() | st.sampled_from(get_args(Goal)),
        "normalise": st.sampled_from(get_args(Normalise)),
    }
)


@settings(deadline=None)  # The first example imports pydantic.
@given(FIELDS, st.sampled_from(["corpus", "manifest"]), TEXT)
def test_a_study_comes_back_from_its_file(tmp_path_factory, values, source, name):
    study = Study(**values, **{source: name})
    path = tmp_path_factory.mktemp("study") / "study.toml"
    write_study(study, path)
    assert read_study(path) == study


@pytest.mark.parametrize("character", ["\x7f", "\x00", "\\", '"', "\u2028", "\r\n", "/", "😀"])
def test_odd_characters_come_back(tmp_path, character):
    study = Study(audio=f"a{character}b", text="minilm", corpus="demo")
    write_study(study, tmp_path / "s.toml")
    assert read_study(tmp_path / "s.toml") == study


def test_every_field_is_drawn():
    assert {f.name for f in fields(Study)} == {
        *("audio", "text", "corpus", "manifest", "root", "labels", "asr", "transcript", "arms"),
        *("map", "folds", "rows", "trials", "seeds", "allow_contaminated", "head", "select"),
        *("extra", "normalise", "channel"),
        # It fills other fields in, and has tests of its own.
        "recipe",
    }


# ---------------------------------------------------------------- faults

GOOD = {"audio": '"logmel"', "text": '"minilm"', "corpus": '"demo"'}


def written(tmp_path: Path, **changes: str) -> Path:
    path = tmp_path / "study.toml"
    lines = [f"{name} = {value}" for name, value in {**GOOD, **changes}.items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def message(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_study(path)
    return str(caught.value)


def test_defaults_are_filled_in(tmp_path):
    assert read_study(written(tmp_path)) == Study(audio="logmel", text="minilm", corpus="demo")


def test_an_unknown_key_is_answered_with_the_nearest(tmp_path):
    assert "unknown key 'trails': did you mean trials?" in message(written(tmp_path, trails="3"))


def test_an_unknown_key_like_none_is_answered_with_all(tmp_path):
    assert "unknown key 'qqqq': known are corpus, manifest" in message(written(tmp_path, qqqq="3"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trials", '"3"'),
        ("trials", "3.0"),
        ("trials", "nan"),
        ("trials", "true"),
        ("audio", "3"),
        ("audio", "1979-05-27"),
        ("arms", '"audio"'),
        ("arms", "[1]"),
        ("labels", "1979-05-27"),
        ("labels", "[1979-05-27]"),
        ("rows", '"some"'),
        ("transcript", '"golden"'),
        ("root", "{ a = 1 }"),
    ],
)
def test_a_wrong_type_is_named(tmp_path, name, value):
    assert f"{name}" in message(written(tmp_path, **{name: value})).partition("faults")[2]


def test_every_fault_is_told(tmp_path):
    found = message(written(tmp_path, trails="3", rows='"some"', seeds='"x"'))
    assert found.splitlines()[0].endswith("3 faults")


def test_a_missing_key_is_named(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text('audio = "logmel"\ncorpus = "demo"')
    assert "text: " in message(path)


def test_several_corpora_and_roots_come_back(tmp_path):
    study = Study(audio="a", text="b", corpus=("x", "y"), root=("/x", "/y"), manifest="m.csv")
    write_study(study, tmp_path / "s.toml")
    assert read_study(tmp_path / "s.toml") == study


def test_neither_corpus_nor_manifest_is_refused(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text('audio = "logmel"\ntext = "minilm"')
    assert "expected --corpus NAME or --manifest FILE" in message(path)


@pytest.mark.parametrize(("name", "value"), [("trials", "-1"), ("seeds", "0")])
def test_numbers_out_of_range_are_refused(tmp_path, name, value):
    assert f"--{name} {value}: expected" in message(written(tmp_path, **{name: value}))


@pytest.mark.parametrize("content", [b"audio = ", b"\xff\xfe", b"a = 1\na = 2"])
def test_what_is_no_toml_is_refused(tmp_path, content):
    path = tmp_path / "s.toml"
    path.write_bytes(content)
    assert "not TOML" in message(path)


def test_a_missing_file_is_refused(tmp_path):
    assert "cannot be read" in message(tmp_path / "none.toml")


# ---------------------------------------------------------------- options


def test_options_that_are_not_given_keep_their_defaults():
    study = study_from_options(audio="logmel", text="minilm", corpus="demo", trials=None)
    assert study.trials == 20


def test_both_encoders_are_asked_for():
    with pytest.raises(OptionError, match=r"--audio is required.*; --text is required"):
        study_from_options(corpus="demo")


def test_an_option_that_cannot_be_is_named():
    with pytest.raises(OptionError, match="--rows: "):
        study_from_options(audio="logmel", text="minilm", corpus="demo", rows="some")


def test_a_fault_of_several_options_has_no_empty_name():
    with pytest.raises(OptionError, match=r"^expected --corpus NAME"):
        study_from_options(audio="logmel", text="minilm")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("audio = 'x'\ntrials = " + "9" * 5000, "a number of more than 4300 digits at line 2"),
        ("audio = 'x'\narms = " + "[" * 20000, "nested too deep at line 2"),
        ("a" + ".a" * 4000 + " = 1", "nested too deep at line 1"),
        ('audio = "\\ud800"', "not TOML"),
        ("a" + ".a" * 100_000 + " = 1", "195 kB, expected at most 64 kB"),
    ],
    ids=["digits", "brackets", "dots", "surrogate", "size"],
)
def test_a_file_made_to_break_readers_is_one_message(tmp_path, content, said):
    (tmp_path / "s.toml").write_text(content)
    with pytest.raises(ConfigError, match=said) as caught:
        read_study(tmp_path / "s.toml")
    assert "set_int_max_str_digits" not in str(caught.value)


@pytest.mark.parametrize(
    ("arms", "given"), [(("text",), "text"), (("audio", "audio_frames"), "audio")]
)
def test_an_encoder_that_no_arm_reads_need_not_be_named(arms, given):
    names = {"audio": "wavlm-base", "text": "bert-base"}
    study = study_from_options(manifest="m.csv", arms=arms, **{given: names[given]})
    assert getattr(study, given) == names[given]


@pytest.mark.parametrize(
    ("arms", "given"),
    [
        (("scores:a.csv", "listeners"), {}),
        (("text", "listeners"), {"text": "bert-base"}),
        (("scores:a.csv", "audio"), {"audio": "wavlm-base"}),
    ],
)
def test_scores_and_listeners_read_no_encoder(arms, given):
    study = study_from_options(manifest="m.csv", arms=arms, **given)
    assert {kind: getattr(study, kind) for kind in given} == given


@pytest.mark.parametrize(
    "arms",
    [None, ("concat",), ("text", "late"), ("audio", "listeners"), ("late:audio+scores:a.csv",)],
)
def test_an_encoder_that_an_arm_reads_must_be_named(arms):
    with pytest.raises(OptionError, match="--audio is required"):
        study_from_options(manifest="m.csv", arms=arms, text="minilm")


def test_a_study_names_the_recogniser_that_it_took(monkeypatch, tmp_path):
    monkeypatch.setattr("encoders.asr.recognisers.default_recogniser", lambda: "whisper-tiny.en")
    study = Study(corpus="demo", audio="logmel", text="minilm")
    write_study(study, tmp_path / "study.toml")
    monkeypatch.setattr("encoders.asr.recognisers.default_recogniser", lambda: "whisper-base")
    assert read_study(tmp_path / "study.toml").asr == "whisper-tiny.en"
    assert identity_of(study)["asr"] == "whisper-tiny.en"
    assert study_from_options(corpus="demo", audio="logmel", text="minilm").asr == "whisper-base"
