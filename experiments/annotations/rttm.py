"""RTTM, who speaks when, as NIST's Rich Transcription evaluations define it.

One line per turn: type, file, channel, onset, duration, orthography, subtype, speaker, confidence
and signal look-ahead (NIST, RT-09 evaluation plan, appendix A; older files lack the last). The
fields are separated by blanks, so that a blank in a name is written ``%20``, as in an address.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from encoders.messages import quoted
from experiments.annotations.plain import escape_name, read_text, unescape_name
from experiments.annotations.segments import Timeline
from experiments.annotations.turns import Reading

#: What else a file may hold (RT-09, table A-1); none of it is a turn.
OTHER_TYPES = frozenset(
    "SEGMENT NO_RT_METADATA NOSCORE LEXEME NON-LEX NON-SPEECH FILLER EDIT IP SU CB A/P "
    "SPKR-INFO".split()
)
NOTHING = "<NA>"
COMMENT = ";;"


def read(reading: Reading) -> None:
    """Turns of the lines of type SPEAKER, of one recording."""
    lines = (
        (number, line.split())
        for number, line in enumerate(read_text(reading.path).split("\n"), start=1)
        if line.strip() and not line.lstrip().startswith(COMMENT)
    )
    spoken = [(number, fields) for number, fields in lines if _is_turn(number, fields, reading)]
    named = reading.one_recording(fields[1] for _, fields in spoken)
    for number, fields in spoken:
        if fields[1] == named:
            _add(f"line {number}", fields, reading)


def write(timeline: Timeline, path: Path) -> None:
    """Write who speaks when; times to the millisecond."""
    name = escape(Path(timeline.recording).stem or "recording")
    path.write_text("".join(_lines(name, timeline)), encoding="utf-8", newline="\n")


def escape(name: str) -> str:
    """A name without blanks that is no ``<NA>`` and no comment.

    >>> escape("Anna Maria"), escape("<NA>")
    ('Anna%20Maria', '%3CNA>')
    """
    return escape_name(name, r"\s|\A<(?=NA>\Z)|\A;(?=;)")


def _lines(name: str, timeline: Timeline) -> Iterator[str]:
    for segment in timeline.segments:
        start_ms, end_ms = segment.span_ms
        times = f"{start_ms / 1000:.3f} {(end_ms - start_ms) / 1000:.3f}"
        who = escape(segment.speaker)
        yield f"SPEAKER {name} 1 {times} {NOTHING} {NOTHING} {who} {NOTHING} {NOTHING}\n"


def _is_turn(number: int, fields: Sequence[str], reading: Reading) -> bool:
    if fields[0] in OTHER_TYPES:
        return False
    if fields[0] != "SPEAKER":
        what = f"type {quoted(fields[0])}: expected SPEAKER, or another type of line of RTTM"
        reading.fault(f"line {number}", what)
        return False
    if not 8 <= len(fields) <= 10:
        what = "expected SPEAKER file channel onset duration <NA> <NA> name, 8 to 10 fields"
        reading.fault(f"line {number}", f"{what}, got {len(fields)}")
        return False
    return True


def _add(where: str, fields: Sequence[str], reading: Reading) -> None:
    try:
        start_s, length_s = float(fields[3]), float(fields[4])
    except ValueError:
        what = f"onset {quoted(fields[3])}, duration {quoted(fields[4])}: expected seconds"
        reading.fault(where, what)
        return
    if not length_s >= 0:
        reading.fault(where, f"duration {quoted(fields[4])}: expected seconds from 0")
        return
    # Sums of decimals err in the last bit: 0.1 + 0.2 is 0.3 to whoever wrote the file.
    span = (start_s, round(start_s + length_s, 9))
    reading.turn(where, span, None if fields[7] == NOTHING else unescape_name(fields[7]))
