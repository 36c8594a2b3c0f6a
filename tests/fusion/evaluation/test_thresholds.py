"""Thresholds of labels: the best there are, on development rows, for every seed together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.metrics import f1_score

from fusion.evaluation.thresholds import DEFAULT, thresholds


@given(st.integers(0, 2**32 - 1))
def test_no_other_threshold_has_a_higher_f1(seed):
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(1, 30))
    scores = np.round(rng.random((2, rows, 2)), int(rng.integers(1, 4)))
    truth = rng.random((rows, 2)) < 0.4
    found = thresholds(scores, truth)
    both = np.concatenate([truth, truth])
    for k in range(2):
        if not truth[:, k].any():
            assert found[k] == DEFAULT
            continue
        flat = scores.reshape(-1, 2)[:, k]
        named = flat >= np.r_[0, flat][:, None]
        tried = 2 * (named & both[:, k]).sum(axis=1) / (named.sum(axis=1) + both[:, k].sum())
        assert f1_score(both[:, k], flat >= found[k]) == pytest.approx(tried.max())


@given(st.integers(0, 2**32 - 1), st.permutations(range(3)))
def test_labels_have_their_thresholds_wherever_they_stand(seed, order):
    rng = np.random.default_rng(seed)
    scores, truth = rng.random((1, 15, 3)), rng.random((15, 3)) < 0.5
    found = thresholds(scores, truth)
    np.testing.assert_array_equal(thresholds(scores[..., order], truth[:, order]), found[order])


def test_a_threshold_lies_between_two_scores_so_that_rounding_moves_nobody():
    scores = np.array([[0.8], [0.4], [0.2]])
    assert thresholds(scores, np.array([[True], [False], [False]])) == pytest.approx(0.6)
