"""Tiers that we write: words, emotion and confidence of each speaker, and what stands in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from experiments.annotations.segments import Segment, Timeline, derived_in_words, values_in_words

#: The tiers of one speaker in what we write: words, the class heard, how sure that is.
KINDS = WORDS, EMOTION, CONFIDENCE = "words", "emotion", "confidence"
#: The emotion of a segment that the classifier left open; what is likeliest stands behind it.
UNSURE = "?"
#: What stands before words that are doubtful; whoever corrects the words takes it away.
DOUBTFUL = "(?)"


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

    Its words, behind ``(?)`` where they are doubtful; its class or what is coarser, ``? sad .30``
    where nothing was sure enough, or its values as in ``valence 3.2, arousal 2.5``; how sure the
    classifier is, what else it could be, and what speaks against it.
    """
    if kind == WORDS:
        return f"{DOUBTFUL} " * bool(segment.text and segment.text_doubtful) + (segment.text or "")
    if kind == EMOTION:
        values = values_in_words(segment.values, targets) if segment.values else None
        return values or segment.label or _unsure(segment, targets)
    overlap = ["overlap"] if segment.overlap else []
    return "; ".join([*_sureness(segment, targets), *overlap, *segment.text_doubtful])


def _unsure(segment: Segment, targets: Sequence[str]) -> str:
    if not segment.probabilities:
        return UNSURE
    highest = max(segment.probabilities)
    likeliest = targets[segment.probabilities.index(highest)]
    return f"{UNSURE} {likeliest} {f'{highest:.2f}'.removeprefix('0')}"


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
