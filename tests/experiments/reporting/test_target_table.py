"""What a metric is without any knowledge equals what scikit-learn gives a constant answer."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from experiments.reporting.target_table import chance_of
from fusion.evaluation.goals import GOALS

TRUTH = np.array([0] * 6 + [1] * 3 + [2])
SHARES = (0.6, 0.3, 0.1)
CONSTANT = {
    "uar": lambda t, g: sk.recall_score(t, g, average="macro"),
    "accuracy": sk.accuracy_score,
    "macro_f1": lambda t, g: sk.f1_score(t, g, average="macro", zero_division=0),
    "weighted_f1": lambda t, g: sk.f1_score(t, g, average="weighted", zero_division=0),
    "auc": lambda t, _: sk.roc_auc_score(t, np.full((10, 3), 1 / 3), multi_class="ovr"),
}


@pytest.mark.parametrize("goal", GOALS["single-label"])
def test_the_line_of_a_metric_of_classes_is_that_of_the_largest_class_named_alone(goal):
    expected = CONSTANT[goal](TRUTH, np.zeros(10, int))
    assert chance_of(goal, SHARES, sets=False).value == pytest.approx(expected)


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_the_line_of_a_metric_of_labels_is_that_of_naming_every_label(average):
    truth = np.eye(3, dtype=bool)[TRUTH]
    expected = sk.f1_score(truth, np.ones_like(truth), average=average)
    found = chance_of(f"{average}_f1", SHARES, sets=True)
    assert found.value == pytest.approx(expected)
    assert found.words == "every label named"
