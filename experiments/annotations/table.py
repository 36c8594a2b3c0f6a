"""Tables (.csv, .tsv): one turn a line under a header, whatever the columns are called."""

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from types import MappingProxyType

from encoders.manifest_rows import unguarded
from encoders.messages import quoted
from encoders.utterance import Fault
from experiments.annotations.clock import SHAPES, parse_clock
from experiments.annotations.plain import BETWEEN, AnnotationError, read_text, unescape_reason
from experiments.annotations.turns import GIVEN_UP, MOST_FAULTS, Reading

#: What columns are called, without their unit, in small letters without accents and with ``_`` for
#: all else. Onset and duration are BIDS's, tmin and tmax Praat's (its tables of TextGrids).
NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "start": ("start", "begin", "start_time", "begin_time", "time_start", "starttime", "onset",
                  "tmin", "from", "in", "anfang", "beginn", "start_zeit", "startzeit", "von",
                  "debut", "inicio", "inizio"),
        "end": ("end", "stop", "end_time", "stop_time", "time_end", "endtime", "tmax", "to", "out",
                "offset", "ende", "schluss", "end_zeit", "endzeit", "bis", "fin", "final", "fine"),
        "duration": ("duration", "dur", "length", "dauer", "duree", "duracion", "durata"),
        "speaker": ("speaker", "spk", "speaker_id", "speaker_name", "speaker_label", "participant",
                    "who", "tier", "name", "sprecher", "sprecherin", "sprecher_in", "person",
                    "locuteur", "hablante", "parlante"),
        "text": ("text", "transcript", "words", "sentence", "utterance", "transcription",
                 "transkript", "transkription", "wortlaut", "aeusserung", "ausserung", "satz",
                 "texte", "texto", "testo"),
        "text_doubtful": ("text_doubtful",),
        "recording": ("recording",),
    }
)  # fmt: skip
#: What headings end in where they say the unit of a time. ELAN's say how times are written.
_UNIT = re.compile(
    r"_(?:(?P<s>hh_mm_ss_ms|ss_msec|s|secs?|seconds|sekunden)"
    r"|(?P<ms>ms|msec|msecs|millis|milliseconds|millisekunden))\Z"
)
#: Columns whose numbers may be seconds or milliseconds where their headings do not say which.
UNITLESS = ("start", "end")
#: Letters a second below which nobody speaks, pauses within a turn included: speech has ten and
#: more, written Chinese four; milliseconds read as seconds have a thousandth of that.
SLOWEST = 0.1
#: A whole number up to four months in milliseconds; data frames write a zero behind it.
_WHOLE = re.compile(r"\d{1,11}(?:\.0{1,9})?", re.ASCII)
#: The shortest turn, as the median of a table, that is believed in milliseconds.
SHORTEST_MS = 100
EXPECTED = "start_s,end_s,speaker,text (also start, begin, onset; end, stop, duration; ...)"
_DELIMITERS = (",", ";", "\t")
_MS = 1000


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a table: its number and its cells by column, as they were before being guarded."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column that we know: its heading, and its unit where that says one."""

    heading: str
    unit: str | None

    def of(self, line: _Line) -> str:
        return line.cells.get(self.heading, "")


def read(reading: Reading) -> None:
    """Turns of a table whose header names a start, an end or a duration, and maybe more."""
    lines = _lines(reading.path)
    columns = _columns(lines[0].cells if lines else {})
    missing = [names for names in (("start",), ("end", "duration")) if not {*names} & {*columns}]
    if lines and missing:
        what = f"no column for {', '.join(' or '.join(names) for names in missing)}"
        got = ", ".join(map(quoted, lines[0].cells))
        reading.fault("header", f"{what}: expected {EXPECTED}, got {got}")
        return
    if _are_milliseconds(lines, columns, reading.duration_s):
        columns |= {name: replace(columns[name], unit="ms") for name in UNITLESS}
        reading.note("whole numbers under headings without a unit are taken for milliseconds")
    if "recording" in columns:
        of = columns["recording"].of
        meant = reading.one_recording(of(line) for line in lines)
        lines = [line for line in lines if of(line) == meant]
    for line in lines:
        _add(line, columns, reading)


def _are_milliseconds(
    lines: Sequence[_Line], columns: Mapping[str, _Column], duration_s: float | None
) -> bool:
    """Whether whole numbers under headings without a unit are milliseconds, as Whisper's are.

    Nobody says so little in so many seconds as their words would be then; and where there are no
    words, a turn starts far past the end of the recording, and none does in milliseconds.
    """
    if not {*UNITLESS} <= {*columns} or any(columns[name].unit for name in UNITLESS):
        return False
    cells = [[columns[name].of(line).strip() for name in UNITLESS] for line in lines]
    if not all(_WHOLE.fullmatch(cell) for pair in cells for cell in pair):
        return False
    spans = [(float(start), float(end)) for start, end in cells]
    if "text" in columns:
        letters = sum(len(columns["text"].of(line).strip()) for line in lines)
        if letters:
            plain = all(cell.isdecimal() for pair in cells for cell in pair)
            return plain and letters < SLOWEST * sum(end - start for start, end in spans)
    if not spans or duration_s is None or max(start for start, _ in spans) <= duration_s:
        return False
    lasts = median(end - start for start, end in spans) >= SHORTEST_MS
    return lasts and max(start for start, _ in spans) <= duration_s * _MS


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


def _columns(header: Iterable[str]) -> dict[str, _Column]:
    """The columns that we know, each the first of our list that the table has."""
    spellings: dict[str, _Column] = {}
    for heading in header:
        name = _plain(heading)
        unit = _UNIT.search(name)
        known = _Column(heading, unit and unit.lastgroup)
        # Seconds go before milliseconds where a table has both.
        if (base := name[: unit.start()] if unit else name) in spellings and known.unit == "ms":
            continue
        spellings[base] = known
    columns = {}
    for meaning, names in NAMES.items():
        column = next((spellings[name] for name in names if name in spellings), None)
        if column is not None:
            columns[meaning] = column
    return columns


def _plain(heading: str) -> str:
    """A heading in small letters without accents, everything else as one ``_``.

    >>> _plain("Début [ms]"), _plain("Begin Time - ss.msec")
    ('debut_ms', 'begin_time_ss_msec')
    """
    letters = unicodedata.normalize("NFKD", heading.lower().replace("ß", "ss"))
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return re.sub(r"[\W_]+", "_", plain).strip("_")


def _add(line: _Line, columns: Mapping[str, _Column], reading: Reading) -> None:
    ends = "end" if "end" in columns else "duration"
    start_s, end_s = (_time(columns[name], line, reading) for name in ("start", ends))
    if start_s is None or end_s is None:
        return
    if ends == "duration":
        end_s = round(start_s + end_s, 9)
    speaker, text, doubts = (
        columns[name].of(line) if name in columns else ""
        for name in ("speaker", "text", "text_doubtful")
    )
    reasons = [unescape_reason(reason) for reason in doubts.split(BETWEEN) if reason]
    reading.turn(f"line {line.number}", (start_s, end_s), speaker, text, reasons)


def _time(column: _Column, line: _Line, reading: Reading) -> float | None:
    """Seconds of a cell; a fault where they are none."""
    cell, in_ms = column.of(line), column.unit == "ms"
    seconds = parse_clock(cell)
    if seconds is None or (in_ms and ":" in cell):
        expected = "milliseconds" if in_ms else SHAPES
        what = f"{column.heading} {quoted(cell)}: expected {expected}"
        reading.fault(f"line {line.number}", what)
        return None
    return seconds / _MS if in_ms else seconds
