"""Temperatures find what made scores too sure; thresholds and curves equal their naive versions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn import metrics as sk

from fusion.evaluation.calibration import (
    HOTTEST,
    LEAST_COVERAGE,
    DevAnswers,
    brier,
    fit_abstention,
    fit_temperature,
    log_loss,
    risk_coverage,
    tempered,
)
from fusion.evaluation.metrics import ece


def honest(rows: int, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that mean what they say: each truth is drawn from its own row of them."""
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.full(classes, 0.7), rows)
    truth = (scores.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)
    return scores, truth


# ---------------------------------------------------------------- temperature


@pytest.mark.parametrize("made", [0.4, 1.0, 2.5])
def test_the_temperature_undoes_what_was_done_to_honest_scores(made):
    scores, truth = honest(20_000)
    spoilt = tempered(scores, 1 / made)
    assert fit_temperature(spoilt[None], truth) == pytest.approx(made, rel=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_temperature_has_less_log_loss(seed):
    scores, truth = honest(60, seed=seed)
    spoilt = tempered(scores, 0.5)
    found = minimize_scalar(
        lambda t: log_loss(truth, tempered(spoilt, t)), bounds=(0.05, 20), method="bounded"
    )
    assert fit_temperature(spoilt[None], truth) == pytest.approx(found.x, rel=1e-3)


def test_seeds_share_one_temperature():
    scores, truth = honest(500)
    both = np.stack([tempered(scores, 0.5), tempered(scores, 0.8)])
    alone = [fit_temperature(one[None], truth) for one in both]
    assert min(alone) < fit_temperature(both, truth) < max(alone)


def test_a_temperature_changes_no_decision():
    scores, _ = honest(200)
    for temperature in (0.05, 0.7, 3.0, 20.0):
        np.testing.assert_array_equal(tempered(scores, temperature).argmax(1), scores.argmax(1))


@given(st.floats(0.05, 20))
def test_tempered_scores_are_probabilities(temperature):
    found = tempered(np.array([[1.0, 0.0], [0.5, 0.5], [0.3, 0.7]]), temperature)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert np.isfinite(found).all()


def test_stored_zeros_cost_no_infinite_loss():
    scores = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    truth = np.array([0, 1, 0, 0])
    assert 1 < fit_temperature(scores[None], truth) <= HOTTEST
    assert np.isfinite(log_loss(truth, scores))


@pytest.mark.parametrize(
    ("truth", "expected"), [([0, 1], 1 / HOTTEST), ([1, 0], HOTTEST)], ids=["right", "wrong"]
)
def test_scores_that_are_always_right_or_wrong_take_the_temperature_to_its_end(truth, expected):
    scores = np.array([[[0.9, 0.1], [0.1, 0.9]]])
    assert fit_temperature(scores, np.array(truth)) == expected


def test_scores_that_know_nothing_take_no_temperature_out_of_range():
    assert 1 / HOTTEST <= fit_temperature(np.full((1, 6, 3), 1 / 3), np.arange(6) % 3) <= HOTTEST


def test_calibration_lowers_the_error_of_what_is_too_sure():
    dev, truth_of_dev = honest(3000, seed=1)
    test, truth = honest(3000, seed=2)
    temperature = fit_temperature(tempered(dev, 0.4)[None], truth_of_dev)
    before = tempered(test, 0.4)
    after = tempered(before, temperature)
    assert ece(truth, after) < 0.3 * ece(truth, before)
    assert log_loss(truth, after) < log_loss(truth, before)


# ---------------------------------------------------------------- losses


@pytest.mark.parametrize("seed", range(5))
def test_losses_equal_scikit_learn(seed):
    scores, truth = honest(30, classes=3, seed=seed)
    known = list(range(3))
    assert log_loss(truth, scores) == pytest.approx(sk.log_loss(truth, scores, labels=known))
    expected = np.mean(np.sum((scores - np.eye(3)[truth]) ** 2, axis=1))
    assert brier(truth, scores) == pytest.approx(expected)


# ---------------------------------------------------------------- abstention

ROWS = st.lists(st.tuples(st.integers(1, 8), st.booleans()), min_size=1, max_size=40)


@given(ROWS)
def test_the_threshold_is_the_lowest_that_halves_the_errors(rows):
    sure = np.array([level / 8 for level, _ in rows])
    right = np.array([hit for _, hit in rows])
    found = fit_abstention(sure, right)
    target = 1 - (1 - right.mean()) / 2
    good = [
        level
        for level in sorted(set(sure))
        if (sure >= level).mean() >= LEAST_COVERAGE and right[sure >= level].mean() >= target - 1e-9
    ]
    kept = sure >= found.threshold
    assert found.reached == bool(good)
    if good:
        assert found.threshold == good[0]
    assert found.coverage == pytest.approx(kept.mean())
    assert found.accuracy == pytest.approx(right[kept].mean())
    assert kept.mean() >= LEAST_COVERAGE


def test_a_classifier_without_errors_abstains_from_nothing():
    found = fit_abstention(np.array([0.9, 0.3]), np.array([True, True]))
    assert (found.coverage, found.reached) == (1.0, True)


def test_a_classifier_that_is_surest_when_wrong_keeps_half_and_says_so():
    found = fit_abstention(np.array([0.9, 0.8, 0.4, 0.3]), np.array([False, False, True, True]))
    assert (found.coverage, found.reached) == (0.5, False)


# ---------------------------------------------------------------- risk and coverage


@given(ROWS)
def test_the_curve_is_what_chance_would_keep_among_equals(rows):
    sure = np.array([level / 8 for level, _ in rows])
    right = np.array([hit for _, hit in rows])
    found = risk_coverage(sure, right)
    # The expected hit of each place, from the surest on: among equals their mean.
    hits = [right[sure == level].mean() for level in sorted(sure, reverse=True)]
    risk = 1 - np.cumsum(hits) / np.arange(1, len(sure) + 1)
    assert found.area == pytest.approx(risk.mean())
    assert found.accuracy[-1] == pytest.approx(right.mean())
    assert ((found.accuracy >= 0) & (found.accuracy <= 1 + 1e-12)).all()


def test_a_confidence_that_orders_rows_perfectly_has_the_least_area():
    right = np.array([True] * 6 + [False] * 4)
    best = risk_coverage(np.linspace(1, 0.1, 10), right)
    worst = risk_coverage(np.linspace(0.1, 1, 10), right)
    assert best.accuracy[11] == 1.0  # six of ten rows: coverage .6
    assert best.area < worst.area


# ---------------------------------------------------------------- answers of several heads

SPEAKERS, OF_EACH, INNER = 12, 40, 3


def dev_answers(temper: float, seeds: int = 3, noise: float = 0.0, seed: int = 0) -> DevAnswers:
    """Rows of known probabilities, said by heads whose logits are that much too large, and noisy.

    Heads of one seed err in another way than those of the next, so that their mean is less sure.
    """
    rng = np.random.default_rng(seed)
    rows = SPEAKERS * OF_EACH
    logits = rng.normal(size=(rows, 3))
    true = softmax(logits, axis=1)
    truth = (true.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)
    said = softmax((logits + noise * rng.normal(size=(seeds, rows, 3))) / temper, axis=-1)
    speakers = np.arange(rows) // OF_EACH
    return DevAnswers(said, truth, speakers % INNER, tuple(f"s{k}" for k in speakers))


def test_an_answer_is_the_mean_over_as_many_seeds_as_there_are_inner_folds():
    dev = dev_answers(1.0, seeds=5, noise=1.0)
    assert dev.heads == INNER
    assert dev.answers.shape == dev.scores.shape
    np.testing.assert_allclose(dev.answers[0], dev.scores[:3].mean(axis=0))
    np.testing.assert_allclose(dev.answers[4], dev.scores[[4, 0, 1]].mean(axis=0))
    alone = replace(dev, inner=np.zeros_like(dev.inner))
    np.testing.assert_array_equal(alone.answers, dev.scores)


@pytest.mark.parametrize("temper", [0.4, 2.5])
def test_answers_that_are_much_too_sure_or_unsure_get_their_temperature(temper):
    assert dev_answers(temper).fit_temperature() == pytest.approx(1 / temper, rel=0.15)


def test_answers_that_mean_what_they_say_are_left_alone():
    left = [dev_answers(1.0, seed=seed).fit_temperature() for seed in range(40)]
    # Two of forty may be moved at 5 %; a few more by chance.
    assert sum(temperature != 1 for temperature in left) <= 5


def test_single_heads_ask_for_a_temperature_that_their_mean_does_not_need():
    """Noise makes each head too sure; the mean over three of them is nearly right."""
    dev = dev_answers(0.75, noise=0.75)
    single = fit_temperature(dev.scores, dev.truth)
    means = dev.scores.mean(axis=0)
    assert single > 1.2
    assert dev.fit_temperature() < 0.95 * single
    after = [log_loss(dev.truth, tempered(means, t)) for t in (single, dev.fit_temperature())]
    assert after[1] < after[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda dev: replace(dev, scores=dev.scores[:2]),
        lambda dev: replace(dev, speakers=("a",) * len(dev.truth)),
        lambda dev: replace(dev, speakers=("a",) * 40 + ("b",) * (len(dev.truth) - 40)),
    ],
)
def test_without_an_answer_or_speakers_to_hold_out_it_stays_1(change):
    assert change(dev_answers(0.4)).fit_temperature() == 1.0


def test_of_one_inner_fold_speakers_are_held_out_in_thirds():
    dev = dev_answers(0.4)
    alone = replace(dev, inner=np.zeros_like(dev.inner))
    assert alone.fit_temperature() == fit_temperature(dev.scores, dev.truth)


def test_one_speaker_cannot_show_a_gain():
    """The gain of one speaker's many rows is no gain over speakers."""
    dev = dev_answers(1.0)
    odd = np.array(dev.speakers) == "s0"
    scores = dev.scores.copy()
    scores[:, odd] = np.eye(3)[(dev.truth[odd] + 1) % 3]
    assert replace(dev, scores=scores).fit_temperature() == 1.0


def test_the_threshold_is_that_of_answers():
    dev = dev_answers(1.0, noise=1.0)
    means = tempered(dev.answers, 1.3)
    right = means.argmax(axis=-1) == dev.truth
    assert dev.abstention(1.3) == fit_abstention(means.max(axis=-1).ravel(), right.ravel())
