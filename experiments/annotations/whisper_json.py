"""JSON that Whisper and its relatives write, and timelines of our own.

Whisper and WhisperX: ``{"segments": [{"start": 0.0, "end": 6.0, "text": "..."}]}`` in seconds,
with a ``speaker`` where WhisperX knows one; whisper.cpp: ``{"transcription": [{"offsets": {"from":
0, "to": 6000}, "text": "..."}]}`` in milliseconds.
"""

import math
from collections.abc import Sequence
from typing import Any

from encoders.manifest_rows import parse_json
from encoders.messages import cut
from experiments.annotations import timeline_json
from experiments.annotations.plain import read_text
from experiments.annotations.turns import Reading

_MS = 1000


def read(reading: Reading) -> None:
    """Turns of a transcript that a recogniser wrote, else those of a timeline."""
    text = read_text(reading.path)
    try:
        content = parse_json(text)
    except ValueError:
        content = None
    if isinstance(content, dict) and "schema_version" not in content:
        if isinstance(content.get("transcription"), list):
            _add(reading, content["transcription"], ("offsets.from", "offsets.to"), 1 / _MS)
            return
        if isinstance(content.get("segments"), list):
            _add(reading, content["segments"], ("start", "end"), 1.0)
            return
    timeline_json.read(reading)


def _add(reading: Reading, segments: Sequence[Any], times: tuple[str, str], unit_s: float) -> None:
    for number, segment in enumerate(segments, start=1):
        where = f"segment {number}"
        span = [_number(segment, name) for name in times]
        speaker, text = (_text(segment, name) for name in ("speaker", "text"))
        if None in span:
            wanted = " and ".join(times)
            reading.fault(where, f"{cut(segment)}: expected numbers as {wanted}")
        else:
            start_s, end_s = (round(value * unit_s, 9) for value in span if value is not None)
            reading.turn(where, (start_s, end_s), speaker, text)


def _number(segment: object, name: str) -> float | None:
    value = _value(segment, name)
    return value if isinstance(value, float) and math.isfinite(value) else None


def _text(segment: object, name: str) -> str | None:
    value = _value(segment, name)
    return value if isinstance(value, str) else None


def _value(segment: object, name: str) -> float | str | None:
    """A number or text of an object, below a dot of an object within it."""
    value = segment
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return value if isinstance(value, str) else None
