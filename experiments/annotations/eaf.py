"""ELAN's annotation format (.eaf): read.

An annotation stands between two time slots, or hangs on another annotation and takes its time
(Brugman and Russel 2004; "EAF Annotation Format 3.0 and ELAN", Max Planck Institute, 2017). Slots
without a time lie evenly between their neighbours, annotations that divide another one divide its
time evenly, both as ELAN shows them. Frames as units of time are of the past and refused.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from encoders.messages import quoted
from experiments.annotations.bounded_xml import read_xml
from experiments.annotations.tier_kinds import Mark, Tier
from experiments.annotations.tiers import add_turns
from experiments.annotations.turns import Reading

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Annotation:
    """An annotation as it is written: between two slots, or under a parent."""

    id: str
    tier: str
    text: str
    slots: tuple[str, str] | None
    parent: str | None
    previous: str | None

    @property
    def where(self) -> str:
        return f"tier {quoted(self.tier)}, annotation {quoted(self.id)}"


def read(reading: Reading) -> None:
    """Turns of the tiers that are meant."""
    add_turns(read_tiers(reading), reading)


def media_names(path: Path) -> list[str]:
    """Names of the recordings that a file is of, without their folders.

    Raises:
        AnnotationError: the file is no XML, or none of ELAN's.
    """
    media = read_xml(path, "ANNOTATION_DOCUMENT").iterfind("HEADER/MEDIA_DESCRIPTOR")
    names = [_name_in(unquote(one.get("MEDIA_URL", ""))) for one in media]
    return [name for name in names if name]


def read_tiers(reading: Reading) -> list[Tier]:
    """All tiers with their times in seconds; faults are noted.

    Raises:
        AnnotationError: the file is no XML, or none of ELAN's.
    """
    root = read_xml(reading.path, "ANNOTATION_DOCUMENT")
    offset_ms = _offset_ms(root, reading)
    slots = _slots(root, reading)
    elements = root.findall("TIER")
    by_tier = [list(_annotations(element, reading)) for element in elements]
    spans = _spans([annotation for tier in by_tier for annotation in tier], slots, reading)
    return [
        _tier(
            element,
            [
                _mark(annotation, spans[annotation.id], offset_ms)
                for annotation in annotations
                if annotation.id in spans
            ],
        )
        for element, annotations in zip(elements, by_tier, strict=True)
    ]


def _tier(element: Element, marks: Sequence[Mark]) -> Tier:
    return Tier(
        name=element.get("TIER_ID", ""),
        marks=tuple(marks),
        main=not element.get("PARENT_REF"),
        parent=element.get("PARENT_REF") or None,
        gaps=False,
        speaker=(element.get("PARTICIPANT") or "").strip() or None,
        annotator=element.get("ANNOTATOR") or None,
        kind=element.get("LINGUISTIC_TYPE_REF") or None,
    )


def _mark(annotation: _Annotation, span: Span, offset_ms: int) -> Mark:
    # Sums and means of whole milliseconds: beyond the ninth decimal there is only noise.
    start_s, end_s = (round((time_ms + offset_ms) / 1000, 9) for time_ms in span)
    return Mark(annotation.where, start_s, end_s, annotation.text)


def _annotations(tier: Element, reading: Reading) -> Iterator[_Annotation]:
    name = tier.get("TIER_ID", "")
    for number, holder in enumerate(tier.findall("ANNOTATION"), start=1):
        for element in holder:
            value = element.find("ANNOTATION_VALUE")
            slots = element.get("TIME_SLOT_REF1"), element.get("TIME_SLOT_REF2")
            annotation = _Annotation(
                id=element.get("ANNOTATION_ID", ""),
                tier=name,
                text="" if value is None else (value.text or ""),
                slots=(slots[0], slots[1]) if slots[0] and slots[1] else None,
                parent=element.get("ANNOTATION_REF"),
                previous=element.get("PREVIOUS_ANNOTATION"),
            )
            if annotation.id and (annotation.slots is None) != (annotation.parent is None):
                yield annotation
            else:
                what = "expected an ANNOTATION_ID and two TIME_SLOT_REF, or an ANNOTATION_REF"
                reading.fault(f"tier {quoted(name)}, annotation {number}", what)


# ---------------------------------------------------------------- time


def _offset_ms(root: Element, reading: Reading) -> int:
    """Where in the recording the annotation's time starts."""
    header = root.find("HEADER")
    if header is None:
        return 0
    if (unit := header.get("TIME_UNITS", "milliseconds")) != "milliseconds":
        reading.fault("HEADER", f"times in {quoted(unit)}: expected milliseconds (save it in ELAN)")
    origins = {}
    for media in header.findall("MEDIA_DESCRIPTOR"):
        url, origin = unquote(media.get("MEDIA_URL", "")), media.get("TIME_ORIGIN", "0")
        whole = _whole(origin.removeprefix("-"))
        if whole is None:
            reading.fault("HEADER", f"TIME_ORIGIN {quoted(origin)}: expected whole milliseconds")
        else:
            origins[url] = -whole if origin.startswith("-") else whole
    if reading.recording is not None:
        origins = {url: ms for url, ms in origins.items() if _is_of(url, reading.recording)}
    if len(set(origins.values())) > 1:
        listed = ", ".join(quoted(url) for url in list(origins)[:10])
        what = f"its media start at different times ({listed}): say which recording is meant"
        reading.fault("HEADER", what)
    return next(iter(origins.values()), 0)


def _is_of(url: str, recording: str) -> bool:
    name = _name_in(url)
    return recording in (name, Path(name).stem)


def _name_in(url: str) -> str:
    return url.replace("\\", "/").rsplit("/", 1)[-1]


def _slots(root: Element, reading: Reading) -> Mapping[str, float]:
    """Milliseconds of each time slot; one after the last that has a time has none."""
    order = [] if (element := root.find("TIME_ORDER")) is None else element.findall("TIME_SLOT")
    known: dict[str, float] = {}
    waiting: list[str] = []
    before_ms = 0
    for slot in order:
        name, value = slot.get("TIME_SLOT_ID", ""), slot.get("TIME_VALUE")
        if value is None:
            waiting.append(name)
            continue
        if (time_ms := _whole(value)) is None:
            what = f"TIME_VALUE {quoted(value)}: expected whole milliseconds from 0"
            reading.fault(f"time slot {quoted(name)}", what)
            continue
        step = (time_ms - before_ms) / (len(waiting) + 1)
        known |= {slot_id: before_ms + step * n for n, slot_id in enumerate(waiting, start=1)}
        known[name] = before_ms = time_ms
        waiting = []
    return known


def _whole(value: str) -> int | None:
    """A whole number that an EAF can hold (xsd:unsignedInt), or None."""
    value = value.strip()
    fits = value.isascii() and value.isdecimal() and len(value) <= 10
    return int(value) if fits else None


def _spans(
    annotations: Sequence[_Annotation], slots: Mapping[str, float], reading: Reading
) -> Mapping[str, Span]:
    """Start and end in milliseconds of every annotation that has them, from parents to children."""
    spans: dict[str, Span] = {}
    children: dict[str, dict[str, list[_Annotation]]] = defaultdict(lambda: defaultdict(list))
    seen: set[str] = set()
    for annotation in annotations:
        if annotation.id in seen:
            reading.fault(annotation.where, "its ANNOTATION_ID is given twice")
        seen.add(annotation.id)
        if annotation.parent is not None:
            children[annotation.parent][annotation.tier].append(annotation)
        else:
            _add_span(annotation, slots, spans, reading)
    waiting = list(spans)
    while waiting:
        parent = waiting.pop()
        for group in children.pop(parent, {}).values():
            spans |= _divided(_chained(group), spans[parent])
            waiting += [annotation.id for annotation in group]
    for group in (group for groups in children.values() for group in groups.values()):
        for annotation in group:
            parent = quoted(annotation.parent or "")
            reading.fault(annotation.where, f"hangs on annotation {parent}, without a time")
    return spans


def _add_span(
    annotation: _Annotation, slots: Mapping[str, float], spans: dict[str, Span], reading: Reading
) -> None:
    assert annotation.slots is not None
    missing = [name for name in annotation.slots if name not in slots]
    if missing:
        reading.fault(annotation.where, f"time slot {quoted(missing[0])} is missing or has no time")
    else:
        spans[annotation.id] = slots[annotation.slots[0]], slots[annotation.slots[1]]


def _chained(group: Sequence[_Annotation]) -> list[_Annotation]:
    """Children of one annotation in their order; as they stand where that is broken."""
    after = {child.previous: child for child in group}
    ordered: list[_Annotation] = []
    ids = {child.id for child in group}
    following = next((child for child in group if child.previous not in ids), None)
    while following is not None and len(ordered) < len(group):
        ordered.append(following)
        following = after.get(following.id)
    return ordered if {child.id for child in ordered} == ids else list(group)


def _divided(group: Sequence[_Annotation], span: Span) -> dict[str, Span]:
    start_ms, step = span[0], (span[1] - span[0]) / len(group)
    return {
        child.id: (start_ms + step * n, start_ms + step * (n + 1)) for n, child in enumerate(group)
    }
