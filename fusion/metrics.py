"""Metrics as pure functions of confusion counts, vectorised over leading axes.

``counts[..., truth, prediction]`` with the fixed order of targets. A class without true samples
leaves UAR and macro F1 undefined (NaN), never an average over fewer classes: scikit-learn would
drop that class and audmetric would count it as 0.
"""

import numpy as np
from jaxtyping import Float, Int

Counts = Float[np.ndarray, "*axes targets targets"]
Values = Float[np.ndarray, "*axes"]


def confusion(
    truth: Int[np.ndarray, "rows"], prediction: Int[np.ndarray, "rows"], classes: int
) -> Float[np.ndarray, "targets targets"]:
    """Counts of one set of predictions.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1.0, 1.0], [0.0, 1.0]]
    """
    cells = np.bincount(truth * classes + prediction, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(float)


def recalls(counts: Counts) -> Float[np.ndarray, "*axes targets"]:
    """Share of each class that was recognised; NaN for a class without samples."""
    return _ratio(_hits(counts), counts.sum(axis=-1))


def precisions(counts: Counts) -> Float[np.ndarray, "*axes targets"]:
    """Share of each class's predictions that are right; 0 for a class never predicted."""
    return np.nan_to_num(_ratio(_hits(counts), counts.sum(axis=-2)))


def f1_scores(counts: Counts) -> Float[np.ndarray, "*axes targets"]:
    """F1 of each class, ``2 tp / (2 tp + fp + fn)``; NaN for a class without samples."""
    support = counts.sum(axis=-1)
    scores = _ratio(2 * _hits(counts), support + counts.sum(axis=-2))
    return np.where(support > 0, scores, np.nan)


def uar(counts: Counts) -> Values:
    """Unweighted average recall: the mean of per-class recall. Papers also say UA, UW.

    >>> float(uar(np.array([[3.0, 1.0], [2.0, 2.0]])))
    0.625
    """
    return np.asarray(recalls(counts).mean(axis=-1))


def accuracy(counts: Counts) -> Values:
    """Share of rows that are right. Papers also say WA.

    >>> float(accuracy(np.array([[3.0, 1.0], [2.0, 2.0]])))
    0.625
    """
    return _ratio(_hits(counts).sum(axis=-1), counts.sum(axis=(-2, -1)))


def macro_f1(counts: Counts) -> Values:
    """Mean of the F1 scores of the classes."""
    return np.asarray(f1_scores(counts).mean(axis=-1))


def weighted_f1(counts: Counts) -> Values:
    """Mean of the F1 scores weighted by support; classes without samples weigh nothing."""
    support = counts.sum(axis=-1)
    scores = np.nan_to_num(f1_scores(counts))
    return _ratio((scores * support).sum(axis=-1), support.sum(axis=-1))


METRICS = {"uar": uar, "accuracy": accuracy, "macro_f1": macro_f1, "weighted_f1": weighted_f1}


def _hits(counts: Counts) -> Float[np.ndarray, "*axes targets"]:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _ratio(above: np.ndarray | np.float64, below: np.ndarray | np.float64) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / below, np.nan)
