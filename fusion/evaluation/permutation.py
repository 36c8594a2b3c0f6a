"""What a classifier without any knowledge would score under the same protocol.

That is not 1 / K: a head without knowledge names the class that is most frequent in training, which
by the same token is rarer in the fold that was held out, so that predictions pooled over folds lie
below 1 / K. The null is therefore the arm's own predictions against labels that were shuffled
within each speaker, who lies in one fold: it keeps what is said per fold and per speaker, and takes
away only that a prediction belongs to its utterance.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

DRAWS = 1000
#: Draws that are made at a time, a bound on memory.
BLOCK = 50


@dataclass(frozen=True, slots=True)
class Null:
    """UAR with labels shuffled within speakers: mean, 95 % point, and the one-sided p of the arm.

    ``fixed`` is the share of rows of speakers with one class only: there is nothing to shuffle
    there, so that the test cannot find what an arm knows of them.
    """

    mean: float
    high: float
    p: float
    fixed: float


def shuffled(
    truth: Int[np.ndarray, "rows"], speakers: Int[np.ndarray, "rows"]
) -> Int[np.ndarray, "draws rows"]:
    """Labels shuffled within each speaker, with a fixed seed.

    >>> draws = shuffled(np.array([0, 1, 1, 0]), np.array([0, 0, 0, 1]))
    >>> draws.shape, set(draws[:, :3].sum(axis=1).tolist()), set(draws[:, 3].tolist())
    ((1000, 4), {2}, {0})
    """
    rng = np.random.default_rng(0)
    order = np.argsort(speakers, kind="stable")
    kind = np.min_scalar_type(int(truth.max(initial=0)))
    draws = np.empty((DRAWS, len(truth)), np.int8 if kind.itemsize == 1 else np.int64)
    for start in range(0, DRAWS, BLOCK):
        # Sorting by speaker and then by chance shuffles within each speaker.
        keys = speakers[order] + rng.random((min(BLOCK, DRAWS - start), len(truth)))
        draws[start : start + BLOCK, order] = truth[order][np.argsort(keys, axis=1)]
    return draws


def against_null(
    truth: Int[np.ndarray, "rows"],
    guesses: Int[np.ndarray, "seeds rows"],
    speakers: Int[np.ndarray, "rows"],
    draws: Int[np.ndarray, "draws rows"],
    classes: int,
) -> Null | None:
    """Compare an arm's UAR, mean over seeds, with its null; None where a class has no row."""
    support = np.bincount(truth, minlength=classes)
    if (support == 0).any():
        return None
    # What each row adds to UAR if its label were each of the classes.
    named = (guesses[..., None] == np.arange(classes)).mean(axis=0) / support / classes
    rows = np.arange(len(truth))
    observed = float(named[rows, truth].sum())
    null = np.array([named[rows, labels].sum() for labels in draws])
    p = (1 + (null >= observed - 1e-12).sum()) / (1 + len(null))
    return Null(
        float(null.mean()), float(np.quantile(null, 0.95)), float(p), _fixed(truth, speakers)
    )


def _fixed(truth: np.ndarray, speakers: np.ndarray) -> float:
    of = [truth[speakers == speaker] for speaker in np.unique(speakers)]
    return sum(len(labels) for labels in of if len(set(labels.tolist())) == 1) / len(truth)
