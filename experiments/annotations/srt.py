"""SubRip (.srt): numbered cues with times.

SubRip has no voices: a name stands in brackets before the words, ``[Anna] (sad): No.``, as
recognisers with diarisation write it. It has no escapes either, but some write ``--&gt;`` and
``&lt;i>`` for what would be taken for times or markup, and a blank for a line without words.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from encoders.messages import quoted
from experiments.annotations.clock import parse_clock
from experiments.annotations.plain import read_text
from experiments.annotations.turns import Reading
from experiments.annotations.vtt import ARROW, Cue, add_cues

_TIME = r"(\d{1,4}:\d\d:\d\d(?:[,.]\d{1,3})?)"
#: Some tools write the place on the screen behind the times.
_TIMES = re.compile(rf"\s*{_TIME}\s*{ARROW}\s*{_TIME}(?:\s+[XY][12]:.*)?\s*", re.ASCII)
#: What players take for markup.
_MARKUP = re.compile(r"</?(?:b|i|u|s|font)(?:\s[^<>]*)?>", re.IGNORECASE)
_ESCAPED = re.compile(r"&((?:amp;)*)(gt;|lt;)")


def read(reading: Reading) -> None:
    """One turn for each cue."""
    cues = list(_cues(read_text(reading.path).split("\n"), reading))
    add_cues([replace(cue, text=_unescaped(cue.text)) for cue in cues], reading)


def _unescaped(text: str) -> str:
    lines = [
        line[1:] if line and not line.strip(" ") else line
        for line in _MARKUP.sub("", text).split("\n")
    ]
    return _ESCAPED.sub(_unescaped_once, "\n".join(lines))


def _unescaped_once(match: re.Match[str]) -> str:
    if match[1]:
        return f"&{match[1].removeprefix('amp;')}{match[2]}"
    return ">" if match[2] == "gt;" else "<"


# ---------------------------------------------------------------- reading


def _cues(lines: Sequence[str], reading: Reading) -> Iterator[Cue]:
    """Cues; the text of each goes on to the number, or the times, of the next."""
    at = [number for number, line in enumerate(lines) if ARROW in line]
    reading.bound(len(at), "file")
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
    match = _TIMES.fullmatch(line)
    if match is None:
        return None
    start_s, end_s = parse_clock(match[1]), parse_clock(match[2])
    return None if start_s is None or end_s is None else (start_s, end_s)
