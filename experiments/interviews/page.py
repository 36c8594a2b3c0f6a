"""``interview.html``: one page with the player, what can be said of each speaker, the transcript.

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
from experiments.annotations.vtt import marks_of
from experiments.interviews.courses import FEWEST, Course, charts_of, courses_of, listen_first
from experiments.templates import TEMPLATES, template
from fusion.evaluation.emotions import DERIVED_FROM, LEVELS, TREE, Level, branch_of, coarser_levels
from fusion.model.card import USE

#: Colours that the style sheet has; further classes take them from the start again.
COLOURS = 8
#: Colours that people expect: red anger, slate neutral; the other classes take those that are left.
USUAL: Mapping[str, int] = MappingProxyType(
    {"angry": 0, "surprise": 1, "neutral": 2, "sad": 3, "happy": 4, "disgust": 5, "fear": 6}
)
#: Coarser answers have none of a class's colours, which would say more than was said: one for
#: aroused and one for not, and of these groups are hatched.
COARSER: Mapping[str, str] = MappingProxyType(
    {
        "negative, aroused": "up falling",
        "positive or surprised": "up rising",
        "negative, low": "low falling",
        "calm or neutral": "low rising",
        "aroused": "up",
        "not aroused": "low",
    }
)
#: What a level answers.
QUESTIONS: Mapping[Level, str] = MappingProxyType(
    {"class": "class", "group": "group", "arousal": "aroused or not"}
)
#: Points of the drawn wave, and how wide charts are.
WAVE_POINTS = 1000
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
    among: str
    marks: str
    far: str
    left: str
    width: str

    @property
    def shown(self) -> str:
        """How it sounds, in words."""
        return self.sure if self.segment.values else f"{self.feeling} {self.sure}".rstrip()


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a speaker's time, in percent."""

    name: str
    colour: str
    percent: str


@dataclass(frozen=True, slots=True)
class LevelShares:
    """What was said at a level, finer answers included, of a speaker's time."""

    question: str
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Speaker:
    """A speaker's totals: levels coarsest first, shares in the order of the feelings, means."""

    name: str
    seconds: float
    segments: int
    levels: tuple[LevelShares, ...]
    shares: tuple[str, ...]
    means: tuple[str, ...]


def page(timeline: Timeline, peaks: Float32[np.ndarray, "points"], source: str) -> str:
    """The page as HTML; ``source`` is the address of the recording, relative or with its data."""
    feelings, courses = feelings_of(timeline), courses_of(timeline)
    rows = [*_rows(timeline, feelings, courses)]
    picks = [(pick, rows[pick.number]) for pick in listen_first(timeline, courses)]
    script = (TEMPLATES / "interview.js").read_text(encoding="utf-8")
    return template("interview.html.j2").render(
        timeline=timeline,
        rows=rows,
        feelings=feelings,
        speakers=[_speaker(name, timeline, feelings) for name in timeline.speakers],
        charts=[charts_of(course, timeline, WAVE_POINTS) for course in courses],
        picks=picks,
        reason=_reason([pick.course for pick, _ in picks], len(rows)),
        fewest=FEWEST,
        derived_from=DERIVED_FROM,
        facts=[*_facts(timeline.facts)],
        use=USE,
        redacted=bool(timeline.facts.get("redacted")),
        source=source,
        shown_source="the recording" if source.startswith("data:") else source,
        wave=wave(peaks),
        wave_width=WAVE_POINTS,
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
    names = {_feeling(segment) for segment in timeline.segments}
    if timeline.kind == "values":
        feelings = [LabelColour(VALUED, "e3")] if VALUED in names else []
    else:
        feelings = [LabelColour(*pair) for pair in _colours(timeline.targets).items()]
    coarser = (name for name in COARSER if name in names and name not in timeline.targets)
    feelings += [LabelColour(name, COARSER[name]) for name in coarser]
    feelings += [LabelColour(name, "none") for name in (UNSURE, UNHEARD) if name in names]
    return tuple(feelings)


def _colours(targets: Sequence[str]) -> dict[str, str]:
    used = {USUAL[name] for name in targets if name in USUAL}
    free = [k for k in range(COLOURS) if k not in used] or list(range(COLOURS))
    others = iter(name for name in targets if name not in USUAL)
    chosen = {name: free[k % len(free)] for k, name in enumerate(others)} | dict(USUAL)
    return {name: f"e{chosen[name]}" for name in targets}


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


def _rows(
    timeline: Timeline, feelings: Sequence[LabelColour], courses: Sequence[Course]
) -> Iterator[Row]:
    colours = {label.name: label.colour for label in feelings}
    scale = 100 / timeline.duration_s
    for number, segment in enumerate(timeline.segments):
        feeling = _feeling(segment)
        yield Row(
            number=number,
            segment=segment,
            feeling=feeling,
            colour=colours[feeling],
            sure=_sure(segment, timeline.targets),
            among=", ".join(segment.prediction_set),
            marks=".".join(marks_of(segment)),
            far=_far(number, segment, courses),
            left=f"{scale * segment.start_s:.3f}",
            width=f"{scale * _length(segment):.3f}",
        )


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


def _far(number: int, segment: Segment, courses: Sequence[Course]) -> str:
    """How a segment differs from its speaker's medians, in words."""
    found = ((course, course.deviations[number]) for course in courses)
    return ", ".join(
        f"{course.name} {deviation:+.2f} from {segment.speaker}'s median of "
        f"{course.medians[segment.speaker]:.2f}"
        for course, deviation in found
        if deviation is not None
    )


def _length(segment: Segment) -> float:
    return segment.end_s - segment.start_s


def _reason(courses: Sequence[str], segments: int) -> str:
    """How many segments are to be listened to first, and why these."""
    whole = f"{len(courses)} of {with_count(segments, 'segment')}"
    parts = [
        f"{'the' if not k else 'then the'} {courses.count(name)} whose {name} lies farthest"
        for k, name in enumerate(sorted(set(courses), key=lambda name: "arousal" not in name))
    ]
    return f"{whole}: {', '.join(parts)} from the median of the same speaker."


# ---------------------------------------------------------------- what is shown of a speaker


def _speaker(name: str, timeline: Timeline, feelings: Sequence[LabelColour]) -> Speaker:
    segments = [segment for segment in timeline.segments if segment.speaker == name]
    totals = _totals(segments, [_feeling(segment) for segment in segments])
    values = timeline.kind == "values"
    return Speaker(
        name=name,
        seconds=sum(totals.values()),
        segments=len(segments),
        levels=() if values else tuple(_levels(segments, timeline.targets)),
        shares=tuple(_percent(totals.get(f.name, 0.0), totals) for f in feelings),
        means=means_of(segments, timeline.targets) if values else (),
    )


def _totals(segments: Sequence[Segment], names: Sequence[str]) -> dict[str, float]:
    """Seconds of each name."""
    totals: dict[str, float] = {}
    for segment, name in zip(segments, names, strict=True):
        totals[name] = totals.get(name, 0.0) + _length(segment)
    return totals


def _percent(seconds: float, totals: Mapping[str, float]) -> str:
    return f"{100 * seconds / sum(totals.values()):.0f}"


def _levels(segments: Sequence[Segment], targets: Sequence[str]) -> Iterator[LevelShares]:
    """Shares of what is said at each level, coarsest first; the rest is grey."""
    colours = {**COARSER, **_colours(targets), UNSURE: "none", UNHEARD: "none"}
    for level in reversed(("class", *coarser_levels(targets))):
        totals = _totals(segments, [_at(segment, level) for segment in segments])
        shares = (
            Share(name, colours[name], _percent(totals[name], totals))
            for name in colours
            if name in totals
        )
        yield LevelShares(QUESTIONS[level], tuple(shares))


def _at(segment: Segment, level: Level) -> str:
    """What is said of a segment at a level, where a finer answer says the coarser one too."""
    answer = segment.answer
    if answer is None or LEVELS.index(answer.level) > LEVELS.index(level):
        return UNSURE if segment.probabilities else UNHEARD
    above = {group: arousal for arousal, groups in TREE.items() for group in groups}
    if level == "arousal" and answer.level == "group":
        return above.get(answer.label, answer.label)
    return answer.label if answer.level == level else branch_of(answer.label, level)


def means_of(segments: Sequence[Segment], targets: Sequence[str]) -> tuple[str, ...]:
    """The mean of each dimension over a speaker's segments, each weighted by its length."""
    known = [segment for segment in segments if segment.values]
    if not known:
        return ("–",) * len(targets)
    lengths = list(map(_length, known))
    means = np.average([segment.values for segment in known], axis=0, weights=lengths)
    return tuple(f"{mean:.3g}" for mean in means)


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
