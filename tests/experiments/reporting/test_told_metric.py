"""Arms are chosen, compared and told in the metric that is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from experiments.reporting.numbers import columns_of
from experiments.reporting.results import summarise, with_best
from experiments.reporting.results_schema import RunFacts
from experiments.reporting.sentences import answer
from experiments.reporting.target_scores import score_arms
from fusion.evaluation.measures import CLASSES as CLASS_METRICS
from fusion.evaluation.predictions import Prediction
from fusion.evaluation.statistics import paired_difference
from tests.experiments.finished_runs import plain_facts
from tests.experiments.reporting.skilled_rows import ARMS, CLASSES, facts, rows_of


def selected(goal: str) -> RunFacts:
    return facts(facts=plain_facts(study={"select": goal}))


def chosen_by(goal: str):
    made = [row for arm in ARMS for row in uneven(arm)]
    return made, summarise(with_best(made, "single-label", goal), selected(goal))


def uneven(arm: str) -> list[Prediction]:
    """Audio names the largest class alone, text every class now and then."""
    truth = lambda _speaker, row: max(0, row - 6)  # noqa: E731
    rows = rows_of(arm, truth)
    if arm == "audio":
        return [replace(row, scores=(0.6, 0.2, 0.2)) for row in rows]
    return rows


def test_arms_are_chosen_compared_and_told_in_the_metric_that_is_named():
    made, by_accuracy = chosen_by("accuracy")
    _, by_uar = chosen_by("uar")
    assert {fold.chosen for fold in by_accuracy.arms["best_unimodal"].folds} == {"audio"}
    assert {fold.chosen for fold in by_uar.arms["best_unimodal"].folds} == {"text"}
    primary = [row for row in by_accuracy.differences if row.primary]
    assert primary[0].metric == "accuracy"
    assert primary[0].p is not None
    assert "points accuracy" in answer(by_accuracy)
    assert next(iter(columns_of(by_accuracy))) == "accuracy"
    assert by_accuracy.measures.primary == "accuracy"
    hits = [np.argmax(r.scores) == np.argmax(r.target) for r in made
            if (r.arm, r.split) == ("concat", "test")]  # fmt: skip
    assert by_accuracy.arms["concat"].accuracy.value == pytest.approx(np.mean(hits))


@pytest.mark.parametrize("goal", ["macro_f1", "weighted_f1"])
def test_a_difference_in_f1_has_the_p_of_swapped_answers(goal):
    made, found = chosen_by(goal)
    row = next(row for row in found.differences if row.primary)
    assert row.metric == goal
    best = score_arms(
        with_best(made, "single-label", goal), "single-label", CLASSES, str, lambda _: 0.0
    )
    expected = paired_difference(
        best["best_fused"].tally, best["best_unimodal"].tally, CLASS_METRICS[goal]
    )
    assert (row.p, row.low, row.high) == (
        expected.p, expected.interval.low, expected.interval.high
    )  # fmt: skip


def test_auc_is_told_without_a_test_of_it():
    made, found = chosen_by("auc")
    row = next(row for row in found.differences if row.primary)
    assert (row.metric, row.p, row.low) == ("auc", None, None)
    assert "no claim about other speakers can be made (AUC is no sum over speakers" in answer(found)
    own = [r for r in made if (r.arm, r.split) == ("concat", "test")]
    theirs = [
        roc_auc_score(
            [np.argmax(r.target) for r in own if r.seed == seed],
            [r.scores for r in own if r.seed == seed],
            multi_class="ovr",
        )
        for seed in (0, 1)
    ]
    assert found.arms["concat"].auc.value == pytest.approx(np.mean(theirs))
    assert found.arms["concat"].auc.low is None
    assert found.arms["concat"].folds[0].auc is not None


def test_a_metric_that_does_not_fit_is_refused_of_a_changed_file():
    with pytest.raises(ValueError, match="--select ccc: not for single-label"):
        summarise(with_best(rows_of("audio")), selected("ccc"))
