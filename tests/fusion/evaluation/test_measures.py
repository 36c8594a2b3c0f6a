"""Metrics of labels, shares and values equal other libraries', and obey laws of their own."""

from __future__ import annotations

import warnings

import audmetric
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats
from scipy.spatial.distance import cosine, jensenshannon
from sklearn import metrics as sk

from fusion.evaluation import measures
from fusion.evaluation.measures import LABELS, OF_SENTIMENT, SHARES, VALUES, Metric
from fusion.evaluation.speaker_sums import SpeakerSums, tally_labels, tally_shares, tally_values

CASES = [300, pytest.param(10_000, marks=pytest.mark.slow)]
CALLS = {
    "macro_f1": lambda t, g: sk.f1_score(t, g, average="macro", zero_division=0),
    "micro_f1": lambda t, g: sk.f1_score(t, g, average="micro", zero_division=0),
    "weighted_f1": lambda t, g: sk.f1_score(t, g, average="weighted", zero_division=0),
    "samples_f1": lambda t, g: sk.f1_score(t, g, average="samples", zero_division=0),
    "subset_accuracy": sk.accuracy_score,
    "hamming_loss": sk.hamming_loss,
    "macro_precision": lambda t, g: sk.precision_score(t, g, average="macro", zero_division=0),
    "weighted_accuracy": lambda t, g: np.mean(
        [sk.balanced_accuracy_score(t[:, k], g[:, k]) for k in range(t.shape[1])]
    ),
}


def value(tally: SpeakerSums, measure: Metric) -> float:
    return float(measure.of(tally.sums.sum(axis=0))[0])


def speakers(rng: np.random.Generator, rows: int) -> list[str]:
    """Values are those of the total, however rows are dealt to clusters."""
    return [f"s{k}" for k in rng.integers(0, 5, rows)]


@pytest.mark.parametrize("cases", CASES)
def test_sets_of_labels_equal_scikit_learn(cases):
    rng = np.random.default_rng(0)
    names = list(CALLS)
    for number in range(cases):
        labels = int(rng.integers(2, 7))
        share = rng.random((2, 1, labels))
        truth, guess = rng.random((2, int(rng.integers(1, 40)), labels)) < share
        # No label without rows, none that all have.
        truth = np.r_[truth, np.eye(labels, dtype=bool)]
        guess = np.r_[guess, rng.random((labels, labels)) < 0.5]
        # A call of theirs costs milliseconds: they take turns.
        name = names[number % len(names)]
        found = tally_labels(truth, guess[None], speakers(rng, len(truth)))
        assert value(found, LABELS[name]) == pytest.approx(CALLS[name](truth, guess)), name


@pytest.mark.parametrize("cases", CASES)
def test_labels_one_by_one_equal_scikit_learn(cases):
    rng = np.random.default_rng(1)
    for _ in range(cases):
        truth, guess = rng.random((2, int(rng.integers(2, 40)), 1)) < 0.4
        truth[0], truth[1] = True, False
        total = tally_labels(truth, guess[None], speakers(rng, len(truth))).sums.sum(axis=0)
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            truth[:, 0], guess[:, 0], average="binary", zero_division=0
        )
        found = (measures.label_precisions, measures.label_recalls, measures.label_f1)
        assert [float(of(total)[0, 0]) for of in found] == pytest.approx([precision, recall, f1])


@pytest.mark.parametrize("cases", CASES)
def test_f1_of_shares_is_that_of_sets_above_one_class_of_all(cases):
    """EMO-SUPERB's score, of truth and prediction as scikit-learn takes sets of labels."""
    rng = np.random.default_rng(6)
    for _ in range(cases):
        classes = int(rng.integers(2, 9))
        truth, said = rng.dirichlet(np.full(classes, 0.7), (2, int(rng.integers(1, 40))))
        # Every class is there; shares are kept with six decimals.
        truth = np.r_[truth, np.eye(classes)].round(6)
        said = np.r_[said, rng.dirichlet(np.ones(classes), classes)].round(6)
        found = tally_shares(truth, said[None], speakers(rng, len(truth)))
        sets = [(shares / shares.sum(axis=1, keepdims=True)) > 1 / classes + 1e-6
                for shares in (truth, said)]  # fmt: skip
        expected = sk.f1_score(*sets, average="macro", zero_division=0)
        assert value(found, SHARES["soft_macro_f1"]) == pytest.approx(expected)


def test_a_share_of_one_class_in_all_is_not_above_it():
    """A sixth is stored as .166667, which is more; who names all alike names nothing."""
    truth = np.array([[0.166667] * 6, *np.eye(6).tolist()])
    said = np.full((1, 7, 6), 0.166667)
    found = tally_shares(truth, said, ["s"] * 7)
    assert value(found, SHARES["soft_macro_f1"]) == 0.0
    said[0, 1:] = np.eye(6)
    assert value(tally_shares(truth, said, ["s"] * 7), SHARES["soft_macro_f1"]) == 1.0


@pytest.mark.parametrize("cases", CASES)
def test_shares_equal_scipy(cases):
    rng = np.random.default_rng(2)
    for _ in range(cases):
        rows, classes = int(rng.integers(1, 8)), int(rng.integers(2, 7))
        truth = rng.multinomial(5, np.full(classes, 1 / classes), rows) / 5
        said = rng.dirichlet(np.full(classes, rng.uniform(0.3, 3)), rows)
        # What is nearly 0 is held above the last stored decimal, which scipy does not know of.
        said = np.maximum(said, 1e-4)
        said = said / said.sum(axis=1, keepdims=True)
        found = tally_shares(truth, said[None], speakers(rng, rows))
        pairs = list(zip(truth, said, strict=True))
        expected = {
            "kl": np.mean([stats.entropy(t, s) for t, s in pairs]),
            "js": np.mean([jensenshannon(t, s) ** 2 for t, s in pairs]),
            "cosine": np.mean([1 - cosine(t, s) for t, s in pairs]),
        }
        assert {n: value(found, SHARES[n]) for n in expected} == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("cases", CASES)
def test_values_equal_audmetric_scipy_and_scikit_learn(cases):
    rng = np.random.default_rng(3)
    for _ in range(cases):
        truth, guess = series(rng, int(rng.integers(2, 4)))
        found = tally_values(truth, guess[None], speakers(rng, len(truth)))
        columns = list(zip(truth.T, guess.T, strict=True))
        expected = {
            "ccc": np.mean([audmetric.concordance_cc(t, g) for t, g in columns]),
            "pearson": np.mean([stats.pearsonr(t, g)[0] for t, g in columns]),
            "mse": sk.mean_squared_error(truth, guess),
            "mae": sk.mean_absolute_error(truth, guess),
        }
        assert {n: value(found, VALUES[n]) for n in expected} == pytest.approx(expected)


def series(rng: np.random.Generator, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    rows = int(rng.integers(3, 60))
    # A large mean is what sums of squares are afraid of.
    truth = rng.normal(rng.uniform(-100, 100), 1, (rows, dimensions))
    slope = rng.uniform(-2, 2)
    return truth, slope * truth + rng.uniform(-2, 2) + rng.normal(size=truth.shape)


@pytest.mark.parametrize("cases", CASES)
def test_sentiment_equals_the_papers_own_recipe(cases):
    rng = np.random.default_rng(4)
    for _ in range(cases):
        rows = int(rng.integers(4, 60))
        truth = np.round(rng.uniform(-3, 3, rows) * 5) / 5
        truth[:2] = -1, 1
        said = truth * rng.uniform(0, 2) + rng.normal(size=rows)
        # Some predictions lie at a border.
        said = np.round(said * 2) / 2 if rng.random() < 0.5 else said
        arrays = truth[:, None], said[None, :, None]
        found = tally_values(*arrays, speakers(rng, rows), sentiment=True)
        expected = recipe(truth, said)
        assert {n: value(found, OF_SENTIMENT[n]) for n in expected} == pytest.approx(expected)


def recipe(truth: np.ndarray, said: np.ndarray) -> dict[str, float]:
    """MMSA's: from 0 on, above 0 without neutral rows, whole numbers."""
    some = truth != 0
    return {
        "acc2_has0": sk.accuracy_score(truth >= 0, said >= 0),
        "f1_has0": sk.f1_score(truth >= 0, said >= 0, average="weighted"),
        "acc2_non0": sk.accuracy_score(truth[some] > 0, said[some] > 0),
        "f1_non0": sk.f1_score(truth[some] > 0, said[some] > 0, average="weighted"),
        "acc7": np.mean(np.round(np.clip(said, -3, 3)) == np.round(np.clip(truth, -3, 3))),
        "mae": np.abs(truth - said).mean(),
        "pearson": np.corrcoef(truth, said)[0, 1],
    }


# ---------------------------------------------------------------- laws


@given(st.integers(0, 2**32 - 1), st.permutations(range(4)))
def test_the_order_of_labels_changes_no_average(seed, order):
    rng = np.random.default_rng(seed)
    truth, guess = rng.random((2, 20, 4)) < 0.5
    names = speakers(rng, 20)
    one, other = (
        tally_labels(truth[:, own], guess[None][..., own], names) for own in (range(4), order)
    )
    for name, measure in LABELS.items():
        assert value(one, measure) == pytest.approx(value(other, measure), nan_ok=True), name


@given(st.integers(0, 2**32 - 1), st.permutations(range(4)))
def test_the_order_of_classes_and_rows_changes_no_divergence(seed, order):
    rng = np.random.default_rng(seed)
    truth, said = rng.dirichlet(np.ones(4), (2, 6))
    rows = rng.permutation(6)
    names = speakers(rng, 6)
    one = tally_shares(truth, said[None], names)
    other = tally_shares(truth[rows][:, order], said[rows][:, order][None], names)
    for name, measure in SHARES.items():
        assert value(one, measure) == pytest.approx(value(other, measure), nan_ok=True), name


@given(st.integers(0, 2**32 - 1))
def test_a_speaker_without_rows_changes_nothing(seed):
    rng = np.random.default_rng(seed)
    truth, guess = rng.random((2, 20, 3)) < 0.5
    found = tally_labels(truth, guess[None], speakers(rng, 20))
    more = SpeakerSums(
        np.concatenate([found.sums, np.zeros_like(found.sums[:1])]),
        np.concatenate([found.support, np.zeros_like(found.support[:1])]),
    )
    for name, measure in LABELS.items():
        assert value(more, measure) == pytest.approx(value(found, measure), nan_ok=True), name


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10), st.floats(-10, 10))
def test_a_change_of_units_changes_no_agreement(seed, scale, shift):
    truth, said = series(np.random.default_rng(seed), 2)
    names = ["s"] * len(truth)
    one = tally_values(truth, said[None], names)
    other = tally_values(scale * truth + shift, (scale * said + shift)[None], names)
    for name, factor in (("ccc", 1), ("pearson", 1), ("mae", scale), ("mse", scale**2)):
        expected = factor * value(one, VALUES[name])
        assert value(other, VALUES[name]) == pytest.approx(expected, rel=1e-6), name


def test_the_truth_itself_is_perfect():
    truth = np.array([[0.7, 0.3], [1.0, 0.0]])
    found = tally_shares(truth, truth[None], ["a", "b"])
    assert value(found, SHARES["kl"]) == pytest.approx(0, abs=1e-5)
    assert value(found, SHARES["cosine"]) == pytest.approx(1)
    values = tally_values(truth, truth[None], ["a", "b"])
    assert [value(values, VALUES[n]) for n in ("ccc", "mse", "mae")] == pytest.approx([1, 0, 0])


def test_a_label_without_rows_leaves_macro_undefined_and_micro_not():
    truth = np.array([[True, False], [False, False]])
    found = tally_labels(truth, truth[None], ["a", "b"])
    assert np.isnan(value(found, LABELS["macro_f1"]))
    assert np.isnan(value(found, LABELS["weighted_accuracy"]))
    assert value(found, LABELS["micro_f1"]) == 1.0


def test_one_value_throughout_has_no_concordance_and_warns_of_nothing():
    truth = np.full((4, 1), 1 / 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = tally_values(truth, truth[None], list("abcd"))
        assert np.isnan(value(found, VALUES["ccc"]))
        said = np.arange(4.0)[None, :, None]
        assert value(tally_values(truth, said, list("abcd")), VALUES["ccc"]) == pytest.approx(0)
