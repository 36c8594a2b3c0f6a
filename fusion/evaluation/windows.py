"""From predictions of windows to predictions of utterances."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from jaxtyping import Float, Int64

from fusion.evaluation.columns import WHOLE, Prediction, Predictions, columns, packed

How = Literal["mean", "vote", "max"]
Windows = Float[np.ndarray, "windows targets"]

#: What each way does with the windows of an utterance, in the words of a table.
WAYS: Mapping[How, str] = MappingProxyType(
    {
        "mean": "mean probability",
        "vote": "vote of the windows",
        "max": "surest window of each class",
    }
)


def aggregated(scores: Windows, how: How) -> Float[np.ndarray, "targets"]:
    """Scores of an utterance from those of its windows; they add up to 1 if those do.

    ``mean`` is the mean probability; ``vote`` the share of windows that name each class, ties going
    to the higher mean probability; ``max`` the largest probability of each class, brought back to a
    sum of 1.

    >>> windows = np.array([[0.6, 0.4], [0.6, 0.4], [0.0, 1.0]])
    >>> [int(aggregated(windows, how).argmax()) for how in WAYS]
    [1, 0, 1]
    """
    mean = scores.mean(axis=0)
    if how == "mean":
        return mean
    if how == "max":
        largest = scores.max(axis=0)
        return np.asarray(largest / largest.sum()) if largest.sum() > 0 else mean
    votes = np.bincount(scores.argmax(axis=1), minlength=scores.shape[1])
    # The mean weighs less than one vote, so that it decides between equal numbers of them only.
    return np.asarray((votes + mean) / (len(scores) + 1))


def utterance_rows(rows: Iterable[Prediction], how: How = "mean") -> Predictions:
    """One prediction per utterance, arm, fold, seed and side, in the order they came.

    Raises:
        ValueError: an utterance that is no window has several predictions at one place.
    """
    known = columns(rows)
    if not known.windowed:
        return known
    both = known.place.astype(np.int64) * len(known.subjects) + known.subject
    _, first, group = np.unique(both, return_index=True, return_inverse=True)
    order = np.argsort(group, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(group))[:-1])
    values = known.values
    merged = np.array([_merged(known, part, values[part], how) for part in parts])
    by_first = np.argsort(first)
    kept = known.where(first[by_first])
    whole = np.full(len(kept), WHOLE, np.int32)
    return replace(kept, window=whole, scores=packed(merged[by_first]))


def _merged(
    rows: Predictions, part: Int64[np.ndarray, "windows"], scores: Windows, how: How
) -> Float[np.ndarray, "targets"]:
    if rows.window[part[0]] != WHOLE:
        return aggregated(scores, how)
    if len(part) > 1:
        name = rows.subjects[rows.subject[part[0]]].utterance
        raise ValueError(f"{name}: {len(part)} predictions of one utterance")
    return scores[0]
