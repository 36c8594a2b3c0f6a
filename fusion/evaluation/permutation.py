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
    so that the test cannot find what an arm knows of them. ``shuffled`` is the share of rows of
    speakers whose order is not known.
    """

    mean: float
    high: float
    p: float
    fixed: float
    shuffled: float


def orders(
    speakers: Sequence[str], dialogues: Sequence[str | None], turns: Sequence[int | None]
) -> list[tuple[Int[np.ndarray, "_"], bool]]:
    """Rows of each speaker, in their order where all of it is known, and whether it is.

    >>> [(rows.tolist(), known) for rows, known in orders("aab", ["d", "d", None], [1, 0, None])]
    [([1, 0], True), ([2], False)]
    """
    rows_of: dict[str, list[int]] = {}
    for row, speaker in enumerate(speakers):
        rows_of.setdefault(speaker, []).append(row)
    made = []
    for rows in rows_of.values():
        known = all(dialogues[row] is not None and turns[row] is not None for row in rows)
        if known:
            rows.sort(key=lambda row: (dialogues[row] or "", turns[row] or 0))
        made.append((np.array(rows), known))
    return made


def moved(
    truth: Int[np.ndarray, "rows"], series: Sequence[tuple[Int[np.ndarray, "_"], bool]]
) -> Int[np.ndarray, "draws rows"]:
    """Labels gone round or shuffled within each speaker, with a fixed seed.

    >>> draws = moved(np.array([0, 1, 1, 0]), [(np.array([0, 1, 2]), True), (np.array([3]), False)])
    >>> draws.shape, sorted({tuple(row[:3].tolist()) for row in draws}), set(draws[:, 3].tolist())
    ((1000, 4), [(0, 1, 1), (1, 0, 1), (1, 1, 0)], {0})
    """
    rng = np.random.default_rng(0)
    kind = np.min_scalar_type(int(truth.max(initial=0)))
    draws = np.empty((DRAWS, len(truth)), np.int8 if kind.itemsize == 1 else np.int64)
    for rows, known in series:
        if known:
            places = (np.arange(len(rows)) + rng.integers(0, len(rows), (DRAWS, 1))) % len(rows)
        else:
            places = rng.random((DRAWS, len(rows))).argsort(axis=1)
        draws[:, rows] = truth[rows][places]
    return draws


def against_null(
    truth: Int[np.ndarray, "rows"],
    guesses: Int[np.ndarray, "seeds rows"],
    series: Sequence[tuple[Int[np.ndarray, "_"], bool]],
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
    fixed = sum(len(own) for own, _ in series if len(np.unique(truth[own])) == 1)
    shuffled = sum(len(own) for own, known in series if not known)
    return Null(
        mean=float(null.mean()),
        high=float(np.quantile(null, 0.95)),
        p=float(p),
        fixed=fixed / len(truth),
        shuffled=shuffled / len(truth),
    )
