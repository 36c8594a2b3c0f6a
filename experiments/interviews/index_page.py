"""``index.html``: the recordings of a folder side by side, each with a link to its own page."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from encoders.files import write_atomically
from encoders.messages import with_count
from experiments.annotations.plain import AnnotationError
from experiments.annotations.segments import Timeline
from experiments.annotations.timeline_json import read_json
from experiments.interviews.courses import courses_of, mean_path
from experiments.interviews.outputs import PAGE, TIMELINE
from experiments.interviews.page import clock
from experiments.templates import TEMPLATES, template

INDEX = "index.html"
#: What no page of somebody else's says.
OURS = '<meta name="generator" content="serfusion interviews">'
#: Stretches of a small course, and its width and height (from -1 to 1) in units of the drawing.
STRETCHES, WIDTH = 40, 160


@dataclass(frozen=True, slots=True)
class Small:
    """A course of a whole recording: its name, and an SVG path through means of stretches."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A recording in the list; ``answered`` in percent of its segments."""

    name: str
    link: str
    duration: str
    speakers: tuple[str, ...]
    segments: int
    answered: str
    courses: tuple[Small, ...]


def write_index(out: Path) -> Path | None:
    """Write the list of all recordings with a timeline and a page below ``out``, if there are two.

    It is made of what lies there, so that later commands add to it. A page of somebody else's with
    that name stays, and the list gets a number.
    """
    entries = [*_entries(out)]
    if len(entries) < 2:
        return None
    html = template("interviews.html.j2").render(
        entries=entries,
        width=WIDTH,
        with_count=with_count,
        css=Markup((TEMPLATES / "interview.css").read_text(encoding="utf-8")),
    )
    place = next(path for path in _places(out) if not path.exists() or _is_ours(path))
    write_atomically(place, html.encode(), private=True)
    return place


def _places(out: Path) -> Iterator[Path]:
    yield out / INDEX
    for number in count(2):
        yield out / f"index-{number}.html"


def _is_ours(path: Path) -> bool:
    return path.is_file() and OURS in path.read_text(encoding="utf-8", errors="replace")


def _entries(out: Path) -> Iterator[Entry]:
    for path in sorted(out.glob(f"*/{TIMELINE}")):
        if not (path.parent / PAGE).is_file():
            continue
        try:
            timeline = read_json(path)
        except AnnotationError:
            # Not ours, or changed by hand into something else; its own command would say so.
            continue
        yield _entry(timeline, f"{quote(path.parent.name)}/{PAGE}")


def _entry(timeline: Timeline, link: str) -> Entry:
    segments = timeline.segments
    answered = sum(segment.answer is not None or bool(segment.values) for segment in segments)
    return Entry(
        name=timeline.recording,
        link=link,
        duration=clock(timeline.duration_s),
        speakers=timeline.speakers,
        segments=len(segments),
        answered=f"{100 * answered / len(segments):.0f} %" if segments else "–",
        courses=tuple(
            Small(course.name, mean_path(course, timeline, WIDTH, STRETCHES))
            for course in courses_of(timeline)[:2]
        ),
    )
