"""What is chosen by, what a model's numbers mean, and late fusion without classes."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.evaluation import metrics
from fusion.evaluation.selection import classes_of, selection_score
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
