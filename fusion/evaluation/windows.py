"""From predictions of windows to predictions of utterances."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from jaxtyping import Float

from fusion.evaluation.predictions import Prediction

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


def has_windows(rows: Sequence[Prediction]) -> bool:
    """Whether some predictions are of windows."""
    return any(row.window is not None for row in rows)


def utterance_rows(rows: Sequence[Prediction], how: How = "mean") -> list[Prediction]:
    """One prediction per utterance, arm, fold, seed and side, in the order they came."""
    if not has_windows(rows):
        return list(rows)
    by_utterance: dict[tuple[object, ...], list[Prediction]] = {}
    for row in rows:
        place = (row.arm, row.outer_fold, row.inner_fold, row.seed, row.split)
        by_utterance.setdefault((*place, row.utterance), []).append(row)
    return [_merged(windows, how) for windows in by_utterance.values()]


def _merged(rows: Sequence[Prediction], how: How) -> Prediction:
    if rows[0].window is None:
        if len(rows) > 1:
            raise ValueError(f"{rows[0].utterance}: {len(rows)} predictions of one utterance")
        return rows[0]
    scores = aggregated(np.array([row.scores for row in rows]), how)
    return replace(rows[0], window=None, scores=tuple(map(float, scores)))
