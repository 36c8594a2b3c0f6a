"""ELAN's annotation format (.eaf), version 3.0: written.

The order of elements and their attributes is that of the schema which every file names
(EAFv3.0.xsd; "EAF Annotation Format 3.0 and ELAN", Max Planck Institute, 2017).
"""

import mimetypes
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from experiments.annotations.lanes import CONFIDENCE, EMOTION, UNSURE, WORDS, Lane, label_of, lanes
from experiments.annotations.segments import Segment, Timeline

#: The fact that becomes the date of the file; without it the same timeline gives the same bytes.
DATE = "date"
_NO_DATE = datetime(1970, 1, 1, tzinfo=UTC)
_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}noNamespaceSchemaLocation"
#: Words as ELAN itself writes them into each file.
_HANGING = "Symbolic_Association"
_HANGING_MEANS = "1-1 association with a parent annotation"
_LANGUAGE = {
    "LANG_DEF": "http://cdb.iso.org/lg/CDB-00130975-001",
    "LANG_ID": "und",
    "LANG_LABEL": "undetermined (und)",
}

#: The slots at the start and at the end of a segment.
Slots = tuple[str, str]


def write(
    timeline: Timeline, path: Path, recording: Path | None = None, beside: Path | None = None
) -> None:
    """Write a tier of words for each speaker and, below it, emotion and confidence; times in ms.

    ELAN offers the classes as a list to choose from, what is coarser where that was answered, and
    ``?`` for an emotion that was left open; values stand as they are. It finds the ``recording``
    by its address or by the way to it from the folder of the file, or from the one
    that the file will be moved to (``beside``); without one, beside the file by its name.
    """
    root = Element("ANNOTATION_DOCUMENT", _about(timeline))
    placed = tuple(lanes(timeline))
    _add_header(root, timeline, beside or path.parent, recording)
    slots = _add_slots(root, [segment for lane in placed for segment in lane.segments])
    done = 0
    for lane in placed:
        here = slots[done : done + len(lane.segments)]
        _add_tiers(root, lane, here, 3 * done + 1, timeline.targets)
        done += len(here)
    answered = [segment.label for segment in timeline.segments if segment.label is not None]
    listed = tuple(dict.fromkeys((*timeline.targets, *answered)))
    _add_types(root, listed if timeline.kind == "classes" else None)
    indent(root, "    ")
    with path.open("wb") as file:
        ElementTree(root).write(file, encoding="UTF-8", xml_declaration=True)


def _about(timeline: Timeline) -> dict[str, str]:
    try:
        date = datetime.fromisoformat(str(timeline.facts.get(DATE)))
    except ValueError:
        date = _NO_DATE
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    made = date.isoformat(timespec="seconds")
    about = {"AUTHOR": "serfusion", "DATE": made, "FORMAT": "3.0", "VERSION": "3.0"}
    return about | {_XSI: _SCHEMA}


def _add_header(root: Element, timeline: Timeline, folder: Path, recording: Path | None) -> None:
    header = SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    name = timeline.recording.replace("\\", "/").rsplit("/", 1)[-1]
    kind = mimetypes.guess_type(name)[0] or "unknown"
    url = relative = f"./{quote(name)}"
    if recording is not None:
        url = recording.resolve().as_uri()
        way = os.path.relpath(recording.resolve(), folder.resolve())
        relative = quote(Path(way).as_posix())
        relative = relative if relative.startswith("../") else f"./{relative}"
    media = {"MEDIA_URL": url, "MIME_TYPE": kind, "RELATIVE_MEDIA_URL": relative}
    SubElement(header, "MEDIA_DESCRIPTOR", media)
    # ELAN numbers new annotations from here on.
    last = SubElement(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"})
    last.text = str(3 * len(timeline.segments))


def _add_slots(root: Element, segments: Sequence[Segment]) -> list[Slots]:
    """Two slots a segment, all in the order of their times."""
    edges = sorted(
        (time_ms, side, number)
        for number, segment in enumerate(segments)
        for side, time_ms in enumerate(segment.span_ms)
    )
    order = SubElement(root, "TIME_ORDER")
    names: list[dict[int, str]] = [{} for _ in segments]
    for count, (time_ms, side, number) in enumerate(edges, start=1):
        names[number][side] = f"ts{count}"
        slot = {"TIME_SLOT_ID": f"ts{count}", "TIME_VALUE": str(time_ms)}
        SubElement(order, "TIME_SLOT", slot)
    return [(sides[0], sides[1]) for sides in names]


def _add_tiers(
    root: Element, lane: Lane, slots: Sequence[Slots], used: int, targets: Sequence[str]
) -> None:
    """Add the tiers of a lane, ``used`` annotations being there already."""
    name, count = lane.name(WORDS), len(lane.segments)
    who = {"PARTICIPANT": lane.speaker}
    words = SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": WORDS, **who, "TIER_ID": name})
    for number, (segment, (first, last)) in enumerate(zip(lane.segments, slots, strict=True)):
        about = {"TIME_SLOT_REF1": first, "TIME_SLOT_REF2": last}
        text = label_of(segment, WORDS, targets)
        _add_annotation(words, "ALIGNABLE", used + number, about, text)
    for step, kind in enumerate((EMOTION, CONFIDENCE), start=1):
        about = {"LINGUISTIC_TYPE_REF": kind, "PARENT_REF": name, **who}
        tier = SubElement(root, "TIER", {**about, "TIER_ID": lane.name(kind)})
        for number, segment in enumerate(lane.segments, start=used):
            parent = {"ANNOTATION_REF": f"a{number}"}
            label = label_of(segment, kind, targets)
            _add_annotation(tier, "REF", number + step * count, parent, label)


def _add_annotation(
    tier: Element, kind: str, number: int, about: Mapping[str, str], text: str
) -> None:
    holder = SubElement(tier, "ANNOTATION")
    annotation = SubElement(holder, f"{kind}_ANNOTATION", {"ANNOTATION_ID": f"a{number}", **about})
    SubElement(annotation, "ANNOTATION_VALUE").text = text


def _add_types(root: Element, classes: Sequence[str] | None) -> None:
    plain = {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": WORDS, "TIME_ALIGNABLE": "true"}
    SubElement(root, "LINGUISTIC_TYPE", plain)
    for kind in (EMOTION, CONFIDENCE):
        about = plain | {"LINGUISTIC_TYPE_ID": kind, "TIME_ALIGNABLE": "false"}
        from_list = kind == EMOTION and classes is not None
        listed = {"CONTROLLED_VOCABULARY_REF": EMOTION} if from_list else {}
        SubElement(root, "LINGUISTIC_TYPE", about | {"CONSTRAINTS": _HANGING} | listed)
    SubElement(root, "LANGUAGE", _LANGUAGE)
    SubElement(root, "CONSTRAINT", {"DESCRIPTION": _HANGING_MEANS, "STEREOTYPE": _HANGING})
    if classes is None:
        return
    words = SubElement(root, "CONTROLLED_VOCABULARY", {"CV_ID": EMOTION})
    SubElement(words, "DESCRIPTION", {"LANG_REF": "und"})
    for number, name in enumerate([*classes, UNSURE], start=1):
        entry = SubElement(words, "CV_ENTRY_ML", {"CVE_ID": f"cve{number}"})
        value = {"DESCRIPTION": "", "LANG_REF": "und"}
        SubElement(entry, "CVE_VALUE", value).text = name
