"""Another metric to choose and tell by, and an unweighted loss, from command to folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace

import pytest

from experiments.ablation.ablate import ablate, check_all
from experiments.ablation.cells import Cell, CellChanges, CellDraft
from experiments.ablation.checking import verify_ablation
from experiments.ablation.findings import findings_of
from experiments.ablation.grid import FactorSpec
from experiments.comparing.comparison import compare
from experiments.comparing.verification import verify
from experiments.config import ConfigError, Study, identity_of, read_study
from fusion.evaluation import predictions
from fusion.evaluation.predictions import best_per_fold
from fusion.training import train
from fusion.training.arm_table import arms_that
from fusion.training.arms import fit_chosen
from tests.experiments.target_corpora import write_targets


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "MAX_EPOCHS", 5)


def study_of(folder, task="multi-label", **more) -> Study:
    return replace(write_targets(folder, task, arms=("audio", "text", "concat", "late")), **more)


def test_a_run_is_chosen_told_and_verified_by_the_metric_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "cache"))
    study = study_of(tmp_path, select="weighted_f1", head=("loss=plain",))
    folder = compare(study, out=tmp_path / "run", jobs=1).folder
    assert read_study(folder / "config.toml").select == "weighted_f1"
    results = json.loads((folder / "results.json").read_text())
    assert results["measures"]["primary"] == "weighted_f1"
    assert results["facts"]["study"]["select"] == "weighted_f1"
    primary = next(row for row in results["differences"] if row["primary"])
    assert primary["metric"] == "weighted_f1"
    rows = predictions.read(folder / "predictions.safetensors")
    arms = [arm for arm in arms_that(fuse=True) if any(row.arm == arm for row in rows)]
    chosen = best_per_fold(rows, arms, "multi-label", "weighted_f1")
    named = {fold["fold"]: fold["chosen"] for fold in results["arms"]["best_fused"]["folds"]}
    assert named == chosen
    page = (folder / "report.html").read_text()
    assert "--select weighted_f1" in page
    assert "the highest weighted F1 on development speakers" in page
    assert verify(folder).sound


def test_without_trials_heads_serve_every_choice(tmp_path, monkeypatch):
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "cache"))
    study = study_of(tmp_path, trials=0)
    lines: list[str] = []
    monkeypatch.setattr(
        "experiments.comparing.fitting.fit_chosen",
        lambda *given: lines.append("trained") or fit_chosen(*given),
    )
    compare(study, out=tmp_path / "first", jobs=1)
    assert lines
    lines.clear()
    compare(replace(study, select="auc"), out=tmp_path / "second", jobs=1)
    assert not lines
    assert verify(tmp_path / "second").sound


def test_a_study_that_names_no_metric_and_no_extra_data_keeps_its_name(tmp_path):
    study = study_of(tmp_path)
    later = ("select", "extra", "normalise", "channel")
    named = {k: v for k, v in asdict(study).items() if k not in later}
    # From the working folder, however it was spelled.
    named["manifest"] = os.path.relpath(study.manifest)
    assert identity_of(study) == named
    assert identity_of(replace(study, select="auc"))["select"] == "auc"


@pytest.mark.parametrize(
    ("task", "select", "head", "said"),
    [
        ("regression", "uar", None, "--select uar: not for regression targets; expected ccc"),
        ("multi-label", "accuracy", None, "expected macro_f1 or weighted_f1 or auc"),
        ("regression", None, ("loss=plain",), "plain: is a loss of single-label and distribution"),
    ],
)
def test_what_does_not_fit_the_targets_is_refused_at_once(task, select, head, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        compare(study_of(tmp_path, task, select=select, head=head), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_ablation_is_told_in_the_metric_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "cache"))
    study = replace(study_of(tmp_path, select="weighted_f1", trials=0), arms=("audio",))
    over = (FactorSpec("head@loss", "cross_entropy,plain"),)
    done = ablate(study, over, out=tmp_path / "ablation", jobs=1)
    found = findings_of(done)
    assert {row.metric for row in found.differences} == {"weighted_f1"}
    assert next(iter(found.summaries[0].scores)) == "weighted_f1"
    assert "weighted_f1_points" in (tmp_path / "ablation" / "differences.csv").read_text()
    assert verify_ablation(tmp_path / "ablation").sound


def test_an_ablation_is_not_told_in_auc(tmp_path):
    study = study_of(tmp_path, select="auc")
    cell = Cell({"head": "mlp"}, CellDraft(study, CellChanges()), reference=True)
    with pytest.raises(ConfigError, match="no paired test is made of AUC"):
        check_all([cell])
