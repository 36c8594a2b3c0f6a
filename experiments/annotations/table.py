"""Tables (.csv, .tsv): one turn a line under a header, whatever the columns are called."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from encoders.manifest_rows import unguarded
from encoders.messages import quoted
from encoders.utterance import Fault
from experiments.annotations.clock import SHAPES, parse_clock
from experiments.annotations.plain import AnnotationError, read_text
from experiments.annotations.turns import GIVEN_UP, MOST_FAULTS, Reading

#: What columns are called, in small letters and with blanks as underscores. Onset and duration are
#: BIDS's, tmin and tmax Praat's (its tables of TextGrids).
NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "start": ("start_s", "start", "begin", "begin_s", "start_time", "begin_time", "onset",
                  "tmin", "from", "start_(s)", "begin_time_-_ss.msec",
                  "begin_time_-_hh:mm:ss.ms"),
        "start_ms": ("start_ms", "begin_ms", "onset_ms", "begin_time_-_msec"),
        "end": ("end_s", "end", "stop", "stop_s", "end_time", "stop_time", "tmax", "to", "end_(s)",
                "end_time_-_ss.msec", "end_time_-_hh:mm:ss.ms"),
        "end_ms": ("end_ms", "stop_ms", "end_time_-_msec"),
        "duration": ("duration_s", "duration", "dur"),
        "speaker": ("speaker", "spk", "speaker_id", "speaker_name", "participant", "who", "tier"),
        "text": ("text", "transcript", "words", "sentence", "utterance", "transcription"),
    }
)  # fmt: skip
#: Columns whose numbers may be seconds or milliseconds, and headings that do not say which.
UNITLESS = ("start", "end")
NO_UNIT = frozenset(("start", "end", "begin", "stop", "from", "to", "start_time", "end_time"))
#: Letters a second below which nobody speaks, pauses within a turn included: speech has ten and
#: more, written Chinese four; milliseconds read as seconds have a thousandth of that.
SLOWEST = 0.1
#: Digits of a time: four months in milliseconds.
LONGEST = 11
EXPECTED = "start_s,end_s,speaker,text (also start, begin, onset; end, stop, duration; ...)"
_DELIMITERS = (",", ";", "\t")
_MS = 1000


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a table: its number and its cells by column, as they were before being guarded."""

    number: int
    cells: Mapping[str, str]


def read(reading: Reading) -> None:
    """Turns of a table whose header names a start, an end or a duration, and maybe more."""
    lines = _lines(reading.path)
    columns = _columns(lines[0].cells if lines else {})
    missing = [
        " or ".join(names)
        for names in (("start", "start_ms"), ("end", "end_ms", "duration"))
        if not set(names) & columns.keys()
    ]
    if lines and missing:
        what = f"no column for {', '.join(missing)}: expected {EXPECTED}"
        reading.fault("header", f"{what}, got {', '.join(map(quoted, lines[0].cells))}")
        return
    if _are_milliseconds(lines, columns):
        columns = {f"{n}_ms" if n in UNITLESS else n: name for n, name in columns.items()}
    for line in lines:
        _add(line, columns, reading)


def _are_milliseconds(lines: Sequence[_Line], columns: Mapping[str, str]) -> bool:
    """Whether whole numbers under headings without a unit are milliseconds, as Whisper's are.

    Nobody says so little in so many seconds as their words would be then.
    """
    if not {"start", "end", "text"} <= columns.keys():
        return False
    if not {columns[name].strip().lower() for name in UNITLESS} <= NO_UNIT:
        return False
    spans = [[line.cells.get(columns[name], "").strip() for name in UNITLESS] for line in lines]
    if not all(cell.isdecimal() and len(cell) <= LONGEST for span in spans for cell in span):
        return False
    letters = sum(len(line.cells.get(columns["text"], "").strip()) for line in lines)
    return 0 < letters < SLOWEST * sum(int(end) - int(start) for start, end in spans)


def _lines(path: Path) -> list[_Line]:
    """Lines of a table that hold anything; commas, semicolons or tabs divide the cells.

    Raises:
        AnnotationError: a header without names of its own, lines of another number of cells, or
            a quotation mark left open.
    """
    text = read_text(path)
    delimiter = max(_DELIMITERS, key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    faults: list[Fault] = []
    lines = []
    try:
        header = [name.strip() for name in next(reader, [])]
        doubled = [name for name, count in Counter(header).items() if count > 1 and name]
        if doubled:
            faults.append(Fault("header", f"column given twice: {', '.join(map(quoted, doubled))}"))
        for cells in reader:
            if len(cells) > len(header) and any(cells[len(header) :]):
                what = f"{len(cells)} cells for {len(header)} columns: is one to be in quotes?"
                faults.append(Fault(f"line {reader.line_num}", what))
                if len(faults) == MOST_FAULTS:
                    faults.append(Fault("the rest", GIVEN_UP))
                    break
            elif any(cell.strip() for cell in cells):
                pairs = zip(header, map(unguarded, cells), strict=False)
                lines.append(_Line(reader.line_num, dict(pairs)))
    except csv.Error as error:
        what = f"not CSV ({error}): within quotes, a quotation mark is written twice"
        faults.append(Fault(f"line {reader.line_num}", what))
    if faults:
        raise AnnotationError(path, faults)
    return lines


def _columns(header: Mapping[str, str]) -> dict[str, str]:
    """The table's own name of each column that we know; the first of our list that it has."""
    spellings = {name.lower().replace(" ", "_"): name for name in header}
    columns = {}
    for meaning, names in NAMES.items():
        known = next((spellings[name] for name in names if name in spellings), None)
        if known is not None:
            columns[meaning] = known
    return columns


def _add(line: _Line, columns: Mapping[str, str], reading: Reading) -> None:
    where = f"line {line.number}"
    start_s = _time(("start", "start_ms"), line, columns, reading)
    end_s = _time(("end", "end_ms", "duration"), line, columns, reading)
    if start_s is None or end_s is None:
        return
    if not {"end", "end_ms"} & columns.keys():
        end_s = round(start_s + end_s, 9)
    speaker, text = (line.cells.get(columns.get(name, "")) for name in ("speaker", "text"))
    reading.turn(where, (start_s, end_s), speaker, text)


def _time(
    names: Sequence[str], line: _Line, columns: Mapping[str, str], reading: Reading
) -> float | None:
    """Seconds of the first of these columns that there is; a fault where they are none."""
    name = next(name for name in names if name in columns)
    cell = line.cells.get(columns[name], "")
    seconds = parse_clock(cell)
    if seconds is None or (name.endswith("_ms") and ":" in cell):
        expected = "milliseconds" if name.endswith("_ms") else SHAPES
        what = f"{columns[name]} {quoted(cell)}: expected {expected}"
        reading.fault(f"line {line.number}", what)
        return None
    return seconds / _MS if name.endswith("_ms") else seconds
