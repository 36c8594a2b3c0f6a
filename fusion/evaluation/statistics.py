"""Intervals and paired tests whose unit is the speaker, never the utterance.

Everything is computed from confusion counts per cluster and seed, ``[clusters, seeds, K, K]``.
The value is the mean over seeds of the metric on counts pooled over clusters. What the intervals
cover was measured on simulated corpora: ``benchmarks/results/coverage.md``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy import stats

from fusion.evaluation import metrics
from fusion.evaluation.jackknife import CONFIDENCE, Jackknife, jackknife
from fusion.evaluation.measures import Metric
from fusion.evaluation.p_values import (
    DRAWS,
    EXACT_UP_TO,
    McNemar,
    holm,
    mcnemar,
    sign_flip_p,
    swap_p,
)
from fusion.evaluation.speaker_sums import SpeakerSums

__all__ = [
    "CLAIM_FROM",
    "DRAWS",
    "EXACT_UP_TO",
    "Difference",
    "Interval",
    "McNemar",
    "holm",
    "interval",
    "interval_of",
    "interval_within",
    "mcnemar",
    "paired_difference",
    "paired_tallies",
    "sign_flip_p",
    "unpaired_difference",
    "unpaired_tallies",
]

Counts = Float[np.ndarray, "clusters seeds targets targets"]
Statistic = Callable[[np.ndarray], np.ndarray]

#: Below this many effective clusters the percentile bootstrap covers too little (measured .81-.89
#: at 5-10 speakers, .928 at 91 of whom a few talk most, where the jackknife covers .938).
BOOTSTRAP_FROM = 100
#: Below this many clusters nothing is claimed about other speakers.
CLAIM_FROM = 5
POWER = 0.8
#: Degrees of freedom that speakers of unequal weight may cost before the method says so.
TOLD_FROM = 0.5


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval; bounds are None where none can be given, with the reason."""

    value: float | None
    low: float | None
    high: float | None
    method: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference: interval, exact or sampled p, and what this corpus could have shown.

    ``detectable`` is the difference that a test at 5 % would have found with a power of 80 %.
    ``equivalent`` is the smallest margin within which the arms are equivalent by two one-sided
    tests at 5 % (the larger end of the 90 % interval; Schuirmann 1987): a region of practical
    equivalence that is wider than this holds the difference.
    """

    interval: Interval
    p: float | None
    detectable: float | None
    equivalent: float | None = None


def interval(counts: Counts, metric: Statistic, unit: str = "speakers") -> Interval:
    """95 % interval of a metric over clusters of utterances.

    Jackknife-t below 100 effective clusters (Efron & Tibshirani 1993, ch. 11), with as many degrees
    of freedom as there are effective clusters, less one (see
    :func:`fusion.evaluation.jackknife.effective`); percentile cluster bootstrap from 100 on.
    ``unit`` is what the clusters are called.
    """
    bounds = _interval(counts, lambda totals: metric(totals).mean(axis=-1), unit).interval
    return _within(bounds, 0.0, 1.0)


def interval_of(tally: SpeakerSums, measure: Metric, unit: str = "speakers") -> Interval:
    """The same of the sums of labels, shares or values."""
    bounds = _interval(tally.sums, _over_seeds(measure), unit, tally.support).interval
    return _within(bounds, measure.least, measure.most)


def interval_within(counts: Counts, metric: Statistic, unit: str) -> Interval:
    """95 % jackknife-t interval over many small clusters, as the utterances of one speaker.

    It says what further clusters of the same kind would give, so that over the utterances of a
    speaker it is conditional on that speaker.
    """
    estimate = jackknife(counts, lambda totals: metric(totals).mean(axis=-1))
    if np.isnan(estimate.value):
        return Interval(None, None, None, "undefined: a class has no utterance")
    if len(counts) < CLAIM_FROM:
        return Interval(float(estimate.value), None, None, f"none: {len(counts)} {unit}")
    return _within(_jackknifed(estimate, len(counts), unit).interval, 0.0, 1.0)


def paired_difference(arm: Counts, other: Counts, name: str) -> Difference:
    """Difference of two arms on the same rows: metric ``name`` of ``arm`` minus that of ``other``.

    p is from sign-flips of cluster contributions, two-sided, exact up to 20 clusters; it is given
    for UAR and accuracy, which are sums over clusters.
    """
    metric = metrics.METRICS[name]
    both = np.stack([arm, other], axis=1)  # [clusters, 2, seeds, K, K]
    estimate = _interval(
        both, lambda totals: np.subtract(*np.moveaxis(metric(totals).mean(-1), -1, 0))
    )
    if estimate.margin is None or estimate.error is None:
        return Difference(estimate.interval, None, None)
    contributions = _contributions(arm, other, name)
    p = None if contributions is None else sign_flip_p(contributions)
    detectable = _detectable(estimate.error, estimate.freedom, len(arm))
    return Difference(_within(estimate.interval, -1.0, 1.0), p, detectable, estimate.margin)


def paired_tallies(arm: SpeakerSums, other: SpeakerSums, measure: Metric) -> Difference:
    """Difference of two arms on the same rows, of any metric of sums.

    p is that of swapping the arms' answers to whole clusters
    (:func:`fusion.evaluation.p_values.swap_p`), which for a metric that is a sum over
    clusters is the sign-flip test of :func:`interval`'s.
    """
    both = np.stack([arm.sums, other.sums], axis=1)  # [clusters, 2, seeds, parts, sums]
    over = _over_seeds(measure)
    estimate = _interval(
        both, lambda totals: np.subtract(*np.moveaxis(over(totals), -1, 0)), support=arm.support
    )
    if estimate.margin is None or estimate.error is None:
        return Difference(estimate.interval, None, None)
    p = swap_p(arm.sums, other.sums, over)
    detectable = _detectable(estimate.error, estimate.freedom, len(arm.sums))
    reach = measure.most - measure.least
    return Difference(_within(estimate.interval, -reach, reach), p, detectable, estimate.margin)


def _over_seeds(measure: Metric) -> Statistic:
    return lambda totals: measure.of(totals).mean(axis=-1)


def unpaired_difference(
    group: Counts, other: Float[np.ndarray, "others seeds targets targets"], metric: Statistic
) -> Interval:
    """Difference of two groups of clusters, ``group`` minus ``other``: Welch's t of jackknives.

    None has bounds where one of the groups has fewer than five clusters.
    """
    sides = [
        jackknife(side, lambda totals: metric(totals).mean(axis=-1)) for side in (group, other)
    ]
    return _welch(sides, len(group), len(other), 1.0)


def unpaired_tallies(group: SpeakerSums, other: SpeakerSums, measure: Metric) -> Interval:
    """The same of the sums of labels, shares or values."""
    sides = [jackknife(side.sums, _over_seeds(measure), side.support) for side in (group, other)]
    return _welch(sides, len(group.sums), len(other.sums), measure.most - measure.least)


def _welch(sides: Sequence[Jackknife], speakers: int, other: int, most: float) -> Interval:
    value = float(sides[0].value - sides[1].value)
    if np.isnan(value):
        return Interval(None, None, None, "undefined: a class has no utterance in one group")
    sizes = f"{speakers} and {other} speakers"
    if min(speakers, other) < CLAIM_FROM:
        why = f"none: {sizes}; below {CLAIM_FROM} nothing is claimed about other speakers"
        return Interval(value, None, None, why)
    squares = np.array([float(side.spread) ** 2 for side in sides])
    if np.isnan(squares).any():
        return Interval(value, None, None, "none: a class is spoken by a single speaker of a group")
    freedom = np.array([float(side.freedom) for side in sides])
    total, below = squares.sum(), (squares**2 / freedom).sum()
    welch = total**2 / below if below > 0 else freedom.min()
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, welch) * np.sqrt(total))
    method = f"Welch's t of jackknives over {sizes}"
    return _within(Interval(value, value - reach, value + reach, method), -most, most)


# ---------------------------------------------------------------- intervals


@dataclass(frozen=True, slots=True)
class _Found:
    """An interval, with what a difference tells besides: None where there are no bounds.

    ``margin`` is the larger end of the interval for two one-sided tests, ``error`` the standard
    error.
    """

    interval: Interval
    freedom: float
    margin: float | None = None
    error: float | None = None


def _within(bounds: Interval, least: float, most: float) -> Interval:
    """Bounds cut to what the metric can be; t quantiles do not know of it."""
    if bounds.low is None or bounds.high is None:
        return bounds
    return replace(bounds, low=max(bounds.low, least), high=min(bounds.high, most))


def _interval(
    counts: np.ndarray,
    statistic: Statistic,
    unit: str = "speakers",
    support: np.ndarray | None = None,
) -> _Found:
    clusters = len(counts)
    estimate = jackknife(counts, statistic, support)
    value, freedom = float(estimate.value), float(estimate.freedom)
    if np.isnan(value):
        why = "undefined: a class has no utterance"
        return _Found(Interval(None, None, None, why), freedom)
    if clusters < CLAIM_FROM:
        why = f"none: {clusters} {unit}; below {CLAIM_FROM} nothing is claimed about other {unit}"
        return _Found(Interval(value, None, None, why), freedom)
    if freedom + 1 < BOOTSTRAP_FROM - 1e-9:
        return _jackknifed(estimate, clusters, unit)
    return _bootstrap(counts, statistic, value, freedom, unit)


def _jackknifed(estimate: Jackknife, clusters: int, unit: str) -> _Found:
    value, freedom, error = float(estimate.value), float(estimate.freedom), float(estimate.spread)
    if np.isnan(error):
        why = f"none: a class is spoken by a single {unit.removesuffix('s')}"
        return _Found(Interval(value, None, None, why), freedom)
    reach, narrow = float(estimate.reach()), float(estimate.reach(2 * CONFIDENCE - 1))
    unequal = clusters - 1 - freedom > TOLD_FROM
    method = f"jackknife-t over {clusters} {unit}"
    method += f" of unequal weight ({freedom:.1f} degrees of freedom)" if unequal else ""
    bounds = Interval(value, value - reach, value + reach, method)
    return _Found(bounds, freedom, abs(value) + narrow, error)


def _bootstrap(
    counts: np.ndarray, statistic: Statistic, value: float, freedom: float, unit: str
) -> _Found:
    clusters = len(counts)
    # One matrix product instead of a loop: weights of clusters times their counts.
    totals = (_drawn(clusters) @ counts.reshape(clusters, -1)).reshape(DRAWS, *counts.shape[1:])
    values = statistic(totals)
    lacking = np.isnan(values)
    if lacking.mean() > 1 - CONFIDENCE:
        why = f"none: {lacking.mean():.0%} of resamples lack a class"
        return _Found(Interval(value, None, None, why), freedom)
    tail = (1 - CONFIDENCE) / 2
    ends = np.quantile(values[~lacking], [tail, 1 - tail, 2 * tail, 1 - 2 * tail])
    low, high, left, right = map(float, ends)
    method = f"cluster bootstrap over {clusters} {unit}, {DRAWS - lacking.sum()} draws"
    error = (high - low) / 2 / float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
    margin = max(abs(left), abs(right))
    return _Found(Interval(value, low, high, method), freedom, margin, error)


@lru_cache(maxsize=2)
def _drawn(clusters: int) -> np.ndarray:
    """How often each cluster is in each resample, the same for every arm."""
    rng = np.random.default_rng(0)
    return rng.multinomial(clusters, np.full(clusters, 1 / clusters), DRAWS).astype(float)


def _contributions(arm: Counts, other: Counts, name: str) -> Float[np.ndarray, "clusters"] | None:
    """What each cluster adds to the difference, averaged over seeds."""
    hits = np.diagonal(arm - other, axis1=-2, axis2=-1).mean(axis=1)  # [clusters, K]
    support = arm.sum(axis=(0, 3)).mean(axis=0)  # [K]
    if name == "uar":
        return (hits / support).mean(axis=1)
    return hits.sum(axis=1) / support.sum() if name == "accuracy" else None


def _detectable(error: float, freedom: float, clusters: int) -> float | None:
    """Smallest difference that would have shown; None where the test cannot reach 5 % at all."""
    if 2.0 ** (1 - clusters) > 1 - CONFIDENCE:
        return None
    critical = stats.t.ppf((1 + CONFIDENCE) / 2, freedom)
    return float((critical + stats.t.ppf(POWER, freedom)) * error)
