"""What was found in a recording: segments with words, emotion, and how sure both are.

Emotion is a class with the probabilities of all, or values as of valence and arousal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from types import MappingProxyType
from typing import Any, Literal

from experiments.annotations.plain import tidy, tidy_name
from experiments.annotations.turns import PAST_END_S, check_times
from fusion.evaluation.backoff import Answer
from fusion.evaluation.emotions import DERIVED, branch_of, derived_values

#: What the targets of a timeline are.
Kind = Literal["classes", "values"]
#: How far each probability may be from what adds up to 1: a place after the three of what we write.
SUM_ERR = 0.001
#: What is written: times in whole milliseconds, probabilities and values with three decimals. More
#: would claim more than anybody measured.
PLACES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One stretch of one speaker, times in seconds from the start of the recording.

    ``text`` is None where no words are known, ``text_doubtful`` the reasons to doubt them.
    ``answer`` is a class or what is coarser, None where nothing was sure enough;
    ``prediction_set`` the classes that hold the true one as often as was asked, empty where it was
    not asked. ``probabilities`` are those of the classes in the order of ``Timeline.targets``, or
    empty where nothing could be classified; ``values`` stand in their place where the targets are
    dimensions, in the units of the model's corpus. ``voice`` and ``words`` are the same from one
    modality alone, None where it is missing. ``overlap`` says that someone else speaks at the same
    time.

    Text and name are made fit for every format (see :func:`experiments.annotations.plain.tidy`).

    Raises:
        ValueError: times out of order, a speaker without a name, probabilities that are none, or
            values that are not finite.
    """

    start_s: float
    end_s: float
    speaker: str
    text: str | None = None
    text_doubtful: tuple[str, ...] = ()
    answer: Answer | None = None
    probabilities: tuple[float, ...]
    voice: tuple[float, ...] | None = None
    words: tuple[float, ...] | None = None
    overlap: bool = False
    values: tuple[float, ...] = ()
    prediction_set: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_times(self.start_s, self.end_s)
        if self.start_s == self.end_s:
            raise ValueError(f"starts and ends at {self.start_s:g} s: expected a longer segment")
        speaker = tidy_name(self.speaker)
        if speaker is None:
            raise ValueError("a speaker without a name: expected one, as in 'speaker 1'")
        object.__setattr__(self, "speaker", speaker)
        object.__setattr__(self, "text", tidy(self.text))
        reasons = (tidy_name(reason) for reason in self.text_doubtful)
        object.__setattr__(self, "text_doubtful", tuple(doubt for doubt in reasons if doubt))
        for name in ("start_s", "end_s"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if self.values and self.probabilities:
            raise ValueError("probabilities and values: expected one of them")
        for name in ("values" if self.values else "probabilities", "voice", "words"):
            object.__setattr__(self, name, _checked(getattr(self, name), bool(self.values)))
        for name in ("voice", "words"):
            object.__setattr__(self, name, getattr(self, name) or None)
        if (self.answer is not None or self.prediction_set) and not self.probabilities:
            what = "a prediction set" if self.answer is None else f"label {self.answer.label!r}"
            raise ValueError(f"{what} without probabilities: expected them, or None")

    @property
    def label(self) -> str | None:
        """The class, or what is coarser, that was answered."""
        return None if self.answer is None else self.answer.label

    @property
    def scores(self) -> tuple[float, ...]:
        """What was found, be it probabilities or values."""
        return self.probabilities or self.values

    @property
    def span_ms(self) -> tuple[int, int]:
        """Start and end in whole milliseconds, at least one apart."""
        start_ms = round(self.start_s * 1000)
        return start_ms, max(start_ms + 1, round(self.end_s * 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The segments of one recording, in the order of their start.

    ``facts`` are what a reader of the timeline must know of its making (model, recogniser,
    abstention threshold, ...): anything that JSON holds. ``kind`` says what the targets are:
    classes, or dimensions that have values.

    Raises:
        ValueError: classes without names of their own, a label that is none of them, probabilities
            of another number of classes, or a segment that ends 0.1 s after the recording.
    """

    recording: str
    duration_s: float
    targets: tuple[str, ...]
    segments: tuple[Segment, ...]
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    kind: Kind = "classes"

    def __post_init__(self) -> None:
        check_times(0.0, self.duration_s)
        object.__setattr__(self, "duration_s", float(self.duration_s))
        object.__setattr__(self, "recording", tidy_name(self.recording) or "recording")
        if len(set(self.targets)) < len(self.targets) or any(map(_is_unfit, self.targets)):
            raise ValueError(f"classes {self.targets}: expected different names on one line each")
        for number, segment in enumerate(self.segments, start=1):
            _check_segment(segment, number, self)
        ordered = sorted(self.segments, key=lambda segment: (segment.start_s, segment.end_s))
        object.__setattr__(self, "segments", tuple(ordered))

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names in the order in which they are first heard."""
        return tuple(dict.fromkeys(segment.speaker for segment in self.segments))


def rounded(timeline: Timeline) -> Timeline:
    """A timeline with the decimals that mean something: times to the ms, other numbers to .001."""
    return replace(
        timeline,
        duration_s=round(timeline.duration_s, PLACES),
        segments=tuple(map(_rounded, timeline.segments)),
    )


def _rounded(segment: Segment) -> Segment:
    start_ms, end_ms = segment.span_ms
    answer = segment.answer
    return replace(
        segment,
        start_s=start_ms / 1000,
        end_s=end_ms / 1000,
        answer=answer and replace(answer, probability=round(answer.probability, PLACES)),
        probabilities=_short(segment.probabilities),
        values=_short(segment.values),
        voice=segment.voice and _short(segment.voice),
        words=segment.words and _short(segment.words),
    )


def _short(scores: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(score, PLACES) for score in scores)


def derived_in_words(segment: Segment, targets: Sequence[str]) -> str:
    """Expected valence and arousal as words, empty where there is none.

    >>> one = Segment(start_s=0, end_s=1, speaker="a", probabilities=(0.5, 0.5))
    >>> derived_in_words(one, ("angry", "neutral"))
    'derived valence -0.26, arousal 0.29'
    """
    values = derived_values(segment.probabilities, targets)
    if values is None:
        return ""
    pairs = zip(DERIVED, values, strict=True)
    return f"derived {', '.join(f'{name} {value:.2f}' for name, value in pairs)}"


def values_in_words(values: Sequence[float], targets: Sequence[str]) -> str:
    """Values as words.

    >>> values_in_words((3.21, 0.5), ("valence", "arousal"))
    'valence 3.21, arousal 0.5'
    """
    return ", ".join(f"{name} {value:.3g}" for name, value in zip(targets, values, strict=True))


def _checked(scores: Sequence[float] | None, are_values: bool) -> tuple[float, ...] | None:
    """Plain numbers, which is what JSON holds: finite values, or probabilities."""
    if not scores:
        return None if scores is None else ()
    numbers = tuple(map(float, scores))
    if are_values and not all(map(isfinite, numbers)):
        raise ValueError(f"values {numbers}: expected finite numbers")
    off = abs(sum(numbers) - 1)
    if not are_values and not (off <= SUM_ERR * len(numbers) and min(numbers) >= 0):
        raise ValueError(f"probabilities {numbers}: expected numbers from 0 to 1 that add up to 1")
    return numbers


def _is_unfit(name: str) -> bool:
    return tidy_name(name) != name


def _check_segment(segment: Segment, number: int, timeline: Timeline) -> None:
    where, targets = f"segment {number} at {segment.start_s:g} s", timeline.targets
    if answer := segment.answer:
        known = dict.fromkeys(branch_of(name, answer.level) for name in targets)
        if answer.label not in known:
            raise ValueError(f"{where}: label {answer.label!r} is none of {', '.join(known)}")
    if unknown := set(segment.prediction_set) - set(targets):
        what = f"prediction set with {', '.join(sorted(unknown))}"
        raise ValueError(f"{where}: {what}, none of {', '.join(targets)}")
    if (segment.values and timeline.kind == "classes") or (
        segment.probabilities and timeline.kind == "values"
    ):
        raise ValueError(f"{where}: expected what a timeline of {timeline.kind} has")
    for values in (segment.scores, segment.voice, segment.words):
        if values and len(values) != len(targets):
            numbers = ("values", "dimensions") if segment.values else ("probabilities", "classes")
            what = f"{len(values)} {numbers[0]} for {len(targets)} {numbers[1]}"
            raise ValueError(f"{where}: {what}")
    if segment.end_s > timeline.duration_s + PAST_END_S:
        what = f"ends at {segment.end_s:g} s, the recording at {timeline.duration_s:g} s"
        raise ValueError(f"{where}: {what}")
