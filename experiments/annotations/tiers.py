"""Tiers of a TextGrid or an ELAN file: which of them are speakers, and what is said in them."""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from encoders.messages import quoted
from experiments.annotations.segments import (
    Segment,
    Timeline,
    derived_in_words,
    values_in_words,
)
from experiments.annotations.turns import Reading

#: The tiers of one speaker in what we write: words, the class heard, how sure that is.
KINDS = WORDS, EMOTION, CONFIDENCE = "words", "emotion", "confidence"
#: The emotion of a segment that the classifier left open.
UNSURE = "?"
_OURS = re.compile(rf"(.+) ({'|'.join(KINDS)})( \d+)?")


@dataclass(frozen=True, slots=True)
class Mark:
    """One annotation of a tier: where it stands in the file, its seconds, its text."""

    where: str
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One tier of a file. ``main`` says that its marks are stretches of a time line of their own.

    A tier of points is not, nor is one whose annotations hang on those of another tier. ``gaps``
    says that a mark without a label is a gap between turns, as in a TextGrid; in ELAN it is a turn
    whose words were not written down. ``kind`` is ELAN's linguistic type.
    """

    name: str
    marks: tuple[Mark, ...]
    main: bool = True
    gaps: bool = True
    kind: str | None = None
    speaker: str | None = None
    annotator: str | None = None


def add_turns(tiers: Sequence[Tier], reading: Reading) -> None:
    """Add the turns of the tiers that are meant, or say which tiers there are.

    ``reading.tier`` is the one tier whose labels are names of speakers. Without it each tier is a
    speaker and its labels are the words: those of ``reading.tiers``, or all main ones.
    """
    if reading.tier is not None:
        for tier in _named([reading.tier], tiers, reading):
            for mark in _filled(tier):
                reading.turn(mark.where, (mark.start_s, mark.end_s), speaker=mark.text)
        return
    for speaker, tier in _speakers(tiers, reading):
        for mark in _filled(tier) if tier.gaps else tier.marks:
            reading.turn(mark.where, (mark.start_s, mark.end_s), speaker, mark.text)


def _speakers(tiers: Sequence[Tier], reading: Reading) -> Iterator[tuple[str, Tier]]:
    """Speakers with their tiers, those that we wrote as one of words and one of emotion as one."""
    if reading.tiers is not None:
        for tier in _named(reading.tiers, tiers, reading):
            yield _name_of(tier), tier
        return
    main = [tier for tier in tiers if tier.main]
    if not main:
        reading.fault("file", f"no tier with stretches of time: {_listed(tiers)}")
    _check_alike(main, reading)
    known = {tier.name: tier for tier in main}
    for tier in main:
        ours = _OURS.fullmatch(tier.name)
        if ours is None or f"{ours[1]} {EMOTION}{ours[3] or ''}" not in known:
            yield _name_of(tier), tier
        elif ours[2] == WORDS:
            emotion = known[f"{ours[1]} {EMOTION}{ours[3] or ''}"]
            marks = tuple(_with_wordless(tier, emotion))
            yield ours[1], replace(tier, marks=marks, gaps=False)


def _with_wordless(words: Tier, emotion: Tier) -> Iterator[Mark]:
    """Marks with words, and those with an emotion while nothing is said in words."""
    said = sorted(_filled(words), key=lambda mark: mark.start_s)
    yield from said
    starts = [mark.start_s for mark in said]
    for mark in _filled(emotion):
        before = bisect_left(starts, mark.end_s)
        if not before or said[before - 1].end_s <= mark.start_s:
            yield Mark(mark.where, mark.start_s, mark.end_s, "")


def _filled(tier: Tier) -> Iterator[Mark]:
    return (mark for mark in tier.marks if mark.text.strip())


def _named(names: Sequence[str], tiers: Sequence[Tier], reading: Reading) -> Iterator[Tier]:
    for name in names:
        matching = [tier for tier in tiers if tier.name == name]
        if len(matching) == 1:
            yield matching[0]
        else:
            count = "no tier" if not matching else f"{len(matching)} tiers"
            reading.fault("file", f"{count} named {quoted(name)}: {_listed(tiers)}")


def _name_of(tier: Tier) -> str:
    return tier.speaker or tier.name


def _check_alike(tiers: Sequence[Tier], reading: Reading) -> None:
    """Tiers of two annotators, or of words and of gestures, would say everything twice."""
    by_speaker: dict[str, dict[tuple[str | None, str | None], str]] = defaultdict(dict)
    for tier in tiers:
        if tier.marks:
            by_speaker[_name_of(tier)][tier.annotator, tier.kind] = tier.name
    for speaker, by in by_speaker.items():
        if len(by) > 1:
            which = ", ".join(map(quoted, by.values()))
            what = f"{quoted(speaker)} has tiers of several annotators or types ({which})"
            reading.fault("file", f"{what}: say which are meant; {_listed(tiers)}")


def _listed(tiers: Sequence[Tier]) -> str:
    names = ", ".join(quoted(tier.name) for tier in tiers[:20]) or "none"
    return f"its tiers are {names}{', ...' if len(tiers) > 20 else ''}"


# ---------------------------------------------------------------- what we write


@dataclass(frozen=True, slots=True)
class Lane:
    """Segments of one speaker that do not overlap: what one tier can hold."""

    speaker: str
    number: int
    segments: tuple[Segment, ...]

    def name(self, kind: str) -> str:
        """Name of the lane's tier of words, of emotion or of confidence."""
        return f"{self.speaker} {kind}" + (f" {self.number}" if self.number > 1 else "")


def lanes(timeline: Timeline) -> Iterator[Lane]:
    """Lanes of all speakers; several where a speaker's segments overlap, be it in whole ms."""
    for speaker in timeline.speakers:
        open_lanes: list[list[Segment]] = []
        for segment in timeline.segments:
            if segment.speaker != speaker:
                continue
            fitting = (lane for lane in open_lanes if _fits(lane[-1], segment))
            lane = next(fitting, None)
            if lane is None:
                open_lanes.append([segment])
            else:
                lane.append(segment)
        for number, segments in enumerate(open_lanes, start=1):
            yield Lane(speaker, number, tuple(segments))


def _fits(before: Segment, after: Segment) -> bool:
    return before.end_s <= after.start_s and before.span_ms[1] <= after.span_ms[0]


def label_of(segment: Segment, kind: str, targets: Sequence[str]) -> str:
    """What a tier of this kind says of a segment.

    Its words; its class or what is coarser, or its values as in ``valence 3.2, arousal 2.5``; how
    sure the classifier is, what else it could be, and what speaks against it.
    """
    if kind == WORDS:
        return segment.text or ""
    if kind == EMOTION:
        values = values_in_words(segment.values, targets) if segment.values else None
        return values or segment.label or UNSURE
    overlap = ["overlap"] if segment.overlap else []
    return "; ".join([*_sureness(segment, targets), *overlap, *segment.text_doubtful])


def _sureness(segment: Segment, targets: Sequence[str]) -> Iterator[str]:
    if not segment.scores:
        yield "not classified"
    if not segment.probabilities:
        return
    highest = max(segment.probabilities)
    answer = segment.answer
    yield f"{highest if answer is None else answer.probability:.2f}"
    if answer is not None and answer.level != "class":
        yield f"{answer.level} (most probable {targets[segment.probabilities.index(highest)]})"
    if segment.prediction_set:
        yield f"set: {', '.join(segment.prediction_set)}"
    if derived := derived_in_words(segment, targets):
        yield derived
