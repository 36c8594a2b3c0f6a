"""A comparison from manifest to folder: same rows and folds for all, every number recomputable."""

from __future__ import annotations

import json

import numpy as np
import pytest

from experiments.comparing.comparison import Outcome
from experiments.config import Study, read_study
from experiments.reporting.cost import read_cost
from experiments.reporting.results import summarise
from experiments.reporting.results_file import read_results
from experiments.reporting.results_schema import as_json, carried
from fusion.evaluation import predictions
from fusion.training import train
from tests.experiments.feature_studies import TRAINED, bytes_of, run, run_elsewhere, write_corpus

pytestmark = pytest.mark.usefixtures("few_epochs")

FILES = (
    *("config.toml", "environment.json", "folds.json", "predictions.safetensors", "results.json"),
    *("report.html", "table.md", "table.tex"),
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Outcome]:
    """One run with every arm."""
    folder = tmp_path_factory.mktemp("tiny")
    study = write_corpus(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
        return study, run(study, folder / "run")


@pytest.fixture(scope="module")
def rows(tiny: tuple[Study, Outcome]) -> list[predictions.Prediction]:
    return predictions.read(tiny[1].folder / "predictions.safetensors")


@pytest.fixture(scope="module")
def results(tiny: tuple[Study, Outcome]) -> dict:
    return json.loads((tiny[1].folder / "results.json").read_text())


# ---------------------------------------------------------------- what a run leaves


@pytest.mark.parametrize("name", FILES)
def test_a_run_leaves_its_files(name, tiny):
    assert (tiny[1].folder / name).stat().st_size > 0


def test_every_arm_with_heads_tells_its_learning_curve_and_best_arms_do_not(results):
    for arm, summary in results["arms"].items():
        for fold in summary["folds"]:
            told = arm not in ("late", "best_unimodal", "best_fused")
            assert ("curve" in fold) == ("epochs" in fold) == told, arm
            if told:
                # Two seeds of each inner fold, two epochs.
                assert len(fold["epochs"]) == fold["curve"]["heads"][0]
                assert len(fold["curve"]["train"]) == len(fold["curve"]["dev"]) <= 2


def test_a_run_leaves_figures(tiny):
    assert list((tiny[1].folder / "figures").glob("*.svg"))


def test_a_run_leaves_a_model(tiny):
    assert (tiny[1].folder / "model" / "heads.safetensors").is_file()


def test_a_run_leaves_no_work_behind(tiny):
    assert [
        p.name for p in tiny[1].folder.rglob("*") if p.name == "work" or "tmp" in p.suffix
    ] == []


def test_the_config_repeats_the_run(tiny):
    assert read_study(tiny[1].folder / "config.toml") == tiny[0]


def test_results_name_what_the_design_names(results):
    names = {"run", "corpus", "task", "targets", "rows", "arms", "differences", "warnings"}
    assert names <= results.keys()


def test_every_arm_is_there(results):
    assert list(results["arms"]) == [*TRAINED, "best_unimodal", "best_fused"]


def test_an_arm_has_what_the_design_names(results):
    names = {
        "uar",
        "accuracy",
        "macro_f1",
        "weighted_f1",
        "per_class",
        "folds",
        "trials",
        "confusion",
    }
    assert all(names <= arm.keys() for arm in results["arms"].values())


def test_an_interval_has_value_bounds_and_method(results):
    for arm in results["arms"].values():
        assert {"value", "low", "high", "method"} <= arm["uar"].keys()


def test_a_difference_has_what_the_design_names(results):
    names = {"arm", "against", "metric", "value", "low", "high", "p", "p_holm", "primary"}
    assert all(names <= row.keys() for row in results["differences"])


def test_every_number_is_recomputed_from_predictions(rows, tiny, results):
    stored = read_results(tiny[1].folder)
    assert stored == tiny[1].results
    assert as_json(summarise(rows, carried(stored))) == results


def test_every_prediction_names_its_run(rows, results):
    assert {row.run for row in rows} == {results["run"]}


# ---------------------------------------------------------------- law 5


def test_every_arm_tests_the_same_rows_in_the_same_folds(rows):
    found = {
        arm: sorted((r.outer_fold, r.utterance, r.seed) for r in rows if _is(r, arm, "test"))
        for arm in (*TRAINED, "best_unimodal", "best_fused")
    }
    assert all(keys == found["audio"] for keys in found.values())


def test_every_row_is_tested_once_per_seed(rows):
    found = sorted((r.utterance, r.seed) for r in rows if _is(r, "audio", "test"))
    assert found == sorted((f"u{n}", seed) for n in range(36) for seed in (0, 1))


def test_every_arm_has_the_same_development_rows(rows):
    found = {
        arm: sorted((r.outer_fold, r.inner_fold, r.utterance) for r in rows if _is(r, arm, "dev"))
        for arm in TRAINED
    }
    assert all(keys == found["audio"] for keys in found.values())


def test_every_arm_spends_the_same_trials(results):
    spent = {len(f["trials"]) for arm in TRAINED for f in results["arms"][arm]["folds"]}
    assert spent == {2}


def test_folds_of_the_file_share_no_speaker(rows, tiny):
    speaker = {r.utterance: r.speaker for r in rows}
    for fold in json.loads((tiny[1].folder / "folds.json").read_text()):
        for inner in fold["inner"]:
            sides = [
                {speaker[i] for i in ids} for ids in (fold["test"], inner["train"], inner["dev"])
            ]
            assert sum(map(len, sides)) == len(set.union(*sides))


def test_predictions_are_those_of_the_folds_in_the_file(rows, tiny):
    folds = json.loads((tiny[1].folder / "folds.json").read_text())
    expected = {(f["name"], name) for f in folds for name in f["test"]}
    assert {(r.outer_fold, r.utterance) for r in rows if _is(r, "concat", "test")} == expected


@pytest.mark.parametrize(
    ("best", "group"),
    [
        ("best_unimodal", ("audio", "text", "audio_frames")),
        ("best_fused", ("concat", "late", "attention")),
    ],
)
def test_best_rows_are_copies_of_the_best_arm_on_development_rows(best, group, rows):
    for fold in {r.outer_fold for r in rows}:
        chosen = max(group, key=lambda arm: _dev_uar(rows, arm, fold))
        found, expected = (
            [r.scores for r in rows if _is(r, arm, "test") and r.outer_fold == fold]
            for arm in (best, chosen)
        )
        assert found == expected


def _is(row: predictions.Prediction, arm: str, split: str) -> bool:
    return row.arm == arm and row.split == split


def _dev_uar(rows: list[predictions.Prediction], arm: str, fold: str) -> float:
    own = [r for r in rows if _is(r, arm, "dev") and r.outer_fold == fold]
    hits: dict[tuple[int, int], list[bool]] = {}
    for row in own:
        truth = row.target.index(1.0)
        hits.setdefault((row.seed, truth), []).append(row.scores.index(max(row.scores)) == truth)
    return round(float(np.mean([np.mean(cell) for cell in hits.values()])), 12)


# ---------------------------------------------------------------- determinism

#: What tells seconds, and the seal over them.
CLOCKED = ("cost.json", "report.html", ".serfusion.json")


def _files(outcome: Outcome) -> dict[str, bytes]:
    """Every file of a run but those that tell how long it took."""
    every = (path for path in outcome.folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(outcome.folder)): path.read_bytes()
        for path in every
        if path.name not in CLOCKED
    }


def test_the_same_command_gives_the_same_bytes(tiny, tmp_path):
    again = _files(run_elsewhere(tiny[0], tmp_path))
    assert again == _files(tiny[1])
    assert {
        "results.json",
        "predictions.safetensors",
        "folds.json",
        "model/model.json",
    } <= again.keys()


def test_a_repeated_command_gives_the_same_bytes(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("SERFUSION_CACHE", str(tiny[1].folder.parent / "cache"))
    assert bytes_of(run(tiny[0], tmp_path / "run")) == bytes_of(tiny[1])


def test_a_run_that_was_stopped_ends_as_an_undisturbed_one(tiny, tmp_path, monkeypatch):
    calls = []

    def break_down(*given, **named):
        calls.append(given)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return train.stacks_of(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr("fusion.training.arms.stacks_of", break_down)
        with pytest.raises(KeyboardInterrupt):
            run(tiny[0], tmp_path / "run")
    assert bytes_of(run(tiny[0], tmp_path / "run")) == bytes_of(tiny[1])


def test_seconds_are_in_no_result_and_stand_in_the_cost(tiny, results):
    assert "seconds" not in json.dumps(results["arms"])
    found = read_cost(tiny[1].folder)
    assert list(found.arms) == [arm for arm in results["arms"] if arm in TRAINED]
    for arm, folds in found.arms.items():
        assert all(len(fold.trial_seconds) == 2 for fold in folds), arm
        assert all((fold.final_seconds > 0) == (arm != "late") for fold in folds), arm
