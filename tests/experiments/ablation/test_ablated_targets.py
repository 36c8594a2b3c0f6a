"""Ablations of sets of labels, shares and values: every number is that of a run's own metrics."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest

from encoders.decode_index import DecodeIndex
from experiments.ablation.ablate import ablate, check_all
from experiments.ablation.cell_variation import counted_once, scored_on
from experiments.ablation.cells import Cell, CellChanges, CellDraft
from experiments.ablation.checking import verify_ablation
from experiments.ablation.findings import findings_of
from experiments.ablation.grid import FactorSpec
from experiments.ablation.result import Ablation, cells_folder
from experiments.ablation.scores import SHOWN, arm_sums, differences, summaries
from experiments.ablation.subsets import with_speakers
from experiments.comparing.fitting import fit_all
from experiments.comparing.inputs import Ready, gather
from experiments.comparing.plan import FoldViews, Plan, make_plan
from experiments.comparing.preparation import chosen_arms, load_corpus
from experiments.comparing.transcripts import Transcripts
from experiments.config import ConfigError
from fusion.evaluation import metrics, predictions
from fusion.evaluation.goals import PRIMARY
from fusion.evaluation.predictions import with_majority
from fusion.training.arm_table import trained_arm
from fusion.training.crossfit import FoldData
from fusion.training.fit_key import FitKey, FitKeys
from tests.experiments.target_corpora import learning_quickly, targets_of, write_targets

TASKS = ("distribution", "regression", "multi-label")
ARMS = ("audio", "text", "concat")


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    with learning_quickly(8):
        yield


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ablation]:
    """Of every task, arms with one training speaker and with all."""
    made = {}
    for task in TASKS:
        folder = tmp_path_factory.mktemp(task)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
            study = write_targets(folder, task, arms=ARMS)
            over = [FactorSpec("speakers", "1")]
            made[task] = ablate(study, over, out=folder / "run", jobs=1)
    return made


def results_of(one: Ablation, number: int) -> dict:
    folder = cells_folder(one.folder) / one.grid.cells[number].folder
    read: dict = json.loads((folder / "results.json").read_text())
    return read


@pytest.mark.parametrize("task", TASKS)
def test_differences_are_of_the_primary_metric_with_an_interval_and_p(task, found):
    values = {(s.cell.title, s.arm): s.main.value for s in summaries(found[task].rows)}
    made = differences(found[task].rows)
    assert [row.arm for row in made] == list(ARMS)
    for row in made:
        assert row.metric == PRIMARY[task]
        expected = values[row.cell.title, row.arm] - values["all", row.arm]
        assert row.found.interval.value == pytest.approx(expected, abs=1e-12)
        assert row.found.interval.low < expected < row.found.interval.high
        assert row.found.p <= row.among.p_holm <= 1


def test_the_table_has_each_folds_concordance_and_largest_shares(found):
    for task, name in (("regression", "ccc"), ("distribution", "uar")):
        one = found[task]
        with (one.folder / "cells.csv").open() as handle:
            table = list(csv.DictReader(handle))
        assert len(table) == 2 * len(ARMS) * 3 * 2
        path = cells_folder(one.folder) / one.grid.cells[0].folder / "predictions.safetensors"
        rows = with_majority(predictions.read(path), task)
        for line in table[:6]:
            place = (line["arm"], line["fold"], int(line["seed"]))
            own = [
                r for r in rows
                if r.split == "test" and (r.arm, r.outer_fold, r.seed) == place
            ]  # fmt: skip
            truth = np.array([row.target for row in own])
            said = np.array([row.scores for row in own])
            if task == "regression":
                value = np.mean([metrics.ccc(truth[:, k], said[:, k]) for k in range(2)])
            else:
                counts = metrics.confusion(truth.argmax(1), said.argmax(1), 3)
                value = float(metrics.uar(counts))
            assert int(line["n"]) == len(own)
            assert float(line[name]) == pytest.approx(value)


def test_rows_without_a_largest_share_are_told_and_are_in_the_divergence(found):
    one = found["distribution"]
    tied = results_of(one, 0)["rows"]["without_majority"]
    assert tied > 0
    assert any(f"{tied} utterances with a tie" in line for line in findings_of(one).notes)
    with (one.folder / "cells.csv").open() as handle:
        assert {"uar", "accuracy", "macro_f1", "kl", "js", "cosine"} <= set(
            next(csv.reader(handle))
        )


@pytest.mark.parametrize(
    ("task", "column", "words"),
    [
        ("distribution", "uar_points", ("UAR, %", "accuracy, %", "points UAR", "chance 33.3")),
        ("regression", "ccc_difference", ("CCC", "Pearson", " CCC (", "no agreement")),
        ("multi-label", "macro_f1_points", ("macro F1, %", "micro F1, %", "every label named ")),
    ],
)
def test_tables_and_figures_are_told_in_the_primary_metric(task, column, words, found):
    folder = found[task].folder
    assert column in (folder / "differences.csv").read_text().split("\n")[0].split(",")
    figure = (folder / "figure.svg").read_text()
    fromstring(figure)
    everything = "".join((folder / n).read_text() for n in ("table.md", "table.tex", "figure.svg"))
    for word in words:
        assert word.replace("%", r"\%") in everything or word in everything
    page = (folder / "ablation.html").read_text()
    assert f"{words[0].removesuffix(', %')} in every cell" in page
    assert ("UAR" in page) == (task == "distribution")
    assert "cell of an ablation" not in page


@pytest.mark.parametrize("task", TASKS)
def test_an_ablation_verifies_and_a_changed_table_does_not(task, found):
    one = found[task]
    assert verify_ablation(one.folder).sound
    path = one.folder / "differences.csv"
    before = path.read_text()
    path.write_text(before + " ")
    assert verify_ablation(one.folder).changed == ("differences.csv",)
    path.write_text(before)


@pytest.mark.parametrize("task", TASKS)
def test_bars_and_a_map_are_drawn_and_one_arm_a_cell_is_compared(task, tmp_path):
    study = write_targets(tmp_path, task, seeds=1)
    over = [FactorSpec("modality"), FactorSpec("speakers", "1")]
    one = ablate(study, over[:1], out=tmp_path / "bars", jobs=1)
    assert [row.against for row in differences(one.rows)] == ["concat", "concat"]
    both = ablate(study, over, out=tmp_path / "map", jobs=1)
    assert len(both.grid.cells) == 6
    for made in (one, both):
        fromstring((made.folder / "figure.svg").read_text())
        assert verify_ablation(made.folder).sound


# ---------------------------------------------------------------- fits and speakers


@pytest.fixture(params=TASKS)
def plan(request, tmp_path: Path, store) -> Plan:
    study = write_targets(tmp_path, request.param, arms=ARMS, seeds=1)
    corpus, arms = load_corpus(study), chosen_arms(study)
    hints = DecodeIndex(store.root / "hints.json")
    inputs = gather(
        Ready(study, corpus, corpus.utterances, arms), Transcripts({}), store, hints, None
    )
    return make_plan(corpus, inputs, study, arms)


def keys(plan: Plan) -> list[FitKey]:
    pairs = zip(plan.folds, plan.views, strict=True)
    return [FitKeys().of(trained_arm("audio"), (v.whole,), fold, plan.budget) for fold, v in pairs]


def test_any_bit_of_a_target_makes_another_fit(plan):
    data = plan.inputs.data
    values = data.goals.copy()
    values[0, 0] = np.nextafter(values[0, 0], 2.0)
    other = replace(data, values=values)
    views = tuple(FoldViews(FoldData(other, own.whole.inner)) for own in plan.views)
    changed = replace(plan, inputs=replace(plan.inputs, data=other), views=views)
    assert not set(keys(plan)) & set(keys(changed))


def test_rows_that_are_there_twice_keep_their_targets_and_their_heads(plan):
    data = plan.inputs.data
    both = scored_on(plan, data).inputs.data
    assert both.task == data.task
    np.testing.assert_array_equal(both.goals, np.concatenate([data.goals, data.goals]))
    assert keys(scored_on(plan, data)) == keys(plan)


def test_heads_say_the_same_of_rows_that_are_there_twice(plan, tmp_path):
    """Test rows in noise are scored so; without any noise nothing may change."""
    data = plan.inputs.data
    asked = scored_on(plan, data)
    both = counted_once(fit_all(asked, tmp_path / "twice", 1, None), len(data.ids))
    alone = fit_all(plan, tmp_path / "once", 1, None)
    by_place = {(one.arm, one.fold): one for one in alone.scores}
    for one in both.scores:
        other = by_place[one.arm, one.fold]
        np.testing.assert_array_equal(one.test, other.test)
        np.testing.assert_array_equal(one.test_scores, other.test_scores)


def test_fewer_speakers_hold_every_class_that_more_hold(plan):
    corpus_classes = {
        u.id: {
            "multi-label": {k for k, v in enumerate(u.target) if v},
            "regression": set(),
        }.get(plan.inputs.data.task, {int(np.argmax(u.target))} if _clear(u.target) else set())
        for u in plan.inputs.utterances
    }
    fewer = with_speakers(plan, 1, seed=0)
    for before, after in zip(plan.inner, fewer.inner, strict=True):
        for one, other in zip(before.folds, after.folds, strict=True):
            assert len(other.train) == 10 < len(one.train)
            held = set().union(*(corpus_classes[name] for name in other.train))
            assert held == set().union(*(corpus_classes[name] for name in one.train))


def _clear(target: tuple[float, ...]) -> bool:
    first, second = sorted(target)[-1:-3:-1]
    return first > second


# ---------------------------------------------------------------- one class, and what is refused


def test_shares_of_one_class_give_the_differences_of_the_class(tmp_path):
    targets = targets_of("single-label", 60, np.random.default_rng(0))
    made = {}
    for task in ("single-label", "distribution"):
        study = write_targets(tmp_path / task, task, targets=targets, arms=("audio",))
        made[task] = ablate(
            study, [FactorSpec("speakers", "1")], out=tmp_path / task / "run", jobs=1
        )
    one, other = (differences(found.rows) for found in made.values())
    assert [row.found for row in one] == [row.found for row in other]


def test_sentiment_has_its_own_metrics(found):
    one = found["regression"]
    path = cells_folder(one.folder) / one.grid.cells[0].folder / "predictions.safetensors"
    rows = [
        replace(row, target=row.target[:1], scores=row.scores[:1])
        for row in predictions.read(path)
        if row.arm == "audio"
    ]
    made = arm_sums(rows, "regression", ("sentiment",))
    test = [row for row in rows if row.split == "test" and row.seed == 0]
    same = [(row.target[0] >= 0) == (row.scores[0] >= 0) for row in test]
    (sums,) = made.scored
    of_seeds = sums.measures["acc2_has0"].of(sums.whole.sums.sum(axis=0))
    assert of_seeds[0] == pytest.approx(np.mean(same))
    results = replace(one.rows[0].results, targets=("sentiment",))
    assert replace(one.rows[0], results=results).shown == SHOWN["sentiment"]


def test_a_loss_of_another_task_is_refused_before_work_starts(tmp_path):
    study = write_targets(tmp_path, "regression", arms=("audio",))
    with pytest.raises(ConfigError, match="expected loss=ccc or loss=mse"):
        ablate(study, [FactorSpec("head@loss", "ccc,mse")], out=tmp_path / "run", jobs=1)
    assert not (tmp_path / "run").exists()
    fixed = replace(study, head=("loss=ccc",))
    made = ablate(fixed, [FactorSpec("head@loss", "ccc,mse")], out=tmp_path / "run", jobs=1)
    assert [cell.title for cell in made.grid.cells] == ["ccc", "mse"]
    assert made.grid.reference.title == "ccc"


def test_cells_with_targets_of_several_kinds_are_refused(tmp_path):
    studies = [write_targets(tmp_path / task, task, arms=("audio",)) for task in TASKS[:2]]
    cells = [
        Cell({"labels": str(number)}, CellDraft(study, CellChanges()))
        for number, study in enumerate(studies)
    ]
    check_all(cells[:1])
    with pytest.raises(ConfigError, match=r"several kinds \(0: distribution, 1: regression\)"):
        check_all(cells)
