"""Predictions of a run as a table, for whatever reads tables."""

from pathlib import Path
from typing import TYPE_CHECKING

from encoders.files import write_parts
from encoders.manifest_rows import guarded_csv
from experiments.reporting.results_file import read_results
from fusion.evaluation.columns import Place, Prediction, Predictions, Subject
from fusion.evaluation.predictions import PREDICTIONS, read

if TYPE_CHECKING:
    from pandas import DataFrame

#: Lines that are put together before they are written.
BLOCK = 10_000


def write_table(folder: Path, path: Path, split: str | None = None) -> int:
    """Write a line for each prediction; returns how many there are.

    Columns are those of :class:`fusion.evaluation.columns.Prediction`, one for each class or
    dimension as ``target_NAME`` and ``score_NAME``; what is not known is empty. ``split`` is
    "test", "dev" (rows that heads of a fold were chosen on, once per fold), or None for both.

    Raises:
        ValueError: the folder is no finished run.
    """
    header, rows = _table(folder, split)
    blocks = (guarded_csv(map(_cells, rows[n : n + BLOCK])) for n in range(0, len(rows), BLOCK))
    write_parts(path, (text.encode() for text in (guarded_csv([header]), *blocks)))
    return len(rows)


def predictions_frame(folder: Path | str, split: str | None = None) -> "DataFrame":
    """The same table as a pandas data frame; pandas is no dependency.

    Raises:
        ValueError: the folder is no finished run.
    """
    from pandas import DataFrame

    header, rows = _table(Path(folder), split)
    return DataFrame(map(_cells, rows), columns=header)


def _table(folder: Path, split: str | None) -> tuple[list[str], Predictions]:
    targets, rows = read_results(folder).targets, read(folder / PREDICTIONS)
    rows = rows if split is None else rows.at(lambda place: place.split == split)
    names = [f"{kind}_{target}" for kind in ("target", "score") for target in targets]
    return [*Subject._fields[:-1], *Place._fields, "window", *names], rows


def _cells(row: Prediction) -> list[object]:
    about = (getattr(row, name) for name in (*Subject._fields[:-1], *Place._fields))
    return [*about, row.window, *row.target, *row.scores]
