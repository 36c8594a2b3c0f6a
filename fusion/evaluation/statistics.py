"""Intervals and paired tests whose unit is the speaker, never the utterance.

An interval is about the procedure: what it would score with other training speakers, on other test
speakers, as many and of the same kind. Leaving a speaker out of the scores shows only how test
speakers differ, because the heads stay as they were fitted. How much another training set would
move all of them at once cannot be estimated from one cross-validation without bias (Bengio &
Grandvalet 2004); six tenths of the correction of Nadeau & Bengio (2003) stand in for it: the
variance grows by .6 times the tested speakers over those who trained a fold. Where speakers talk
with each other, clusters are the groups that do. What this covers, with heads that are trained on
simulated speakers and on disjoint sets of real ones: ``benchmarks/results/validity.md``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import stats

from fusion.evaluation.jackknife import CONFIDENCE, SHARED, Jackknife, jackknife, widened
from fusion.evaluation.measures import CLASSES, Metric
from fusion.evaluation.p_values import (
    DRAWS,
    EXACT_SWAPS_UP_TO,
    EXACT_UP_TO,
    every_sign,
    holm,
    sign_flip_p,
    swap_p,
)
from fusion.evaluation.speaker_sums import SpeakerSums

#: Below this many clusters nothing is claimed about other speakers.
CLAIM_FROM = 5
SIGNIFICANT = 0.05
POWER = 0.8
#: Below this many clusters the power is that of the very test, tried on so many corpora; and up to
#: the second number where p has a floor that many tests feel.
EXACT_BELOW, EXACT_AT_MOST, TRIED = 10, 13, 2000
FELT = 0.01
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
class Power:
    """What the test of a difference could have found, from its standard error and clusters."""

    error: float
    freedom: float
    clusters: int
    overlap: float
    exact_up_to: int = EXACT_UP_TO
    reach: float = 1.0

    def least_p(self, tests: int = 1) -> float:
        """The least p that random signs of so many clusters can have, after Holm's correction."""
        drawn = 1 / (DRAWS + 1) if self.clusters > self.exact_up_to else 0.0
        return min(1.0, tests * max(2.0 ** (1 - self.clusters), drawn))

    def detectable(self, tests: int = 1) -> float | None:
        """The difference that is shown in 80 % of corpora, as one of so many ``tests``.

        None where no difference of any size can be shown.
        """
        if self.least_p(tests) > SIGNIFICANT:
            return None
        about = (self.clusters, round(self.freedom, 2), round(self.overlap, 4), tests)
        size = self.error * _detectable_errors(*about)
        return size if size <= self.reach else None


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference: interval, p, and what this corpus could have shown.

    p is the larger of two: of the t test that the interval belongs to, and of random signs (or
    swaps of both arms' answers) over clusters, which holds whatever their distribution is.
    ``equivalent`` is the smallest margin within which the arms are equivalent by two one-sided
    tests at 5 % (the larger end of the 90 % interval; Schuirmann 1987): a region of practical
    equivalence that is wider than this holds the difference.
    """

    interval: Interval
    p: float | None = None
    power: Power | None = None
    equivalent: float | None = None


@dataclass(frozen=True, slots=True)
class Corrected:
    """A difference as one of several: p after Holm's correction, and how many there are."""

    p_holm: float | None
    tests: int


def corrected(differences: Sequence[Difference | None]) -> list[Corrected]:
    """Holm's correction over the differences that have a p; None is no test."""
    p_values = [None if one is None else one.p for one in differences]
    tests = max(1, sum(p is not None for p in p_values))
    return [Corrected(p, tests) for p in holm(p_values)]


def interval(tally: SpeakerSums, measure: Metric, rarest: int = CLAIM_FROM) -> Interval:
    """95 % interval of a metric, mean over seeds, over the clusters of a tally.

    A jackknife-t (Efron & Tibshirani 1993, ch. 11), with as many degrees of freedom as there are
    effective clusters, less one (see :func:`fusion.evaluation.jackknife.effective`). There is none
    where a class that the metric needs is of fewer than ``rarest`` clusters, or of fewer than half.
    """
    estimate = jackknife(tally, _over_seeds(measure))
    return _within(_bounds(estimate, tally, rarest), measure.least, measure.most)


def paired_difference(arm: SpeakerSums, other: SpeakerSums, measure: Metric) -> Difference:
    """A metric of ``arm`` minus that of ``other``, on the same rows.

    For UAR and accuracy, which are sums over clusters, signs of their shares are flipped, for
    other metrics the arms' answers are swapped; all ways are tried up to 20 and 13 clusters.
    """
    over, seeds = _over_seeds(measure), arm.sums.shape[1]
    both = replace(
        arm,
        sums=np.concatenate([arm.sums, other.sums], axis=1),
        overlap=max(arm.overlap, other.overlap),
    )
    estimate = jackknife(
        both, lambda totals: over(totals[..., :seeds, :, :]) - over(totals[..., seeds:, :, :])
    )
    bounds = _bounds(estimate, both)
    if bounds.low is None:
        return Difference(bounds)
    signs = _contributions(arm.sums, other.sums, measure)
    flipped = swap_p(arm.sums, other.sums, over) if signs is None else sign_flip_p(signs)
    reach = measure.most - measure.least
    return Difference(
        _within(bounds, -reach, reach),
        max(flipped, _t_p(estimate)),
        Power(
            *(estimate.spread, estimate.freedom, len(both.sums), both.overlap),
            exact_up_to=EXACT_UP_TO if signs is not None else EXACT_SWAPS_UP_TO,
            reach=reach,
        ),
        abs(estimate.value) + estimate.reach(2 * CONFIDENCE - 1),
    )


def unpaired_difference(group: SpeakerSums, other: SpeakerSums, measure: Metric) -> Interval:
    """Difference of two groups of clusters, ``group`` minus ``other``: Welch's t of jackknives.

    None has bounds where one of the groups has fewer than five clusters.
    """
    first, second = (jackknife(side, _over_seeds(measure)) for side in (group, other))
    value = first.value - second.value
    if np.isnan(value):
        return Interval(None, None, None, "undefined: a class has no utterance in one group")
    sizes = f"{len(group.sums)} and {len(other.sums)} {group.unit}"
    if min(len(group.sums), len(other.sums)) < CLAIM_FROM:
        why = f"none: {sizes}; below {CLAIM_FROM} nothing is claimed about other speakers"
        return Interval(value, None, None, why)
    for bounds in (_bounds(first, group), _bounds(second, other)):
        if bounds.low is None:
            return Interval(value, None, None, f"{bounds.method} in one group")
    squares = np.square([first.spread, second.spread])
    freedom = np.array([first.freedom, second.freedom])
    total, below = squares.sum(), (squares**2 / freedom).sum()
    welch = total**2 / below if below > 0 else freedom.min()
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, welch) * np.sqrt(total))
    most = measure.most - measure.least
    method = f"Welch's t of jackknives over {sizes}"
    return _within(Interval(value, value - reach, value + reach, method), -most, most)


# ---------------------------------------------------------------- parts


def _over_seeds(measure: Metric) -> Callable[[np.ndarray], np.ndarray]:
    return lambda totals: measure.of(totals).mean(axis=-1)


def _bounds(estimate: Jackknife, about: SpeakerSums, rarest: int = CLAIM_FROM) -> Interval:
    clusters, unit, value = len(about.sums), about.unit, estimate.value
    if np.isnan(value):
        return Interval(None, None, None, "undefined: a class has no utterance")
    if clusters < CLAIM_FROM:
        why = f"none: {clusters} {unit}; below {CLAIM_FROM} nothing is claimed about other {unit}"
        return Interval(value, None, None, why)
    # Of few speakers most suffice: intervals hold where four of five have the class.
    if estimate.fewest < min(rarest, clusters / 2):
        who = f"{estimate.fewest} {unit if estimate.fewest > 1 else _one_of(unit)}"
        return Interval(value, None, None, f"none: a class is spoken by {who} only")
    if not np.isfinite(estimate.spread):
        return Interval(value, None, None, f"none: not defined without one {_one_of(unit)}")
    method = f"jackknife-t over {clusters} {unit}"
    if clusters - 1 - estimate.freedom > TOLD_FROM:
        method += f" of unequal weight ({estimate.freedom:.1f} degrees of freedom)"
    if about.overlap:
        method += f", errors times {np.sqrt(widened(about.overlap)):.2f} for shared training"
    reach = estimate.reach()
    return Interval(value, value - reach, value + reach, method)


def _one_of(unit: str) -> str:
    """A unit in the singular.

    >>> _one_of("groups of speakers"), _one_of("utterances")
    ('group of speakers', 'utterance')
    """
    first, *rest = unit.split(" ", 1)
    return " ".join([first.removesuffix("s"), *rest])


def _within(bounds: Interval, least: float, most: float) -> Interval:
    """Bounds cut to what the metric can be; t quantiles do not know of it."""
    if bounds.low is None or bounds.high is None:
        return bounds
    return replace(bounds, low=max(bounds.low, least), high=min(bounds.high, most))


def _contributions(arm: np.ndarray, other: np.ndarray, measure: Metric) -> np.ndarray | None:
    """What each cluster adds to the difference, mean over seeds; None where it is no such sum."""
    if measure not in (CLASSES["uar"], CLASSES["accuracy"]):
        return None
    hits = np.diagonal(arm - other, axis1=-2, axis2=-1).mean(axis=1)  # [clusters, K]
    support = arm.sum(axis=(0, 3)).mean(axis=0)  # [K]
    if measure is CLASSES["uar"]:
        return np.asarray((hits / support).mean(axis=1))
    return np.asarray(hits.sum(axis=1) / support.sum())


def _t_p(estimate: Jackknife) -> float:
    if estimate.spread == 0:
        return float(estimate.value == 0)
    return float(2 * stats.t.sf(abs(estimate.value) / estimate.spread, estimate.freedom))


@lru_cache(maxsize=256)
def _detectable_errors(clusters: int, freedom: float, overlap: float, tests: int) -> float:
    """The detectable difference in standard errors."""
    level = SIGNIFICANT / tests
    by_t = float(stats.t.ppf(1 - level / 2, freedom) + stats.t.ppf(POWER, freedom))
    felt = clusters <= EXACT_AT_MOST and 2.0 ** (1 - clusters) > FELT * level
    tried = clusters < EXACT_BELOW or felt
    return _tried(clusters, freedom, overlap, level) if tried else by_t


def _tried(clusters: int, freedom: float, overlap: float, level: float) -> float:
    """The same by trying the test: normal contributions, and one shift of all by training."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(TRIED, clusters))
    shift = rng.normal(size=(TRIED, 1)) * np.sqrt(SHARED * overlap / clusters)
    error = noise.std(axis=1, ddof=1) * np.sqrt(widened(overlap) / clusters)
    signs = every_sign(clusters)[: 2 ** (clusters - 1)]  # the other half mirrors these
    critical = stats.t.ppf(1 - level / 2, freedom)

    def power(size: float) -> float:
        shares = noise + shift + size * np.sqrt(widened(overlap) / clusters)
        flipped = np.abs(shares @ signs.T)
        p = (flipped >= flipped[:, :1] - 1e-9).mean(axis=1)
        return float(((np.abs(shares.mean(axis=1)) > critical * error) & (p <= level)).mean())

    low, high = 0.0, 4.0
    while power(high) < POWER:
        low, high = high, 2 * high
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if power(middle) < POWER else (low, middle)
    return high
