"""Tables that corpora bring along: rows as text, by column, with faults that say where."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from encoders.text_encodings import decoded, mended
from encoders.utterance import CorpusError, Fault

Row = Mapping[str, str]


#: What was told of the tables read so far; None where nobody asks.
_NOTES: ContextVar[list[str] | None] = ContextVar("notes of tables", default=None)


@contextmanager
def encodings_told() -> Iterator[list[str]]:
    """What was taken for the encoding of each table that is read meanwhile, where not UTF-8."""
    notes: list[str] = []
    token = _NOTES.set(notes)
    try:
        yield notes
    finally:
        _NOTES.reset(token)


def read_text(path: Path, likely: Sequence[str] = ()) -> str:
    """Text of a file in any encoding; ``likely`` ones of its language go before a guess.

    Control codes that a wrong decoding made of letters become these letters again.
    """
    text = mended(decoded(path.read_bytes(), likely))
    notes, note = _NOTES.get(), text.note(path.name)
    if notes is not None and note is not None and note not in notes:
        notes.append(note)
    return text.text


def read_table(
    path: Path,
    needed: Sequence[str],
    *,
    separator: str = ",",
    header: Sequence[str] | None = None,
) -> list[Row]:
    """Rows of a table by the names of its columns, cells stripped; blank lines are no rows.

    ``header`` names the columns of a table that does not.

    Raises:
        CorpusError: a needed column is missing, or lines with another number of cells.
    """
    lines = list(_lines(path, separator))
    if header is None:
        names, lines = ([cell.strip() for cell in lines[0][1]] if lines else []), lines[1:]
    else:
        names = list(header)
    lacking = [name for name in needed if name not in names]
    if lacking:
        what = f"expected the columns {', '.join(needed)}, found {', '.join(names) or 'none'}"
        raise CorpusError(str(path), [Fault("header", what)])
    faults = [
        Fault(f"line {number}", f"expected {len(names)} cells, found {len(cells)}", "cells")
        for number, cells in lines
        if len(cells) != len(names)
    ]
    if faults:
        raise CorpusError(str(path), faults)
    return [dict(zip(names, (c.strip() for c in cells), strict=True)) for _, cells in lines]


def _lines(path: Path, separator: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=separator)
    lines = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append((reader.line_num, cells))
    except csv.Error as error:
        raise CorpusError(str(path), [Fault(f"line {reader.line_num}", str(error))]) from error
    return lines


def number(row: Row, column: str, path: Path, where: str, faults: list[Fault]) -> float | None:
    """A cell as a number; None where it is empty, and a fault where it is none."""
    cell = row.get(column, "")
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if math.isfinite(value):
        return value
    faults.append(Fault(where, f"{path.name}: {column} {cell!r} is not a number", column))
    return None
