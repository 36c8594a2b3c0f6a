"""``serfusion verify`` of an ablation: its cells, then every table, figure and page from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from encoders.messages import with_count
from experiments.ablation.files import RECORD, files_of
from experiments.ablation.findings import findings_of
from experiments.ablation.grid import make_grid
from experiments.ablation.result import Ablation, Record, cells_folder, unknown_cells
from experiments.ablation.scores import read_cell
from experiments.comparing.verification import ELSEWHERE, Verification, differs, verify
from experiments.config import read_study
from experiments.reporting.results_file import read_strictly

AGAIN = "run the same serfusion ablate again"


@dataclass(frozen=True, slots=True)
class Verified:
    """The cells of an ablation, its files that they do not give, and folders that are none of it.

    ``files`` counts those that were made again.
    """

    folder: Path
    cells: tuple[Verification, ...]
    files: int
    changed: tuple[str, ...]
    unknown_cells: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing departs, in no cell either."""
        return not self.changed and all(cell.sound for cell in self.cells)


def verify_ablation(folder: Path) -> Verified:
    """Recompute every cell from its predictions, and every file of the ablation from the cells.

    Raises:
        ValueError: a file of it is none of ours, or as
            :func:`experiments.comparing.verification.verify` of a cell.
    """
    ablation = _read(folder)
    cells = tuple(verify(cells_folder(folder) / cell.folder) for cell in ablation.grid.cells)
    made = files_of(ablation, findings_of(ablation))
    changed = tuple(name for name, text in made.items() if differs(folder / name, text))
    left = tuple(unknown_cells(ablation.grid, folder))
    return Verified(folder, cells, len(made), changed, left)


def lines(verified: Verified) -> Iterator[str]:
    """What was verified, in lines."""
    numbers = sum(cell.numbers for cell in verified.cells)
    rows = sum(len(cell.recomputed.rows) for cell in verified.cells)
    yield (
        f"{verified.folder}: an ablation of {with_count(len(verified.cells), 'cell')}; "
        f"{with_count(numbers, 'number')} of the cells follow from {with_count(rows, 'prediction')}"
    )
    if not verified.changed:
        yield (
            f"the {verified.files} tables, figures and pages of the ablation follow from its cells"
        )
    for name in verified.changed:
        yield f"not what the cells give: {name} (changed, or made by another version)"
    for cell in verified.cells:
        for name in cell.changed:
            yield f"not what its run gives: {cell.folder / name} (changed, or of another version)"
    for name in verified.unknown_cells:
        yield f"cells/{name} is of another ablation, in no table here"


def _read(folder: Path) -> Ablation:
    """The ablation as it was made, but for its place, which may be another one now."""
    record, study = _record(folder), read_study(folder / "config.toml")
    grid = make_grid(study, record.over, side=record.side, seed=record.seed, most=record.speakers)
    places = [cells_folder(folder) / cell.folder for cell in grid.cells]
    lacking = [
        cell.title
        for cell, place in zip(grid.cells, places, strict=True)
        if not (place / "results.json").is_file()
    ]
    if lacking:
        raise ValueError(
            f"{folder}: {with_count(len(lacking), 'cell')} of {len(grid.cells)} not finished "
            f"({', '.join(lacking[:3])}); {AGAIN}"
        )
    rows = tuple(map(read_cell, places, grid.cells))
    return Ablation(folder=Path(ELSEWHERE), study=study, record=record, grid=grid, rows=rows)


def _record(folder: Path) -> Record:
    path = folder / RECORD
    if not path.is_file():
        raise ValueError(
            f"{folder}: an ablation that is not finished, or of a version that left no {RECORD}; "
            f"{AGAIN}, or give its cells one by one: serfusion verify {folder / 'cells'}/*"
        )
    try:
        return read_strictly(Record, path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not what an ablation wrote, {error}; {AGAIN}") from error
