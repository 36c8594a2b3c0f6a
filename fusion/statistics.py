"""Intervals and paired tests whose unit is the speaker, never the utterance.

Everything is computed from confusion counts per cluster and seed, ``[clusters, seeds, K, K]``.
The value is the mean over seeds of the metric on counts pooled over clusters.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy import stats

from fusion import metrics

Counts = Float[np.ndarray, "clusters seeds targets targets"]
Metric = Callable[[np.ndarray], np.ndarray]

#: Below this many clusters the percentile bootstrap covers too little (measured .81-.89 at 5-10).
BOOTSTRAP_FROM = 30
#: Below this many clusters nothing is claimed about other speakers.
CLAIM_FROM = 5
#: Up to this many clusters all sign-flips are enumerated.
EXACT_UP_TO = 20
DRAWS = 10_000
CONFIDENCE = 0.95
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval; bounds are None where none can be given, with the reason."""

    value: float | None
    low: float | None
    high: float | None
    method: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference: interval, exact or sampled p, and the smallest one that could show.

    ``detectable`` is the difference that a test at 5 % would have found with a power of 80 %.
    """

    interval: Interval
    p: float | None
    detectable: float | None


def interval(counts: Counts, metric: Metric) -> Interval:
    """95 % interval of a metric over clusters of utterances.

    Jackknife-t with S - 1 degrees of freedom below 30 clusters (Efron & Tibshirani 1993, ch. 11),
    percentile cluster bootstrap from 30 on.
    """
    found = _interval(counts, lambda totals: metric(totals).mean(axis=-1))
    return _within(found, 0.0, 1.0)


def paired_difference(one: Counts, other: Counts, name: str) -> Difference:
    """Difference of two arms on the same rows: metric ``name`` of ``one`` minus that of ``other``.

    p is from sign-flips of cluster contributions, two-sided, exact up to 20 clusters; it is given
    for UAR and accuracy, which are sums over clusters.
    """
    metric = metrics.METRICS[name]
    both = np.stack([one, other], axis=1)  # [clusters, 2, seeds, K, K]
    found = _interval(
        both, lambda totals: np.subtract(*np.moveaxis(metric(totals).mean(-1), -1, 0))
    )
    if found.low is None or found.high is None:
        return Difference(found, None, None)
    contributions = _contributions(one, other, name)
    p = None if contributions is None else sign_flip_p(contributions)
    return Difference(_within(found, -1.0, 1.0), p, _detectable(found, len(one)))


def sign_flip_p(contributions: Float[np.ndarray, "clusters"]) -> float:
    """Two-sided p of the sum of contributions under random signs.

    >>> sign_flip_p(np.array([1.0, 1.0, 1.0, 1.0, 1.0]))
    0.0625
    """
    observed = abs(contributions.sum())
    slack = 1e-12 * max(1.0, float(np.abs(contributions).sum()))
    if len(contributions) <= EXACT_UP_TO:
        sums = np.zeros(1)
        for contribution in contributions:
            sums = np.concatenate([sums + contribution, sums - contribution])
        return float((np.abs(sums) >= observed - slack).mean())
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (DRAWS, len(contributions)))
    hits = (np.abs(signs @ contributions) >= observed - slack).sum()
    return float((hits + 1) / (DRAWS + 1))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction over the p values that exist (Holm 1979).

    >>> holm([0.01, None, 0.04])
    [0.02, None, 0.04]
    """
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[index] = highest
    return corrected


# ---------------------------------------------------------------- intervals


def _within(found: Interval, least: float, most: float) -> Interval:
    """Bounds cut to what the metric can be; t quantiles do not know of it."""
    if found.low is None or found.high is None:
        return found
    return replace(found, low=max(found.low, least), high=min(found.high, most))


def _interval(counts: np.ndarray, statistic: Metric) -> Interval:
    clusters = len(counts)
    value = float(statistic(counts.sum(axis=0)))
    if np.isnan(value):
        return Interval(None, None, None, "undefined: a class has no utterance")
    if clusters < CLAIM_FROM:
        why = (
            f"none: {clusters} speakers; below {CLAIM_FROM} nothing is claimed about other speakers"
        )
        return Interval(value, None, None, why)
    if clusters < BOOTSTRAP_FROM:
        return _jackknife(counts, statistic, value)
    return _bootstrap(counts, statistic, value)


def _jackknife(counts: np.ndarray, statistic: Metric, value: float) -> Interval:
    clusters = len(counts)
    left_out = statistic(counts.sum(axis=0) - counts)
    if np.isnan(left_out).any():
        return Interval(value, None, None, "none: a class is spoken by a single speaker")
    spread = np.sqrt((clusters - 1) / clusters * np.square(left_out - left_out.mean()).sum())
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, clusters - 1) * spread
    method = f"jackknife-t over {clusters} speakers"
    return Interval(value, value - float(reach), value + float(reach), method)


def _bootstrap(counts: np.ndarray, statistic: Metric, value: float) -> Interval:
    clusters = len(counts)
    drawn = np.random.default_rng(0).multinomial(clusters, np.full(clusters, 1 / clusters), DRAWS)
    # One matrix product instead of a loop: weights of clusters times their counts.
    totals = (drawn @ counts.reshape(clusters, -1)).reshape(DRAWS, *counts.shape[1:])
    values = statistic(totals)
    lacking = np.isnan(values)
    if lacking.mean() > 1 - CONFIDENCE:
        return Interval(value, None, None, f"none: {lacking.mean():.0%} of resamples lack a class")
    low, high = np.nanquantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    method = f"cluster bootstrap over {clusters} speakers, {DRAWS - lacking.sum()} draws"
    return Interval(value, float(low), float(high), method)


def _contributions(one: Counts, other: Counts, name: str) -> Float[np.ndarray, "clusters"] | None:
    """What each cluster adds to the difference, averaged over seeds."""
    hits = np.diagonal(one - other, axis1=-2, axis2=-1).mean(axis=1)  # [clusters, K]
    support = one.sum(axis=(0, 3)).mean(axis=0)  # [K]
    if name == "uar":
        return (hits / support).mean(axis=1)
    return hits.sum(axis=1) / support.sum() if name == "accuracy" else None


def _detectable(found: Interval, clusters: int) -> float | None:
    """Smallest difference that would have shown; None where the test cannot reach 5 % at all."""
    assert found.low is not None
    assert found.high is not None
    if 2.0 ** (1 - clusters) > 1 - CONFIDENCE:
        return None
    critical = stats.t.ppf((1 + CONFIDENCE) / 2, clusters - 1)
    standard_error = (found.high - found.low) / 2 / critical
    return float((critical + stats.t.ppf(POWER, clusters - 1)) * standard_error)
