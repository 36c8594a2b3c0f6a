"""Pieces of a recording that are classified: 1 to 20 s, cut at pauses, one speaker each."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from encoders.analysis.voice_activity import Stretch

#: Lengths of a piece in seconds. Shorter ones stay where a speaker says no more at a time.
MIN_S, MAX_S = 1.0, 20.0
#: A pause of this length ends a piece; across a shorter one a speaker is taken to go on.
PAUSE_S = 0.5
#: A short piece joins what its speaker says up to this long before or after.
REACH_S = 1.0
#: What is shorter than this is a click of the annotator's mouse: encoders need some frames.
SHORTEST_S = 0.1


@dataclass(frozen=True, slots=True)
class SpeakerTurn:
    """A stretch that one speaker holds; ``text`` are the words that are known to be in it.

    ``doubts`` are reasons to doubt them.
    """

    start_s: float
    end_s: float
    speaker: str
    channel: int | None = None
    text: str | None = None
    doubts: tuple[str, ...] = ()

    @property
    def length_s(self) -> float:
        """Its length in seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class SpeechSegment:
    """What is classified at once; ``speech_s`` of it is speech by the voice activity."""

    voice: SpeakerTurn
    overlap: bool
    speech_s: float


def pieces_of(
    voices: Sequence[SpeakerTurn], speech: Sequence[Stretch], turns: Sequence[SpeakerTurn] = ()
) -> tuple[SpeechSegment, ...]:
    """Cut and join the voices of a recording; ``speech`` says where pauses are.

    Voices whose words are known are never joined with others. ``turns`` are who spoke when before
    a transcript cut them: words are told of one speaker, and others may have spoken too.
    """
    ordered = sorted(
        (voice for voice in voices if voice.length_s >= SHORTEST_S), key=lambda voice: voice.start_s
    )
    others, heard = _Others(ordered), SpeechIndex(speech)
    joined = _joined(_joined(ordered, PAUSE_S, MAX_S, others), REACH_S, MIN_S, others)
    cut = [part for voice in joined for part in _cut(voice, heard)]
    cut.sort(key=lambda voice: (voice.start_s, voice.end_s))
    click_s, everyone = SHORTEST_S / 2, _Others([*ordered, *turns])
    return tuple(
        SpeechSegment(
            voice,
            everyone.speak(voice.start_s + click_s, voice.end_s - click_s, voice.speaker),
            heard.seconds(voice.start_s, voice.end_s),
        )
        for voice in cut
    )


class _Others:
    """When speakers other than a given one speak."""

    def __init__(self, voices: Sequence[SpeakerTurn]) -> None:
        self._starts = np.array([voice.start_s for voice in voices])
        self._ends = np.array([voice.end_s for voice in voices])
        names = {name: number for number, name in enumerate({voice.speaker for voice in voices})}
        self._names = names
        self._speakers = np.array([names[voice.speaker] for voice in voices], np.int64)

    def speak(self, start_s: float, end_s: float, than: str) -> bool:
        """Whether someone else is heard after the start and before the end."""
        within = (self._starts < end_s) & (self._ends > start_s)
        return bool((within & (self._speakers != self._names[than])).any())


class SpeechIndex:
    """Stretches of speech, in their order and without overlap, to be asked about."""

    def __init__(self, speech: Sequence[Stretch]) -> None:
        self._speech = speech
        self._starts = [stretch.start_s for stretch in speech]
        self._ends = [stretch.end_s for stretch in speech]

    def within(self, start_s: float, end_s: float) -> Sequence[Stretch]:
        """Stretches that have a part between two times."""
        return self._speech[bisect_right(self._ends, start_s) : bisect_left(self._starts, end_s)]

    def seconds(self, start_s: float, end_s: float) -> float:
        """Seconds of speech between two times."""
        inside = self.within(start_s, end_s)
        return sum(min(stretch.end_s, end_s) - max(stretch.start_s, start_s) for stretch in inside)


def _joined(
    voices: Sequence[SpeakerTurn], gap_s: float, short_s: float, others: _Others
) -> list[SpeakerTurn]:
    """Neighbours of one speaker as one, where either is at most ``short_s`` long.

    They are neighbours up to ``gap_s`` apart, if nobody else speaks between them.
    """
    joined: list[SpeakerTurn] = []
    last: dict[tuple[str, int | None], int] = {}
    for turn in sorted(voices, key=lambda voice: voice.start_s):
        key = (turn.speaker, turn.channel)
        before = joined[last[key]] if key in last else None
        if before is not None and _go_together(before, turn, gap_s, short_s, others):
            joined[last[key]] = _both(before, turn)
        else:
            last[key] = len(joined)
            joined.append(turn)
    return joined


def _both(first: SpeakerTurn, second: SpeakerTurn) -> SpeakerTurn:
    text = None if first.text is None else f"{first.text} {second.text}"
    doubts = tuple(dict.fromkeys((*first.doubts, *second.doubts)))
    return replace(first, end_s=max(first.end_s, second.end_s), text=text, doubts=doubts)


def _go_together(
    first: SpeakerTurn, second: SpeakerTurn, gap_s: float, short_s: float, others: _Others
) -> bool:
    # Words that can be trusted stay so, beside those that cannot.
    if (first.text is None, not first.doubts) != (second.text is None, not second.doubts):
        return False
    if second.start_s - first.end_s > gap_s or min(first.length_s, second.length_s) > short_s:
        return False
    if second.end_s - first.start_s > MAX_S and second.start_s > first.end_s:
        return False
    return not others.speak(first.end_s, second.start_s, first.speaker)


# ---------------------------------------------------------------- cutting


def _cut(voice: SpeakerTurn, heard: SpeechIndex) -> Iterator[SpeakerTurn]:
    """Parts of parts, until none is longer than 20 s; the words go along."""
    if voice.length_s <= MAX_S:
        yield voice
        return
    at_s = _best_cut(voice, heard)
    before, after = _words_apart(voice, at_s, heard)
    yield from _cut(replace(voice, end_s=at_s, text=before), heard)
    yield from _cut(replace(voice, start_s=at_s, text=after), heard)


def _best_cut(voice: SpeakerTurn, heard: SpeechIndex) -> float:
    """The middle of the longest pause in the middle half; without a pause there, the middle."""
    quarter_s = voice.length_s / 4
    low, high = voice.start_s + quarter_s, voice.end_s - quarter_s
    inside = heard.within(voice.start_s, voice.end_s)
    pauses = [Stretch(stretch.end_s, other.start_s) for stretch, other in pairwise(inside)]
    reached = [stretch for stretch in pauses if low <= _middle(stretch) <= high]
    if not reached:
        return (low + high) / 2
    return _middle(max(reached, key=lambda stretch: stretch.length_s))


def _middle(stretch: Stretch) -> float:
    return (stretch.start_s + stretch.end_s) / 2


def _words_apart(
    voice: SpeakerTurn, at_s: float, heard: SpeechIndex
) -> tuple[str | None, str | None]:
    """Words before and after a cut, shared out by seconds of speech: nobody said where they lie."""
    if voice.text is None:
        return None, None
    words = voice.text.split()
    first, both = heard.seconds(voice.start_s, at_s), heard.seconds(voice.start_s, voice.end_s)
    number = round(len(words) * (first / both if both else 0.5))
    return " ".join(words[:number]) or None, " ".join(words[number:]) or None
