"""Predictions of a run as a table, for whatever reads tables."""

from pathlib import Path

from encoders.files import write_parts
from encoders.manifest_rows import guarded_csv
from experiments.reporting.results_file import read_results
from fusion.evaluation.columns import Place, Predictions, Subject
from fusion.evaluation.predictions import PREDICTIONS, read

#: Lines that are put together before they are written.
BLOCK = 10_000


def write_table(folder: Path, path: Path) -> int:
    """Write a line for each prediction; returns how many there are.

    Columns are those of :class:`fusion.evaluation.columns.Prediction`, one for each class or
    dimension as ``target_NAME`` and ``score_NAME``; what is not known is empty.

    Raises:
        ValueError: the folder is no finished run.
    """
    targets, rows = read_results(folder).targets, read(folder / PREDICTIONS)
    names = [f"{kind}_{target}" for kind in ("target", "score") for target in targets]
    header = [*Subject._fields[:-1], *Place._fields, "window", *names]
    blocks = (_lines(rows[n : n + BLOCK]) for n in range(0, len(rows), BLOCK))
    write_parts(path, (text.encode() for text in (guarded_csv([header]), *blocks)))
    return len(rows)


def _lines(rows: Predictions) -> str:
    return guarded_csv(
        [
            *(getattr(row, name) for name in (*Subject._fields[:-1], *Place._fields)),
            row.window,
            *row.target,
            *row.scores,
        ]
        for row in rows
    )
