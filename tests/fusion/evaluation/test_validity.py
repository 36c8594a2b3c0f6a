"""The simulations behind docs/validity.md, in short: heads are trained, and nothing is there."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import validity
from benchmarks.validity import Design, World

CORPORA = 80
DIFFERENT = validity.WORLDS["speakers differ much"]


@pytest.mark.parametrize("design", [Design(6, 6), Design(10, 5), Design(24, 5), Design(24, 0)])
def test_intervals_hold_what_the_procedure_scores(design):
    before, now = validity.simulated(DIFFERENT, design, CORPORA)
    # Of 80 corpora, 95 % less three standard errors; no more than one in ten alarms.
    assert min(now.holds, now.zero) >= 0.88
    assert now.shown <= 0.1
    assert now.holds >= before.holds
    assert now.shown <= before.shown


def test_heads_held_to_be_given_claim_too_much():
    before, _ = validity.simulated(DIFFERENT, Design(10, 5), 3 * CORPORA)
    assert before.holds < 0.92


def test_pairs_who_talk_with_each_other_count_once():
    by_speaker, by_pair = validity.dyads(Design(24, 5), 0.8, CORPORA)
    assert by_pair.holds >= by_speaker.holds
    assert by_pair.shown <= 0.1


def test_both_arms_are_of_one_law():
    both = [validity.corpus(World(), Design(10, 5), seed) for seed in range(60)]
    gaps = [
        float(
            validity.UAR.of(one.sums.sum(axis=0)).mean()
            - validity.UAR.of(other.sums.sum(axis=0)).mean()
        )
        for one, other in both
    ]
    assert abs(np.mean(gaps)) <= 3 * np.std(gaps) / np.sqrt(len(gaps))


def test_persisting_moods_fool_shuffled_labels_and_not_those_that_go_round():
    shuffled, gone_round = validity.blind(validity.Talk(10, 6, 15, 0.9), 60)
    assert shuffled >= 0.1
    assert gone_round <= 0.12


def test_a_ridge_head_is_that_of_scikit_learn():
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    features, truth = rng.normal(size=(60, 5)), rng.integers(0, 3, 60)
    weights = validity.ridge(features, np.eye(3)[truth], 2.0)
    each = 60 / 3 / np.bincount(truth)[truth]
    rows = np.hstack([features, np.ones((60, 1))])
    model = Ridge(alpha=2.0, fit_intercept=False).fit(rows, np.eye(3)[truth], sample_weight=each)
    np.testing.assert_allclose(weights, model.coef_.T, atol=1e-8)
    wide = validity.ridge(rng.normal(size=(20, 40)), np.eye(3)[truth[:20]], 2.0)
    assert wide.shape == (41, 3)
