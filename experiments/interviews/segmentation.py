"""Pieces of a recording that are classified: 1 to 8 s, cut at pauses or sentences, one speaker."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from encoders.analysis.voice_activity import Stretch
from encoders.asr.transcript import Segment, normalise

#: Lengths of a piece in seconds. Shorter ones stay where a speaker says no more at a time; 20 s is
#: the most that models learn on, and what a recogniser is given at once.
MIN_S, USUAL_S, MAX_S = 1.0, 8.0, 20.0
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
class Cutting:
    """How long pieces are: at most ``most_s``, or windows of fixed length every ``hop_s``."""

    most_s: float = USUAL_S
    window_s: float | None = None
    hop_s: float | None = None


@dataclass(frozen=True, slots=True)
class SpeechSegment:
    """What is classified at once; ``speech_s`` of it is speech by the voice activity."""

    voice: SpeakerTurn
    overlap: bool
    speech_s: float


def pieces_of(
    voices: Sequence[SpeakerTurn],
    speech: Sequence[Stretch],
    turns: Sequence[SpeakerTurn] = (),
    cutting: Cutting | None = None,
    changes: Sequence[float] = (),
) -> tuple[SpeechSegment, ...]:
    """Cut and join the voices of a recording; ``speech`` says where pauses are.

    Voices whose words are known are never joined with others. ``turns`` are who spoke when before
    a transcript cut them: words are told of one speaker, and others may have spoken too. Nothing
    reaches across ``changes``, the times at which a voice sounds like another one, but windows of a
    fixed length do. Without ``cutting`` pieces last 20 s at most.
    """
    how = cutting or Cutting(MAX_S)
    long_enough = [voice for voice in voices if voice.length_s >= SHORTEST_S]
    if how.window_s is None:
        long_enough = [part for voice in long_enough for part in _at_changes(voice, changes)]
    ordered = sorted(long_enough, key=lambda voice: voice.start_s)
    others, heard = OtherSpeakers(ordered), SpeechIndex(speech)
    if how.window_s is not None:
        joined = _joined(ordered, PAUSE_S, np.inf, np.inf, others)
        cut = [part for voice in joined for part in _windows(voice, heard, how)]
    else:
        most_s = how.most_s
        joined = _joined(ordered, PAUSE_S, most_s, most_s, others, changes)
        joined = _joined(joined, REACH_S, MIN_S, most_s, others, changes)
        cut = [part for voice in joined for part in _cut(voice, heard, most_s)]
    cut.sort(key=lambda voice: (voice.start_s, voice.end_s))
    everyone = OtherSpeakers([*ordered, *turns])
    return tuple(segment_of(voice, everyone, heard) for voice in cut)


def segment_of(
    voice: SpeakerTurn, everyone: "OtherSpeakers", heard: "SpeechIndex"
) -> SpeechSegment:
    """A piece with whether others speak in it, and the seconds of speech."""
    click_s = SHORTEST_S / 2
    overlap = everyone.speak(voice.start_s + click_s, voice.end_s - click_s, voice.speaker)
    return SpeechSegment(voice, overlap, heard.seconds(voice.start_s, voice.end_s))


class OtherSpeakers:
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
    voices: Sequence[SpeakerTurn],
    gap_s: float,
    short_s: float,
    most_s: float,
    others: OtherSpeakers,
    changes: Sequence[float] = (),
) -> list[SpeakerTurn]:
    """Neighbours of one speaker as one of at most ``most_s``, where either is ``short_s`` or less.

    They are neighbours up to ``gap_s`` apart, if nobody else speaks between them and the voice does
    not change there.
    """

    def go_together(first: SpeakerTurn, second: SpeakerTurn) -> bool:
        # Words that can be trusted stay so, beside those that cannot.
        if (first.text is None, not first.doubts) != (second.text is None, not second.doubts):
            return False
        gap = second.start_s - first.end_s
        if gap > gap_s or min(first.length_s, second.length_s) > short_s:
            return False
        if second.end_s - first.start_s > most_s and second.start_s > first.end_s:
            return False
        if bisect_left(changes, first.end_s) < bisect_right(changes, second.start_s):
            return False
        return not others.speak(first.end_s, second.start_s, first.speaker)

    joined: list[SpeakerTurn] = []
    last: dict[tuple[str, int | None], int] = {}
    for turn in sorted(voices, key=lambda voice: voice.start_s):
        key = (turn.speaker, turn.channel)
        before = joined[last[key]] if key in last else None
        if before is not None and go_together(before, turn):
            joined[last[key]] = _both(before, turn)
        else:
            last[key] = len(joined)
            joined.append(turn)
    return joined


def _both(first: SpeakerTurn, second: SpeakerTurn) -> SpeakerTurn:
    text = None if first.text is None else f"{first.text} {second.text}"
    doubts = tuple(dict.fromkeys((*first.doubts, *second.doubts)))
    return replace(first, end_s=max(first.end_s, second.end_s), text=text, doubts=doubts)


# ---------------------------------------------------------------- cutting


def _at_changes(voice: SpeakerTurn, changes: Sequence[float]) -> Iterator[SpeakerTurn]:
    """Parts of a voice between changes; one whose words are known stays whole."""
    inside = changes[bisect_right(changes, voice.start_s) : bisect_left(changes, voice.end_s)]
    if voice.text is not None:
        inside = ()
    for start_s, end_s in pairwise([voice.start_s, *inside, voice.end_s]):
        yield replace(voice, start_s=start_s, end_s=end_s)


def _windows(voice: SpeakerTurn, heard: "SpeechIndex", how: Cutting) -> Iterator[SpeakerTurn]:
    """Windows of one length, the last one as long as there is speech; their words go along."""
    assert how.window_s is not None
    start_s, end_s = voice.start_s, voice.start_s
    while end_s < voice.end_s - SHORTEST_S or start_s == voice.start_s == end_s:
        end_s = min(start_s + how.window_s, voice.end_s)
        yield _part(voice, start_s, end_s, heard)
        start_s += how.hop_s or how.window_s


def _cut(voice: SpeakerTurn, heard: SpeechIndex, most_s: float) -> Iterator[SpeakerTurn]:
    """Parts of parts, until none is longer than ``most_s``; the words go along."""
    if voice.length_s <= most_s:
        yield voice
        return
    at_s = _best_cut(voice, heard)
    yield from _cut(_part(voice, voice.start_s, at_s, heard), heard, most_s)
    yield from _cut(_part(voice, at_s, voice.end_s, heard), heard, most_s)


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


def _part(voice: SpeakerTurn, start_s: float, end_s: float, heard: SpeechIndex) -> SpeakerTurn:
    """A part with its words, shared out by seconds of speech: nobody said where they lie."""
    if voice.text is None:
        return replace(voice, start_s=start_s, end_s=end_s)
    words = voice.text.split()
    all_s = heard.seconds(voice.start_s, voice.end_s)

    def before(time_s: float) -> int:
        if all_s:
            return round(len(words) * (heard.seconds(voice.start_s, time_s) / all_s))
        return round(len(words) * ((time_s - voice.start_s) / voice.length_s))

    # What is said after the last speech is said.
    stop = len(words) if end_s == voice.end_s else before(end_s)
    text = " ".join(words[before(start_s) : stop]) or None
    return replace(voice, start_s=start_s, end_s=end_s, text=text)


# ---------------------------------------------------------------- where words are known

#: A pause between words that ends a phrase, in seconds, and marks that do.
PHRASE_S, PHRASE_ENDS, SENTENCE_ENDS = 0.2, (",", ";", ":", "–"), (".", "?", "!", "…")
#: So far from a change of voice it may lie between two words, and what a sentence's end is worth.
NEAR_S, SENTENCE_S = 1.0, 0.5


@dataclass(frozen=True, slots=True)
class WordCutter:
    """Cuts pieces whose words have times: where the voice changes, and where sentences end.

    A cut lies between two words. Of a change it is the nearest such place, rather at the end of a
    sentence. With ``sentences``, as where nobody knows who speaks, every sentence of
    :data:`MIN_S` or more is cut off, because speakers mostly change there. What is still longer
    than ``most_s`` is cut at the sentence that ends nearest to its middle, else at such a phrase,
    and stays where it is one phrase.
    """

    most_s: float
    changes: Sequence[float]
    sentences: bool
    everyone: OtherSpeakers
    heard: SpeechIndex

    def wants(self, piece: SpeechSegment) -> bool:
        """Whether a piece is too long, or the voice changes in it."""
        voice = piece.voice
        inside = bisect_right(self.changes, voice.start_s) < bisect_left(self.changes, voice.end_s)
        wanted = self.sentences or inside or voice.length_s > self.most_s
        return voice.text is None and wanted

    def parts(
        self, piece: SpeechSegment, words: Sequence[Segment]
    ) -> Iterator[tuple[SpeechSegment, slice]]:
        """Parts of a piece, each with the place of its words among those of the piece.

        Times of words are seconds of the piece; there are no parts without any.
        """
        if not words:
            return
        voice = piece.voice
        gaps = [voice.start_s + (one.end_s + two.start_s) / 2 for one, two in pairwise(words)]
        bounds = [voice.start_s, *gaps, voice.end_s]
        numbers = [0, *self._changed(words, bounds), len(words)]
        if self.sentences:
            numbers = _with_sentences(words, bounds, numbers)
        for first, last in pairwise(numbers):
            for start, stop in self._short(words, bounds, first, last):
                text = normalise("".join(word.text for word in words[start:stop]))
                part = replace(voice, start_s=bounds[start], end_s=bounds[stop], text=text)
                yield segment_of(part, self.everyone, self.heard), slice(start, stop)

    def _changed(self, words: Sequence[Segment], bounds: Sequence[float]) -> list[int]:
        """Numbers of the words before which the voice changes, in their order."""
        numbers = set()
        for change in self.changes:
            cost = {
                k: abs(bounds[k] - change) - SENTENCE_S * _ends_sentence(words, k)
                for k in range(1, len(words))
            }
            if bounds[0] < change < bounds[-1] and cost and min(cost.values()) <= NEAR_S:
                numbers.add(min(cost, key=cost.__getitem__))
        return sorted(numbers)

    def without_times(self, voice: SpeakerTurn) -> tuple[SpeechSegment, ...]:
        """Parts at changes and pauses, with the words shared out."""
        inside = [change for change in self.changes if voice.start_s < change < voice.end_s]
        parts = [
            _part(voice, *span, self.heard)
            for span in pairwise([voice.start_s, *inside, voice.end_s])
        ]
        cut = [short for part in parts for short in _cut(part, self.heard, self.most_s)]
        return tuple(segment_of(part, self.everyone, self.heard) for part in cut)

    def _short(
        self, words: Sequence[Segment], bounds: Sequence[float], first: int, last: int
    ) -> Iterator[tuple[int, int]]:
        """Runs of words that last ``most_s`` at most, or are one phrase."""
        low_s, high_s = bounds[first] + MIN_S, bounds[last] - MIN_S
        middle_s = (low_s + high_s) / 2
        inside = [k for k in range(first + 1, last) if low_s <= bounds[k] <= high_s]
        for ends in (_ends_sentence, _ends_phrase):
            places = [k for k in inside if ends(words, k)]
            if bounds[last] - bounds[first] > self.most_s and places:
                at = min(places, key=lambda k: abs(bounds[k] - middle_s))
                yield from self._short(words, bounds, first, at)
                yield from self._short(words, bounds, at, last)
                return
        yield first, last


def _with_sentences(
    words: Sequence[Segment], bounds: Sequence[float], numbers: Sequence[int]
) -> list[int]:
    """Numbers of words, and of those behind a sentence, if nothing shorter than 1 s comes of it."""
    every = [0]
    for first, last in pairwise(numbers):
        for k in range(first + 1, last):
            short_s = min(bounds[k] - bounds[every[-1]], bounds[last] - bounds[k])
            if _ends_sentence(words, k) and short_s >= MIN_S:
                every.append(k)
        every.append(last)
    return every


def _ends_sentence(words: Sequence[Segment], number: int) -> bool:
    return words[number - 1].text.rstrip().endswith(SENTENCE_ENDS)


def _ends_phrase(words: Sequence[Segment], number: int) -> bool:
    before, after = words[number - 1], words[number]
    marked = before.text.rstrip().endswith(PHRASE_ENDS)
    return marked or after.start_s - before.end_s >= PHRASE_S
