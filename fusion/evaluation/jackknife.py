"""A statistic with its standard error by leaving out one speaker, of one corpus or of many.

The degrees of freedom are the effective number of speakers less one: with S - 1 the interval covers
too little where speakers are of unequal weight (measured: .91 for .96 at ten speakers, see
``benchmarks/results/coverage.md``).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

Metric = Callable[[np.ndarray], np.ndarray]

CONFIDENCE = 0.95
#: Of the correction of Nadeau & Bengio, the share that intervals are widened by: the least at which
#: they hold 93 % wherever it was tried, while all of it holds up to 99.7 % (measured, see
#: ``benchmarks/results/validity.md``).
SHARED = 0.6


@dataclass(frozen=True, slots=True)
class Jackknife:
    """A statistic with its standard error by leaving out one cluster, of one or many corpora.

    ``value`` is NaN where a class has no row, ``spread`` where a class has rows of one cluster
    only. ``freedom`` are the degrees of freedom: effective clusters less one.
    """

    value: Float[np.ndarray, "*corpora"]
    spread: Float[np.ndarray, "*corpora"]
    freedom: Float[np.ndarray, "*corpora"]

    def reach(self, confidence: float = CONFIDENCE) -> Float[np.ndarray, "*corpora"]:
        """Half the width of the interval."""
        return np.asarray(stats.t.ppf((1 + confidence) / 2, self.freedom) * self.spread)


def widened(overlap: float) -> float:
    """How many times larger the variance is with what folds share in training."""
    return 1 + SHARED * overlap


def effective(
    support: Float[np.ndarray, "clusters *corpora kinds"],
) -> Float[np.ndarray, "*corpora"]:
    """How many clusters of equal size would weigh like these ones, ``1 / sum of squared weights``.

    ``support`` are the rows of each class, label or target that every cluster has. The weight of a
    cluster is its share of a class's rows, mean over classes: a speaker who alone speaks most of a
    class weighs much in UAR (Kish 1965; for t tests over clusters Carter, Schnepel & Steigerwald
    2017). Equal clusters give their number.

    >>> float(effective(np.ones((5, 2))).round(9))
    5.0
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.nan_to_num(support / support.sum(axis=0))
    weights = shares.mean(axis=-1) / shares.sum(axis=0).mean(axis=-1)
    return np.asarray(1 / np.square(weights).sum(axis=0))


def jackknife(
    sums: Float[np.ndarray, "clusters *more"],
    statistic: Metric,
    support: Float[np.ndarray, "clusters *corpora kinds"],
    overlap: float = 0.0,
) -> Jackknife:
    """Leave each cluster out once, of one corpus or of many at a time.

    ``statistic`` takes the clusters' sum; ``support`` says which rows a cluster weighs by, and
    ``overlap`` how many clusters were tested for each that trained a fold (see :func:`widened`).
    """
    clusters, totals = len(sums), sums.sum(axis=0)
    left_out = statistic(totals - sums)
    squares = np.square(left_out - left_out.mean(axis=0)).sum(axis=0)
    spread = np.sqrt(widened(overlap) * (clusters - 1) / clusters * squares)
    freedom = np.maximum(effective(support) - 1, 1.0)
    return Jackknife(np.asarray(statistic(totals)), np.asarray(spread), np.asarray(freedom))
