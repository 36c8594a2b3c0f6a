"""STM, the reference transcripts of NIST's scoring tools (sclite): who says what when.

One line per turn: file, channel, speaker, start, end, optional labels as in ``<o,f0,male>``, words.
"""

import re

from encoders.messages import quoted
from experiments.annotations.plain import read_text
from experiments.annotations.turns import Reading

COMMENT = ";;"
#: What sclite leaves out of its scores (its documentation, "STM file format").
UNSCORED = "ignore_time_segment_in_scoring"
#: The speaker of a stretch that belongs to nobody, in NIST's references.
NOBODY = "inter_segment_gap"
_LABELS = re.compile(r"\A<[^<>\s]*>\s*")


def read(reading: Reading) -> None:
    """Turns with their words, of one recording."""
    lines: list[tuple[int, list[str]]] = []
    for number, line in enumerate(read_text(reading.path).split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith(COMMENT):
            continue
        fields = line.split(maxsplit=5)
        if len(fields) < 5:
            what = f"expected file channel speaker start end words, got {len(fields)} fields"
            reading.fault(f"line {number}", what)
        elif fields[2] != NOBODY:
            lines.append((number, fields))
    named = reading.one_recording(fields[0] for _, fields in lines)
    for number, fields in lines:
        if fields[0] == named:
            _add(f"line {number}", fields, reading)


def _add(where: str, fields: list[str], reading: Reading) -> None:
    try:
        span = float(fields[3]), float(fields[4])
    except ValueError:
        what = f"start {quoted(fields[3])}, end {quoted(fields[4])}: expected seconds"
        reading.fault(where, what)
        return
    words = _LABELS.sub("", fields[5], count=1) if len(fields) > 5 else ""
    unscored = words.strip().lower() == UNSCORED
    reading.turn(where, span, fields[2], None if unscored else words)
