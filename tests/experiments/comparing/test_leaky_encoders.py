"""Protocols that leak by name train encoders too and say so; a recipe trains two in a fold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.ablation.ablate import ablate
from experiments.ablation.grid import FactorSpec
from experiments.cache import damaged
from experiments.commands.main import app
from experiments.comparing.comparison import compare
from tests.experiments.tones import ENCODER, change_rows, tones_study, write_tones

pytestmark = pytest.mark.usefixtures("few_epochs")


@pytest.fixture
def manifest(tmp_path) -> Path:
    return write_tones(tmp_path / "corpus")


# ---------------------------------------------------------------- protocols that leak by their name


def as_s4(row: list[str]) -> None:
    """Two people in each of three sessions, one of whom wears the markers in each of two talks."""
    number = 0 if row[0] == "id" else int(row[0][1:])
    row[-1] = "dialogue" if row[0] == "id" else f"Ses0{number // 8 + 1}{'FM'[number // 2 % 2]}_x"


def as_split(row: list[str]) -> None:
    """Everybody is on two of three sides."""
    number = 0 if row[0] == "id" else int(row[0][1:])
    side = (number // 4 + number // 2 % 2) % 3
    row[-1] = "split" if row[0] == "id" else ("train", "dev", "test")[side]


LEAKY = {"random:3": lambda row: row.pop(), "s4-set": as_s4, "split-leaky": as_split}


@pytest.mark.parametrize("protocol", LEAKY)
def test_what_leaks_by_its_name_trains_encoders_too_and_says_so(protocol, manifest, tmp_path):
    change_rows(manifest, LEAKY[protocol])
    study = tones_study(manifest, folds=protocol, arms=("audio_linear", "concat_crossfit"))
    study = replace(study, audio=ENCODER.replace("epochs=2", "epochs=1"))
    results = compare(study, out=tmp_path / "run", jobs=1).results
    assert results.facts.leaky
    assert len({one.fold for one in results.facts.finetuned}) == results.facts.folds
    told = " ".join(results.warnings)
    assert ("LEAKY: test speakers may be among them" in told, "never on test" in told) == (1, 0)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "no test speaker was heard" not in page


def test_an_ablation_and_a_check_of_leaky_folds_with_an_encoder_that_is_trained(manifest, tmp_path):
    change_rows(manifest, LEAKY["random:3"])
    study = tones_study(manifest, folds="random:2")
    done = ablate(study, [FactorSpec("head@hidden", "8,16")], out=tmp_path / "run", jobs=1)
    assert "LEAKY" in (done.folder / "ablation.html").read_text()
    source = ["check", "--manifest", str(manifest), "--folds", "random:2"]
    found = CliRunner().invoke(app, source)
    assert (found.exit_code, "LEAKY: 2 folds by 'random:2'" in found.output) == (0, True)


def test_without_its_name_nothing_leaks(manifest, tmp_path):
    change_rows(manifest, as_split)
    with pytest.raises(ValueError, match="; --folds split-leaky runs the split"):
        compare(tones_study(manifest, folds="split"), out=tmp_path / "run", jobs=1)


# ---------------------------------------------------------------- both modalities


def test_the_recipe_trains_both_encoders_in_every_fold(text_checkpoint, manifest, tmp_path):
    """Words that tell the label, recordings that tell it too; each encoder sees its own."""

    def word(row: list[str]) -> None:
        if row[0] != "id":
            row[4] = "bad day" if row[3] == "low" else "good day"

    change_rows(manifest, word)
    quick = "train.epochs=2,train.batch_size=4,train.precision=float32"
    text = f"{text_checkpoint('bert')}@{quick}"
    study = tones_study(manifest, text=text, recipe="s4", arms=None)
    outcome = compare(study, out=tmp_path / "run", jobs=1)
    told = outcome.results.facts.finetuned
    assert [(one.kind, one.part) for one in told if one.fold == "0"] == [
        (kind, part) for part in ("all", "first half", "second half") for kind in ("audio", "text")
    ]
    trained = {one.fingerprint for one in told}
    assert len(trained) == 2 * 2 * 3, "no two encoders are one"
    assert {"audio_linear", "text_linear", "concat_linear", "concat_crossfit"} <= (
        outcome.results.arms.keys()
    )
    assert not list(damaged())


def test_the_recipe_runs_by_a_protocol_that_leaks(text_checkpoint, manifest, tmp_path):
    change_rows(manifest, LEAKY["random:3"])
    quick = "train.epochs=1,train.batch_size=4,train.precision=float32"
    text = f"{text_checkpoint('bert')}@{quick}"
    study = tones_study(manifest, text=text, recipe="s4", arms=None, folds="random:2")
    results = compare(study, out=tmp_path / "run", jobs=1).results
    assert results.facts.leaky
    assert {one.kind for one in results.facts.finetuned} == {"audio", "text"}
