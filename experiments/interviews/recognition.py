"""Words of pieces by a recogniser, each recognised once, with the reasons to doubt them.

Doubtful words are shown as such and reach the model as missing words, not as words.
"""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from encoders.asr.recognisers import (
    DEFAULTS,
    default_recogniser,
    describe,
    parse_recogniser,
)
from encoders.asr.transcript import Transcript
from encoders.asr.transcription import HeldTranscripts, Transcriber, TranscriptCache
from encoders.asr.window_packing import packed, taken_apart, windows_of
from encoders.audio.waveform import Audio
from encoders.messages import with_count
from encoders.store import audio_key
from experiments.config import OptionError

#: Seconds of speech that a piece needs to be listened to: silence is not transcribed.
LEAST_SPEECH_S = 0.1
#: Bounds of openai-whisper's ``transcribe`` (Radford et al. 2022, section 4.5).
NO_SPEECH_PROBABILITY = 0.6
AVERAGE_LOG_PROBABILITY = -1.0
COMPRESSION_RATIO = 2.4
#: So many times the same one to four words, one after the other, are nobody's speech.
REPETITIONS, LONGEST_REPEATED = 4, 4


@dataclass(frozen=True, slots=True)
class RecognisedText:
    """The words of a piece, None where none are known, and the reasons to doubt them."""

    text: str | None = None
    doubts: tuple[str, ...] = ()

    @property
    def trusted(self) -> str | None:
        """What goes to the model: doubtful words are missing words."""
        return None if self.doubts else self.text


class Recognition:
    """One recogniser with a cache of transcripts below a folder; loaded when first needed.

    Raises:
        ValueError: there is no such recogniser.
        MissingWeightsError: its weights are not to be had.
    """

    def __init__(self, asr: str, folder: Path, device: str = "cpu", packing: bool = False) -> None:
        self.asr = asr
        self.packing = packing
        self.spec = parse_recogniser(asr)
        self.why = ""
        self.languages: Counter[str] = Counter()
        self.windows: Counter[str] = Counter()
        self._transcriber = Transcriber(self.spec, folder, device)

    @property
    def about(self) -> str:
        """What the recogniser is, for a reader of the timeline."""
        return describe(self.asr) + self.why

    def load(self) -> None:
        """Load the model now, so that one that is missing is told before hours of work."""
        _ = self._transcriber.recogniser

    def moved_to(self, folder: Path | None) -> None:
        """Keep the transcripts of the next recording in a folder of its own; None: in memory."""
        held = HeldTranscripts(self.spec)
        self._transcriber.cache = held if folder is None else TranscriptCache(folder, self.spec)
        self.languages, self.windows = Counter(), Counter()

    def listen(self, heard: Sequence[Audio]) -> list[RecognisedText]:
        """Words of pieces, recognised or remembered."""
        transcripts = (
            self._together(heard) if self.packing else [self._alone(audio) for audio in heard]
        )
        self.languages.update(
            transcript.language for transcript in transcripts if transcript.language is not None
        )
        return [
            RecognisedText(transcript.text, doubts_about(transcript)) for transcript in transcripts
        ]

    @property
    def packed(self) -> str | None:
        """How many pieces shared windows in this recording; None where none were to."""
        if not self.packing:
            return None
        pieces, shared = self.windows["pieces"], self.windows["shared"]
        again = self.windows["again"]
        segments, windows = with_count(pieces, "segment"), with_count(shared, "window")
        return f"{segments} in {windows}, {again} heard alone"

    def _alone(self, audio: Audio) -> Transcript:
        return self._transcriber.transcript(audio_key(audio), audio)

    def _together(self, heard: Sequence[Audio]) -> list[Transcript]:
        """Transcripts of pieces, neighbours in one window; alone where that leaves a doubt."""
        transcripts: dict[int, Transcript] = {}
        short = [k for k, audio in enumerate(heard) if not audio.is_silent]
        for window in windows_of([heard[k].duration_s for k in short]):
            if len(window) > 1:
                members = [short[k] for k in window]
                pack = self._pack([heard[k] for k in members])
                transcripts |= {
                    k: transcript
                    for k, transcript in zip(members, pack, strict=True)
                    if transcript is not None
                }
        return [transcripts.get(k) or self._alone(audio) for k, audio in enumerate(heard)]

    def _pack(self, heard: Sequence[Audio]) -> list[Transcript | None]:
        pack = packed(heard)
        words = self._transcriber.timed_words(pack.key, pack.audio)
        apart = [None] * len(heard) if doubts_about(words) else taken_apart(words, pack.places)
        sure = [
            None if transcript is None or doubts_about(transcript) else transcript
            for transcript in apart
        ]
        self.windows.update(shared=1, pieces=len(heard), again=sure.count(None))
        return sure


def recogniser_for(asr: str | None, device: str, packing: bool = False) -> Recognition | None:
    """The recogniser that was asked for, loaded; None where nothing is to be recognised.

    Where none is asked for it is :func:`default_recogniser`, and ``about`` says if that is the
    second best.

    Raises:
        ValueError: there is no such recogniser, or it cannot hear several pieces in one window.
        MissingWeightsError: its weights are not to be had.
    """
    if asr == "none":
        return None
    name = asr or default_recogniser()
    if packing:
        _check_packing(name)
    recognition = Recognition(name, Path(), device, packing)
    if asr is None and name != DEFAULTS[0]:
        recognition.why = (
            f"; {DEFAULTS[0]}, which knows other languages, is not on this machine: "
            f"serfusion models fetch {DEFAULTS[0]}"
        )
    recognition.load()
    return recognition


def _check_packing(asr: str) -> None:
    spec = parse_recogniser(asr)
    if spec.engine == "transformers":
        raise OptionError(
            f"--packing: {asr} has no times of words with their probabilities in windows of 30 s: "
            "expected engine=faster or engine=openai, or leave out --packing"
        )
    if spec.task == "translate":
        raise OptionError(
            f"--packing: {asr} has no times of words, because a translation has an order of its "
            "own: leave out task=translate or --packing"
        )


# ---------------------------------------------------------------- doubts


def doubts_about(transcript: Transcript) -> tuple[str, ...]:
    """Reasons to doubt what was recognised, in words; none where there are none."""
    text, doubts = transcript.text or "", []
    silent, sure = transcript.no_speech_prob, transcript.avg_logprob
    if silent is not None and silent > NO_SPEECH_PROBABILITY:
        doubts.append(f"probably no speech ({silent:.2f})")
    if sure is not None and sure < AVERAGE_LOG_PROBABILITY:
        doubts.append(f"recogniser unsure (mean log-probability {sure:.2f})")
    ratio = compression_ratio(text)
    if ratio > COMPRESSION_RATIO:
        doubts.append(f"repetitive (compression ratio {ratio:.1f})")
    repeated = repeated_words(text.lower().split())
    if repeated is not None:
        doubts.append(f"repeats {' '.join(repeated)!r}")
    return tuple(doubts)


def compression_ratio(text: str) -> float:
    """Bytes of a text over its bytes when compressed, as whisper has it; 0 without a text.

    >>> compression_ratio("no " * 100) > 10 > compression_ratio("I thought you had left.")
    True
    """
    content = text.encode()
    return len(content) / len(zlib.compress(content)) if content else 0.0


def repeated_words(words: Sequence[str]) -> tuple[str, ...] | None:
    """The first one to four words that are said four times or more in a row; None without any.

    >>> repeated_words("oh thank you thank you thank you thank you".split())
    ('thank', 'you')
    """
    for length in range(1, LONGEST_REPEATED + 1):
        for start in range(len(words) - REPETITIONS * length + 1):
            first = tuple(words[start : start + length])
            if tuple(words[start : start + REPETITIONS * length]) == first * REPETITIONS:
                return first
    return None
