"""Every number of an ablation: scores of its cells' results, all else from their predictions.

Of predictions in the thousands an ablation keeps sums (:mod:`fusion.evaluation.speaker_sums`).
Shares have two: confusion counts of the rows without a tie for the largest one, and sums of all.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float

from encoders.utterance import Task
from experiments.ablation.cells import Cell
from experiments.reporting.caveats import BEST
from experiments.reporting.numbers import Column, column, metrics_kind, percent, primary_of
from experiments.reporting.results_file import read_results
from experiments.reporting.results_schema import CLASS_TASKS, ArmDifference, Results
from experiments.reporting.target_scores import Scored, number, score_arms, why
from experiments.reporting.target_table import Chance, chance_level
from fusion.evaluation.columns import Prediction, Predictions, columns
from fusion.evaluation.goals import PRIMARY, Goal
from fusion.evaluation.measures import Metric, measures_of
from fusion.evaluation.predictions import PREDICTIONS, answers_of, read, with_majority
from fusion.evaluation.speaker_sums import SpeakerSums
from fusion.evaluation.statistics import (
    Corrected,
    Difference,
    Interval,
    corrected,
    paired_difference,
)
from fusion.evaluation.windows import utterance_rows
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
#: Arms that a figure shows where there are more.
MOST_ARMS = 4
PREFERRED = ("audio", "text", "late", "concat", "attention")
#: Stands for a test where the factor does not reach an arm.
SAME = Interval(0.0, None, None, "the same predictions: the factor does not reach this arm")


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

    def values(self, name: str, fold: int) -> Float[np.ndarray, "seeds"]:
        """A metric by seed, of one fold."""
        return np.asarray(self.measures[name].of(self.by_fold[fold].sums.sum(axis=0)))

    def lacking(self, fold: int) -> str:
        """Why a metric is not defined in a fold; nothing where it is."""
        undefined = any(np.isnan(self.values(name, fold)).any() for name in self.measures)
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
    places: str
    said: str

    def minus(self, other: "ArmSums", metric: str) -> Difference | None:
        """The primary metric minus that of another cell, on the same rows; None: all is alike."""
        assert self.places == other.places, "cells have the same rows, folds and seeds"
        if self.said == other.said:
            return None
        one, against = self.scored[0], other.scored[0]
        return paired_difference(one.whole, against.whole, one.measures[metric])


@dataclass(frozen=True, slots=True)
class CellRows:
    """One cell: its results, and test predictions of the arms that it is about."""

    cell: Cell
    results: Results
    arms: Mapping[str, ArmSums]

    @property
    def shown(self) -> tuple[str, ...]:
        """Metrics of the page, the primary one first."""
        usual = SHOWN[metrics_kind(self.results)]
        return tuple(dict.fromkeys((primary_of(self.results), *usual)))


@dataclass(frozen=True, slots=True)
class Summary:
    """An arm in a cell: metrics pooled over folds, mean over seeds, the primary one first."""

    cell: Cell
    arm: str
    n: int
    speakers: int
    scores: Mapping[str, Interval]
    blind: Chance

    @property
    def metric(self) -> str:
        """The primary metric, which is the first."""
        return next(iter(self.scores))

    @property
    def main(self) -> Interval:
        """The primary metric's value."""
        return self.scores[self.metric]

    @property
    def column(self) -> Column:
        """How the primary metric is written."""
        return column(self.metric)


@dataclass(frozen=True, slots=True)
class Compared:
    """The primary metric of an arm in a cell minus that in the reference cell, on the same rows.

    ``same``: the factor does not reach the arm, whose predictions are those of the reference; that
    is no test, and counts for none in Holm's correction. ``again``: an earlier cell has the same
    predictions, as where only one of two factors reaches an arm; both are one test.
    """

    cell: Cell
    arm: str
    against: str
    metric: str
    found: Difference
    among: Corrected
    same: bool = False
    again: bool = False

    @property
    def row(self) -> ArmDifference:
        """The difference as a table of results has it."""
        pair = (self.arm, self.against)
        return ArmDifference.of(pair, self.metric, self.found, among=self.among)


# ---------------------------------------------------------------- from a cell


def read_cell(folder: Path, cell: Cell) -> CellRows:
    """Results of a finished cell, and its predictions as sums.

    Of a cell that is about one arm, that arm; else every arm but the best ones, which are copies.
    """
    results, about = read_results(folder), cell.draft.changes.arm
    rows = read(folder / PREDICTIONS).at(lambda place: place.arm not in BEST)
    task, targets, goal = results.task, results.targets, primary_of(results)
    arms = {
        arm: arm_sums(arm_rows, task, targets, goal, results.facts.overlap_of(arm))
        for arm, arm_rows in utterance_rows(rows).by(lambda place: place.arm).items()
        if about in (None, arm) and arm in results.arms
    }
    return CellRows(cell, results, arms)


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
    rows = columns(rows)
    test = rows.at(lambda place: place.split == "test")
    folds = tuple(test.by(lambda place: place.outer_fold))
    seeds = tuple(sorted(test.by(lambda place: place.seed)))
    about = (targets, folds, goal or PRIMARY[task], overlap)
    sums = [_sums(rows, task, *about)] if task != "single-label" else []
    scored = [graded for _, graded in sums]
    if task in CLASS_TASKS:
        scored.insert(0, _sums(with_majority(rows, task), "single-label", *about)[1])
    said = answers_of(test)
    where = repr([said.utterances, said.folds, seeds]).encode()
    # What of labels decides besides the scores.
    thresholds = sorted(sums[0][0].thresholds.items()) if sums else []
    decided = repr([(fold, np.asarray(at).tolist()) for fold, at in thresholds]).encode()
    return ArmSums(
        folds=folds,
        seeds=seeds,
        scored=tuple(scored),
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


# ---------------------------------------------------------------- of all cells


def tidy_rows(cells: Sequence[CellRows]) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Each cell, and one line of ``cells.csv`` per arm, fold and seed, in that order.

    Scores are None where they are not defined, and ``why`` says why. ``n`` are the rows that the
    primary metric counts: of shares those without a tie for the largest.
    """
    for cell_rows in cells:
        for arm, sums in cell_rows.arms.items():
            for fold, name in enumerate(sums.folds):
                first = sums.scored[0]
                table = {m: one.values(m, fold) for one in sums.scored for m in one.measures}
                counted = {"n": first.counted[fold], "why": first.lacking(fold)}
                for k, seed in enumerate(sums.seeds):
                    scores = {metric: number(values[k]) for metric, values in table.items()}
                    place = {"arm": arm, "fold": name, "seed": seed}
                    yield cell_rows.cell, {**place, **scores, **counted}


def summaries(cells: Sequence[CellRows]) -> list[Summary]:
    """Every arm of every cell, as the cell's own results have it."""
    return [
        Summary(
            cell_rows.cell,
            arm,
            cell_rows.results.rows.used,
            cell_rows.results.rows.speakers,
            {name: cell_rows.results.arms[arm].score(name) for name in cell_rows.shown},
            chance_level(cell_rows.results),
        )
        for cell_rows in cells
        for arm in cell_rows.arms
    ]


def differences(cells: Sequence[CellRows]) -> list[Compared]:
    """Every cell against the reference, arm by arm, with Holm's correction over all of them.

    Cells that are about one arm each are compared by that arm.
    """
    start = next(cell_rows for cell_rows in cells if cell_rows.cell.reference)
    pairs = [
        (cell_rows, arm, other)
        for cell_rows in cells
        if cell_rows is not start
        for arm, other in _partners(cell_rows, start)
    ]
    metric = start.shown[0]
    made = [rows.arms[arm].minus(start.arms[other], metric) for rows, arm, other in pairs]
    asked = [(arm, rows.arms[arm].said, start.arms[other].said) for rows, arm, other in pairs]
    first = [asked.index(pair) for pair in asked]
    # Each test once, however many cells it stands in.
    among = corrected([found if first[k] == k else None for k, found in enumerate(made)])
    return [
        Compared(
            rows.cell,
            arm,
            other,
            metric,
            made[k] or Difference(SAME),
            among[first[k]],
            same=made[k] is None,
            again=made[k] is not None and first[k] < k,
        )
        for k, (rows, arm, other) in enumerate(pairs)
    ]


def _partners(cell_rows: CellRows, start: CellRows) -> list[tuple[str, str]]:
    cell_arm, start_arm = cell_rows.cell.draft.changes.arm, start.cell.draft.changes.arm
    if cell_arm is not None and start_arm is not None:
        return [(cell_arm, start_arm)]
    return [(arm, arm) for arm in cell_rows.arms if arm in start.arms]


# ---------------------------------------------------------------- for figures


def blind_of(whole: Sequence[Summary]) -> Chance:
    """What a classifier without any knowledge has; of several sets of classes the most."""
    most = max((summary.blind for summary in whole), key=lambda chance: chance.value)
    if len({summary.blind.value for summary in whole}) == 1:
        return most
    if whole[0].metric == "uar":
        return Chance(most.value, "chance of the fewest classes")
    return Chance(most.value, f"{most.words}, at most {percent(most.value)}")


def shown_arms(whole: Sequence[Summary]) -> list[str]:
    """Arms that a figure shows: all, or the usual ones."""
    arms = list(dict.fromkeys(summary.arm for summary in whole))
    if len(arms) <= MOST_ARMS:
        return arms
    wanted = [arm for arm in arms if arm in PREFERRED]
    return sorted(wanted, key=PREFERRED.index)[:MOST_ARMS] or arms[:MOST_ARMS]
