"""What the intervals of given heads cover, on simulated corpora of every shape.

Heads are drawn here and not trained, so that thousands of corpora can be tried; what training adds
is tried in :mod:`benchmarks.validity`.
A corpus has speakers of unequal talkativeness, classes of unequal frequency, a skill that varies
between speakers and between a speaker's classes, and two arms whose skills differ from speaker to
speaker but not on average. Every number comes from the functions that a report uses; what is
covered is the value over 100 000 further speakers of the same kind.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed

from experiments.reporting.results_schema import ArmDifference
from experiments.reporting.sentences import verdict
from fusion.evaluation.measures import CLASSES
from fusion.evaluation.speaker_sums import SpeakerSums
from fusion.evaluation.statistics import Difference, Interval, interval, paired_difference

CORPORA, SPEAKERS = 2000, (5, 6, 10, 24, 30, 91, 300)
POPULATION = 100_000
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
    return [float(CLASSES[name].of(np.asarray(total)).mean()) for name in METRICS]


# ---------------------------------------------------------------- what a report would say

METRICS = ("uar", "accuracy", "macro_f1")


def sums_of(counts: np.ndarray) -> SpeakerSums:
    """One corpus ``[speakers, 1, K, K]`` as a report has it, of heads that are given."""
    return SpeakerSums(counts, counts[:, 0].sum(axis=-1))


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of corpora: with an interval, whose interval holds the truth, that show something."""

    given: float
    holds: tuple[float, ...]
    zero: float
    shown: float


def rates(pair: Pair, expected: Sequence[float]) -> Rates:
    """What a report says of each of many corpora ``[speakers, corpora, 1, K, K]``."""
    corpora = pair.one.shape[1]
    both = [[sums_of(side[:, n]) for n in range(corpora)] for side in (pair.one, pair.other)]
    known = [k for k, one in enumerate(both[0]) if interval(one, CLASSES["uar"]).low is not None]
    holds = [
        np.mean([_holds(interval(both[0][k], CLASSES[name]), value) for k in known])
        for name, value in zip(METRICS, expected, strict=True)
    ]
    compared = [paired_difference(both[0][k], both[1][k], CLASSES["uar"]) for k in known]
    zero = np.mean([_holds(one.interval, 0.0) for one in compared])
    shown = np.mean(list(map(is_shown, compared)))
    return Rates(len(known) / corpora, tuple(map(float, holds)), float(zero), float(shown))


def _holds(found: Interval, value: float) -> bool:
    low, high = found.low, found.high
    return low is not None and high is not None and low <= value <= high


def cell(kind: Kind, speakers: int, expected: Sequence[float], corpora: int) -> list[str]:
    """A row of the table without its names."""
    found = rates(simulate(kind, (speakers, corpora), [1, speakers]), expected)
    return [
        f"{found.given:.0%}",
        *(marked(rate, LEAST, MOST) for rate in (*found.holds, found.zero)),
        marked(found.shown, 0.0, ALARMS),
    ]


def is_shown(difference: Difference) -> bool:
    """Whether a report calls a difference shown."""
    row = ArmDifference.of(("one", "other"), "uar", difference)
    return verdict(row) in ("higher", "lower")


def marked(rate: float, least: float, most: float) -> str:
    """A rate for a table, bold where it is not what was asked for."""
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
    head += ["difference in UAR", "false alarms"]
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
        "where a class is spoken by one speaker only. Simulation error: 0.5 points of 95 %."
    )
    return "\n".join([note, "", *lines])
