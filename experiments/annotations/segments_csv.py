"""``segments.csv``: a timeline as a table for spreadsheets and statistics, out and in."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from encoders.manifest_rows import guarded
from encoders.messages import quoted
from encoders.utterance import Fault
from experiments.annotations.plain import AnnotationError
from experiments.annotations.segments import Segment, Timeline
from experiments.annotations.table import Line, read_lines, written

COLUMNS = ("start_s", "end_s", "speaker", "text", "text_doubtful", "label", "overlap")
#: What the columns of probabilities start with: of both modalities together, and of each.
SCORES = ("p_", "voice_", "words_")
#: What the first of them starts with where the targets have values.
VALUE = "value_"
_BOOLEANS = {"true": True, "false": False}
_BETWEEN = " | "


def write(timeline: Timeline, path: Path) -> None:
    """Write a line for each segment; times and probabilities exactly.

    No cell starts a formula (an apostrophe stands before what would; :func:`read` takes it away).
    A column for the probability of each class follows, ``p_happy`` for voice and words together,
    ``voice_happy`` and ``words_happy`` for each alone; empty where there is none. Of dimensions
    the first is ``value_valence``.
    """
    first = VALUE if timeline.kind == "values" else SCORES[0]
    scores = [f"{prefix}{name}" for prefix in (first, *SCORES[1:]) for name in timeline.targets]
    rows = (_row(segment, len(timeline.targets)) for segment in timeline.segments)
    written(_with_header([*COLUMNS, *scores], rows), path)


def read(path: Path) -> tuple[Segment, ...]:
    """The segments of a table that :func:`write` wrote.

    Raises:
        AnnotationError: other columns, or with the faults of all lines.
    """
    lines = read_lines(path, ",")
    if not lines:
        return ()
    header = list(lines[0].cells)
    first = VALUE if any(name.startswith(VALUE) for name in header) else SCORES[0]
    targets = [name.removeprefix(first) for name in header if name.startswith(first)]
    prefixes = (first, *SCORES[1:])
    expected = [*COLUMNS, *(f"{prefix}{name}" for prefix in prefixes for name in targets)]
    if header != expected:
        listed = ", ".join(map(quoted, header))
        scores = "p_ (or value_), voice_ and words_ of each class or dimension"
        what = f"expected {', '.join(COLUMNS)}, then {scores}"
        raise AnnotationError(path, [Fault("header", f"{what}, got {listed}")])
    faults: list[Fault] = []
    segments = []
    for line in lines:
        try:
            segments.append(_segment(line, first, targets))
        except (ValueError, KeyError) as error:
            what = f"column {error} is missing" if isinstance(error, KeyError) else str(error)
            faults.append(Fault(f"line {line.number}", what))
    if faults:
        raise AnnotationError(path, faults)
    return tuple(segments)


def _with_header(header: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[Sequence[str]]:
    yield header
    yield from rows


def _row(segment: Segment, classes: int) -> list[str]:
    scores = [
        "" if value is None else repr(value)
        for values in (segment.scores, segment.voice, segment.words)
        for value in (values or [None] * classes)
    ]
    return [
        repr(segment.start_s),
        repr(segment.end_s),
        guarded(segment.speaker),
        guarded(segment.text or ""),
        guarded(_BETWEEN.join(map(_escaped, segment.text_doubtful))),
        guarded(segment.label or ""),
        str(segment.overlap).lower(),
        *scores,
    ]


def _segment(line: Line, first: str, targets: Sequence[str]) -> Segment:
    cells = line.cells
    together, voice, words = (_scores(cells, prefix, targets) for prefix in (first, *SCORES[1:]))
    label = cells["label"] or None
    if label is not None and label not in targets:
        raise ValueError(f"label {quoted(label)} is none of {', '.join(targets)}")
    if cells["overlap"] not in _BOOLEANS:
        raise ValueError(f"overlap {quoted(cells['overlap'])}: expected true or false")
    return Segment(
        start_s=_number("start_s", cells),
        end_s=_number("end_s", cells),
        speaker=cells["speaker"],
        text=cells["text"],
        text_doubtful=tuple(_divided(cells["text_doubtful"])),
        label=label,
        probabilities=() if first == VALUE else together or (),
        values=together or () if first == VALUE else (),
        voice=voice,
        words=words,
        overlap=_BOOLEANS[cells["overlap"]],
    )


def _scores(
    cells: Mapping[str, str], prefix: str, targets: Sequence[str]
) -> tuple[float, ...] | None:
    names = [f"{prefix}{name}" for name in targets]
    if not any(cells[name] for name in names):
        return None
    return tuple(_number(name, cells) for name in names)


def _number(name: str, cells: Mapping[str, str]) -> float:
    try:
        return float(cells[name])
    except ValueError:
        raise ValueError(f"{name} {quoted(cells[name])}: expected a number") from None


def _escaped(reason: str) -> str:
    return reason.replace("\\", "\\\\").replace("|", "\\p")


def _divided(cell: str) -> list[str]:
    parts = cell.split(_BETWEEN) if cell else []
    return [re.sub(r"\\(.)", lambda match: "|" if match[1] == "p" else match[1], p) for p in parts]
