"""``interview.html``: one page with the player, the emotion of each speaker, and the transcript.

It loads nothing but the recording, which is in it where it is short and lies beside it otherwise.
"""

import math
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float32
from markupsafe import Markup

from encoders.messages import with_count
from experiments.annotations.segments import Segment, Timeline, values_in_words
from experiments.templates import TEMPLATES, template
from fusion.evaluation.emotions import DERIVED, DERIVED_FROM, derived_values

#: Colours that the style sheet has; further classes take them from the start again.
COLOURS = 8
#: Colours that people expect: red anger, grey neutral; the other classes take those that are left.
USUAL: Mapping[str, int] = MappingProxyType(
    {"angry": 0, "surprise": 1, "neutral": 2, "sad": 3, "happy": 4, "disgust": 5, "fear": 6}
)
#: Colours of coarser answers, which are hatched: those of a class in them, or else near to them.
COARSER: Mapping[str, int] = MappingProxyType(
    {
        "negative, aroused": 0,
        "positive or surprised": 4,
        "negative, low": 3,
        "calm or neutral": 2,
        "aroused": 6,
        "not aroused": 1,
    }
)
#: Points of the drawn wave, and bars of a time course.
WAVE_POINTS, BARS = 1000, 48
#: What stands where no class was named, and where there was none to name.
UNSURE, UNHEARD = "unsure", "not classified"
#: What stands for all segments that have values, which no class tells apart.
VALUED = "with values"


@dataclass(frozen=True, slots=True)
class LabelColour:
    """A class, or what stands for none, with its colour."""

    name: str
    colour: str


@dataclass(frozen=True, slots=True)
class Row:
    """A segment as it is shown; ``left`` and ``width`` in percent of the recording."""

    number: int
    segment: Segment
    feeling: str
    colour: str
    sure: str
    alone: str
    among: str
    left: str
    width: str

    @property
    def shown(self) -> str:
        """How it sounds, in words."""
        return self.sure if self.segment.values else f"{self.feeling} {self.sure}".rstrip()

    @property
    def title(self) -> str:
        """What the mouse is told."""
        return f"{clock(self.segment.start_s)} {self.segment.speaker}: {self.shown}"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar; its height in percent."""

    colour: str
    height: str


@dataclass(frozen=True, slots=True)
class Speaker:
    """A speaker's totals: shares in percent in the order of the feelings, bars over time, means."""

    name: str
    seconds: float
    segments: int
    shares: tuple[str, ...]
    course: tuple[tuple[Part, ...], ...]
    means: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ValuePoint:
    """A segment as a bar of a chart; all in percent, ``bottom`` of the chart's height."""

    left: str
    width: str
    bottom: str
    title: str


@dataclass(frozen=True, slots=True)
class ValueCurve:
    """A dimension of one speaker over time, from ``low`` to ``high``, which ``what`` explains."""

    dimension: str
    speaker: str
    low: str
    high: str
    what: str
    levels: tuple[ValuePoint, ...]


def page(timeline: Timeline, peaks: Float32[np.ndarray, "points"], source: str) -> str:
    """The page as HTML; ``source`` is the address of the recording, relative or with its data."""
    feelings = feelings_of(timeline)
    script = (TEMPLATES / "interview.js").read_text(encoding="utf-8")
    return template("interview.html.j2").render(
        timeline=timeline,
        rows=[*_rows(timeline, feelings)],
        feelings=feelings,
        speakers=[_speaker(name, timeline, feelings) for name in timeline.speakers],
        traces=[*_traces(timeline)],
        derived_from=DERIVED_FROM,
        facts=[*_facts(timeline.facts)],
        coarse=any(feeling.colour.endswith("coarse") for feeling in feelings),
        redacted=bool(timeline.facts.get("redacted")),
        source=source,
        shown_source="the recording" if source.startswith("data:") else source,
        wave=wave(peaks),
        wave_width=WAVE_POINTS,
        bin_s=timeline.duration_s / BARS,
        clock=clock,
        with_count=with_count,
        # Ours, and without anything of a recording in them.
        css=Markup((TEMPLATES / "interview.css").read_text(encoding="utf-8")),
        js=Markup(script),
        # The one script that runs there, whatever else somebody's words smuggle in.
        script_hash=b64encode(sha256(script.encode()).digest()).decode(),
    )


def clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> clock(3725.9)
    '1:02:05'
    """
    whole = math.floor(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def feelings_of(timeline: Timeline) -> tuple[LabelColour, ...]:
    """The classes with their colours; coarser answers, and what stands for none, where used."""
    used = {USUAL[name] for name in timeline.targets if name in USUAL}
    free = [k for k in range(COLOURS) if k not in used] or list(range(COLOURS))
    others = iter(name for name in timeline.targets if name not in USUAL)
    colours = {name: free[k % len(free)] for k, name in enumerate(others)} | dict(USUAL)
    names = {_feeling(segment) for segment in timeline.segments}
    feelings = [LabelColour(name, f"e{colours[name]}") for name in timeline.targets]
    if timeline.kind == "values":
        feelings = [LabelColour(VALUED, "e3")] if VALUED in names else []
    coarser = (name for name in COARSER if name in names and name not in timeline.targets)
    feelings += [LabelColour(name, f"e{COARSER[name]} coarse") for name in coarser]
    feelings += [LabelColour(name, "none") for name in (UNSURE, UNHEARD) if name in names]
    return tuple(feelings)


def wave(peaks: Float32[np.ndarray, "points"]) -> str:
    """The outline of a recording as an SVG path, 1000 wide, from -1 to 1."""
    if not len(peaks):
        return ""
    edges = np.linspace(0, len(peaks), min(WAVE_POINTS, len(peaks)) + 1).astype(int)
    heights = np.maximum.reduceat(peaks, edges[:-1])
    heights = heights / max(float(heights.max()), 1e-6)
    step = WAVE_POINTS / len(heights)
    over = [f"{k * step:.1f} {-height:.2f}" for k, height in enumerate(heights)]
    under = [f"{k * step:.1f} {height:.2f}" for k, height in enumerate(heights)]
    return f"M{'L'.join(over)}L{'L'.join(reversed(under))}Z"


# ---------------------------------------------------------------- what is shown of a segment


def _feeling(segment: Segment) -> str:
    if segment.label is not None:
        return segment.label
    if segment.values:
        return VALUED
    return UNSURE if segment.probabilities else UNHEARD


def _rows(timeline: Timeline, feelings: Sequence[LabelColour]) -> Iterator[Row]:
    colours = {label.name: label.colour for label in feelings}
    for number, segment in enumerate(timeline.segments):
        feeling = _feeling(segment)
        left, width = _place(segment, timeline)
        yield Row(
            number=number,
            segment=segment,
            feeling=feeling,
            colour=colours[feeling],
            sure=_sure(segment, timeline.targets),
            alone=_alone(segment, timeline.targets),
            among=", ".join(segment.prediction_set),
            left=left,
            width=width,
        )


def _place(segment: Segment, timeline: Timeline) -> tuple[str, str]:
    """Start and length in percent of the recording."""
    scale = 100 / timeline.duration_s
    return f"{scale * segment.start_s:.3f}", f"{scale * _length(segment):.3f}"


def _sure(segment: Segment, targets: Sequence[str]) -> str:
    """The probability of the answer; where no class was named, the likeliest; or the values."""
    if segment.values:
        return values_in_words(segment.values, targets)
    if not segment.probabilities:
        return ""
    highest = max(segment.probabilities)
    likely = targets[segment.probabilities.index(highest)]
    if segment.answer is None:
        return f"({likely} {highest:.2f})"
    sure = f"{segment.answer.probability:.2f}"
    return sure if segment.label == likely else f"{sure} ({likely} {highest:.2f})"


def _alone(segment: Segment, targets: Sequence[str]) -> str:
    """What each modality says alone, where both say something."""
    if segment.voice is None or segment.words is None:
        return ""
    if segment.values:
        voice, words = (
            values_in_words(scores, targets) for scores in (segment.voice, segment.words)
        )
        return f"voice says {voice}; words say {words}"
    said = []
    for name, values in (("voice says", segment.voice), ("words say", segment.words)):
        highest = max(values)
        said.append(f"{name} {targets[values.index(highest)]} {highest:.2f}")
    return ", ".join(said)


# ---------------------------------------------------------------- what is shown of a speaker


def _speaker(name: str, timeline: Timeline, feelings: Sequence[LabelColour]) -> Speaker:
    segments = [segment for segment in timeline.segments if segment.speaker == name]
    totals = [
        sum(_length(segment) for segment in segments if _feeling(segment) == f.name)
        for f in feelings
    ]
    whole = sum(totals)
    return Speaker(
        name=name,
        seconds=whole,
        segments=len(segments),
        shares=tuple(f"{100 * total / whole:.0f}" for total in totals),
        course=tuple(_course(segments, timeline.duration_s, feelings)),
        means=means_of(segments, timeline.targets) if timeline.kind == "values" else (),
    )


def _length(segment: Segment) -> float:
    return segment.end_s - segment.start_s


def _course(
    segments: Sequence[Segment], duration_s: float, feelings: Sequence[LabelColour]
) -> Iterator[tuple[Part, ...]]:
    """Seconds of each class within each bar's stretch of time, in percent of the stretch."""
    size = duration_s / BARS
    seconds = np.zeros((BARS, len(feelings)))
    places = {feeling.name: place for place, feeling in enumerate(feelings)}
    for segment in segments:
        first, last = int(segment.start_s // size), min(int(segment.end_s // size), BARS - 1)
        for bar in range(min(first, last), last + 1):
            inside = min(segment.end_s, (bar + 1) * size) - max(segment.start_s, bar * size)
            seconds[bar, places[_feeling(segment)]] += max(0.0, inside)
    for row in 100 * seconds / size:
        yield tuple(
            Part(feeling.colour, f"{height:.1f}")
            for feeling, height in zip(feelings, row, strict=True)
            if height > 0
        )


def means_of(segments: Sequence[Segment], targets: Sequence[str]) -> tuple[str, ...]:
    """The mean of each dimension over a speaker's segments, each weighted by its length."""
    known = [segment for segment in segments if segment.values]
    if not known:
        return ("–",) * len(targets)
    lengths = list(map(_length, known))
    means = np.average([segment.values for segment in known], axis=0, weights=lengths)
    return tuple(f"{mean:.3g}" for mean in means)


def _traces(timeline: Timeline) -> Iterator[ValueCurve]:
    """Curves of values, or of those that are derived from classes, wherever there are any."""
    if timeline.kind == "values":
        pairs = [(segment, segment.values) for segment in timeline.segments if segment.values]
        for number, dimension in enumerate(timeline.targets if pairs else ()):
            every = [values[number] for _, values in pairs]
            scale = min(every), max(every), "the least and the greatest in it"
            yield from _curves(timeline, dimension, [(s, v[number]) for s, v in pairs], scale)
        return
    derived = [(s, derived_values(s.probabilities, timeline.targets)) for s in timeline.segments]
    for number, dimension in enumerate(DERIVED):
        places = [(segment, values[number]) for segment, values in derived if values is not None]
        if places:
            scale = -1.0, 1.0, "the line is 0"
            yield from _curves(timeline, f"derived {dimension}", places, scale)


def _curves(
    timeline: Timeline,
    dimension: str,
    places: Sequence[tuple[Segment, float]],
    scale: tuple[float, float, str],
) -> Iterator[ValueCurve]:
    """The curve of each speaker, all of the same scale."""
    low, high, what = scale
    for speaker in timeline.speakers:
        levels = tuple(
            ValuePoint(
                *_place(segment, timeline),
                f"{_height(value, low, high):.1f}",
                f"{dimension} {value:.3g}",
            )
            for segment, value in places
            if segment.speaker == speaker
        )
        yield ValueCurve(dimension, speaker, f"{low:.3g}", f"{high:.3g}", what, levels)


def _height(value: float, low: float, high: float) -> float:
    return 50.0 if high == low else 100 * (value - low) / (high - low)


def _facts(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if name in ("notes", "warnings") or value in (None, {}, []):
            continue
        if isinstance(value, Mapping):
            text = "; ".join(f"{key}: {detail}" for key, detail in value.items())
        elif isinstance(value, list | tuple):
            text = "; ".join(map(str, value))
        else:
            text = str(value)
        yield name.replace("_", " "), text
