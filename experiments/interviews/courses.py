"""Arousal and valence over time around what is usual for each speaker, and what stands out.

People differ more from one another than from themselves: what one says of a moment is how it
differs from the median of the same person's other moments.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import mean, median

from experiments.annotations.segments import Segment, Timeline
from fusion.evaluation.emotions import DERIVED, derived_values

#: What is looked at before all other dimensions.
FIRST = "arousal"
#: Segments in the list at most, also as a share of all: a list of everything tells nothing.
MOST, SHARE = 12, 0.25
#: The share of the list that goes by the first dimension; the second one has the rest.
BY_FIRST = 2 / 3
#: A median of fewer segments says nothing of a speaker.
FEWEST = 4
#: Segments closer than this are one point of a line, in units of a chart that is 1000 wide.
POINT = 10.0


@dataclass(frozen=True, slots=True)
class Course:
    """A dimension over time.

    ``medians`` are those of the speakers who have values; ``deviations`` from them have one number
    for each segment of the timeline, None where it has no value. All are in the units of the
    values; derived ones go from -1 to 1, and their name says that they are derived.
    """

    name: str
    medians: Mapping[str, float]
    deviations: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Pick:
    """A segment to listen to, by its place in the timeline, and the course it stands out in."""

    number: int
    course: str
    deviation: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A course of one speaker as SVG paths: segments that are sure, those that are not, a line."""

    speaker: str
    median: str
    told: str
    sure: str
    unsure: str
    line: str


@dataclass(frozen=True, slots=True)
class Charts:
    """A dimension, of every speaker from ``-most`` to ``most`` around the own median."""

    name: str
    most: str
    of_speakers: tuple[Chart, ...]


def courses_of(timeline: Timeline) -> tuple[Course, ...]:
    """The courses of values, or of those that are derived from classes; arousal comes first."""
    if timeline.kind == "values":
        names: Sequence[str] = timeline.targets
        rows = [segment.values or None for segment in timeline.segments]
    else:
        names = tuple(f"derived {name}" for name in DERIVED)
        rows = [derived_values(one.probabilities, timeline.targets) for one in timeline.segments]
    columns = [[None if row is None else row[k] for row in rows] for k in range(len(names))]
    pairs = sorted(zip(names, columns, strict=True), key=lambda pair: FIRST not in pair[0].lower())
    return tuple(_course(name, values, timeline) for name, values in pairs if any(rows))


def listen_first(timeline: Timeline, courses: Sequence[Course]) -> tuple[Pick, ...]:
    """The segments that lie farthest from their speaker's median, farthest first.

    The first course chooses :data:`BY_FIRST` of them, the second one of those that are left.
    """
    most = min(MOST, ceil(SHARE * len(timeline.segments)))
    share = most if len(courses) == 1 else ceil(BY_FIRST * most)
    picks: dict[int, Pick] = {}
    for course, until in zip(courses[:2], (share, most), strict=False):
        for pick in sorted(_candidates(timeline, course), key=lambda one: -abs(one.deviation)):
            if len(picks) < until:
                picks.setdefault(pick.number, pick)
    return tuple(picks.values())


def charts_of(course: Course, timeline: Timeline, width: float) -> Charts:
    """The charts of all speakers, ``width`` units wide and of one scale to be compared."""
    most = _most(course)
    speakers = (speaker for speaker in timeline.speakers if speaker in course.medians)
    scale = width / timeline.duration_s, -1 / most
    charts = tuple(
        _chart(speaker, course, _places(course, timeline, speaker), scale) for speaker in speakers
    )
    return Charts(course.name, f"{most:.3g}", charts)


def mean_path(course: Course, timeline: Timeline, width: float, stretches: int) -> str:
    """A line of all speakers as an SVG path, from -1 to 1: means over so many stretches of time."""
    places = _places(course, timeline)
    return _line(places, (width / timeline.duration_s, -1 / _most(course)), width / stretches)


def _most(course: Course) -> float:
    """The largest deviation of all; 1 where nothing deviates."""
    return max(abs(one) for one in course.deviations if one is not None) or 1.0


def _places(
    course: Course, timeline: Timeline, speaker: str | None = None
) -> list[tuple[Segment, float]]:
    """Segments with their deviations, of one speaker or of all."""
    return [
        (segment, deviation)
        for segment, deviation in zip(timeline.segments, course.deviations, strict=True)
        if deviation is not None and speaker in (None, segment.speaker)
    ]


def _chart(
    speaker: str,
    course: Course,
    places: Sequence[tuple[Segment, float]],
    scale: tuple[float, float],
) -> Chart:
    bars: dict[bool, list[str]] = {True: [], False: []}
    for segment, deviation in places:
        left, width = scale[0] * segment.start_s, scale[0] * (segment.end_s - segment.start_s)
        sure = bool(segment.values) or segment.answer is not None
        bars[sure].append(f"M{left:.1f} {scale[1] * deviation:.2f}h{max(width, 1):.1f}")
    heights = [deviation for _, deviation in places]
    own = f"{course.medians[speaker]:.2f}".replace("-", "−")
    return Chart(
        speaker=speaker,
        median=own,
        told=f"from {min(heights):+.2f} to {max(heights):+.2f} around the median of {own}",
        sure="".join(bars[True]),
        unsure="".join(bars[False]),
        line=_line(places, scale, POINT),
    )


def _line(
    places: Sequence[tuple[Segment, float]], scale: tuple[float, float], stretch: float
) -> str:
    """A path through the segments; those that start in one stretch are one point, their mean."""
    points: dict[int, list[tuple[float, float]]] = {}
    for segment, deviation in places:
        middle = scale[0] * (segment.start_s + segment.end_s) / 2
        points.setdefault(int(middle / stretch), []).append((middle, scale[1] * deviation))
    means = (map(mean, zip(*several, strict=True)) for _, several in sorted(points.items()))
    return "M" + "L".join(f"{x:.1f} {y:.2f}" for x, y in means)


def _course(name: str, values: Sequence[float | None], timeline: Timeline) -> Course:
    of_speaker: dict[str, list[float]] = {}
    for segment, value in zip(timeline.segments, values, strict=True):
        if value is not None:
            of_speaker.setdefault(segment.speaker, []).append(value)
    medians = {speaker: median(theirs) for speaker, theirs in of_speaker.items()}
    deviations = tuple(
        None if value is None else value - medians[segment.speaker]
        for segment, value in zip(timeline.segments, values, strict=True)
    )
    return Course(name, medians, deviations)


def _candidates(timeline: Timeline, course: Course) -> Iterator[Pick]:
    pairs = [*zip(timeline.segments, course.deviations, strict=True)]
    counts: dict[str, int] = {}
    for segment, deviation in pairs:
        counts[segment.speaker] = counts.get(segment.speaker, 0) + (deviation is not None)
    for number, (segment, deviation) in enumerate(pairs):
        if deviation and counts[segment.speaker] >= FEWEST:
            yield Pick(number, course.name, deviation)
