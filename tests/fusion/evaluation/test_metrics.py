"""Metrics equal scikit-learn's where every class is there, and are undefined where one is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn import metrics as sk

from fusion.evaluation import metrics
from fusion.evaluation.measures import CLASSES


@st.composite
def labelled(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Truth in which every class occurs, predictions in which it need not."""
    classes = draw(st.integers(2, 6))
    rest = draw(st.lists(st.integers(0, classes - 1), max_size=40))
    truth = np.array([*range(classes), *rest])
    guess = st.lists(st.integers(0, classes - 1), min_size=len(truth), max_size=len(truth))
    return truth, np.array(draw(guess)), classes


def counts_of(case: tuple[np.ndarray, np.ndarray, int]) -> np.ndarray:
    return metrics.confusion(*case)


@given(labelled())
def test_confusion_equals_scikit_learn(case):
    truth, guess, classes = case
    expected = sk.confusion_matrix(truth, guess, labels=range(classes))
    np.testing.assert_array_equal(counts_of(case), expected)


@given(labelled())
def test_uar_equals_balanced_accuracy(case):
    expected = sk.balanced_accuracy_score(case[0], case[1])
    assert float(metrics.uar(counts_of(case))) == pytest.approx(expected)


@given(labelled())
def test_accuracy_equals_scikit_learn(case):
    expected = sk.accuracy_score(case[0], case[1])
    assert float(metrics.accuracy(counts_of(case))) == pytest.approx(expected)


@given(labelled())
def test_macro_f1_equals_scikit_learn(case):
    truth, guess, classes = case
    expected = sk.f1_score(truth, guess, labels=range(classes), average="macro", zero_division=0)
    assert float(metrics.macro_f1(counts_of(case))) == pytest.approx(expected)


@given(labelled())
def test_weighted_f1_equals_scikit_learn(case):
    truth, guess, classes = case
    expected = sk.f1_score(truth, guess, labels=range(classes), average="weighted", zero_division=0)
    assert float(metrics.weighted_f1(counts_of(case))) == pytest.approx(expected)


@given(labelled())
def test_per_class_values_equal_scikit_learn(case):
    truth, guess, classes = case
    expected = sk.precision_recall_fscore_support(
        truth, guess, labels=range(classes), zero_division=0
    )[:3]
    counts = counts_of(case)
    found = metrics.precisions(counts), metrics.recalls(counts), metrics.f1_scores(counts)
    np.testing.assert_allclose(found, expected)


# ---------------------------------------------------------------- a class without samples

ABSENT = np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 2.0], [0.0, 0.0, 0.0]])


@pytest.mark.parametrize("name", ["uar", "macro_f1"])
def test_a_class_without_samples_leaves_means_over_classes_undefined(name):
    assert np.isnan(CLASSES[name].of(ABSENT))


def test_a_class_without_samples_has_no_recall():
    np.testing.assert_array_equal(metrics.recalls(ABSENT), [0.75, 0.5, np.nan])


def test_a_class_without_samples_has_no_f1():
    np.testing.assert_array_equal(np.isnan(metrics.f1_scores(ABSENT)), [False, False, True])


def test_a_class_without_samples_does_not_change_accuracy():
    assert float(metrics.accuracy(ABSENT)) == 5 / 8


def test_a_class_without_samples_weighs_nothing_in_weighted_f1():
    truth, guess = [0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 2, 2]
    expected = sk.f1_score(truth, guess, labels=range(3), average="weighted", zero_division=0)
    assert float(metrics.weighted_f1(ABSENT)) == pytest.approx(expected)


def test_a_class_never_predicted_has_precision_0():
    assert metrics.precisions(np.array([[2.0, 0.0], [1.0, 0.0]]))[1] == 0.0


def test_no_rows_have_no_accuracy():
    assert np.isnan(metrics.accuracy(np.zeros((2, 2))))


# ---------------------------------------------------------------- leading axes


@pytest.mark.parametrize("name", list(CLASSES))
def test_leading_axes_equal_a_loop(name):
    counts = np.random.default_rng(0).integers(0, 4, (3, 5, 4, 4)).astype(float)
    counts[0, 0, 2] = 0.0  # one without a class among them
    metric = CLASSES[name].of
    expected = [[float(metric(one)) for one in row] for row in counts]
    np.testing.assert_array_equal(metric(counts), expected)


@pytest.mark.parametrize("name", ["recalls", "precisions", "f1_scores"])
def test_leading_axes_of_per_class_values_equal_a_loop(name):
    counts = np.random.default_rng(1).integers(0, 4, (3, 5, 4, 4)).astype(float)
    metric = getattr(metrics, name)
    expected = [[metric(one) for one in row] for row in counts]
    np.testing.assert_array_equal(metric(counts), expected)
