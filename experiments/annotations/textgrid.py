"""Praat's TextGrid: long and short text form in, long form out.

Our own reader, because praatio 6.2 reads a start of -1 as 1, refuses times such as 1e-05 and
labels that hold ``intervals [``, leaves doubled quotes in the labels of points, and names no line.
It takes what Praat takes: of the whole file only free-standing numbers, texts in quotes and flags
count (Praat manual, "TextGrid file formats"), in both forms the same.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path

from encoders.messages import quoted
from encoders.utterance import Fault
from experiments.annotations.lanes import KINDS, WORDS, Lane, label_of, lanes
from experiments.annotations.plain import AnnotationError, read_content, read_text
from experiments.annotations.segments import Timeline
from experiments.annotations.tier_kinds import Mark, Tier
from experiments.annotations.tiers import add_turns
from experiments.annotations.turns import Reading

_TOKEN = re.compile(
    r'(?P<text>"[^"]*+(?:""[^"]*+)*+")|(?P<open>")|(?P<comment>(?<!\S)![^\n]*)|(?P<word>[^\s"]+)'
)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
#: Longest number that is read: Python's own limit on digits is far above it.
_DIGITS = 40


def read(reading: Reading) -> None:
    """Turns of the tiers that are meant."""
    add_turns(read_tiers(reading.path), reading)


def read_tiers(path: Path) -> list[Tier]:
    """All tiers, intervals without a label included.

    Raises:
        AnnotationError: the file is no TextGrid in text form; with the line where it ends to be.
    """
    if read_content(path).startswith(b"ooBinaryFile"):
        what = "a binary TextGrid: in Praat, save it as a text file"
        raise AnnotationError(path, [Fault("line 1", what)])
    file = _File(read_text(path))
    try:
        return list(_tiers(file))
    except _Unexpected as error:
        raise AnnotationError(path, [Fault(f"line {file.line}", str(error))]) from error


def write(timeline: Timeline, path: Path) -> None:
    """Write three interval tiers a speaker: words, emotion, confidence; times exactly.

    A speaker whose own segments overlap gets three more: no two intervals of a tier can. The long
    form, byte for byte as praatio writes it.
    """
    end_s = max([timeline.duration_s, *(segment.end_s for segment in timeline.segments)])
    tiers = [
        (lane.name(kind), [*_intervals(lane, kind, timeline.targets, end_s)])
        for lane in lanes(timeline)
        for kind in KINDS
    ]
    # Praat opens no TextGrid without a tier.
    tiers = tiers or [(WORDS, [(0.0, end_s, "")])]
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", *_edges("", 0.0, end_s)]
    lines += ["tiers? <exists> ", f"size = {len(tiers)} ", "item []: "]
    for number, (name, intervals) in enumerate(tiers, start=1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier" ']
        lines += [f"        name = {_in_quotes(name)} ", *_edges(" " * 8, 0.0, end_s)]
        lines.append(f"        intervals: size = {len(intervals)} ")
        for place, (first_s, last_s, label) in enumerate(intervals, start=1):
            lines += [f"        intervals [{place}]:", *_edges(" " * 12, first_s, last_s)]
            lines.append(f"            text = {_in_quotes(label)} ")
    path.write_text("\n".join([*lines, ""]), encoding="utf-8", newline="\n")


def _intervals(
    lane: Lane, kind: str, targets: Sequence[str], end_s: float
) -> Iterator[tuple[float, float, str]]:
    """Labels of a lane from 0 to the end, what is between them with none."""
    before_s = 0.0
    for segment in lane.segments:
        if before_s < segment.start_s:
            yield before_s, segment.start_s, ""
        yield segment.start_s, segment.end_s, label_of(segment, kind, targets)
        before_s = segment.end_s
    if before_s < end_s:
        yield before_s, end_s, ""


def _edges(margin: str, *span_s: float) -> list[str]:
    """Start and end; whole seconds, but for what sums of decimals err by, without a point."""
    texts = (
        f"{int(edge_s)}" if isclose(edge_s, int(edge_s), rel_tol=1e-14) else repr(edge_s)
        for edge_s in span_s
    )
    return [f"{margin}{edge} = {text} " for edge, text in zip(("xmin", "xmax"), texts, strict=True)]


def _in_quotes(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


# ---------------------------------------------------------------- reading


class _Unexpected(ValueError):
    """The next part of the file is not the one that must stand there."""


@dataclass(slots=True)
class _File:
    """The numbers, texts and flags of a file, one after the other."""

    text: str
    position: int = 0
    start: int = 0

    @property
    def line(self) -> int:
        """Line of the part that was read last."""
        breaks = [match.start() for match in re.finditer("\n", self.text)]
        return bisect_right(breaks, self.start - 1) + 1

    def number(self, what: str) -> float:
        token = self.next(what)
        if token.startswith('"') or token.startswith("<"):
            raise _Unexpected(f"expected {what}, a number, got {quoted(token)}")
        return float(token)

    def count(self, what: str) -> int:
        value = self.number(what)
        if not (value >= 0 and value.is_integer()):
            raise _Unexpected(f"expected {what}, a whole number from 0, got {value:g}")
        return int(value)

    def label(self, what: str) -> str:
        token = self.next(what)
        if not token.startswith('"'):
            raise _Unexpected(f'expected {what} in quotes, as in "a", got {quoted(token)}')
        return token[1:-1].replace('""', '"')

    def next(self, what: str) -> str:
        token = self.next_or_none()
        if token is None:
            raise _Unexpected(f"expected {what}, but the file ends")
        return token

    def next_or_none(self) -> str | None:
        """The next number, text in its quotes or flag; None at the end of the file."""
        while match := _TOKEN.search(self.text, self.position):
            self.start, self.position = match.start(), match.end()
            if match["open"]:
                raise _Unexpected("a quotation mark left open (within a text it is written twice)")
            if match["text"] or _is_value(match["word"]):
                return match[0]
        self.start = len(self.text)
        return None


def _is_value(word: str | None) -> bool:
    if word is None or len(word) > _DIGITS:
        return False
    return word in ("<exists>", "<absent>") or _NUMBER.fullmatch(word) is not None


def _tiers(file: _File) -> Iterator[Tier]:
    _check_header(file)
    for what in ("the start of the grid", "the end of the grid"):
        file.number(what)
    if (flag := file.next("<exists>")) == "<absent>":
        return
    if flag != "<exists>":
        raise _Unexpected(f"expected <exists>, got {quoted(flag)}")
    for number in range(1, file.count("the number of tiers") + 1):
        yield _tier(file, number)
    if (more := file.next_or_none()) is not None:
        raise _Unexpected(f"expected the end of the file after the last tier, got {quoted(more)}")


def _check_header(file: _File) -> None:
    kind = file.label("the type of the file")
    if kind == "Praat chronological TextGrid text file":
        raise _Unexpected("a chronological TextGrid: in Praat, save it as a text file")
    if kind not in ("ooTextFile", "ooTextFile short"):
        raise _Unexpected(f"expected the type of the file to be ooTextFile, got {quoted(kind)}")
    if (object_class := file.label("the class of the object")) != "TextGrid":
        raise _Unexpected(f"expected a TextGrid, got an object of class {quoted(object_class)}")


def _tier(file: _File, number: int) -> Tier:
    kind = file.label(f"the class of tier {number}")
    if kind not in ("IntervalTier", "TextTier"):
        what = f"expected tier {number} to be an IntervalTier or a TextTier"
        raise _Unexpected(f"{what}, got {quoted(kind)}")
    name = file.label(f"the name of tier {number}")
    where = f"tier {quoted(name)}"
    for edge in ("start", "end"):
        file.number(f"the {edge} of {where}")
    count = file.count(f"the number of entries of {where}")
    read_mark = _interval if kind == "IntervalTier" else _point
    # Nothing is allocated for a number that the file only claims.
    marks = tuple(read_mark(file, f"{where}, entry {n + 1}") for n in range(count))
    return Tier(name=name, marks=marks, main=kind == "IntervalTier")


def _interval(file: _File, where: str) -> Mark:
    start_s = file.number(f"the start of {where}")
    end_s = file.number(f"the end of {where}")
    return Mark(where, start_s, end_s, file.label(f"the label of {where}"))


def _point(file: _File, where: str) -> Mark:
    time_s = file.number(f"the time of {where}")
    return Mark(where, time_s, time_s, file.label(f"the label of {where}"))
