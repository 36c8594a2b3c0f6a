"""The pieces of a recording with their samples and words, chunk by chunk."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from time import perf_counter

from encoders.audio.streaming import Span, read_spans
from encoders.audio.waveform import Audio
from encoders.context import in_context
from encoders.extraction import HeldSource, text_sources
from encoders.specs import Kind
from encoders.store import audio_key
from encoders.utterance import Utterance
from experiments.interviews.emotion import EmotionScores
from experiments.interviews.recognition import (
    LEAST_SPEECH_S,
    RecognisedText,
    Recognition,
    doubts_about,
)
from experiments.interviews.segmentation import SpeechSegment, WordCutter

#: Pieces between two writes to disk: what is lost at most when a command is stopped.
CHUNK = 16


@dataclass(frozen=True, slots=True)
class ClassifiedSegment:
    """A piece with its words and how it sounds; ``sounds`` is why not, where it has no sound."""

    piece: SpeechSegment
    said: RecognisedText
    sounds: EmotionScores | str
    silent: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some pieces with their samples and their words."""

    pieces: Sequence[SpeechSegment]
    audio: Sequence[Audio]
    said: Sequence[RecognisedText]
    #: How many pieces were read so far, as they were before they were cut between words.
    read: int

    @property
    def names(self) -> list[str]:
        """A name for each piece."""
        return [str(number) for number in range(len(self.pieces))]

    def sources(
        self, kind: Kind, earlier: Sequence["ClassifiedSegment"] = (), context: int = 0
    ) -> list[HeldSource]:
        """What encoders of a kind are given, by the names of the pieces that have it.

        Words come with ``context`` turns before them, of this chunk and ``earlier`` pieces.
        """
        if kind == "audio":
            pairs = zip(self.names, self.audio, strict=True)
            return [HeldSource(name, audio_key(audio), audio) for name, audio in pairs]
        names = [*(f"earlier {number}" for number in range(len(earlier))), *self.names]
        pieces = [*(one.piece for one in earlier), *self.pieces]
        said = [*(one.said for one in earlier), *self.said]
        turns = [
            Utterance(id=name, speaker=piece.voice.speaker, dialogue="recording", turn=float(place))
            for place, (name, piece) in enumerate(zip(names, pieces, strict=True))
        ]
        words = {name: one.trusted for name, one in zip(names, said, strict=True) if one.trusted}
        texts = in_context(words, turns, context, 0).texts
        return text_sources({name: texts[name] for name in self.names if name in texts})

    def heard(self, sounds: Sequence[EmotionScores | str]) -> list[ClassifiedSegment]:
        """The pieces with how they sound."""
        rows = zip(self.pieces, self.said, sounds, self.audio, strict=True)
        return [
            ClassifiedSegment(piece, said, sound, audio.is_silent)
            for piece, said, sound, audio in rows
        ]


def read_chunks(
    path: Path,
    pieces: Sequence[SpeechSegment],
    recognition: Recognition | None,
    seconds: dict[str, float],
    channel: int | None = None,
    cutter: WordCutter | None = None,
) -> Iterator[Chunk]:
    """All pieces in their order, :data:`CHUNK` of them in memory at a time.

    With ``channel``, counted from 1, the recording is that channel alone. A ``cutter`` cuts pieces
    between words, where the recogniser knows their times.

    Words are remembered by their content, so that the same call goes on where it stopped.

    Raises:
        AudioError: the recording cannot be read a second time.
    """
    spans = [Span(piece.voice.start_s, piece.voice.end_s, piece.voice.channel) for piece in pieces]
    audio = read_spans(path, spans, channel=channel)
    for start in range(0, len(pieces), CHUNK):
        chunk = pieces[start : start + CHUNK]
        with stage("decoding", seconds):
            samples = list(islice(audio, len(chunk)))
        with stage("words", seconds):
            if cutter is None or recognition is None:
                rows = list(zip(chunk, samples, _words(chunk, samples, recognition), strict=True))
            else:
                rows = list(_cut_at_words(chunk, samples, recognition, cutter))
        yield Chunk(
            [piece for piece, _, _ in rows],
            [audio for _, audio, _ in rows],
            [words for _, _, words in rows],
            start + len(chunk),
        )


def _cut_at_words(
    chunk: Sequence[SpeechSegment],
    samples: Sequence[Audio],
    recognition: Recognition,
    cutter: WordCutter,
) -> Iterator[tuple[SpeechSegment, Audio, RecognisedText]]:
    """Pieces with their sound and words, those that the cutter wants in parts."""
    whole = [k for k, piece in enumerate(chunk) if not (cutter.wants(piece) and _is_asked(piece))]
    alone = [chunk[k] for k in whole], [samples[k] for k in whole]
    said = dict(zip(whole, _words(*alone, recognition), strict=True))
    for k, (piece, audio) in enumerate(zip(chunk, samples, strict=True)):
        if k in said:
            yield piece, audio, said[k]
            continue
        words = recognition.timed_words(audio)
        doubts = doubts_about(words)
        if words.segments:
            parts = [*cutter.parts(piece, words.segments)]
        else:
            # Where times and text disagree, or nothing is heard, words are shared out.
            (heard,) = recognition.listen([audio])
            doubts, text = heard.doubts, heard.text
            parts = [*cutter.without_times(replace(piece.voice, text=text))]
        for part in parts:
            yield part, _within(audio, piece, part), RecognisedText(part.voice.text, doubts)


def _within(audio: Audio, piece: SpeechSegment, part: SpeechSegment) -> Audio:
    """The samples of a part, cut as if it had been read from the recording."""
    rate = audio.sample_rate_hz
    first = round(piece.voice.start_s * rate)
    start, stop = (round(time * rate) - first for time in (part.voice.start_s, part.voice.end_s))
    return replace(audio, samples=audio.samples[start:stop])


def _words(
    pieces: Sequence[SpeechSegment], heard: Sequence[Audio], recognition: Recognition | None
) -> list[RecognisedText]:
    """Words that are known beforehand, or else recognised where there is speech."""
    if recognition is None:
        return [RecognisedText(piece.voice.text) for piece in pieces]
    asked = [k for k, piece in enumerate(pieces) if _is_asked(piece)]
    recognised = dict(zip(asked, recognition.listen([heard[k] for k in asked]), strict=True))
    return [recognised.get(k) or RecognisedText(piece.voice.text) for k, piece in enumerate(pieces)]


def _is_asked(piece: SpeechSegment) -> bool:
    return piece.voice.text is None and piece.speech_s >= LEAST_SPEECH_S


@contextmanager
def stage(name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Add what is done inside to the seconds of a stage, which may be entered many times."""
    start_s = perf_counter()
    try:
        yield
    finally:
        seconds[name] = seconds.get(name, 0.0) + perf_counter() - start_s
