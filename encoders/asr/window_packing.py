"""Several short recordings in one window of Whisper's 30 seconds, and their words told apart again.

Whisper's encoder hears 30 s whatever it is given, so that a segment of 3 s costs ten times what it
holds. Segments are laid behind one another with silence between, recognised at once with the time
of each word, and every word goes to the segment whose place it lies in. A segment of which that is
not clear is to be heard alone.

For interviews only: what is heard of an utterance of a corpus must not depend on its neighbours.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from encoders.asr.transcript import (
    NOTHING,
    SAMPLE_RATE_HZ,
    WINDOW_S,
    Segment,
    Transcript,
    heard_samples,
    normalise,
)
from encoders.audio.waveform import Audio
from encoders.store import audio_key

#: The silence after each segment in a window, in seconds.
GAP_S = 1.0
#: So far outside its segment a word may be timed: times of words are good to some frames of 20 ms.
SLACK_S = 0.2
#: What a word's probability is at least.
LEAST_PROBABILITY = 1e-10
#: What a sentence ends with: the next word is the first of another one.
SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")
#: Of how packs are laid out: part of their key.
VERSION = 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a segment lies in its pack, in samples at 16 kHz."""

    start: int
    stop: int

    @property
    def start_s(self) -> float:
        """Its start in seconds of the pack."""
        return self.start / SAMPLE_RATE_HZ

    @property
    def stop_s(self) -> float:
        """Its end in seconds of the pack."""
        return self.stop / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Pack:
    """One window: its sound, where each segment lies in it, and the content of each."""

    audio: Audio
    places: tuple[Place, ...]
    contents: tuple[str, ...]

    @property
    def key(self) -> str:
        """Sha256 over the content and the place of every segment, and the version of packing."""
        places = [[place.start, place.stop] for place in self.places]
        identity = {"pack": VERSION, "contents": self.contents, "places": places}
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def windows_of(lengths_s: Sequence[float]) -> tuple[tuple[int, ...], ...]:
    """Which segments share a window: neighbours in their order, as many as fit.

    What is longer than a window has one of its own, which a recogniser cuts itself.

    >>> windows_of([14.0, 14.0, 14.0, 40.0, 3.0])
    ((0, 1), (2,), (3,), (4,))
    """
    windows: list[list[int]] = []
    filled_s = WINDOW_S
    for number, length_s in enumerate(lengths_s):
        if filled_s + length_s + GAP_S > WINDOW_S:
            windows.append([])
            filled_s = 0.0
        windows[-1].append(number)
        filled_s += length_s + GAP_S
    return tuple(map(tuple, windows))


def packed(heard: Sequence[Audio]) -> Pack:
    """Segments behind one another, each resampled alone, with silence after each."""
    parts = [heard_samples(audio) for audio in heard]
    gap, places, start = round(GAP_S * SAMPLE_RATE_HZ), [], 0
    for part in parts:
        places.append(Place(start, start + len(part)))
        start += len(part) + gap
    samples = np.zeros(start, np.float32)
    for place, part in zip(places, parts, strict=True):
        samples[place.start : place.stop] = part
    keys = tuple(audio_key(audio) for audio in heard)
    return Pack(Audio(samples, SAMPLE_RATE_HZ), tuple(places), keys)


def timed(
    text: str, start_s: float, end_s: float, probability: float, no_speech_prob: float
) -> Segment:
    """A word with its times in a pack, as Whisper's recognisers tell them."""
    # A word of probability 0 would have no logarithm.
    sure = math.log(max(float(probability), LEAST_PROBABILITY))
    return Segment(float(start_s), float(end_s), text, sure, float(no_speech_prob))


def spoken(words: Sequence[Segment], text: str | None, language: str | None) -> Transcript:
    """A transcript whose segments are words, spaces and all; nothing where they miss some text.

    ``avg_logprob`` of a word is its own, ``no_speech_prob`` that of its window.
    """
    if not words or normalise("".join(word.text for word in words)) != normalise(text):
        return NOTHING
    return _joined(words, tuple(words), language)


def taken_apart(heard: Transcript, places: Sequence[Place]) -> tuple[Transcript | None, ...]:
    """The words of each segment of a pack, by their times.

    None where the segment is to be heard alone: a word of it reaches into another segment or lies
    in the silence beside it, no word lies in it, or words are not in the order of the segments.
    Whisper lets the first word of a segment start in the silence before it, and the last one of
    that before too: it is the first one where a sentence has ended, and else neither is known.
    """
    ended = [True, *(word.text.rstrip().endswith(SENTENCE_ENDS) for word in heard.segments)]
    homes = [
        _home(word, places) if after or not _starts_in_silence(word, places) else None
        for word, after in zip(heard.segments, ended, strict=False)
    ]
    clear = [home for home in homes if home is not None]
    if clear != sorted(clear):
        return (None,) * len(places)
    words: dict[int, list[Segment]] = {}
    unclear: set[int] = set()
    for word, home in zip(heard.segments, homes, strict=True):
        if home is None:
            unclear |= _beside(word, places)
        else:
            words.setdefault(home, []).append(word)
    return tuple(
        _said(words[number], place, heard.language) if number in {*words} - unclear else None
        for number, place in enumerate(places)
    )


def words_together(words: Sequence[Segment], language: str | None) -> Transcript:
    """One word or more as one segment, with their text as it is written."""
    scores = _joined(words, (), language)
    text = normalise("".join(word.text for word in words)) or ""
    times = words[0].start_s, words[-1].end_s
    whole = Segment(*times, text, scores.avg_logprob, scores.no_speech_prob)
    return replace(scores, segments=(whole,))


def _home(word: Segment, places: Sequence[Place]) -> int | None:
    """The segment that a word lies in; None where it lies in several or in none."""
    for slack_s in (0.0, SLACK_S):
        numbers = _overlapping(word, places, slack_s)
        if numbers:
            return numbers[0] if len(numbers) == 1 else None
    return None


def _starts_in_silence(word: Segment, places: Sequence[Place]) -> bool:
    """Whether no segment is near its start; near counts for less where it has no length at all."""
    slack_s = SLACK_S if word.end_s > word.start_s else 0.0
    return not _overlapping(replace(word, end_s=word.start_s), places, slack_s)


def _beside(word: Segment, places: Sequence[Place]) -> set[int]:
    """Segments that a word without a place may be of: all, where it is near none."""
    return {*_overlapping(word, places, GAP_S)} or {*range(len(places))}


def _overlapping(word: Segment, places: Sequence[Place], slack_s: float) -> list[int]:
    return [
        number
        for number, place in enumerate(places)
        if word.start_s <= place.stop_s + slack_s and word.end_s >= place.start_s - slack_s
    ]


def _said(words: Sequence[Segment], place: Place, language: str | None) -> Transcript:
    """Words with their times in seconds of their segment."""
    length_s = place.stop_s - place.start_s

    def inside(time_s: float) -> float:
        return round(min(max(time_s - place.start_s, 0.0), length_s), 3)

    moved = [replace(w, start_s=inside(w.start_s), end_s=inside(w.end_s)) for w in words]
    return _joined(moved, tuple(moved), language)


def _joined(
    words: Sequence[Segment], segments: tuple[Segment, ...], language: str | None
) -> Transcript:
    sure = [word.avg_logprob for word in words if word.avg_logprob is not None]
    silent = [word.no_speech_prob for word in words if word.no_speech_prob is not None]
    return Transcript(
        segments,
        language,
        float(np.mean(sure)) if sure else None,
        max(silent) if silent else None,
    )
