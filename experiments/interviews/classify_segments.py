"""The pieces of a recording with their samples and words, chunk by chunk."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from time import perf_counter

from encoders.analysis.voice_activity import Stretch
from encoders.audio.streaming import Span, read_spans
from encoders.audio.waveform import Audio
from encoders.context import in_context
from encoders.extraction import HeldSource, text_sources
from encoders.specs import Kind
from encoders.store import audio_key
from encoders.utterance import Utterance
from experiments.interviews.emotion import EmotionScores
from experiments.interviews.options import InterviewOptions
from experiments.interviews.recognition import (
    LEAST_SPEECH_S,
    RecognisedText,
    Recognition,
    WordUse,
    recognised_in,
)
from experiments.interviews.segmentation import (
    OtherSpeakers,
    SpeechIndex,
    SpeechSegment,
    WordCutter,
    pieces_of,
)
from experiments.interviews.speakers import SOMEONE, SpeakerTurns

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


@dataclass(frozen=True, slots=True)
class ReadingPlan:
    """Which pieces of a recording are read, and how.

    ``use`` says what becomes of words. A ``cutter`` cuts pieces between words, where the recogniser
    knows their times. With ``channel``, counted from 1, the recording is that channel alone.
    """

    path: Path
    pieces: Sequence[SpeechSegment]
    recognition: Recognition | None
    use: WordUse
    cutter: WordCutter | None
    channel: int | None
    keep_damaged: bool


def plan_of(
    path: Path,
    cast: SpeakerTurns,
    speech: Sequence[Stretch],
    options: InterviewOptions,
    recognition: Recognition | None,
    use: WordUse,
) -> ReadingPlan:
    """What is read of a recording: pieces as long as asked for, or longer ones to cut by words."""
    cutting, cutter = options.cutting, None
    if isinstance(recognition, Recognition) and recognition.timed and cutting.window_s is None:
        everyone = OtherSpeakers([*cast.voices, *cast.turns])
        sentences = cast.how == SOMEONE and options.nobody_is_known
        index = SpeechIndex(speech)
        cutter = WordCutter(cutting.most_s, cast.changes, sentences, everyone, index)
        pieces = pieces_of(cast.voices, speech, cast.turns)
    else:
        pieces = pieces_of(cast.voices, speech, cast.turns, cutting, cast.changes)
    ways = options.channel, options.keep_damaged
    return ReadingPlan(path, pieces, recognition, use, cutter, *ways)


def read_chunks(plan: ReadingPlan, seconds: dict[str, float]) -> Iterator[Chunk]:
    """All pieces in their order, :data:`CHUNK` of them in memory at a time.

    ``seconds`` gets what each stage takes.

    Words are remembered by their content, so that the same call goes on where it stopped.

    Raises:
        AudioError: the recording cannot be read a second time.
    """
    voices = [piece.voice for piece in plan.pieces]
    spans = [Span(voice.start_s, voice.end_s, voice.channel) for voice in voices]
    audio = read_spans(plan.path, spans, channel=plan.channel, keep_damaged=plan.keep_damaged)
    for start in range(0, len(plan.pieces), CHUNK):
        chunk = plan.pieces[start : start + CHUNK]
        with stage("decoding", seconds):
            samples = list(islice(audio, len(chunk)))
        with stage("words", seconds):
            if plan.cutter is None or plan.recognition is None:
                said = _words(chunk, samples, plan.recognition)
                rows = list(zip(chunk, samples, said, strict=True))
            else:
                rows = list(_cut_at_words(chunk, samples, plan.recognition, plan.cutter))
        yield Chunk(
            [piece for piece, _, _ in rows],
            [audio for _, audio, _ in rows],
            [plan.use.of(words) for _, _, words in rows],
            start + len(chunk),
        )


def _cut_at_words(
    chunk: Sequence[SpeechSegment],
    samples: Sequence[Audio],
    recognition: Recognition,
    cutter: WordCutter,
) -> Iterator[tuple[SpeechSegment, Audio, RecognisedText]]:
    """Pieces with their sound and words, those that the cutter wants in parts."""
    cut = [k for k, piece in enumerate(chunk) if cutter.wants(piece) and _is_asked(piece)]
    timed = dict(zip(cut, recognition.timed_words([samples[k] for k in cut]), strict=True))
    whole = [k for k in range(len(chunk)) if k not in timed]
    alone = [chunk[k] for k in whole], [samples[k] for k in whole]
    said = dict(zip(whole, _words(*alone, recognition), strict=True))
    for k, (piece, audio) in enumerate(zip(chunk, samples, strict=True)):
        if k in said:
            yield piece, audio, said[k]
            continue
        words = timed[k]
        for part, place in cutter.parts(piece, words.segments):
            yield part, _within(audio, piece, part), recognised_in(words, place)
        if not words.segments:
            # Where times and text disagree, or nothing is heard, words are shared out, and nobody
            # knows which of them a doubt is about.
            (heard,) = recognition.listen([audio])
            for part in cutter.without_times(replace(piece.voice, text=heard.text)):
                shared = replace(heard, text=part.voice.text, believed=None)
                yield part, _within(audio, piece, part), shared


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
        return [RecognisedText(piece.voice.text, piece.voice.doubts) for piece in pieces]
    asked = [k for k, piece in enumerate(pieces) if _is_asked(piece)]
    recognised = dict(zip(asked, recognition.listen([heard[k] for k in asked]), strict=True))
    return [
        recognised.get(k) or RecognisedText(piece.voice.text, piece.voice.doubts)
        for k, piece in enumerate(pieces)
    ]


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
