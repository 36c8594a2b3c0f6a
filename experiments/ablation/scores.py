"""Every number of an ablation, computed from the predictions that its cells left on disk."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.ablation.cells import Cell
from experiments.reporting.caveats import BEST
from fusion import metrics, predictions
from fusion.predictions import Prediction, counts_by_speaker
from fusion.statistics import Difference, Interval, holm, interval, paired_difference
from fusion.windows import utterance_rows

#: Metrics of the tidy table and of the summary.
METRICS = ("uar", "accuracy", "macro_f1")


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """Test predictions of one arm as counts, ``[folds, speakers, seeds, targets, targets]``.

    ``places`` is the hash of which rows of which folds were scored, ``said`` that of what was said
    of them: of predictions in the thousands nothing else is kept.
    """

    folds: tuple[str, ...]
    speakers: tuple[str, ...]
    seeds: tuple[int, ...]
    counts: Float[np.ndarray, "folds speakers seeds targets targets"]
    utterances: int
    places: str
    said: str

    @property
    def pooled(self) -> Float[np.ndarray, "speakers seeds targets targets"]:
        """Counts of all folds."""
        return np.asarray(self.counts.sum(axis=0))


@dataclass(frozen=True, slots=True)
class CellRows:
    """Test predictions of one cell, of the arms that it is about, and their file's hash."""

    cell: Cell
    run: str
    sha256: str
    arms: Mapping[str, ArmCounts]


@dataclass(frozen=True, slots=True)
class TidyRow:
    """One line of ``cells.csv``: a cell, an arm, a fold and a seed.

    Values are None where they are not defined, and ``why`` says why.
    """

    cell: Mapping[str, str]
    arm: str
    fold: str
    seed: int
    uar: float | None
    accuracy: float | None
    macro_f1: float | None
    n: int
    why: str


@dataclass(frozen=True, slots=True)
class Summary:
    """An arm in a cell: pooled over folds, mean over seeds."""

    cell: Cell
    arm: str
    n: int
    speakers: int
    classes: int
    uar: Interval
    accuracy: Interval
    macro_f1: Interval
    seed_spread: float | None


@dataclass(frozen=True, slots=True)
class Compared:
    """UAR of an arm in a cell minus that in the reference cell, on the same rows.

    ``same``: the factor does not reach the arm, whose predictions are those of the reference; that
    is no test, and counts for none in Holm's correction. ``again``: an earlier cell has the same
    predictions, as where only one of two factors reaches an arm; both are one test.
    """

    cell: Cell
    arm: str
    against: str
    found: Difference
    p_holm: float | None
    same: bool = False
    again: bool = False


def read_cell(folder: Path, cell: Cell) -> CellRows:
    """Test predictions of a finished cell.

    Of a cell that is about one arm, that arm; else every arm but the best ones, which are copies.
    """
    path = folder / "predictions.jsonl"
    rows = [row for row in predictions.read(path) if row.split == "test" and row.arm not in BEST]
    own = cell.draft.changes.arm
    found: dict[str, list[Prediction]] = {}
    for row in utterance_rows(rows):
        if own is None or row.arm == own:
            found.setdefault(row.arm, []).append(row)
    with path.open("rb") as handle:
        sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
    return CellRows(cell, rows[0].run, sha256, {arm: arm_counts(own) for arm, own in found.items()})


def arm_counts(rows: Sequence[Prediction]) -> ArmCounts:
    """Test predictions of one arm, counted."""
    folds = tuple(dict.fromkeys(row.outer_fold for row in rows))
    speakers = tuple(sorted({row.speaker for row in rows}))
    seeds = tuple(sorted({row.seed for row in rows}))
    by_fold: dict[str, list[Prediction]] = {fold: [] for fold in folds}
    for row in rows:
        by_fold[row.outer_fold].append(row)
    lines = sorted((r.utterance, r.outer_fold, r.seed, r.scores) for r in rows)
    return ArmCounts(
        folds=folds,
        speakers=speakers,
        seeds=seeds,
        counts=np.stack([counts_by_speaker(own, speakers, seeds) for own in by_fold.values()]),
        utterances=len({row.utterance for row in rows}),
        places=hashlib.sha256(repr([line[:3] for line in lines]).encode()).hexdigest(),
        said=hashlib.sha256(repr(lines).encode()).hexdigest(),
    )


def tidy_rows(found: Sequence[CellRows]) -> Iterator[TidyRow]:
    """One row per cell, arm, fold and seed, in that order."""
    for one in found:
        for arm, own in one.arms.items():
            for fold, by_speaker in zip(own.folds, own.counts, strict=True):
                for seed, counts in zip(own.seeds, by_speaker.sum(axis=0), strict=True):
                    yield _tidy(one.cell, arm, fold, seed, counts)


def _tidy(
    cell: Cell, arm: str, fold: str, seed: int, counts: Float[np.ndarray, "targets targets"]
) -> TidyRow:
    found = {name: float(metrics.METRICS[name](counts)) for name in METRICS}
    values = {name: None if np.isnan(value) else value for name, value in found.items()}
    lacking = int((counts.sum(axis=1) == 0).sum())
    why = f"{lacking} of {len(counts)} classes have no test utterance" if lacking else ""
    return TidyRow(cell.values, arm, fold, seed, **values, n=int(counts.sum()), why=why)


def summaries(found: Sequence[CellRows]) -> list[Summary]:
    """Every arm of every cell."""
    return [_summary(one.cell, arm, own) for one in found for arm, own in one.arms.items()]


def _summary(cell: Cell, arm: str, own: ArmCounts) -> Summary:
    counts = own.pooled
    by_seed = metrics.uar(counts.sum(axis=0))
    return Summary(
        cell=cell,
        arm=arm,
        n=own.utterances,
        speakers=len(own.speakers),
        classes=counts.shape[-1],
        uar=interval(counts, metrics.uar),
        accuracy=interval(counts, metrics.accuracy),
        macro_f1=interval(counts, metrics.macro_f1),
        seed_spread=float(by_seed.std(ddof=1)) if len(own.seeds) > 1 else None,
    )


def differences(found: Sequence[CellRows]) -> list[Compared]:
    """Every cell against the reference, arm by arm, with Holm's correction over all of them.

    Cells that are about one arm each are compared by that arm.
    """
    start = next(one for one in found if one.cell.reference)
    pairs = [
        (one, arm, start.arms[other], other)
        for one in found
        if one is not start
        for arm, other in _partners(one, start)
    ]
    made = [
        Compared(one.cell, arm, other, *_difference(one.arms[arm], rows))
        for one, arm, rows, other in pairs
    ]
    asked = [(arm, one.arms[arm].said, rows.said) for one, arm, rows, _ in pairs]
    first = [asked.index(pair) for pair in asked]
    # Each test once, however many cells it stands in.
    p = [None if row.same or first[k] < k else row.found.p for k, row in enumerate(made)]
    corrected = holm(p)
    return [
        replace(row, p_holm=corrected[first[k]], again=not row.same and first[k] < k)
        for k, row in enumerate(made)
    ]


def _partners(one: CellRows, start: CellRows) -> list[tuple[str, str]]:
    own, other = one.cell.draft.changes.arm, start.cell.draft.changes.arm
    if own is not None and other is not None:
        return [(own, other)]
    return [(arm, arm) for arm in one.arms if arm in start.arms]


class _Pair(NamedTuple):
    found: Difference
    p_holm: float | None
    same: bool


def _difference(one: ArmCounts, other: ArmCounts) -> _Pair:
    assert one.places == other.places, "cells have the same rows, folds and seeds"
    if one.said == other.said:
        same = Interval(0.0, None, None, "the same predictions: the factor does not reach this arm")
        return _Pair(Difference(same, None, None), None, True)
    return _Pair(paired_difference(one.pooled, other.pooled, "uar"), None, False)
