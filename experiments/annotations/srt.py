"""SubRip (.srt): numbered cues with times, in and out.

SubRip has no voices: a name stands in brackets before the words, ``[Anna] (sad): No.``, as
recognisers with diarisation write it. It has no escapes either; the few that we need touch only
texts that would be taken for markup: ``-->`` is written ``--&gt;``, ``<i>`` as ``&lt;i>``, and a
blank line within a cue holds a blank, because an empty line ends it.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from encoders.rows import quoted
from experiments.annotations.clock import clock, parse_clock
from experiments.annotations.names import split_names
from experiments.annotations.plain import escape_name, read_text, unescape_name
from experiments.annotations.segments import Segment, Timeline
from experiments.annotations.tiers import emotion_of
from experiments.annotations.turns import Reading
from experiments.annotations.vtt import ARROW, Cue, class_name

_TIME = r"(\d{1,4}:\d\d:\d\d(?:[,.]\d{1,3})?)"
#: Some tools write the place on the screen behind the times.
_TIMES = re.compile(rf"\s*{_TIME}\s*{ARROW}\s*{_TIME}(?:\s+[XY][12]:.*)?\s*", re.ASCII)
#: The speaker of a cue and how it sounded.
_SPEAKER = re.compile(r"\[([^\]\n]+)\](?: \([^()\n]*\))?:(?: |\Z|(?=\n))")
#: What players take for markup.
_MARKUP = re.compile(r"</?(?:b|i|u|s|font)(?:\s[^<>]*)?>", re.IGNORECASE)
_MARKUP_START = re.compile(r"<(?=/?(?:b|i|u|s|font)(?:\s[^<>]*)?>)", re.IGNORECASE)
_ESCAPED = re.compile(r"&((?:amp;)*)(gt;|lt;)")


def read(reading: Reading) -> None:
    """One turn for each cue."""
    cues = list(_cues(read_text(reading.path).split("\n"), reading))
    found = [_SPEAKER.match(cue.text) for cue in cues]
    if any(found):
        named = [
            (one and unescape_name(one[1]), cue.text[one.end() if one else 0 :])
            for one, cue in zip(found, cues, strict=True)
        ]
    else:
        named = split_names([cue.text for cue in cues])
    for cue, (name, text) in zip(cues, named, strict=True):
        reading.turn(cue.where, cue.span, name, _unescaped(text))


def write(timeline: Timeline, path: Path) -> None:
    """Write a cue for each segment, with its speaker and emotion; times in ms."""
    names = [class_name(name) for name in timeline.targets]
    told = ((one, emotion_of(one, names)) for one in timeline.segments)
    cues = (_cue(number, one, emotion) for number, (one, emotion) in enumerate(told, start=1))
    path.write_text("\n".join(cues), encoding="utf-8", newline="\n")


def _cue(number: int, segment: Segment, emotion: str) -> str:
    start, end = (clock(time_ms, ",") for time_ms in segment.span_ms)
    label = class_name(segment.label) if segment.label else emotion
    name = escape_name(segment.speaker, r"\]|-->|[<>]")
    text = f"[{name}] ({label}): {_escaped(segment.text or '')}".rstrip(" ")
    return f"{number}\n{start} {ARROW} {end}\n{text}\n"


def _escaped(text: str) -> str:
    text = _ESCAPED.sub(r"&amp;\1\2", text)
    text = _MARKUP_START.sub("&lt;", text.replace(ARROW, "--&gt;"))
    return "\n".join(f"{line} " if not line.strip(" ") else line for line in text.split("\n"))


def _unescaped(text: str) -> str:
    lines = [
        line[1:] if line and not line.strip(" ") else line
        for line in _MARKUP.sub("", text).split("\n")
    ]
    return _ESCAPED.sub(_one_less, "\n".join(lines))


def _one_less(found: re.Match[str]) -> str:
    if found[1]:
        return f"&{found[1].removeprefix('amp;')}{found[2]}"
    return ">" if found[2] == "gt;" else "<"


# ---------------------------------------------------------------- reading


def _cues(lines: Sequence[str], reading: Reading) -> Iterator[Cue]:
    """Cues; the text of each goes on to the number, or the times, of the next."""
    at = [number for number, line in enumerate(lines) if ARROW in line]
    starts = [_start(number, lines) for number in at]
    if any(line.strip() for line in lines[: starts[0] if starts else len(lines)]):
        what = f"expected the number of a cue, then times as in 00:00:01,000 {ARROW} 00:00:02,500"
        reading.fault("line 1", what)
    for number, after in zip(at, [*starts, len(lines)][1:], strict=True):
        where = f"cue at line {number + 1}"
        if (span := _span(lines[number])) is not None:
            yield Cue(where, span, "\n".join(lines[number + 1 : after]))
        else:
            what = f"{quoted(lines[number])}: expected 00:00:01,000 {ARROW} 00:00:02,500"
            reading.fault(where, what)


def _start(times: int, lines: Sequence[str]) -> int:
    """Where a cue starts: at the line of digits before its times, if there is one."""
    before = lines[times - 1].strip() if times else ""
    return times - 1 if before.isdecimal() and len(before) < 10 else times


def _span(line: str) -> tuple[float, float] | None:
    found = _TIMES.fullmatch(line)
    if found is None:
        return None
    start_s, end_s = parse_clock(found[1]), parse_clock(found[2])
    return None if start_s is None or end_s is None else (start_s, end_s)
