"""What is chosen by, what a model's numbers mean, and late fusion without classes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from fusion.evaluation import metrics
from fusion.evaluation.goals import GOALS, goal_of
from fusion.evaluation.selection import classes_of, selection_score
from fusion.evaluation.thresholds import thresholds
from fusion.model.outputs import OutputType

RNG = np.random.default_rng(0)


def test_each_task_is_chosen_by_its_own_metric():
    goals, scores = np.eye(2)[[0, 1, 1]], np.array([[[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]])
    assert selection_score("single-label", goals, scores) == 0.75
    assert selection_score("distribution", goals, scores) == 0.75
    # At its own threshold every label is told without a fault.
    assert selection_score("multi-label", goals, scores) == 1.0
    expected = np.mean([metrics.ccc(goals[:, k], scores[0][:, k]) for k in range(2)])
    assert selection_score("regression", goals, scores) == pytest.approx(expected)


def test_ties_have_no_class_and_no_part():
    goals = np.array([[0.5, 0.5], [0.7, 0.3], [1 / 3, 2 / 3]])
    assert classes_of(goals).tolist() == [-1, 0, 1]
    scores = np.array([[[0.0, 1.0], [0.9, 0.1], [0.1, 0.9]]])
    assert selection_score("distribution", goals, scores) == 1.0


def test_a_value_that_never_varies_is_no_trial_without_value():
    assert selection_score("regression", np.ones((3, 1)), np.ones((1, 3, 1))) == 0.0


def test_every_metric_that_may_be_named_is_scikit_learns():
    truth, seeds = RNG.permutation(np.arange(40) % 4), RNG.dirichlet(np.ones(4), (2, 40))
    expected = {
        "uar": sk.balanced_accuracy_score,
        "accuracy": sk.accuracy_score,
        "macro_f1": lambda t, g: sk.f1_score(t, g, average="macro"),
        "weighted_f1": lambda t, g: sk.f1_score(t, g, average="weighted"),
    }
    for goal in GOALS["single-label"]:
        theirs = [
            sk.roc_auc_score(truth, scores, multi_class="ovr", average="macro")
            if goal == "auc"
            else expected[goal](truth, scores.argmax(axis=1))
            for scores in seeds
        ]
        ours = selection_score("single-label", np.eye(4)[truth], seeds, goal)
        assert ours == pytest.approx(np.mean(theirs)), goal
        tied = np.concatenate([np.eye(4)[truth], np.full((1, 4), 0.25)])
        more = np.concatenate([seeds, seeds[:, :1]], axis=1)
        assert selection_score("distribution", tied, more, goal) == pytest.approx(ours), goal


def test_sets_of_labels_are_chosen_by_weighted_f1_and_auc_too():
    truth, scores = RNG.random((60, 3)) < (0.2, 0.5, 0.7), RNG.random((1, 60, 3))
    goals = truth.astype(float)
    at = thresholds(scores, truth)
    expected = sk.f1_score(truth, scores[0] >= at, average="weighted")
    assert selection_score("multi-label", goals, scores, "weighted_f1") == pytest.approx(expected)
    expected = sk.roc_auc_score(truth, scores[0], average="macro")
    assert selection_score("multi-label", goals, scores, "auc") == pytest.approx(expected)


@pytest.mark.parametrize("task", GOALS)
def test_a_metric_of_another_task_is_refused_with_what_fits(task):
    assert goal_of(task, None) == goal_of(task, GOALS[task][0]) == GOALS[task][0]
    for goal in {goal for goals in GOALS.values() for goal in goals} - set(GOALS[task]):
        with pytest.raises(ValueError, match=f"--select {goal}: not for {task}.*{GOALS[task][-1]}"):
            goal_of(task, goal)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"task": "evil"}, "expected one of single-label"),
        ({"task": "multi-label", "thresholds": [0.5]}, "expected 2 numbers"),
        ({"task": "regression", "lowest": [0, 0], "highest": [1]}, "expected 2 numbers"),
    ],
)
def test_a_model_file_that_does_not_say_what_its_numbers_mean_is_refused(fields, told):
    with pytest.raises(ValueError, match=told):
        OutputType.read(fields, 2)


def test_labels_are_named_from_their_thresholds_on():
    found = OutputType("multi-label", thresholds=(0.5, 0.2))
    assert found.named(("a", "b"), {"a": 0.49, "b": 0.2}) == ("b",)
    assert "a from 0.500" in found.meaning(("a", "b"))
