"""What a classifier without any knowledge would score under the same protocol.

That is not 1 / K: a head without knowledge names the class that is most frequent in training, which
by the same token is rarer in the fold that was held out, so that predictions pooled over folds lie
below 1 / K. The null is therefore the arm's own predictions against labels that were moved within
each speaker, who lies in one fold: it keeps what is said per fold and per speaker, and takes away
only that a prediction belongs to its utterance.

In a conversation moods and rooms persist, so that a blind prediction that persists too would seem
to know something of shuffled labels. Where the order of a speaker's utterances is known, labels
therefore go round in that order, by a random number of places (Harris 2020, arXiv 2012.06862);
elsewhere they are shuffled, which holds utterances of a speaker for exchangeable.

Heads stay as they were fitted. In cross-validation each of two speakers trains what tests the
other, so that a chance likeness of both counts twice in the score and once in the draws: their
variance is made larger by tested over training speakers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Null:
    """UAR with labels moved within speakers: mean, 95 % point, and the one-sided p of the arm.

    ``fixed`` is the share of rows of speakers with one class only: there is nothing to move there,
    so that the test cannot find what an arm knows of them. ``shuffled`` is the share of rows
    whose place in an order is not known.
    """

    mean: float
    high: float
    p: float
    fixed: float
    shuffled: float


@dataclass(frozen=True, slots=True)
class Series:
    """Rows of a speaker, in their order where it is known, and the number of their cluster."""

    rows: Int[np.ndarray, "_"]
    known: bool
    cluster: int


def orders(
    speakers: Sequence[str],
    dialogues: Sequence[str | None],
    turns: Sequence[int | None],
    clusters: Sequence[str],
) -> list[Series]:
    """Rows of each speaker whose place in a dialogue is known, in order, and the others.

    >>> found = orders("aab", ["d", "d", None], [1, 0, None], "aab")
    >>> [(series.rows.tolist(), series.known) for series in found]
    [([1, 0], True), ([2], False)]
    """
    numbers = {name: number for number, name in enumerate(dict.fromkeys(clusters))}
    rows_of: dict[tuple[str, bool], list[int]] = {}
    for row, speaker in enumerate(speakers):
        known = dialogues[row] is not None and turns[row] is not None
        rows_of.setdefault((speaker, known), []).append(row)
    for (_, known), rows in rows_of.items():
        if known:
            rows.sort(key=lambda row: (dialogues[row] or "", turns[row] or 0))
    return [
        Series(np.array(rows), known, numbers[clusters[rows[0]]])
        for (_, known), rows in rows_of.items()
    ]


def moved(
    truth: Int[np.ndarray, "rows"], series: Sequence[Series]
) -> Int[np.ndarray, "draws rows"]:
    """Labels gone round or shuffled within each speaker, with a fixed seed.

    Speakers who talk with each other go round by the same share of their rows, because they share
    moods and rooms.

    >>> parts = [Series(np.array([0, 1, 2]), True, 0), Series(np.array([3]), False, 0)]
    >>> draws = moved(np.array([0, 1, 1, 0]), parts)
    >>> draws.shape, sorted({tuple(row[:3].tolist()) for row in draws}), set(draws[:, 3].tolist())
    ((1000, 4), [(0, 1, 1), (1, 0, 1), (1, 1, 0)], {0})
    """
    rng = np.random.default_rng(0)
    shares = rng.random((DRAWS, 1 + max(one.cluster for one in series)))
    kind = np.min_scalar_type(int(truth.max(initial=0)))
    draws = np.empty((DRAWS, len(truth)), np.int8 if kind.itemsize == 1 else np.int64)
    for one in series:
        size = len(one.rows)
        if one.known:
            first = np.floor(shares[:, one.cluster, None] * size).astype(int)
            places = (np.arange(size) + first) % size
        else:
            places = rng.random((DRAWS, size)).argsort(axis=1)
        draws[:, one.rows] = truth[one.rows][places]
    return draws


def against_null(
    truth: Int[np.ndarray, "rows"],
    guesses: Int[np.ndarray, "seeds rows"],
    series: Sequence[Series],
    draws: Int[np.ndarray, "draws rows"],
    classes: int,
    overlap: float,
) -> Null | None:
    """Compare an arm's UAR, mean over seeds, with its null; None where a class has no row.

    ``overlap`` is that of :func:`fusion.evaluation.clusters.training_overlap`.
    """
    support = np.bincount(truth, minlength=classes)
    if (support == 0).any():
        return None
    # What each row adds to UAR if its label were each of the classes.
    named = (guesses[..., None] == np.arange(classes)).mean(axis=0) / support / classes
    rows = np.arange(len(truth))
    observed = float(named[rows, truth].sum())
    null = np.array([named[rows, labels].sum() for labels in draws])
    null = null.mean() + np.sqrt(1 + overlap) * (null - null.mean())
    p = (1 + (null >= observed - 1e-12).sum()) / (1 + len(null))
    fixed = sum(len(one.rows) for one in series if len(np.unique(truth[one.rows])) == 1)
    shuffled = sum(len(one.rows) for one in series if not one.known)
    return Null(
        mean=float(null.mean()),
        high=float(np.quantile(null, 0.95)),
        p=float(p),
        fixed=fixed / len(truth),
        shuffled=shuffled / len(truth),
    )
