"""Plain text, one turn a line: ``0:01.5 0:03.2 Anna: I thought you had left``.

First the start and the end, as seconds or clock times, with blanks, a dash or an arrow between
them, in brackets or not; then the words, after a name with a colon where it is known. The labels
that Audacity exports (start, end, label) have this form.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from encoders.messages import quoted
from experiments.annotations.clock import SHAPES, parse_clock
from experiments.annotations.plain import read_text
from experiments.annotations.turns import Reading

_TIMES = re.compile(
    r"\s{0,20}[\[(]?([\d:.,]{1,40})(?:\s{1,20}|\s{0,20}(?:-->|[-–—])\s{0,20})([\d:.,]{1,40})[\])]?"
    r"(?:\s+(.*))?",
    re.ASCII,
)
_NAME = re.compile(r"([^:]{1,80}):(?:\s+|\Z)")
#: Labels without words name the speakers where on average each stands on so many lines.
_RETURNS = 2


def read(reading: Reading) -> None:
    """Turns with their words; labels that return and hold no colon are names of speakers."""
    lines: list[tuple[str, tuple[float, float], str]] = []
    for number, line in enumerate(read_text(reading.path).split("\n"), start=1):
        # Audacity writes the frequencies of a label on a line of their own.
        if not line.strip() or line.startswith("\\"):
            continue
        where = f"line {number}"
        times = _TIMES.fullmatch(line)
        start_s, end_s = (parse_clock(times[n]) if times else None for n in (1, 2))
        if times is None or start_s is None or end_s is None:
            what = f"{quoted(line)}: expected start, end and words, the times as {SHAPES}"
            reading.fault(where, what)
        else:
            lines.append((where, (start_s, end_s), times[3] or ""))
    only_names = _are_names([label for _, _, label in lines])
    for where, span, label in lines:
        name = _NAME.match(label)
        if only_names:
            reading.turn(where, span, speaker=label)
        else:
            words = label[name.end() :] if name else label
            reading.turn(where, span, name[1] if name else None, words)


def are_timed(path: Path) -> bool:
    """Whether lines of a plain text begin with times, as Audacity's labels do, or hold words only.

    Raises:
        AnnotationError: there is no such file, or it cannot be read.
    """
    lines = [line for line in read_text(path).split("\n") if line.strip()]
    return bool(lines) and all(line.startswith("\\") or _TIMES.fullmatch(line) for line in lines)


def _are_names(labels: Sequence[str]) -> bool:
    different = {label.strip() for label in labels}
    if any(":" in label or not label for label in different):
        return False
    return len(labels) >= _RETURNS * len(different)
