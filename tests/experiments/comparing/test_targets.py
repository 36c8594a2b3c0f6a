"""Sets of labels, shares and values from manifest to folder, and one class as a special case."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from encoders.specs import LogMelSpec, Modality
from experiments.comparing.comparison import compare
from experiments.comparing.verification import rebuild
from experiments.interviews.emotion import check_suitable
from experiments.reporting.results_schema import Auc
from fusion.evaluation import predictions, thresholds as labels
from fusion.model.fusion_model import FORMAT_VERSION, FusionModel
from fusion.networks.heads import HEADS
from tests.experiments.target_corpora import DIM, learning_quickly, targets_of, write_targets

TASKS = ("multi-label", "distribution", "regression")
PRIMARY = {"multi-label": "macro_f1", "distribution": "uar", "regression": "ccc"}
BEST = ("best_unimodal", "best_fused")
ROWS = 60
HEARD = {"audio": Modality(name="audio", encoder=LogMelSpec())}


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    with learning_quickly(15):
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One run of every task with every kind of arm."""
    made = {}
    for task in TASKS:
        folder = tmp_path_factory.mktemp(task)
        arms = ("audio", "text", "concat", "gated", "lowrank", "late", "attention")
        study = write_targets(folder, task, sequences=True, arms=arms)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
            made[task] = compare(study, out=folder / "run", jobs=1).folder
    return made


def results_of(folder: Path) -> dict:
    found: dict = json.loads((folder / "results.json").read_text())
    return found


# ---------------------------------------------------------------- runs


@pytest.mark.parametrize("task", TASKS)
def test_every_kind_of_arm_learns_and_is_compared(task, runs):
    found = results_of(runs[task])
    name = PRIMARY[task]
    assert found["task"] == task
    arms = found["arms"]
    assert {*BEST, "audio_frames", "gated", "lowrank", "late", "attention"} <= arms.keys()
    blind = {"multi-label": 0.58, "distribution": 1 / 3, "regression": 0.0}[task]
    for arm, own in arms.items():
        assert own[name]["value"] > blind + 0.1, arm
        assert own[name]["low"] < own[name]["value"] < own[name]["high"] or own[name]["high"] == 1
    first = found["differences"][0]
    assert (first["arm"], first["against"], first["metric"]) == (*BEST[::-1], name)
    assert first["primary"]
    assert all(row["p"] is not None for row in found["differences"] if row["metric"] == name)
    holm = [row for row in found["differences"] if not row["primary"] and row["metric"] == name]
    assert all(row["p_holm"] >= row["p"] for row in holm)


@pytest.mark.parametrize("task", TASKS)
def test_a_report_computes_all_of_it_again(task, runs):
    before = {p: p.read_bytes() for p in runs[task].glob("*.*") if p.suffix in (".md", ".html")}
    assert len(before) == 2
    assert rebuild(runs[task]).task == task
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("task", TASKS)
def test_another_task_in_the_file_is_found(task, runs, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    found = results_of(runs[task])
    found["task"] = "regression" if task != "regression" else "multi-label"
    (folder / "results.json").write_text(json.dumps(found))
    (folder / "predictions.safetensors").write_bytes(
        (runs[task] / "predictions.safetensors").read_bytes()
    )
    with pytest.raises(ValueError, match="predictions"):
        rebuild(folder)


@pytest.mark.parametrize(
    ("task", "titles"),
    [
        ("multi-label", ("macro F1", "weighted accuracy", "Label by label")),
        ("distribution", ("UAR", "JS divergence", "What is taken for what")),
        ("regression", ("CCC", "Pearson", "Dimension by dimension")),
    ],
)
def test_tables_have_the_columns_of_the_task(task, titles, runs):
    page = (runs[task] / "report.html").read_text()
    for title in titles:
        assert title in page
    for title in titles[:2]:
        assert title in (runs[task] / "table.md").read_text()
        assert title in (runs[task] / "table.tex").read_text()
    others = {"multi-label": "CCC", "distribution": "CCC", "regression": "macro F1"}
    assert others[task] not in (runs[task] / "table.md").read_text()
    assert (runs[task] / "figures" / "confusion-concat.svg").exists() is False


def test_what_makes_no_sense_is_left_out_with_its_reason(runs):
    for task in ("multi-label", "regression"):
        found = results_of(runs[task])
        assert {"null", "calibration", "confusion"} <= found["skipped"].keys()
        assert all(found["skipped"].values())
        assert "Not here, and why" in (runs[task] / "report.html").read_text()
    assert results_of(runs["distribution"])["arms"]["concat"]["calibration"]


@pytest.mark.parametrize("task", TASKS)
def test_groups_are_told_in_the_metric_of_the_task(task, runs):
    groups = results_of(runs[task])["arms"]["best_fused"]["groups"]["sex"]
    female, male = (groups["groups"][name] for name in ("female", "male"))
    # Rows without a majority have no part in UAR.
    tied = results_of(runs[task])["rows"].get("without_majority", 0)
    assert (female["speakers"], male["speakers"]) == (5, 1)
    assert female["rows"] + male["rows"] == ROWS - tied
    assert female[PRIMARY[task]]["low"] is not None
    # One speaker says nothing about others.
    assert male[PRIMARY[task]]["low"] is None
    assert groups["difference"]["low"] is None
    assert "For whom it works" in (runs[task] / "report.html").read_text()


@pytest.mark.parametrize("task", ["multi-label", "regression"])
def test_words_are_not_tested_for_telling_a_class_that_is_not_there(task, tmp_path):
    study = write_targets(tmp_path, task, words=True, arms=("audio",), seeds=1)
    found = compare(study, out=tmp_path / "run", jobs=1).results.certificate.tests
    for test in found[-3:]:
        assert test.status == "untested"
        assert test.note == "utterances have no single class that words could tell"


def test_words_are_tested_for_telling_the_largest_share(tmp_path):
    study = write_targets(tmp_path, "distribution", words=True, arms=("audio",), seeds=1)
    found = compare(study, out=tmp_path / "run", jobs=1).results.certificate.tests
    asked = {test.name: test.status for test in found}
    assert asked["label in the words"] == asked["sentence alone tells the label"] == "clean"


def test_results_say_what_their_metrics_are(runs):
    found = results_of(runs["regression"])["measures"]
    assert found["primary"] == "ccc"
    assert found["of"]["mae"] == {"title": "MAE", "less_is_better": True, "percent": False}


@pytest.mark.parametrize("scale", [1e-7, 1e6])
def test_the_units_of_values_change_no_score(scale, tmp_path):
    targets = targets_of("regression", ROWS, np.random.default_rng(0))
    found = []
    for factor in (1.0, scale):
        folder = tmp_path / str(factor)
        study = write_targets(folder, "regression", targets=factor * targets, arms=("audio",))
        found.append(compare(study, out=folder / "run", jobs=1).results.arms["audio"])
    one, other = found
    assert other.ccc.value == pytest.approx(one.ccc.value, abs=1e-3)
    assert other.mae.value == pytest.approx(scale * one.mae.value, rel=1e-2)


def test_a_fold_without_a_label_has_no_macro_f1_there_and_says_why(tmp_path):
    targets = targets_of("multi-label", ROWS, np.random.default_rng(0))
    targets[:20, 2] = 0  # Speakers 0 and 1, of folds 0 and 1.
    study = write_targets(tmp_path, "multi-label", targets=targets, folds="speaker")
    arm = compare(study, out=tmp_path / "run", jobs=1).results.arms["audio"]
    assert arm.macro_f1.value is not None
    first = arm.folds[0]
    assert first.macro_f1 is None
    assert first.macro_f1_reason == "1 of 3 labels have no test utterance"
    assert first.label_auc["c"] == Auc(None, "no test utterance with it")
    assert first.label_auc["a"].auc > 0.5
    page = (tmp_path / "run" / "report.html").read_text()
    assert "1 of 3 labels have no test utterance" in page


def test_thresholds_are_those_of_development_rows_alone(runs):
    rows = predictions.read(runs["multi-label"] / "predictions.safetensors")
    arms = results_of(runs["multi-label"])["arms"]
    for fold in arms["concat"]["folds"]:
        dev = predictions.answers_of(
            [
                row
                for row in rows
                if row.arm == "concat" and row.split == "dev" and row.outer_fold == fold["fold"]
            ]
        )
        expected = labels.thresholds(dev.scores, dev.goals > 0.5)
        assert list(fold["thresholds"].values()) == pytest.approx(expected.tolist())
    for fold in arms["best_fused"]["folds"]:
        same = next(f for f in arms[fold["chosen"]]["folds"] if f["fold"] == fold["fold"])
        assert fold["thresholds"] == same["thresholds"]


def test_fixed_thresholds_stand_beside_those_that_were_fitted(runs):
    rows = predictions.read(runs["multi-label"] / "predictions.safetensors")
    arm = results_of(runs["multi-label"])["arms"]["audio"]
    test = predictions.answers_of([r for r in rows if r.arm == "audio" and r.split == "test"])
    for least in (0.5, 0.3):
        expected = [f1_score(test.goals, one >= least, average="macro") for one in test.scores]
        found = arm["at_fixed_thresholds"][str(least)]["macro_f1"]
        assert found == pytest.approx(np.mean(expected))


def test_rows_without_a_majority_are_counted_and_said(runs):
    found = results_of(runs["distribution"])
    targets = targets_of("distribution", ROWS, np.random.default_rng(0))
    tied = int(((targets == targets.max(axis=1, keepdims=True)).sum(axis=1) > 1).sum())
    assert tied > 0
    assert found["rows"]["without_majority"] == tied
    assert any(line.startswith(f"{tied} of {ROWS} utterances") for line in found["warnings"])
    concat = found["arms"]["concat"]
    assert np.sum(concat["confusion"]) == pytest.approx(ROWS - tied)


# ---------------------------------------------------------------- laws


def test_one_hot_shares_are_the_single_label_task(tmp_path):
    """Same heads, same scores: but for the last bits nothing depends on how it is written."""
    rng = np.random.default_rng(3)
    targets = np.eye(3)[rng.integers(0, 3, ROWS)]
    found = {}
    for task in ("single-label", "distribution"):
        study = write_targets(tmp_path / task, task, targets=targets, noise=1.0)
        found[task] = compare(study, out=tmp_path / f"{task}-run", jobs=1).results
    one, other = found.values()
    assert other.rows.without_majority == 0
    for arm, own in one.arms.items():
        for name in ("uar", "accuracy", "macro_f1", "confusion", "null", "per_class"):
            assert getattr(own, name) == getattr(other.arms[arm], name), (arm, name)


@pytest.mark.parametrize("task", TASKS)
def test_changed_test_rows_change_no_model_and_no_choice(task, tmp_path, monkeypatch):
    """Inputs of fold 0 are poisoned: nothing that fold 0 is scored with has seen them."""
    # The search starts from defaults, which must lie in its space.
    monkeypatch.setattr("fusion.training.arms.HEADS", HEADS)
    found = []
    for changed in (0.0, 1e3):
        folder = tmp_path / f"{changed}"
        monkeypatch.setenv("SERFUSION_CACHE", str(folder / "cache"))
        study = write_targets(folder, task, changed=changed, trials=2, seeds=1)
        compare(study, out=folder / "run", jobs=1)
        rows = predictions.read(folder / "run" / "predictions.safetensors")
        dev = {
            (r.arm, r.utterance): r.scores for r in rows if r.outer_fold == "0" and r.split == "dev"
        }
        arms = results_of(folder / "run")["arms"]
        wanted = ("hyperparameters", "trials", "thresholds", "chosen")
        fits = {
            arm: [{k: f.get(k) for k in wanted} for f in own["folds"] if f["fold"] == "0"]
            for arm, own in arms.items()
        }
        found.append((dev, fits))
    assert found[0] == found[1]


# ---------------------------------------------------------------- models


@pytest.mark.parametrize("task", TASKS)
def test_a_saved_model_says_what_its_numbers_mean(task, runs):
    model = FusionModel.load(runs[task] / "model")
    assert model.task == task
    inputs = dict.fromkeys(("audio", "text"), torch.zeros(1, 3 * DIM))
    inputs |= dict.fromkeys(("audio_frames", "text_tokens"), torch.zeros(3, DIM))
    answers = model.predict_embeddings(inputs)
    card = (runs[task] / "model" / "README.md").read_text()
    if task == "multi-label":
        assert all(0 <= value <= 1 for value in answers.values())
        assert set(model.labels(answers)) == {
            name
            for name, least in zip(model.targets, model.outputs.thresholds, strict=True)
            if answers[name] >= least
        }
        assert "threshold" in card
        with pytest.raises(ValueError, match="names no class: use labels"):
            model.decide(answers)
    elif task == "regression":
        assert "valence from" in model.meaning
        assert "units of the corpus" in card
        with pytest.raises(ValueError, match="the values themselves"):
            model.decide(answers)
        with pytest.raises(ValueError, match="not on sets of labels"):
            model.labels(answers)
    else:
        assert sum(answers.values()) == pytest.approx(1)
        assert "share of listeners" in model.meaning
        assert model.abstention is not None


def test_values_come_out_in_the_units_of_the_corpus(runs):
    rows = predictions.read(runs["regression"] / "predictions.safetensors")
    found = predictions.answers_of([r for r in rows if r.arm == "concat" and r.split == "test"])
    assert found.scores.mean(axis=(0, 1)) == pytest.approx(found.goals.mean(axis=0), abs=0.5)
    assert found.goals.mean(axis=0)[1] == pytest.approx(3, abs=0.2)


def test_a_model_of_classes_says_so(tmp_path):
    study = write_targets(tmp_path, "single-label", seeds=1)
    compare(study, out=tmp_path / "run", jobs=1)
    about = json.loads((tmp_path / "run" / "model" / "model.json").read_text())
    assert about["format"] == FORMAT_VERSION
    assert about["outputs"]["task"] == "single-label"
    assert FusionModel.load(tmp_path / "run" / "model").task == "single-label"


@pytest.mark.parametrize("task", ["multi-label", "regression"])
def test_heads_that_do_without_an_input_are_scored_with_one(task, tmp_path):
    """Their thresholds are those of the whole arm: it is the same heads."""
    head = ("modality_dropout=0.3", "unimodal_loss=0.5")
    study = write_targets(tmp_path, task, arms=("audio", "text", "concat"), head=head)
    arms = compare(study, out=tmp_path / "run", jobs=1).results.arms
    assert {"concat/audio", "concat/text"} <= arms.keys()
    for alone in ("concat/audio", "concat/text"):
        assert arms[alone].score(PRIMARY[task]).value is not None
        for one, other in zip(arms[alone].folds, arms["concat"].folds, strict=True):
            assert one.thresholds == other.thresholds


def test_a_timeline_cannot_be_of_sets_of_labels(runs):
    model = replace(FusionModel.load(runs["multi-label"] / "model"), modalities=HEARD)
    with pytest.raises(ValueError, match="multi-label"):
        check_suitable(model)


# ---------------------------------------------------------------- losses


def test_squared_errors_are_a_loss_of_values(tmp_path):
    study = write_targets(tmp_path, "regression", head=("loss=mse",), arms=("audio",))
    found = compare(study, out=tmp_path / "run", jobs=1).results
    assert found.arms["audio"].folds[0].hyperparameters["loss"] == "mse"
    assert found.arms["audio"].ccc.value > 0.3
