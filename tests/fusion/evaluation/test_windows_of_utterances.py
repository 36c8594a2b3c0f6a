"""Utterances from windows: mean, vote, max, and nothing else changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fusion.evaluation.predictions import Prediction
from fusion.evaluation.windows import WAYS, aggregated, utterance_rows

ROW = Prediction(
    run="r", corpus="c", utterance="u0", speaker="s", arm="audio", outer_fold="1",
    inner_fold=None, seed=0, split="test", window=0,
    target=(1.0, 0.0), scores=(0.6, 0.4),
)  # fmt: skip


@st.composite
def windows(draw: st.DrawFn) -> np.ndarray:
    size, classes = draw(st.integers(1, 6)), draw(st.integers(2, 5))
    return np.random.default_rng(draw(st.integers(0, 999))).dirichlet(np.ones(classes), size)


@given(windows())
def test_scores_of_utterances_are_probabilities(scores):
    for how in WAYS:
        found = aggregated(scores, how)
        assert found.sum() == pytest.approx(1)
        assert (found >= 0).all()


@given(windows())
def test_one_window_keeps_its_class_in_every_way(scores):
    for how in WAYS:
        assert aggregated(scores[:1], how).argmax() == scores[0].argmax()


@given(windows())
def test_the_order_of_windows_does_not_matter(scores):
    for how in WAYS:
        np.testing.assert_allclose(aggregated(scores, how), aggregated(scores[::-1], how))


@given(windows())
def test_each_way_names_what_it_should(scores):
    votes = np.bincount(scores.argmax(axis=1), minlength=scores.shape[1])
    most = np.flatnonzero(votes == votes.max())
    assert aggregated(scores, "vote").argmax() == most[scores.mean(axis=0)[most].argmax()]
    assert aggregated(scores, "mean").argmax() == scores.mean(axis=0).argmax()
    assert aggregated(scores, "max").argmax() == np.unravel_index(scores.argmax(), scores.shape)[1]


def test_windows_of_each_utterance_seed_arm_fold_and_side_stay_apart():
    changes = [
        {},
        {"seed": 1},
        {"arm": "text"},
        {"outer_fold": "2"},
        {"split": "dev"},
        {"utterance": "u1"},
    ]
    rows = [replace(ROW, **change, window=window) for window in (0, 1) for change in changes]
    found = utterance_rows(rows)
    assert len(found) == len(changes)
    assert all(row.window is None for row in found)
    assert [replace(row, window=0) for row in found] == [replace(ROW, **c) for c in changes]


def test_rows_without_windows_are_left_alone():
    rows = [replace(ROW, window=None), replace(ROW, window=None, utterance="u1")]
    assert list(utterance_rows(rows)) == rows


def test_a_whole_utterance_beside_windows_stays_as_it_is():
    whole = replace(ROW, window=None, arm="text")
    assert whole in utterance_rows([ROW, replace(ROW, window=1), whole])


def test_two_predictions_of_one_utterance_are_an_error():
    twice = replace(ROW, window=None, arm="text")
    with pytest.raises(ValueError, match="u0: 2 predictions of one utterance"):
        utterance_rows([ROW, twice, twice])
