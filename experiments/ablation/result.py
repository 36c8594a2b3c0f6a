"""What an ablation leaves: its cells, their rows and costs, and where they lie."""

from dataclasses import dataclass, field
from pathlib import Path

from encoders.extraction import Failure
from experiments.ablation.cells import NoiseIn
from experiments.ablation.grid import FactorSpec, Grid
from experiments.ablation.scores import CellRows
from experiments.config import Study


@dataclass(frozen=True, slots=True)
class Cost:
    """What was computed, and what came from the cache."""

    encoded: int
    encoded_before: int
    trained: int
    trained_before: int
    finished_before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the cells do not say, as ``ablation.json`` holds it: factors as typed, what it took.

    ``speakers`` are the training speakers that every fold has, where their number is ablated.
    """

    over: list[FactorSpec]
    side: NoiseIn
    seed: int
    speakers: int
    left_out: int
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """A finished ablation: its grid, and the results and predictions of every cell."""

    folder: Path
    study: Study = field(repr=False)
    record: Record
    grid: Grid = field(repr=False)
    rows: tuple[CellRows, ...] = field(repr=False)
    failures: tuple[Failure, ...] = ()

    @property
    def reference(self) -> CellRows:
        """The cell that the others are compared with."""
        return next(row for row in self.rows if row.cell.reference)


def cells_folder(folder: Path) -> Path:
    """Where the runs of the cells lie."""
    return folder / "cells"


def unknown_cells(grid: Grid, folder: Path) -> list[str]:
    """Folders of cells that an earlier ablation left in the same folder."""
    folders, there = {cell.folder for cell in grid.cells}, cells_folder(folder)
    return sorted(
        path.name for path in there.iterdir() if path.is_dir() and path.name not in folders
    )
