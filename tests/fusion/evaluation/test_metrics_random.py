"""Every metric equals scikit-learn's and audmetric's on random cases: 10 000 of them if slow."""

from __future__ import annotations

import warnings

import audmetric
import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from fusion.evaluation import metrics
from fusion.evaluation.measures import LABELS
from fusion.evaluation.speaker_sums import tally_labels

CASES = [300, pytest.param(10_000, marks=pytest.mark.slow)]
AVERAGES = ("macro", "micro", "weighted", "samples")


def labels(rng):
    """Truth in which every class occurs, guesses in which it need not, sometimes very few rows."""
    classes = int(rng.integers(2, 9))
    truth = rng.permutation(
        np.r_[np.arange(classes), rng.integers(0, classes, rng.integers(0, 50))]
    )
    skill = rng.random()
    guess = np.where(rng.random(len(truth)) < skill, truth, rng.integers(0, classes, len(truth)))
    return truth, guess, classes


def f1_of(truth, guess, average):
    """F1 of sets of labels, as reports have it."""
    sums = tally_labels(truth, guess[None], ["s"] * len(truth)).sums.sum(axis=0)
    return float(LABELS[f"{average}_f1"].of(sums)[0])


@pytest.mark.parametrize("cases", CASES)
def test_single_labels_equal_scikit_learn_and_audmetric(cases):
    rng = np.random.default_rng(0)
    for _ in range(cases):
        truth, guess, classes = labels(rng)
        known = range(classes)
        counts = metrics.confusion(truth, guess, classes)
        per_class = sk.precision_recall_fscore_support(truth, guess, labels=known, zero_division=0)
        precision, recall, f1, support = per_class
        expected = {
            "uar": recall.mean(),
            "accuracy": sk.accuracy_score(truth, guess),
            "macro_f1": f1.mean(),
            "weighted_f1": (f1 * support).sum() / support.sum(),
            "macro_precision": sk.precision_score(
                truth, guess, average="macro", labels=known, zero_division=0
            ),
        }
        found = {name: float(getattr(metrics, name)(counts)) for name in expected}
        assert found == pytest.approx(expected)
        np.testing.assert_allclose(metrics.precisions(counts), precision)
        np.testing.assert_allclose(metrics.f1_scores(counts), f1)
        theirs = {
            "uar": audmetric.unweighted_average_recall(truth, guess, labels=known),
            "accuracy": audmetric.accuracy(truth, guess, labels=known),
            "macro_f1": audmetric.unweighted_average_fscore(truth, guess, labels=known),
        }
        assert {name: found[name] for name in theirs} == pytest.approx(theirs)
        hot = np.eye(classes, dtype=bool)
        for average in ("micro", "samples"):
            assert f1_of(hot[truth], hot[guess], average) == pytest.approx(expected["accuracy"])


@pytest.mark.parametrize("cases", CASES)
def test_sets_of_labels_equal_scikit_learn(cases):
    rng = np.random.default_rng(1)
    for number in range(cases):
        classes = int(rng.integers(2, 7))
        shares = rng.random((2, 1, classes))
        truth, guess = rng.random((2, int(rng.integers(1, 40)), classes)) < shares
        truth = np.r_[truth, np.eye(classes, dtype=bool)]  # no label without support
        guess = np.r_[guess, np.zeros((classes, classes), bool)]
        # A call costs milliseconds: the averages take turns.
        average = AVERAGES[number % len(AVERAGES)]
        expected = sk.f1_score(truth, guess, average=average, zero_division=0)
        assert f1_of(truth, guess, average) == pytest.approx(expected)


@pytest.mark.parametrize("cases", CASES)
def test_scores_equal_scikit_learn(cases):
    rng = np.random.default_rng(2)
    for number in range(cases):
        truth, _, classes = labels(rng)
        scores = rng.dirichlet(np.full(classes, rng.uniform(0.1, 3)), len(truth))
        # Two decimals make ties.
        scores = np.round(scores, 2) if rng.random() < 0.5 else scores
        column = int(rng.integers(classes))
        if number % 2:
            # A call of theirs costs 20 ms: the two take turns.
            bins = int(rng.integers(1, 20))
            expected = expected_ece(truth, scores, bins)
            assert metrics.ece(truth, scores, bins) == pytest.approx(expected)
            continue
        if classes > 2 and number % 8 == 0:
            hot = np.eye(classes, dtype=bool)[truth]
            # Their own check of sums is stricter than two decimals allow.
            theirs = sk.roc_auc_score(hot, scores, average="macro")
            assert metrics.macro_auc(hot, scores) == pytest.approx(theirs)
        assert metrics.auc(truth == column, scores[:, column]) == pytest.approx(
            sk.roc_auc_score(truth == column, scores[:, column])
        )


def expected_ece(truth, scores, bins):
    """By scikit-learn's calibration curve and numpy's histogram."""
    sure, right = scores.max(axis=1), scores.argmax(axis=1) == truth
    accuracy, confidence = calibration_curve(right, sure, n_bins=bins)
    edges = np.linspace(0, 1, bins + 1)
    rows = np.bincount(np.searchsorted(edges[1:-1], sure), minlength=bins)
    return float((rows[rows > 0] * np.abs(accuracy - confidence)).sum() / len(truth))


@pytest.mark.parametrize("cases", CASES)
def test_concordance_equals_audmetric(cases):
    rng = np.random.default_rng(4)
    for _ in range(cases):
        truth = rng.normal(size=int(rng.integers(2, 60)))
        guess = rng.uniform(-2, 2) * truth + rng.uniform(-2, 2) + rng.normal(size=len(truth))
        assert metrics.ccc(truth, guess) == pytest.approx(audmetric.concordance_cc(truth, guess))


# ---------------------------------------------------------------- what is not defined


def test_a_label_without_support_leaves_macro_undefined_and_nothing_else():
    truth = np.array([[True, False], [True, False]])
    guess = np.array([[True, True], [False, False]])
    assert np.isnan(f1_of(truth, guess, "macro"))
    for average in ("micro", "weighted", "samples"):
        assert not np.isnan(f1_of(truth, guess, average))


def test_series_that_never_vary_have_no_concordance():
    assert np.isnan(metrics.ccc(np.ones(3), np.ones(3)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert metrics.ccc(np.ones(3), np.array([0.0, 1.0, 2.0])) == 0.0


def test_a_right_and_sure_classifier_is_calibrated_and_a_wrong_one_is_not():
    scores = np.eye(3)
    assert metrics.ece(np.arange(3), scores) == 0.0
    assert metrics.ece(np.array([1, 2, 0]), scores) == 1.0


def test_confidence_at_an_edge_belongs_to_the_bin_below():
    scores = np.array([[0.5, 0.5], [0.75, 0.25]])
    assert metrics.confidence_bins(np.array([0, 0]), scores, bins=4).rows.tolist() == [0, 1, 1, 0]
