"""From the pieces of a recording to segments: words and emotion, chunk by chunk."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from encoders.audio import Audio
from encoders.extraction import Progress
from encoders.listening.streaming import Span, read_spans
from experiments.interviews.emotion import Classifier, Sounds
from experiments.interviews.pieces import Piece
from experiments.interviews.recognition import LEAST_SPEECH_S, Recognition, Said
from experiments.interviews.timing import Stopwatch

#: Pieces between two writes to disk: what is lost at most when a command is stopped.
CHUNK = 16


@dataclass(frozen=True, slots=True)
class Heard:
    """A piece with its words and how it sounds; ``sounds`` is why not, where it has no sound."""

    piece: Piece
    said: Said
    sounds: Sounds | str
    silent: bool


def listen_to(
    path: Path,
    pieces: Sequence[Piece],
    classifier: Classifier,
    recognition: Recognition | None,
    watch: Stopwatch,
    progress: Progress | None,
) -> Iterator[Heard]:
    """Words and emotion of every piece, in their order; a chunk of them is in memory at a time.

    Everything heard is remembered by its content, so that the same call goes on where it stopped.

    Raises:
        AudioError: the recording cannot be read a second time.
    """
    spans = [Span(one.voice.start_s, one.voice.end_s, one.voice.channel) for one in pieces]
    audio = read_spans(path, spans)
    done = 0
    for chunk in _chunks(pieces, CHUNK):
        with watch.stage("decoding"):
            sounds = list(islice(audio, len(chunk)))
        with watch.stage("words"):
            said = _words(chunk, sounds, recognition)
        with watch.stage("emotion"):
            found = classifier.classify(sounds, [one.trusted for one in said])
        for piece, own, words, heard in zip(chunk, sounds, said, found, strict=True):
            yield Heard(piece, words, heard, own.is_silent)
        done += len(chunk)
        if progress is not None:
            progress("segments", done, len(pieces))


def _words(
    pieces: Sequence[Piece], heard: Sequence[Audio], recognition: Recognition | None
) -> list[Said]:
    """Words that are known beforehand, or else recognised where there is speech."""
    if recognition is None:
        return [Said(one.voice.text) for one in pieces]
    asked = [k for k, one in enumerate(pieces) if _is_asked(one)]
    found = dict(zip(asked, recognition.listen([heard[k] for k in asked]), strict=True))
    return [found.get(k) or Said(one.voice.text) for k, one in enumerate(pieces)]


def _is_asked(piece: Piece) -> bool:
    return piece.voice.text is None and piece.speech_s >= LEAST_SPEECH_S


def _chunks(pieces: Iterable[Piece], size: int) -> Iterator[list[Piece]]:
    rest = iter(pieces)
    while chunk := list(islice(rest, size)):
        yield chunk
