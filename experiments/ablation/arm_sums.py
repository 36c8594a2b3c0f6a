"""Test predictions of one arm as sums: all that an ablation keeps of predictions in the thousands.

Of classes these are confusion counts; of labels, shares and values those of :mod:`fusion.tallies`.
Shares have both: counts of the rows without a tie for the largest one, and sums of all rows.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from encoders.utterance import Task
from experiments.reporting.answers import Scored, score_arms
from experiments.reporting.numbers import TABLES, percent
from experiments.reporting.target_table import Blind
from fusion import metrics
from fusion.measures import Measure, measures_of
from fusion.predictions import Prediction, counts_by_speaker, with_majority
from fusion.statistics import (
    Difference,
    Interval,
    interval,
    interval_of,
    paired_difference,
    paired_tallies,
)
from fusion.tallies import Tally

#: Metrics of counts in the tidy table.
OF_CLASSES = ("uar", "accuracy", "macro_f1")
#: Metrics of the page, the primary one first; every other stands in the tidy table.
SHOWN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "single-label": OF_CLASSES,
        "distribution": ("uar", "accuracy", "js"),
        "multi-label": ("macro_f1", "micro_f1", "weighted_accuracy"),
        "regression": ("ccc", "pearson", "mae"),
        "sentiment": ("ccc", "mae", "acc2_non0"),
    }
)


@dataclass(frozen=True, slots=True)
class Confusions:
    """Counts of rows that have one class, ``[folds, speakers, seeds, targets, targets]``."""

    by_fold: Float[np.ndarray, "folds speakers seeds targets targets"]

    @property
    def pooled(self) -> Float[np.ndarray, "speakers seeds targets targets"]:
        """Counts of all folds."""
        return np.asarray(self.by_fold.sum(axis=0))

    @property
    def names(self) -> tuple[str, ...]:
        """Metrics that they give."""
        return OF_CLASSES

    def values(self, name: str, fold: int | None = None) -> Float[np.ndarray, "seeds"]:
        """A metric by seed, of one fold or of all."""
        counts = self.pooled if fold is None else self.by_fold[fold]
        return np.asarray(metrics.METRICS[name](counts.sum(axis=0)))

    def interval(self, name: str) -> Interval:
        """A metric of all folds over speakers."""
        return interval(self.pooled, metrics.METRICS[name])

    def minus(self, other: "Confusions", name: str) -> Difference:
        """A metric here minus that of another cell, on the same rows."""
        return paired_difference(self.pooled, other.pooled, name)

    def rows(self, fold: int) -> int:
        """Rows of a fold."""
        return int(self.by_fold[fold, :, 0].sum())

    def lacking(self, fold: int) -> str:
        """Why a metric is not defined in a fold; nothing where it is."""
        support = self.by_fold[fold, :, 0].sum(axis=(0, 2))
        absent = int((support == 0).sum())
        return f"{absent} of {len(support)} classes have no test utterance" if absent else ""


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of labels, shares or values: of all folds by speaker, and of each fold.

    ``by_fold`` is ``[folds, seeds, parts, sums]``. Those of values are about the centre of their
    own rows, so that they do not add up over folds.
    """

    measures: Mapping[str, Measure]
    whole: Tally
    by_fold: Float[np.ndarray, "folds seeds parts sums"]
    counted: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Metrics that they give."""
        return tuple(self.measures)

    def values(self, name: str, fold: int | None = None) -> Float[np.ndarray, "seeds"]:
        """A metric by seed, of one fold or of all."""
        sums = self.whole.sums.sum(axis=0) if fold is None else self.by_fold[fold]
        return np.asarray(self.measures[name].of(sums))

    def interval(self, name: str) -> Interval:
        """A metric of all folds over speakers."""
        return interval_of(self.whole, self.measures[name])

    def minus(self, other: "Sums", name: str) -> Difference:
        """A metric here minus that of another cell, on the same rows."""
        return paired_tallies(self.whole, other.whole, self.measures[name])

    def rows(self, fold: int) -> int:
        """Rows of a fold."""
        return self.counted[fold]

    def lacking(self, fold: int) -> str:
        """Why a metric is not defined in a fold; nothing where it is."""
        if "macro_f1" in self.measures:
            absent = int((_label_rows(self.by_fold[fold][0]) == 0).sum())
            of = self.by_fold.shape[-2] - 1
            return f"{absent} of {of} labels have no test utterance" if absent else ""
        undefined = [n for n in self.names if np.isnan(self.values(n, fold)).any()]
        return "no value varies" if undefined else ""


@dataclass(frozen=True, slots=True)
class ArmSums:
    """Test predictions of one arm as sums; the first of ``scored`` gives the primary metric.

    ``places`` is the hash of which rows of which folds were scored, ``said`` that of what was said
    of them.
    """

    folds: tuple[str, ...]
    seeds: tuple[int, ...]
    scored: tuple[Confusions | Sums, ...]
    shown: tuple[str, ...]
    speakers: int
    utterances: int
    blind: Blind
    places: str
    said: str

    @property
    def names(self) -> tuple[str, ...]:
        """Metrics of the tidy table."""
        return tuple(name for one in self.scored for name in one.names)

    def of(self, name: str) -> Confusions | Sums:
        """What gives a metric."""
        return next(one for one in self.scored if name in one.names)


def arm_sums(
    rows: Sequence[Prediction], task: Task = "single-label", targets: Sequence[str] = ()
) -> ArmSums:
    """Predictions of one arm as sums; of labels the development rows give the thresholds."""
    test = [row for row in rows if row.split == "test"]
    folds = tuple(dict.fromkeys(row.outer_fold for row in test))
    seeds = tuple(sorted({row.seed for row in test}))
    graded = None if task == "single-label" else _graded(rows, task, targets)
    scored = _scored(test, folds, seeds, graded, task, targets)
    lines = sorted((r.utterance, r.outer_fold, r.seed, r.scores) for r in test)
    told = [*lines, *_thresholds(graded)]
    return ArmSums(
        folds=folds,
        seeds=seeds,
        scored=scored,
        shown=SHOWN[_kind(scored[0], task)],
        speakers=len({row.speaker for row in test}),
        utterances=len({row.utterance for row in test}),
        blind=_blind(scored[0]),
        places=hashlib.sha256(repr([line[:3] for line in lines]).encode()).hexdigest(),
        said=hashlib.sha256(repr(told).encode()).hexdigest(),
    )


def _graded(rows: Sequence[Prediction], task: Task, targets: Sequence[str]) -> Scored:
    # An arm with one input alone has the heads, and so the thresholds, of the whole one.
    found = score_arms(rows, task, targets, lambda arm, _fold: arm.partition("/")[0])
    (own,) = found.values()
    return own


def _scored(
    test: Sequence[Prediction],
    folds: Sequence[str],
    seeds: Sequence[int],
    graded: Scored | None,
    task: Task,
    targets: Sequence[str],
) -> tuple[Confusions | Sums, ...]:
    if graded is None:
        return (_confusions(test, folds, seeds),)
    by_fold = [graded.by_fold[fold] for fold in folds]
    rows = tuple(graded.answers.folds.count(fold) for fold in folds)
    totals = np.stack([tally.sums.sum(axis=0) for tally in by_fold])
    sums = Sums(measures_of(task, targets), graded.tally, totals, rows)
    if task != "distribution":
        return (sums,)
    return (_confusions(with_majority(test, task), folds, seeds), sums)


def _confusions(
    rows: Sequence[Prediction], folds: Sequence[str], seeds: Sequence[int]
) -> Confusions:
    speakers = tuple(sorted({row.speaker for row in rows}))
    by_fold: dict[str, list[Prediction]] = {fold: [] for fold in folds}
    for row in rows:
        by_fold[row.outer_fold].append(row)
    classes = len(rows[0].target)
    nothing = np.zeros((len(speakers), len(seeds), classes, classes))
    counts = [
        counts_by_speaker(own, speakers, seeds) if own else nothing for own in by_fold.values()
    ]
    return Confusions(np.stack(counts))


def _thresholds(graded: Scored | None) -> list[tuple[str, list[float]]]:
    """What of labels decides besides the scores."""
    known = {} if graded is None else graded.thresholds
    return [(fold, np.asarray(at).tolist()) for fold, at in sorted(known.items())]


def _kind(first: Confusions | Sums, task: Task) -> str:
    sentiment = task == "regression" and set(TABLES["sentiment"]) <= set(first.names)
    return "sentiment" if sentiment else task


def _blind(first: Confusions | Sums) -> Blind:
    """What a classifier without any knowledge has; as in the report of a run."""
    if isinstance(first, Confusions):
        chance = 1 / first.by_fold.shape[-1]
        return Blind(chance, f"chance {percent(chance)}")
    if "macro_f1" not in first.measures:
        return Blind(0.0, "no agreement")
    total = first.whole.sums.sum(axis=0)[0]
    shares = _label_rows(total) / total[-1, 2]
    value = float((2 * shares / (1 + shares)).mean())
    return Blind(value, f"every label named {percent(value)}")


def _label_rows(sums: Float[np.ndarray, "parts sums"]) -> Float[np.ndarray, "targets"]:
    """True rows of each label: hits and misses."""
    return np.asarray(sums[:-1, 0] + sums[:-1, 2])
