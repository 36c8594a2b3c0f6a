"""What the intervals cover and how often a difference is shown that is none, on simulated corpora.

A corpus has speakers of unequal talkativeness, classes of unequal frequency, a skill that varies
between speakers and between a speaker's classes, and two arms whose skills differ from speaker to
speaker but not on average. Every number comes from the functions that a report uses; what is
covered is the value over 100 000 further speakers of the same kind.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed
from scipy import stats

from experiments.reporting.results_schema import ArmDifference
from experiments.reporting.sentences import verdict
from fusion.evaluation import metrics, statistics
from fusion.evaluation.jackknife import Metric, jackknife
from fusion.evaluation.statistics import BOOTSTRAP_FROM, Interval, interval, paired_difference

CORPORA, SPEAKERS = 2000, (5, 6, 10, 24, 30, 91, 300)
POPULATION = 100_000
#: Resamples of a bootstrap here; a report draws five times as many.
RESAMPLES = 2000
#: What a reviewer asks for.
LEAST, MOST, ALARMS = 0.93, 0.97, 0.06


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of corpus: rows per speaker, and standard deviations of effects in log odds.

    ``talkativeness`` is the deviation of the log number of rows, ``absent`` the chance that a
    speaker lacks each of the two rarer classes, ``informed`` how much more is said by speakers who
    are recognised well.
    """

    shares: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1)
    rows: float = 40.0
    talkativeness: float = 0.5
    absent: float = 0.3
    speaker: float = 0.5
    cell: float = 0.5
    arm: float = 0.3
    informed: float = 0.0


KINDS: Mapping[str, Kind] = {
    "balanced": Kind(talkativeness=0.0, absent=0.0),
    "unbalanced, classes absent": Kind(),
    "a few talk most": Kind(talkativeness=1.0),
    "rare classes": Kind(absent=0.6),
    "who talks more is recognised better": Kind(informed=0.4),
}
#: Log odds of a hit in each class before any effect.
SKILL = np.array([0.8, 0.4, 0.2, -0.2])


@dataclass(frozen=True, slots=True)
class Pair:
    """Confusion counts of two equally good arms on the same rows, ``[*shape, 1, K, K]``."""

    one: np.ndarray
    other: np.ndarray


def simulate(kind: Kind, shape: tuple[int, ...], seed: Sequence[int]) -> Pair:
    """Independent speakers, one for each place in ``shape``."""
    rng = np.random.default_rng(seed)
    classes = len(kind.shares)
    talent = rng.normal(size=shape)
    size = kind.rows * np.exp(kind.talkativeness * rng.normal(size=shape) + kind.informed * talent)
    support = rng.poisson(size[..., None] * np.array(kind.shares))
    rare = np.arange(classes) >= classes - 2
    support[rare & (rng.random((*shape, classes)) < kind.absent)] = 0
    effects = kind.speaker * talent[..., None] + kind.cell * rng.normal(size=(*shape, classes))
    odds = SKILL[:classes] + effects
    return Pair(*(_counts(rng, support, _arm(rng, kind, odds)) for _ in range(2)))


def _arm(rng: np.random.Generator, kind: Kind, odds: np.ndarray) -> np.ndarray:
    """Log odds of one arm: better for some speakers and some of their classes, worse for others."""
    gains = rng.normal(size=(*odds.shape[:-1], 1)) + rng.normal(size=odds.shape)
    return odds + kind.arm * gains


def _counts(rng: np.random.Generator, support: np.ndarray, odds: np.ndarray) -> np.ndarray:
    """Confusion counts: hits, and misses dealt evenly to the other classes."""
    classes = support.shape[-1]
    hits = rng.binomial(support, 1 / (1 + np.exp(-odds)))
    counts = np.zeros((*support.shape, classes))
    for k in range(classes):
        left, others = support[..., k] - hits[..., k], [j for j in range(classes) if j != k]
        counts[..., k, k] = hits[..., k]
        for number, j in enumerate(others):
            counts[..., k, j] = rng.binomial(left, 1 / (len(others) - number))
            left = left - counts[..., k, j].astype(int)
    return counts[..., None, :, :]


def truth(kind: Kind) -> list[float]:
    """The metrics of either arm over a population of speakers, in blocks that fit memory."""
    blocks = range(10)
    total = sum(
        simulate(kind, (POPULATION // len(blocks),), [0, block]).one.sum(axis=0) for block in blocks
    )
    return [float(metrics.METRICS[name](np.asarray(total)).mean()) for name in METRICS]


# ---------------------------------------------------------------- what a report would say

METRICS = ("uar", "accuracy", "macro_f1")


@dataclass(frozen=True, slots=True)
class Bounds:
    """95 % intervals of many corpora; NaN where a report gives none."""

    low: np.ndarray
    high: np.ndarray

    @property
    def given(self) -> np.ndarray:
        """Where there is an interval."""
        return ~np.isnan(self.low)

    def holds(self, value: float) -> float:
        """Share of the intervals there are that hold a value."""
        inside = (self.low <= value) & (value <= self.high)
        return float(inside[self.given].mean())


def bounds(counts: np.ndarray, statistic: Metric, interval_of: Callable[[int], Interval]) -> Bounds:
    """Intervals of corpora ``[speakers, corpora, ...]``: all jackknives at once.

    Where a report would resample, ``interval_of`` makes its interval of a corpus.
    """
    estimate = jackknife(counts, statistic)
    reach = estimate.reach()
    low, high = estimate.value - reach, estimate.value + reach
    for number in np.flatnonzero(estimate.freedom + 1 >= BOOTSTRAP_FROM - 1e-9):
        alone = interval_of(int(number))
        ends = (alone.low, alone.high)
        low[number], high[number] = (np.nan if end is None else end for end in ends)
    return Bounds(low, high)


def of_metric(counts: np.ndarray, name: str) -> Bounds:
    """Intervals of a metric."""
    metric = metrics.METRICS[name]
    return bounds(
        counts,
        lambda totals: metric(totals).mean(axis=-1),
        lambda number: interval(counts[:, number], metric),
    )


def of_difference(arm: np.ndarray, other: np.ndarray) -> Bounds:
    """Intervals of the difference in UAR."""
    both = np.stack([arm, other], axis=2)  # [speakers, corpora, 2, seeds, K, K]
    return bounds(
        both,
        lambda totals: np.subtract(*np.moveaxis(metrics.uar(totals).mean(-1), -1, 0)),
        lambda number: paired_difference(arm[:, number], other[:, number], "uar").interval,
    )


def shown(arm: np.ndarray, other: np.ndarray, intervals: Bounds) -> float:
    """Share of the corpora with an interval in which a report calls the difference shown."""
    outside = np.flatnonzero(intervals.given & ((intervals.low > 0) | (intervals.high < 0)))
    calls = [paired_difference(arm[:, n], other[:, n], "uar") for n in outside]
    pair = ("one", "other")
    verdicts = [verdict(ArmDifference.of(pair, "uar", call)) for call in calls]
    return sum(outcome in ("higher", "lower") for outcome in verdicts) / max(
        1, int(intervals.given.sum())
    )


def _plain(counts: np.ndarray, value: float) -> float:
    """What a jackknife-t with one degree of freedom less than speakers would cover."""
    estimate = jackknife(counts, lambda totals: metrics.uar(totals).mean(axis=-1))
    reach = stats.t.ppf(0.975, len(counts) - 1) * estimate.spread
    given = ~np.isnan(reach)
    return float((np.abs(estimate.value - value) <= reach)[given].mean())


def cell(kind: Kind, speakers: int, expected: Sequence[float], corpora: int) -> list[str]:
    """A row of the table without its names."""
    statistics.DRAWS = RESAMPLES
    made = simulate(kind, (speakers, corpora), [1, speakers])
    by_metric = [of_metric(made.one, name) for name in METRICS]
    rates = [intervals.holds(value) for intervals, value in zip(by_metric, expected, strict=True)]
    compared = of_difference(made.one, made.other)
    return [
        f"{by_metric[0].given.mean():.0%}",
        *(_marked(rate, LEAST, MOST) for rate in (*rates, compared.holds(0.0))),
        _marked(shown(made.one, made.other, compared), 0.0, ALARMS),
        f"{_plain(made.one, expected[0]):.3f}",
    ]


def _marked(rate: float, least: float, most: float) -> str:
    return f"{rate:.3f}" if least <= rate <= most else f"**{rate:.3f}**"


def measure() -> str:
    """One row per kind of corpus and number of speakers."""
    expected = {name: truth(kind) for name, kind in KINDS.items()}
    cases = [(name, speakers) for speakers in SPEAKERS for name in KINDS]
    tasks = (
        delayed(cell)(KINDS[name], speakers, expected[name], CORPORA) for name, speakers in cases
    )
    rows: list[list[str]] = []
    for row in Parallel(n_jobs=-1, return_as="generator")(tasks):
        print(*cases[len(rows)], *row, sep=" | ", file=sys.stderr, flush=True)
        rows.append(row)
    head = ["speakers", "corpus", "with an interval", "UAR", "accuracy", "macro F1"]
    head += ["difference in UAR", "false alarms", "UAR, S − 1 degrees of freedom"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [
        f"| {speakers} | {name} | {' | '.join(row)} |"
        for (name, speakers), row in zip(cases, rows, strict=True)
    ]
    note = (
        f"Share of {CORPORA} simulated corpora whose 95 % interval holds the value of the "
        f"population (asked for: {LEAST:.0%} to {MOST:.0%}), and share in which a difference "
        f"between two equally good arms is called shown (asked for: at most {ALARMS:.0%}); bold "
        "where it is not so. Shares are of the corpora that have an interval at all: none is given "
        "where a class is spoken by one speaker only. Simulation error: 0.5 points of 95 %. The "
        "last column is what the textbook's degrees of freedom would cover. Bootstraps (from "
        f"{BOOTSTRAP_FROM} effective speakers on) have {RESAMPLES} resamples here, 10 000 in a "
        "report."
    )
    return "\n".join([note, "", *lines])
