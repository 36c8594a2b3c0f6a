"""Test predictions of one arm as sums: all that an ablation keeps of predictions in the thousands.

They are those of :mod:`fusion.evaluation.speaker_sums`. Shares have two: confusion counts of the
rows without a tie for the largest one, and sums of all rows.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from encoders.utterance import Task
from experiments.reporting.numbers import TABLES
from experiments.reporting.results_schema import CLASS_TASKS
from experiments.reporting.target_scores import Scored, score_arms, why
from experiments.reporting.target_table import Chance, chance_of
from fusion.evaluation.columns import Prediction, Predictions, columns
from fusion.evaluation.goals import PRIMARY, Goal
from fusion.evaluation.measures import Metric, measures_of
from fusion.evaluation.predictions import answers_of, with_majority
from fusion.evaluation.speaker_sums import SpeakerSums
from fusion.evaluation.statistics import Difference, Interval, interval, paired_difference
from fusion.training.arm_table import whole_of

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
class Sums:
    """Sums of all folds and of each fold, by speaker; ``counted`` are the rows of each fold.

    Those of values are about the centre of their own rows, so that they do not add up over folds.
    """

    kind: Task
    measures: Mapping[str, Metric]
    whole: SpeakerSums
    by_fold: tuple[SpeakerSums, ...]
    counted: tuple[int, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Metrics that they give."""
        return tuple(self.measures)

    def values(self, name: str, fold: int | None = None) -> Float[np.ndarray, "seeds"]:
        """A metric by seed, of one fold or of all."""
        tally = self.whole if fold is None else self.by_fold[fold]
        return np.asarray(self.measures[name].of(tally.sums.sum(axis=0)))

    def interval(self, name: str) -> Interval:
        """A metric of all folds over speakers."""
        return interval(self.whole, self.measures[name])

    def minus(self, other: "Sums", name: str) -> Difference:
        """A metric here minus that of another cell, on the same rows."""
        return paired_difference(self.whole, other.whole, self.measures[name])

    def lacking(self, fold: int) -> str:
        """Why a metric is not defined in a fold; nothing where it is."""
        undefined = any(np.isnan(self.values(name, fold)).any() for name in self.names)
        return why(self.by_fold[fold], self.kind) if undefined else ""


@dataclass(frozen=True, slots=True)
class ArmSums:
    """Test predictions of one arm as sums; the first of ``scored`` gives the primary metric.

    ``places`` is the hash of which rows of which folds were scored, ``said`` that of what was said
    of them.
    """

    folds: tuple[str, ...]
    seeds: tuple[int, ...]
    scored: tuple[Sums, ...]
    shown: tuple[str, ...]
    speakers: int
    utterances: int
    blind: Chance
    places: str
    said: str

    @property
    def names(self) -> tuple[str, ...]:
        """Metrics of the tidy table."""
        return tuple(name for sums in self.scored for name in sums.names)

    def of(self, name: str) -> Sums:
        """What gives a metric."""
        return next(sums for sums in self.scored if name in sums.names)


def arm_sums(
    rows: Iterable[Prediction],
    task: Task = "single-label",
    targets: Sequence[str] = (),
    goal: Goal | None = None,
    overlap: float = 0.0,
) -> ArmSums:
    """Predictions of one arm as sums; of labels the development rows give the thresholds.

    ``goal`` is the metric that everything is told in, None: the task's own.
    """
    goal = goal or PRIMARY[task]
    rows = columns(rows)
    test = rows.at(lambda place: place.split == "test")
    folds = tuple(test.by(lambda place: place.outer_fold))
    seeds = tuple(sorted(test.by(lambda place: place.seed)))
    about = (targets, folds, goal, overlap)
    sums = [_sums(rows, task, *about)] if task != "single-label" else []
    scored = [graded for _, graded in sums]
    if task in CLASS_TASKS:
        scored.insert(0, _sums(with_majority(rows, task), "single-label", *about)[1])
    said = answers_of(test)
    where = repr([said.utterances, said.folds, seeds]).encode()
    decided = repr(_thresholds(sums[0][0]) if sums else []).encode()
    return ArmSums(
        folds=folds,
        seeds=seeds,
        scored=tuple(scored),
        shown=tuple(dict.fromkeys((goal, *SHOWN[_kind(scored[0], task)]))),
        speakers=len({subject.speaker for subject in test.present()}),
        utterances=len({subject.utterance for subject in test.present()}),
        blind=_blind(scored[0], goal),
        places=hashlib.sha256(where).hexdigest(),
        said=hashlib.sha256(where + decided + said.scores.tobytes()).hexdigest(),
    )


def _sums(
    rows: Predictions,
    kind: Task,
    targets: Sequence[str],
    folds: Sequence[str],
    goal: Goal,
    overlap: float,
) -> tuple[Scored, Sums]:
    # An arm with one input alone has the heads, and so the thresholds, of the whole one.
    graded_arms = score_arms(
        rows, kind, targets, lambda arm, _fold: whole_of(arm), lambda _arm: overlap
    )
    (graded,) = graded_arms.values()
    nothing = replace(graded.tally, sums=graded.tally.sums[:0], support=graded.tally.support[:0])
    measures = measures_of(kind, targets)
    if kind == "single-label":
        measures = {name: measures[name] for name in dict.fromkeys((goal, *OF_CLASSES))}
    by_fold = tuple(graded.by_fold.get(fold, nothing) for fold in folds)
    counted = tuple(graded.answers.folds.count(fold) for fold in folds)
    return graded, Sums(kind, measures, graded.tally, by_fold, counted)


def _thresholds(graded: Scored) -> list[tuple[str, list[float]]]:
    """What of labels decides besides the scores."""
    return [(fold, np.asarray(at).tolist()) for fold, at in sorted(graded.thresholds.items())]


def _kind(first: Sums, task: Task) -> str:
    sentiment = task == "regression" and set(TABLES["sentiment"]) <= set(first.names)
    return "sentiment" if sentiment else task


def _blind(first: Sums, goal: Goal) -> Chance:
    """What a classifier without any knowledge has; as in the report of a run."""
    shares = first.whole.support.sum(axis=0) / sum(first.counted)
    return chance_of(goal, shares.tolist(), sets=first.kind == "multi-label")
