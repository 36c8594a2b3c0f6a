"""Lines of a CSV or JSONL table: cells as text, with the line they stand on, faults collected."""

import csv
import difflib
import io
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.messages import SHOWN, composed, cut, quoted, with_count
from encoders.text_encodings import decoded
from encoders.utterance import CorpusError, Fault

DIMENSIONS = ("valence", "arousal", "dominance")
TEXT_COLUMNS = ("speaker", "dialogue", "session", "script", "split", "fold", "language", "sex")
COLUMNS = (
    *("id", "audio", "start_s", "end_s", "transcript", "speaker", "label"),
    *("dialogue", "turn", "session", "script", "split", "fold", "language", "sex", "age"),
    "channel",
    *DIMENSIONS,
)
#: Columns that hold a number.
NUMBERS = frozenset(("start_s", "end_s", "turn", "age", *DIMENSIONS))
#: Columns that name something: equal to the eye must be equal. File names are bytes, and words
#: are normalised where their key is made.
NAMES = frozenset(("id", "label", *TEXT_COLUMNS))
#: What data frames write where there is nothing; the latter are words only where words are meant.
MISSING, NO_WORDS = frozenset(("nan", "NaN", "<NA>")), frozenset(("None", "null", "NULL"))
#: What starts a formula in a spreadsheet (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a manifest: where it stands and its cells, empty ones left out."""

    line: int
    cells: Mapping[str, str]

    @property
    def where(self) -> str:
        """Line and id, as they appear in messages."""
        return f"line {self.line} (id {cut(self.cells.get('id', '?'))})"


def read_rows(path: Path, faults: list[Fault], notes: list[str] | None = None) -> list[Row]:
    """Rows that have a cell, names in Unicode's composed form (NFC).

    What a data frame writes for a missing value is none. ``notes`` takes what was told: the
    encoding, where it is not UTF-8, and how many cells were missing so.

    Raises:
        CorpusError: there is no such file.
    """
    if not path.is_file():
        raise CorpusError(str(path), [Fault(str(path), "no such file: expected a .csv or .jsonl")])
    # Bytes, because reading as text would turn "\r\n" inside a cell into "\n".
    text = decoded(path.read_bytes())
    rows = list((_json_rows if path.suffix == ".jsonl" else _csv_rows)(text.text, faults))
    missing = Counter(name for row in rows for name, cell in row.cells.items() if lacks(name, cell))
    if notes is not None:
        notes += [note] if (note := text.note(path.name)) else []
        notes += [
            f"{with_count(n, 'cell')} of {name} read as missing (nan)"
            for name, n in missing.items()
        ]
    rows = [
        Row(row.line, {name: cell for name, cell in row.cells.items() if not lacks(name, cell)})
        for row in rows
    ]
    return [row for row in rows if row.cells]


def lacks(column: str, cell: str) -> bool:
    """Whether a cell of a column is what data frames write where there is nothing."""
    if column == "transcript":
        return cell in MISSING or cell in NO_WORDS
    return cell in MISSING and column in ("label", "audio", *TEXT_COLUMNS)


def channel_of(typed: str) -> int | None:
    """The channel that a cell or an option names, from 1 on; None is the mean of all.

    Raises:
        ValueError: it is neither a number from 1 on nor ``mean``.

    >>> channel_of("2"), channel_of("mean")
    (2, None)
    """
    if typed == "mean":
        return None
    if not (typed.isascii() and typed.isdecimal()) or int(typed) < 1:
        raise ValueError(f"channel {quoted(typed)}: expected 1, 2, ... or mean")
    return int(typed)


def did_you_mean(name: str, known: Iterable[str], most: int = 1) -> str:
    """What somebody may have meant by a name that is none of the known ones.

    >>> did_you_mean("angryy", ["angry", "happy"]), did_you_mean("x", ["angry", "happy"])
    ('did you mean angry?', 'known are angry, happy')
    """
    names = list(known)
    cutoff = 0.6 if most == 1 else 0.4
    # Of a name as long as a book, what it begins with is compared.
    near = difflib.get_close_matches(name[:SHOWN], names, n=most, cutoff=cutoff)
    return f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(names)}"


def guarded(cell: str) -> str:
    """A CSV cell that no spreadsheet takes for a formula: an apostrophe before what starts one.

    :func:`read_rows` takes it away again. Numbers are left as they are.

    >>> guarded("=1+1"), guarded("-0.5"), guarded("well, =")
    ("'=1+1", '-0.5', 'well, =')
    """
    if not cell.lstrip("'").startswith(FORMULA) or is_number(cell):
        return cell
    return f"'{cell}"


def unguarded(cell: str) -> str:
    """A cell as it was before :func:`guarded`."""
    bare = cell.removeprefix("'")
    return bare if bare.lstrip("'").startswith(FORMULA) and not is_number(bare) else cell


def guarded_csv(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV whose texts are guarded; None is an empty field."""
    lines = _Lines()
    writer = csv.writer(lines)
    for row in rows:
        writer.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in row])
    return "".join(lines)


class _Lines(list[str]):
    """Lines of a CSV writer with plain ends: it is told others, or it quotes no carriage return."""

    def write(self, line: str) -> None:
        self.append(line.removesuffix("\r\n") + "\n")


def is_number(cell: str) -> bool:
    """Whether a cell is a finite number."""
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _row(line: int, cells: Mapping[str, str]) -> Row:
    stripped = {
        name: (composed(cell) if name in NAMES else cell).strip() for name, cell in cells.items()
    }
    return Row(line, {name: cell for name, cell in stripped.items() if cell})


# ---------------------------------------------------------------- CSV


def _csv_rows(text: str, faults: list[Fault]) -> Iterator[Row]:
    # Strict: without it a quotation mark left open makes one cell of the rest of the file.
    header = text.partition("\n")[0]
    mark = "," if "," in header else next((mark for mark in ";\t" if mark in header), ",")
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=mark)
    line = 0
    try:
        faults += _header_faults([name.strip() for name in reader.fieldnames or ()])
        line = reader.line_num
        for record in reader:
            line = reader.line_num
            if None in record:
                faults.append(Fault(f"line {line}", "more cells than the header has columns"))
            cells = {str(k).strip(): unguarded(v.strip()) for k, v in record.items() if k and v}
            yield _row(line, cells if mark == "," else _with_points(cells))
    except csv.Error as error:
        limit = csv.field_size_limit()
        long = "field limit" in str(error)
        why = f"a cell of more than {limit} characters" if long else f"not CSV: {error}"
        what = f"{why}; is a quotation mark left open? Inside a cell in quotes it is written twice"
        faults.append(Fault(f"line {line + 1}", what))


def _with_points(cells: Mapping[str, str]) -> dict[str, str]:
    """Cells of a table whose commas divide none, as spreadsheets write decimals in such a country.

    >>> _with_points({"end_s": "2,4", "transcript": "2,4"})
    {'end_s': '2.4', 'transcript': '2,4'}
    """
    return {
        name: re.sub(r"\A(-?\d+),(\d+)\Z", r"\1.\2", cell) if name in NUMBERS else cell
        for name, cell in cells.items()
    }


def _header_faults(names: list[str]) -> list[Fault]:
    doubled = [name for name, count in Counter(names).items() if name and count > 1]
    if not doubled:
        return []
    return [Fault("header", f"column given twice: {', '.join(map(quoted, doubled))}")]


# ---------------------------------------------------------------- JSON


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    """A JSON value.

    Raises:
        ValueError: it is none, is nested deeper than Python's stack, or holds a number of more
            digits than Python reads.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(str(error)) from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except ValueError:
        digits = sys.get_int_max_str_digits()
        raise ValueError(f"a number of more than {digits} digits") from None


def _json_rows(text: str, faults: list[Fault]) -> Iterator[Row]:
    # Not splitlines(): it also cuts at characters that JSON leaves as they are inside a text.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = parse_json(line)
        except ValueError as error:
            faults.append(Fault(f"line {number}", f"not JSON ({error})"))
            continue
        if not isinstance(record, dict):
            what = "expected a JSON object with the columns as keys"
            faults.append(Fault(f"line {number}", what))
            continue
        cell_faults = list(_cell_faults(number, record))
        faults += cell_faults
        unfit = {fault.kind for fault in cell_faults}
        yield _row(
            number, {k: str(v) for k, v in record.items() if v is not None and k not in unfit}
        )


def _cell_faults(line: int, record: Mapping[str, Any]) -> Iterator[Fault]:
    """Faults of values; the kind of each is its column."""
    for name, value in record.items():
        if isinstance(value, (list, dict, bool)):
            what = f"{cut(name)} {cut(value)}: expected a text or a number (labels as in happy|sad)"
            yield Fault(f"line {line}", what, kind=name)
        elif not _is_text(f"{name}{value}"):
            what = f"{quoted(name)} holds half of a surrogate pair (\\ud800 to \\udfff): no text"
            yield Fault(f"line {line}", what, kind=name)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
