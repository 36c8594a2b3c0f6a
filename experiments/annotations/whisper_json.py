"""JSON that Whisper and its relatives write, and timelines of our own.

Whisper and WhisperX: ``{"segments": [{"start": 0.0, "end": 6.0, "text": "..."}]}`` in seconds,
with a ``speaker`` where WhisperX knows one, and ``words`` with times and speakers of their own;
whisper.cpp: ``{"transcription": [{"offsets": {"from": 0, "to": 6000}, "text": "..."}]}`` in
milliseconds; transformers: ``{"chunks": [{"timestamp": [0.0, 6.0], "text": "..."}]}``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
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
        if isinstance(content.get("chunks"), list):
            _add(reading, list(map(_of_chunk, content["chunks"])), ("start", "end"), 1.0)
            return
    timeline_json.read(reading)


def _of_chunk(chunk: object) -> object:
    """A chunk of transformers as a segment of Whisper."""
    span = chunk.get("timestamp") if isinstance(chunk, dict) else None
    if not (isinstance(chunk, dict) and isinstance(span, list) and len(span) == 2):
        return chunk
    return {**chunk, "start": span[0], "end": span[1]}


def _add(reading: Reading, segments: Sequence[Any], times: tuple[str, str], unit_s: float) -> None:
    for number, segment in enumerate(segments, start=1):
        where = f"segment {number}"
        span = [_number(segment, name) for name in times]
        if None in span:
            wanted = " and ".join(times)
            reading.fault(where, f"{cut(segment)}: expected numbers as {wanted}")
            continue
        start_s, end_s = (round(value * unit_s, 9) for value in span if value is not None)
        whole = _Part((start_s, end_s), _text(segment, "speaker"), _text(segment, "text"))
        for part in _parts(segment) or [whole]:
            reading.turn(where, part.span, part.speaker, part.text)


@dataclass(frozen=True, slots=True)
class _Part:
    """Words of one speaker within a segment."""

    span: tuple[float, float]
    speaker: str | None
    text: str | None


def _parts(segment: object) -> list[_Part]:
    """A segment by the speakers of its words; empty where these do not say that several speak.

    Words without times, as WhisperX has of numerals, or without a speaker go with those before.
    """
    words = _words(segment)
    speakers = {_text(word, "speaker") for word in words if _text(word, "speaker")}
    if len(speakers) < 2:
        return []
    parts: list[_Part] = []
    for word in words:
        text, speaker = _text(word, "word") or "", _text(word, "speaker")
        start_s, end_s = _number(word, "start"), _number(word, "end")
        if parts and (start_s is None or end_s is None or speaker in (None, parts[-1].speaker)):
            before = parts[-1]
            span = (before.span[0], max(before.span[1], end_s or 0.0))
            parts[-1] = _Part(span, before.speaker, f"{before.text} {text.strip()}")
        elif start_s is None or end_s is None:
            return []
        else:
            parts.append(_Part((start_s, end_s), speaker, text.strip()))
    return parts


def _words(segment: object) -> list[Any]:
    words = segment.get("words") if isinstance(segment, dict) else None
    return words if isinstance(words, list) else []


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
