"""``timeline.json``: everything that was found in a recording, for programs.

```
{"schema_version": 1, "recording": "talk.wav", "duration_s": 3600.5, "targets": ["angry", "sad"],
 "kind": "classes" | "values", "facts": {...}, "segments": [
  {"start_s": 0.5, "end_s": 2.0, "speaker": "Anna", "text": "No." | null, "text_doubtful": [...],
   "label": "angry" | null, "probabilities": {"angry": 0.7, "sad": 0.3},
   "voice": {...} | null, "words": {...} | null, "overlap": false}, ...]}
```

Times are seconds from the start of the recording; ``label`` is null where the classifier abstained;
``probabilities`` are empty where nothing could be classified; ``voice`` and ``words`` are those of
one modality alone. Where ``kind`` is "values" the targets are dimensions, and segments have
``"values": {"valence": 3.2, "arousal": 2.5}`` in the units of the model's corpus, ``voice`` and
``words`` alike; ``probabilities`` are empty and ``label`` is null. Another meaning of any field is
another ``schema_version``.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.utterance import Fault
from experiments.annotations.plain import AnnotationError, read_text
from experiments.annotations.segments import Kind, Segment, Timeline
from experiments.annotations.turns import Reading
from fusion.evaluation.predictions import fault_text

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA_VERSION = 1
_SCORES = ("probabilities", "values", "voice", "words")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSegment:
    """A segment as it stands in the file; its fields are those of :class:`Segment`."""

    start_s: float
    end_s: float
    speaker: str
    text: str | None
    text_doubtful: list[str]
    label: str | None
    probabilities: dict[str, float]
    voice: dict[str, float] | None
    words: dict[str, float] | None
    overlap: bool
    values: dict[str, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTimeline:
    """A timeline as it stands in the file."""

    schema_version: int
    recording: str
    duration_s: float
    targets: list[str]
    facts: dict[str, Any]
    segments: list[StoredSegment]
    kind: Kind = "classes"


def write(timeline: Timeline, path: Path) -> None:
    """Write a timeline so that :func:`read_json` returns the same.

    Raises:
        ValueError: facts that JSON cannot hold, with the one that it is.
    """
    record = {
        "schema_version": SCHEMA_VERSION,
        "recording": timeline.recording,
        "duration_s": timeline.duration_s,
        "targets": list(timeline.targets),
        "kind": timeline.kind,
        "facts": dict(timeline.facts),
        "segments": [_record(segment, timeline.targets) for segment in timeline.segments],
    }
    try:
        content = json.dumps(record, ensure_ascii=False, allow_nan=False, indent=1).encode()
    except (TypeError, ValueError) as error:
        raise ValueError(f"facts of a timeline: expected what JSON holds ({error})") from error
    path.write_bytes(content + b"\n")


def read_json(path: Path | str) -> Timeline:
    """Read a timeline strictly.

    Raises:
        AnnotationError: no such file, another schema, or every value that is not what it says.
    """
    path = Path(path)
    stored = _stored(path)
    segments = []
    faults: list[Fault] = []
    for number, segment in enumerate(stored.segments, start=1):
        try:
            segments.append(_segment(segment, stored.targets))
        except ValueError as error:
            faults.append(Fault(f"segment {number}", str(error)))
    if faults:
        raise AnnotationError(path, faults)
    try:
        return Timeline(
            recording=stored.recording,
            duration_s=stored.duration_s,
            targets=tuple(stored.targets),
            segments=tuple(segments),
            facts=stored.facts,
            kind=stored.kind,
        )
    except ValueError as error:
        raise AnnotationError(path, [Fault("file", str(error))]) from error


def read(reading: Reading) -> None:
    """Turns of a timeline."""
    for number, segment in enumerate(read_json(reading.path).segments, start=1):
        reading.turn(
            f"segment {number}", (segment.start_s, segment.end_s), segment.speaker, segment.text
        )


def _record(segment: Segment, targets: tuple[str, ...]) -> dict[str, Any]:
    record = {field.name: getattr(segment, field.name) for field in fields(StoredSegment)}
    for name in _SCORES:
        if (values := record[name]) is not None:
            record[name] = dict(zip(targets, values, strict=True)) if values else {}
    if not segment.values:
        del record["values"]
    return record


def _stored(path: Path) -> StoredTimeline:
    from pydantic import ValidationError

    content = read_text(path).encode()
    try:
        stored = _schema().validate_json(content, strict=True)
    except ValidationError as error:
        # A fault of the whole file stands at no key.
        faults = [Fault("file", fault_text(detail)) for detail in error.errors()]
        raise AnnotationError(path, faults) from error
    if stored.schema_version != SCHEMA_VERSION:
        what = f"expected {SCHEMA_VERSION}, got {stored.schema_version}: written by another version"
        raise AnnotationError(path, [Fault("schema_version", what)])
    return stored


@cache
def _schema() -> "TypeAdapter[StoredTimeline]":
    from pydantic import ConfigDict, TypeAdapter, with_config

    strict = with_config(ConfigDict(allow_inf_nan=False, extra="forbid"))
    strict(StoredSegment)
    return TypeAdapter(strict(StoredTimeline))


def _segment(stored: StoredSegment, targets: list[str]) -> Segment:
    scores = {name: _scores(getattr(stored, name), targets) for name in _SCORES}
    faults = list(_label_faults(stored, targets))
    if faults:
        raise ValueError("; ".join(faults))
    return Segment(
        start_s=stored.start_s,
        end_s=stored.end_s,
        speaker=stored.speaker,
        text=stored.text,
        text_doubtful=tuple(stored.text_doubtful),
        label=stored.label,
        overlap=stored.overlap,
        probabilities=scores["probabilities"] or (),
        voice=scores["voice"],
        words=scores["words"],
        values=scores["values"] or (),
    )


def _scores(values: Mapping[str, float] | None, targets: list[str]) -> tuple[float, ...] | None:
    """Probabilities in the order of the classes; those of other classes are faults."""
    if not values:
        return None
    return tuple(values.get(name, 0.0) for name in targets)


def _label_faults(stored: StoredSegment, targets: list[str]) -> Iterator[str]:
    if stored.label is not None and stored.label not in targets:
        yield f"label {stored.label!r} is none of {', '.join(targets)}"
    for name in _SCORES:
        values = getattr(stored, name)
        if values and set(values) != set(targets):
            yield f"{name} of {', '.join(values)}: expected {', '.join(targets)}"
