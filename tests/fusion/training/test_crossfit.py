"""Cross-fitted heads: each learns from one view, logits are averaged, test rows touch nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fusion.batch import Dataset
from fusion.splitting.splits import InnerFold, InnerFolds
from fusion.training import train
from fusion.training.arm_table import ARMS
from fusion.training.arms import Budget, fit_arm, score
from fusion.training.crossfit import FoldData, score_crossfitted

ARM = ARMS["concat_crossfit"]
BUDGET = Budget(trials=2, seeds=2)


@pytest.fixture(autouse=True)
def _few_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "MAX_EPOCHS", 5)


@pytest.fixture
def setting(make_data, split_data):
    """A fold, and two views: other embeddings of the same rows, each with half the training."""
    data = make_data()
    fold, inner = split_data(data)
    dev = inner.folds[0].dev
    left = [name for name in fold.train if name not in dev]
    half = len(left) // 2
    views = [
        FoldData(changed(data, number), InnerFolds((InnerFold(tuple(rows), dev),)))
        for number, rows in enumerate((left[:half], left[half:]))
    ]
    return fold, views


def changed(data: Dataset, number: int, rows: object = slice(None)) -> Dataset:
    """Another encoder's embeddings of some rows."""
    inputs = {}
    for name, batch in data.inputs.items():
        values = batch.values.clone()
        values[rows] = values[rows].flip(-1) * (1 + number)
        inputs[name] = replace(batch, values=values)
    return replace(data, inputs=inputs)


def test_log_probabilities_of_the_halves_are_averaged(setting):
    fold, views = setting
    found = score_crossfitted(ARM, views, fold, Budget(0, 2), None)
    each = [
        score(fit_arm(ARM, view.data, view.inner, Budget(0, 2), None), view.data, fold, 2)
        for view in views
    ]
    for part in ("dev_scores", "test_scores"):
        one, other = (getattr(own, part) for own in each)
        expected = np.sqrt(one * other)
        expected /= expected.sum(axis=-1, keepdims=True)
        np.testing.assert_allclose(getattr(found, part), expected, atol=1e-12)
    assert found.arm == "concat_crossfit"
    assert len(found.epochs) == 2 * 2
    assert found.test.tolist() == views[0].data.index(fold.test).tolist()


def test_both_halves_share_the_trials_and_what_they_chose(setting):
    fold, views = setting
    found = score_crossfitted(ARM, views, fold, BUDGET, None)
    assert len(found.trials) == BUDGET.trials
    assert found.hyperparameters["learning_rate"] > 0


def test_test_rows_change_no_score_of_a_development_row(setting):
    fold, views = setting
    test = torch.from_numpy(views[0].data.index(fold.test))
    poisoned = [replace(view, data=changed(view.data, 9, test)) for view in views]
    one, other = (score_crossfitted(ARM, given, fold, BUDGET, None) for given in (views, poisoned))
    assert np.array_equal(one.dev_scores, other.dev_scores)
    assert one.trials == other.trials
    assert not np.array_equal(one.test_scores, other.test_scores)


def test_rows_of_the_other_half_change_nothing(setting):
    """A head must not meet rows that its view's encoder was trained on."""
    fold, views = setting
    poisoned = [
        replace(one, data=changed(one.data, 9, torch.from_numpy(one.data.index(f.train))))
        for one, other in (views, views[::-1])
        for f in other.inner.folds
    ]
    one, other = (score_crossfitted(ARM, given, fold, BUDGET, None) for given in (views, poisoned))
    assert np.array_equal(one.test_scores, other.test_scores)


def test_views_with_other_development_rows_cannot_be_averaged(setting):
    fold, (one, other) = setting
    moved = InnerFold(other.inner.folds[0].train, other.inner.folds[0].dev[1:])
    with pytest.raises(AssertionError):
        score_crossfitted(
            ARM, [one, replace(other, inner=InnerFolds((moved,)))], fold, BUDGET, None
        )
