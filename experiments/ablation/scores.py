"""Every number of an ablation, computed from the predictions that its cells left on disk."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from encoders.weights.files import file_sha256
from experiments.ablation.cell_scores import ArmSums, arm_sums
from experiments.ablation.cells import Cell
from experiments.reporting.caveats import BEST
from experiments.reporting.numbers import Column, column, primary_of
from experiments.reporting.results_file import read_results
from experiments.reporting.results_schema import ArmDifference
from experiments.reporting.target_scores import number
from experiments.reporting.target_table import Chance
from fusion.evaluation.predictions import PREDICTIONS, read
from fusion.evaluation.statistics import Corrected, Difference, Interval, corrected
from fusion.evaluation.windows import utterance_rows


@dataclass(frozen=True, slots=True)
class CellRows:
    """Test predictions of one cell, of the arms that it is about, and their file's hash."""

    cell: Cell
    run: str
    sha256: str
    arms: Mapping[str, ArmSums]


@dataclass(frozen=True, slots=True)
class TidyRow:
    """One line of ``cells.csv``: a cell, an arm, a fold and a seed.

    Scores are None where they are not defined, and ``why`` says why. ``n`` are the rows that the
    primary metric counts: of shares those without a tie for the largest.
    """

    cell: Mapping[str, str]
    arm: str
    fold: str
    seed: int
    scores: Mapping[str, float | None]
    n: int
    why: str


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


def read_cell(folder: Path, cell: Cell) -> CellRows:
    """Predictions of a finished cell as sums.

    Of a cell that is about one arm, that arm; else every arm but the best ones, which are copies.
    """
    path, results = folder / PREDICTIONS, read_results(folder)
    rows = read(path).at(lambda place: place.arm not in BEST)
    cell_arm = cell.draft.changes.arm
    by_arm = utterance_rows(rows).by(lambda place: place.arm)
    task, targets, goal = results.task, results.targets, primary_of(results)
    arms = {
        arm: arm_sums(arm_rows, task, targets, goal, results.facts.overlap_of(arm))
        for arm, arm_rows in by_arm.items()
        if cell_arm in (None, arm) and "test" in arm_rows.by(lambda place: place.split)
    }
    return CellRows(cell, rows[0].run, file_sha256(path), arms)


def tidy_rows(cells: Sequence[CellRows]) -> Iterator[TidyRow]:
    """One row per cell, arm, fold and seed, in that order."""
    for cell_rows in cells:
        for arm, sums in cell_rows.arms.items():
            for fold in range(len(sums.folds)):
                yield from _tidy(cell_rows.cell, arm, sums, fold)


def _tidy(cell: Cell, arm: str, sums: ArmSums, fold: int) -> Iterator[TidyRow]:
    first, table = sums.scored[0], {name: sums.of(name).values(name, fold) for name in sums.names}
    for k, seed in enumerate(sums.seeds):
        scores = {name: number(values[k]) for name, values in table.items()}
        place = (cell.values, arm, sums.folds[fold], seed)
        yield TidyRow(*place, scores, first.counted[fold], first.lacking(fold))


def summaries(cells: Sequence[CellRows]) -> list[Summary]:
    """Every arm of every cell."""
    return [
        _summary(cell_rows.cell, arm, sums)
        for cell_rows in cells
        for arm, sums in cell_rows.arms.items()
    ]


def _summary(cell: Cell, arm: str, sums: ArmSums) -> Summary:
    scores = {name: sums.of(name).interval(name) for name in sums.shown}
    return Summary(cell, arm, sums.utterances, sums.speakers, scores, sums.blind)


def differences(cells: Sequence[CellRows]) -> list[Compared]:
    """Every cell against the reference, arm by arm, with Holm's correction over all of them.

    Cells that are about one arm each are compared by that arm.
    """
    start = next(cell_rows for cell_rows in cells if cell_rows.cell.reference)
    pairs = [
        (cell_rows, arm, start.arms[other], other)
        for cell_rows in cells
        if cell_rows is not start
        for arm, other in _partners(cell_rows, start)
    ]
    made = [
        Compared(cell_rows.cell, arm, other, rows.shown[0], *_difference(cell_rows.arms[arm], rows))
        for cell_rows, arm, rows, other in pairs
    ]
    asked = [(arm, cell_rows.arms[arm].said, rows.said) for cell_rows, arm, rows, _ in pairs]
    first = [asked.index(pair) for pair in asked]
    # Each test once, however many cells it stands in.
    among = corrected(
        [None if row.same or first[k] < k else row.found for k, row in enumerate(made)]
    )
    return [
        replace(row, among=among[first[k]], again=not row.same and first[k] < k)
        for k, row in enumerate(made)
    ]


def _partners(cell_rows: CellRows, start: CellRows) -> list[tuple[str, str]]:
    cell_arm, start_arm = cell_rows.cell.draft.changes.arm, start.cell.draft.changes.arm
    if cell_arm is not None and start_arm is not None:
        return [(cell_arm, start_arm)]
    return [(arm, arm) for arm in cell_rows.arms if arm in start.arms]


#: Before it is known how many others there are.
ALONE = Corrected(None, 1)


class _Pair(NamedTuple):
    difference: Difference
    among: Corrected
    same: bool


def _difference(sums: ArmSums, reference: ArmSums) -> _Pair:
    assert sums.places == reference.places, "cells have the same rows, folds and seeds"
    if sums.said == reference.said:
        same = Interval(0.0, None, None, "the same predictions: the factor does not reach this arm")
        return _Pair(Difference(same), ALONE, True)
    return _Pair(sums.scored[0].minus(reference.scored[0], sums.shown[0]), ALONE, False)
