"""Sets of labels: which probability of a label is enough, chosen on development rows alone."""

import numpy as np
from jaxtyping import Bool, Float, Float64

#: Where a label has no development row there is nothing to choose a threshold by.
DEFAULT = 0.5

Scores = Float[np.ndarray, "*seeds rows targets"]


def thresholds(
    scores: Scores, truth: Bool[np.ndarray, "rows targets"]
) -> Float64[np.ndarray, "targets"]:
    """The threshold of each label that gives it the highest F1, over all seeds together.

    Macro F1 is the mean of the labels' F1, so that each label's best threshold is best for all. It
    lies midway between two scores; of equally good ones the highest is taken, which names least. A
    label is named whose probability reaches its threshold.

    >>> thresholds(np.array([[0.9], [0.6], [0.2]]), np.array([[True], [True], [False]])).round(3)
    array([0.4])
    """
    flat = scores.reshape(-1, scores.shape[-1])
    true = np.tile(truth, (len(flat) // max(len(truth), 1), 1))
    return np.array([_best(flat[:, k], true[:, k]) for k in range(flat.shape[1])])


def _best(scores: Float[np.ndarray, "rows"], truth: Bool[np.ndarray, "rows"]) -> float:
    if not truth.any():
        return DEFAULT
    order = np.argsort(-scores, kind="stable")
    sorted_scores, hits = scores[order], np.cumsum(truth[order])
    # Rows of equal score are named together: only the last of them can be the end.
    ends = np.flatnonzero(np.r_[sorted_scores[1:] < sorted_scores[:-1], True])
    f1 = 2 * hits[ends] / (ends + 1 + truth.sum())
    end = int(ends[int(np.argmax(f1))])
    below = sorted_scores[end + 1] if end + 1 < len(scores) else 0.0
    return float((sorted_scores[end] + below) / 2)
