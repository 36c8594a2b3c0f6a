"""``timeline.json``: everything that was found in a recording, for programs.

```
{"schema_version": 2, "recording": "talk.wav", "duration_s": 3600.5, "targets": ["angry", "sad"],
 "kind": "classes" | "values", "facts": {...}, "segments": [
  {"start_s": 0.5, "end_s": 2.0, "speaker": "Anna", "text": "No." | null, "text_doubtful": [...],
   "label": "angry" | "aroused" | null, "level": "class" | "group" | "arousal" | null,
   "probability": 0.7 | null, "prediction_set": ["angry", ...],
   "probabilities": {"angry": 0.7, "sad": 0.3},
   "derived": {"valence": -0.5, "arousal": 0.3} | null,
   "voice": {...} | null, "words": {...} | null, "overlap": false}, ...]}
```

Times are seconds from the start of the recording; ``label`` is a class or, as ``level`` says, what
is coarser (:data:`fusion.evaluation.emotions.TREE`), with its ``probability``, and null where
nothing was sure enough; ``prediction_set`` is empty where none was asked for; ``derived`` follows
from the probabilities, and nothing reads it back. ``probabilities`` are empty where nothing could
be classified; ``voice`` and ``words`` are those of one modality alone. Where ``kind`` is "values"
the targets are dimensions, and segments have ``"values": {"valence": 3.2, "arousal": 2.5}`` in the
units of the model's corpus, ``voice`` and ``words`` alike; ``probabilities`` are empty and
``label`` is null. Another meaning of any field is another ``schema_version``: in the first, which
is still read, a label was a class.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.utterance import Fault
from experiments.annotations.plain import AnnotationError, read_text
from experiments.annotations.segments import PLACES, Kind, Segment, Timeline
from experiments.annotations.turns import Reading
from fusion.evaluation.backoff import Answer
from fusion.evaluation.emotions import DERIVED, Level, branches, derived_values
from fusion.evaluation.predictions import fault_text

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA_VERSION, FIRST = 2, 1
_SCORES = ("probabilities", "values", "voice", "words")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSegment:
    """A segment as it stands in the file: the fields of :class:`Segment`, its answer in three."""

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
    level: Level | None = None
    probability: float | None = None
    prediction_set: list[str] = field(default_factory=list)
    derived: dict[str, float] | None = None


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
        span, said = (segment.start_s, segment.end_s), (segment.text, segment.text_doubtful)
        reading.turn(f"segment {number}", span, segment.speaker, *said)


def _record(segment: Segment, targets: tuple[str, ...]) -> dict[str, Any]:
    answer = segment.answer
    derived = derived_values(segment.probabilities, targets)
    record = {stored.name: getattr(segment, stored.name, None) for stored in fields(StoredSegment)}
    record |= {
        "level": None if answer is None else answer.level,
        "probability": None if answer is None else answer.probability,
        "derived": None
        if derived is None
        else {name: round(value, PLACES) for name, value in zip(DERIVED, derived, strict=True)},
    }
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
    if not FIRST <= stored.schema_version <= SCHEMA_VERSION:
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
        answer=_answer(stored, scores["probabilities"]),
        prediction_set=tuple(stored.prediction_set),
        overlap=stored.overlap,
        probabilities=scores["probabilities"] or (),
        voice=scores["voice"],
        words=scores["words"],
        values=scores["values"] or (),
    )


def _answer(stored: StoredSegment, probabilities: tuple[float, ...] | None) -> Answer | None:
    """The answer of a segment; in files of the first schema that of the most probable class.

    Raises:
        ValueError: a label without what belongs to it, or the reverse.
    """
    given = (stored.label, stored.level, stored.probability)
    if stored.label is None and given != (None, None, None):
        raise ValueError("level and probability without a label: expected all three, or none")
    if stored.label is None:
        return None
    if stored.level is None and stored.probability is None:
        return Answer("class", stored.label, max(probabilities or (1.0,)))
    if stored.level is None or stored.probability is None:
        raise ValueError(f"label {stored.label!r}: expected a level and a probability with it")
    return Answer(stored.level, stored.label, stored.probability)


def _scores(values: Mapping[str, float] | None, targets: list[str]) -> tuple[float, ...] | None:
    """Probabilities in the order of the classes; those of other classes are faults."""
    if not values:
        return None
    return tuple(values.get(name, 0.0) for name in targets)


def _label_faults(stored: StoredSegment, targets: list[str]) -> Iterator[str]:
    known = tuple(dict.fromkeys(branches(targets, stored.level or "class")))
    if stored.label is not None and stored.label not in known:
        yield f"label {stored.label!r} is none of {', '.join(known)}"
    for name in _SCORES:
        values = getattr(stored, name)
        if values and set(values) != set(targets):
            yield f"{name} of {', '.join(values)}: expected {', '.join(targets)}"
