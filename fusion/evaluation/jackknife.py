"""A statistic with its standard error by leaving out one cluster of rows.

The degrees of freedom are the effective number of speakers less one: with S - 1 the interval covers
too little where speakers are of unequal weight (measured: .91 for .96 at ten speakers).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from fusion.evaluation.speaker_sums import SpeakerSums

#: Takes totals ``[*axes, seeds, parts, sums]``.
Statistic = Callable[[np.ndarray], np.ndarray]

CONFIDENCE = 0.95
#: Of the correction of Nadeau & Bengio, the share that intervals are widened by: the least at which
#: they hold 93 % wherever it was tried, while all of it holds up to 99.7 % (measured, see
#: ``benchmarks/results/validity.md``).
SHARED = 0.6


@dataclass(frozen=True, slots=True)
class Jackknife:
    """A statistic with its standard error by leaving out one cluster.

    ``value`` is NaN where a class has no row, ``spread`` where leaving one cluster out leaves none.
    ``freedom`` are the degrees of freedom: effective clusters less one. ``fewest`` is how many
    clusters have the rarest class without which the statistic is not defined.
    """

    value: float
    spread: float
    freedom: float
    fewest: int

    def reach(self, confidence: float = CONFIDENCE) -> float:
        """Half the width of the interval."""
        return float(stats.t.ppf((1 + confidence) / 2, self.freedom) * self.spread)


def widened(overlap: float) -> float:
    """How many times larger the variance is with what folds share in training."""
    return 1 + SHARED * overlap


def effective(support: Float[np.ndarray, "clusters kinds"]) -> float:
    """How many clusters of equal size would weigh like these ones, ``1 / sum of squared weights``.

    ``support`` are the rows of each class, label or target that every cluster has. The weight of a
    cluster is its share of a class's rows, mean over classes: a speaker who alone speaks most of a
    class weighs much in UAR (Kish 1965; for t tests over clusters Carter, Schnepel & Steigerwald
    2017). Equal clusters give their number.

    >>> round(effective(np.ones((5, 2))), 9)
    5.0
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = np.nan_to_num(support / support.sum(axis=0))
    weights = shares.mean(axis=1) / shares.sum(axis=0).mean()
    return float(1 / np.square(weights).sum())


def jackknife(tally: SpeakerSums, statistic: Statistic) -> Jackknife:
    """Leave each cluster out once; the error is that of other training speakers too."""
    clusters, totals = len(tally.sums), tally.sums.sum(axis=0)
    left_out = statistic(totals - tally.sums)
    squares = np.square(left_out - left_out.mean()).sum()
    fewest = clusters
    for has in (tally.support > 0).T:
        if has.sum() < fewest and np.isnan(statistic(tally.sums[~has].sum(axis=0))):
            fewest = int(has.sum())
    return Jackknife(
        value=float(statistic(totals)),
        spread=float(np.sqrt(widened(tally.overlap) * (clusters - 1) / clusters * squares)),
        freedom=max(effective(tally.support) - 1, 1.0),
        fewest=fewest,
    )
