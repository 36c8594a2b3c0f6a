"""Metrics as pure functions: of confusion counts, of sets of labels, of scores, of values.

``counts[..., truth, prediction]`` with the fixed order of targets, vectorised over leading axes. In
formulas tp, fp and fn are a class's hits, false alarms and misses, n its support, K the number of
classes and N that of rows. A class without true samples leaves UAR and every other mean over
classes undefined (NaN), never an average over fewer classes: scikit-learn would drop that class and
audmetric would count it as 0. A class that is never predicted has precision 0.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

Counts = Float[np.ndarray, "*axes targets targets"]
Values = Float[np.ndarray, "*axes"]
PerTarget = Float[np.ndarray, "*axes targets"]


class Parts(NamedTuple):
    """Rows of each class, or of each label of sets: told rightly, that have it, told to have it."""

    hits: PerTarget
    support: PerTarget
    named: PerTarget


def confusion(
    truth: Int[np.ndarray, "rows"], prediction: Int[np.ndarray, "rows"], classes: int
) -> Float[np.ndarray, "targets targets"]:
    """Counts of one set of predictions.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    cells = np.bincount(truth * classes + prediction, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(float)


def recalls(counts: Counts | Parts) -> PerTarget:
    """Share of each class that was recognised, ``tp / n``; NaN for a class without samples.

    >>> recalls(np.array([[3.0, 1.0], [2.0, 2.0]])).tolist()
    [0.75, 0.5]
    """
    hits, support, _ = _parts(counts)
    return ratio(hits, support)


def precisions(counts: Counts | Parts) -> PerTarget:
    """Share of each class's predictions that are right, ``tp / (tp + fp)``; 0 if never predicted.

    >>> precisions(np.array([[3.0, 1.0], [2.0, 2.0]])).round(3).tolist()
    [0.6, 0.667]
    """
    hits, _, named = _parts(counts)
    return np.nan_to_num(ratio(hits, named))


def f1_scores(counts: Counts | Parts) -> PerTarget:
    """F1 of each class, ``2 tp / (2 tp + fp + fn)``; NaN for a class without samples.

    >>> f1_scores(np.array([[3.0, 1.0], [2.0, 2.0]])).round(3).tolist()
    [0.667, 0.571]
    """
    hits, support, named = _parts(counts)
    return np.where(support > 0, ratio(2 * hits, support + named), np.nan)


def uar(counts: Counts) -> Values:
    """Unweighted average recall, ``sum(tp / n) / K``. Papers also say UA, UW, balanced accuracy.

    >>> float(uar(np.array([[3.0, 1.0], [2.0, 2.0]])))
    0.625
    """
    return np.asarray(recalls(counts).mean(axis=-1))


def accuracy(counts: Counts) -> Values:
    """Share of rows that are right, ``sum(tp) / N``. Papers also say WA; it is micro F1 too.

    >>> float(accuracy(np.array([[3.0, 1.0], [2.0, 2.0]])))
    0.625
    """
    return ratio(_parts(counts).hits.sum(axis=-1), counts.sum(axis=(-2, -1)))


def macro_f1(counts: Counts | Parts) -> Values:
    """Mean of the F1 scores of the classes, ``sum(f1) / K``.

    >>> float(macro_f1(np.array([[3.0, 1.0], [2.0, 2.0]])).round(3))
    0.619
    """
    return np.asarray(f1_scores(counts).mean(axis=-1))


def weighted_f1(counts: Counts | Parts) -> Values:
    """Mean of F1 weighted by support, ``sum(n f1) / N``; classes without samples weigh nothing.

    >>> float(weighted_f1(np.array([[3.0, 1.0], [1.0, 1.0]])).round(3))
    0.667
    """
    support = _parts(counts).support
    scores = np.nan_to_num(f1_scores(counts))
    return ratio((scores * support).sum(axis=-1), support.sum(axis=-1))


def macro_precision(counts: Counts | Parts) -> Values:
    """Mean of the precision of the classes, ``sum(tp / (tp + fp)) / K``; NaN if one has no sample.

    >>> float(macro_precision(np.array([[3.0, 1.0], [2.0, 2.0]])).round(3))
    0.633
    """
    values = np.where(_parts(counts).support > 0, precisions(counts), np.nan)
    return np.asarray(values.mean(axis=-1))


# ---------------------------------------------------------------- scores

Scores = Float[np.ndarray, "rows targets"]
Truth = Int[np.ndarray, "rows"]


def auc(truth: Bool[np.ndarray, "rows"], scores: Float[np.ndarray, "rows"]) -> float:
    """Area under the ROC curve: how often a true row scores above another, a tie counting half.

    ``(sum of the true rows' ranks - n (n + 1) / 2) / (n (N - n))``; NaN without rows of both kinds.

    >>> auc(np.array([False, False, True, True]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    true = int(truth.sum())
    other = len(truth) - true
    if not true or not other:
        return float("nan")
    ranks = rankdata(scores)[truth].sum()
    return float((ranks - true * (true + 1) / 2) / (true * other))


def macro_auc(truth: Bool[np.ndarray, "rows targets"], scores: Scores) -> float:
    """Mean over targets of :func:`auc`, each against all others; NaN if one of them has none.

    >>> truth = np.array([[True, False], [False, True], [False, True]])
    >>> macro_auc(truth, np.array([[0.6, 0.4], [0.7, 0.3], [0.2, 0.8]]))
    0.5
    """
    return float(np.mean([auc(truth[:, k], scores[:, k]) for k in range(truth.shape[1])]))


#: Bins of confidence of equal width (Guo et al. 2017).
ECE_BINS = 15


@dataclass(frozen=True, slots=True)
class ConfidenceBins:
    """Rows by the probability of their prediction: how many, their mean one, their accuracy.

    Bins are of equal width and hold their upper edge; empty ones are NaN in the means.
    """

    rows: Int[np.ndarray, "bins"]
    confidence: Float[np.ndarray, "bins"]
    accuracy: Float[np.ndarray, "bins"]


def confidence_bins(truth: Truth, scores: Scores, bins: int = ECE_BINS) -> ConfidenceBins:
    """Sort rows into bins by their largest probability.

    >>> binned = confidence_bins(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]), bins=2)
    >>> binned.rows.tolist(), binned.confidence.round(2).tolist()[1], binned.accuracy.tolist()[1]
    ([0, 2], 0.85, 0.5)
    """
    sure, right = scores.max(axis=1), scores.argmax(axis=1) == truth
    number = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    rows = np.bincount(number, minlength=bins)
    means = [ratio(np.bincount(number, values, minlength=bins), rows) for values in (sure, right)]
    return ConfidenceBins(rows, *means)


def ece(truth: Truth, scores: Scores, bins: int = ECE_BINS) -> float:
    """Expected calibration error, ``sum over bins of (rows / N) |accuracy - mean confidence|``.

    >>> round(ece(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]), bins=2), 3)
    0.35
    """
    binned = confidence_bins(truth, scores, bins)
    gaps = np.nan_to_num(np.abs(binned.accuracy - binned.confidence))
    return float((binned.rows * gaps).sum() / binned.rows.sum())


# ---------------------------------------------------------------- values

Series = Float[np.ndarray, "rows"]


def ccc(truth: Series, prediction: Series) -> float:
    """Concordance correlation (Lin 1989), ``2 cov / (var x + var y + (mean x - mean y)^2)``.

    Moments are those of the rows (divided by N). NaN where neither series varies.

    >>> round(ccc(np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])), 3)
    0.571
    """
    if (truth == truth[0]).all() and (prediction == prediction[0]).all():
        return float("nan")
    covariance = ((truth - truth.mean()) * (prediction - prediction.mean())).mean()
    apart = (truth.mean() - prediction.mean()) ** 2
    return float(2 * covariance / (truth.var() + prediction.var() + apart))


# ---------------------------------------------------------------- parts


def _parts(counts: Counts | Parts) -> Parts:
    if isinstance(counts, Parts):
        return counts
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    return Parts(hits, counts.sum(axis=-1), counts.sum(axis=-2))


def ratio(above: np.ndarray | np.float64, below: np.ndarray | np.float64) -> np.ndarray:
    """A quotient; NaN where there is nothing to divide by."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / below, np.nan)
