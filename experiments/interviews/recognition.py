"""Words of pieces by a recogniser, each recognised once, with the reasons to doubt them.

Doubtful words are shown as such and reach the model as missing words, not as words.
"""

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from encoders.asr.recognisers import (
    DEFAULTS,
    RecogniserSpec,
    default_recogniser,
    describe,
    parse_recogniser,
)
from encoders.asr.transcript import Transcript, normalise
from encoders.asr.transcription import HeldTranscripts, Transcriber, TranscriptCache
from encoders.asr.window_packing import Pack, packed, taken_apart, windows_of, words_together
from encoders.audio.waveform import Audio
from encoders.messages import with_count
from encoders.store import audio_key
from encoders.weights.sources import WHISPER_MODELS
from experiments.config import OptionError

#: Seconds of speech that a piece needs to be listened to: silence is not transcribed.
LEAST_SPEECH_S = 0.1
#: Bounds of openai-whisper's ``transcribe`` (Radford et al. 2022, section 4.5).
NO_SPEECH_PROBABILITY = 0.6
AVERAGE_LOG_PROBABILITY = -1.0
COMPRESSION_RATIO = 2.4
#: So many times one after the other passages of so many words and more are rarely anybody's speech:
#: 29 of the 13 708 utterances of MELD hold three words thrice or five words twice.
REPETITIONS = ((5, 2), (3, 3), (2, 4))
#: So many times the same word: the run is left out, and what is beside it is believed.
RUN = 4


@dataclass(frozen=True, slots=True)
class RecognisedText:
    """The words of a piece, None where none are known, and the reasons to doubt them.

    ``believed`` is what is left of them where only a part is doubted; ``language`` is theirs, where
    a recogniser said it; ``shown_only`` says that they are no matter of the model.
    """

    text: str | None = None
    doubts: tuple[str, ...] = ()
    believed: str | None = None
    language: str | None = None
    shown_only: bool = False

    @property
    def trusted(self) -> str | None:
        """What goes to the model: doubtful words are missing words."""
        if self.shown_only:
            return None
        return self.believed if self.doubts else self.text


@dataclass(frozen=True, slots=True)
class WordUse:
    """What becomes of words: ``mode`` as of ``--words``, ``languages`` those of the text model.

    Without a mode, words go to the model where their language is one of its own, or nobody knows
    theirs or its own; without languages its own are not known.
    """

    mode: str | None = None
    languages: frozenset[str] = frozenset()

    def of(self, said: RecognisedText) -> RecognisedText:
        """The words of a piece as they are used."""
        if self.mode == "off":
            return RecognisedText()
        return replace(said, shown_only=self.mode == "show" or self.is_foreign(said))

    def is_foreign(self, said: RecognisedText) -> bool:
        """Whether words are of another language than the text model's, and that matters."""
        if self.mode is not None or said.language is None or not self.languages:
            return False
        return said.text is not None and said.language not in self.languages


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
        packs = self._together(heard)
        transcripts = [
            words_together(packs[k].segments, packs[k].language) if k in packs else self._alone(one)
            for k, one in enumerate(heard)
        ]
        self._count(transcripts)
        return [self._said(transcript) for transcript in transcripts]

    def _said(self, transcript: Transcript) -> RecognisedText:
        language = "en" if self.spec.task == "translate" else transcript.language
        return replace(recognised(transcript), language=language)

    @property
    def timed(self) -> bool:
        """Whether it knows when each word is said, in the order in which it is."""
        return self.spec.engine != "transformers" and self.spec.task != "translate"

    def timed_words(self, heard: Sequence[Audio]) -> list[Transcript]:
        """Words of pieces, a segment each; none of one whose times and text disagree."""
        packs = self._together(heard)
        transcripts = [packs.get(k) or self._words(packed([one])) for k, one in enumerate(heard)]
        self._count(transcripts)
        return transcripts

    def _count(self, transcripts: Sequence[Transcript]) -> None:
        self.languages.update(one.language for one in transcripts if one.language is not None)

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

    def _words(self, pack: Pack) -> Transcript:
        return self._transcriber.timed_words(pack.key, pack.audio)

    def _together(self, heard: Sequence[Audio]) -> dict[int, Transcript]:
        """Words of pieces that share a window with neighbours, but where that leaves a doubt."""
        transcripts: dict[int, Transcript] = {}
        if not self.packing:
            return transcripts
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
        return transcripts

    def _pack(self, heard: Sequence[Audio]) -> list[Transcript | None]:
        pack = packed(heard)
        words = self._words(pack)
        # All else that raises a doubt is measured on each piece.
        loops = repeated_words((words.text or "").split()) is not None
        apart = [None] * len(heard) if loops else taken_apart(words, pack.places)
        sure = [
            None if one is None or recognised_in(one, slice(None)).doubts else one for one in apart
        ]
        self.windows.update(shared=1, pieces=len(heard), again=sure.count(None))
        return sure


def recogniser_for(asr: str | None, device: str, packing: bool | None = None) -> Recognition | None:
    """The recogniser that was asked for, loaded; None where nothing is to be recognised.

    ``packing`` None lets pieces share windows where that was measured to cost no words.

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
    shares = _shares_windows(parse_recogniser(name)) if packing is None else packing
    recognition = Recognition(name, Path(), device, shares)
    if asr is None and name != DEFAULTS[0]:
        recognition.why = (
            f"; {DEFAULTS[0]}, which knows other languages, is not on this machine: "
            f"serfusion models fetch {DEFAULTS[0]}"
        )
    recognition.load()
    return recognition


def _shares_windows(spec: RecogniserSpec) -> bool:
    """Whether pieces are packed where nothing is said: by published models from base on."""
    if spec.engine == "transformers" or spec.task == "translate":
        return False
    return spec.checkpoint in WHISPER_MODELS and not spec.checkpoint.startswith("tiny")


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


def recognised(transcript: Transcript) -> RecognisedText:
    """What was recognised, with the reasons to doubt all or a part of it."""
    text, doubts = transcript.text, doubts_about(transcript)
    runs = runs_of(text or "")
    believed = None if doubts or not runs else without_runs(text or "")
    reasons = [f"repeats {word!r}" for word in dict.fromkeys(runs)]
    return RecognisedText(text, (*doubts, *reasons), believed)


def recognised_in(heard: Transcript, place: slice) -> RecognisedText:
    """What some of the words of a piece say, with the reasons to doubt all or a part of it.

    Segments of the piece are its words. How sure these are, and how much they repeat, is measured
    on them alone; a passage or a word that the piece repeats is doubted wherever the piece was cut.
    """
    words = heard.segments[place]
    said = words_together(words, heard.language)
    loops = _loops([word.text for word in heard.segments])[place]
    passage = _repeated_passage(without_runs(heard.text or "") or "")
    doubts = tuple(dict.fromkeys((*doubts_about(said), *passage)))
    runs = dict.fromkeys(_plain(word.text) for word, loop in zip(words, loops, strict=True) if loop)
    kept = "".join(word.text for word, loop in zip(words, loops, strict=True) if not loop)
    believed = None if doubts or not runs else normalise(kept)
    reasons = [f"repeats {word!r}" for word in runs]
    return RecognisedText(said.text, (*doubts, *reasons), believed, heard.language)


def doubts_about(transcript: Transcript) -> tuple[str, ...]:
    """Reasons to doubt all that was recognised but runs of one word, in words."""
    text, doubts = without_runs(transcript.text or "") or "", []
    silent, sure = transcript.no_speech_prob, transcript.avg_logprob
    if silent is not None and silent > NO_SPEECH_PROBABILITY:
        doubts.append(f"probably no speech ({silent:.2f})")
    if sure is not None and sure < AVERAGE_LOG_PROBABILITY:
        doubts.append(f"recogniser unsure (mean log-probability {sure:.2f})")
    ratio = compression_ratio(text)
    if ratio > COMPRESSION_RATIO:
        doubts.append(f"repetitive (compression ratio {ratio:.1f})")
    return (*doubts, *_repeated_passage(text))


def _repeated_passage(text: str) -> tuple[str, ...]:
    repeated = repeated_words(text.split())
    return () if repeated is None else (f"repeats {' '.join(repeated)!r}",)


def compression_ratio(text: str) -> float:
    """Bytes of a text over its bytes when compressed, as whisper has it; 0 without a text.

    >>> compression_ratio("no " * 100) > 10 > compression_ratio("I thought you had left.")
    True
    """
    content = text.encode()
    return len(content) / len(zlib.compress(content)) if content else 0.0


def repeated_words(words: Sequence[str]) -> tuple[str, ...] | None:
    """The shortest passage that is said too often in a row; None without any.

    Marks and capitals are no difference.

    >>> repeated_words("I see. Thank you. Thank you, thank you! Thank you. Bye".split())
    ('thank', 'you')
    """
    plain = [*map(_plain, words)]
    for length in range(2, len(plain) // 2 + 1):
        size = length * next(times for shortest, times in REPETITIONS if length >= shortest)
        for start in range(len(plain) - size + 1):
            first, all_of_them = plain[start : start + length], plain[start : start + size]
            if all_of_them == first * (size // length):
                return tuple(first)
    return None


def runs_of(text: str) -> list[str]:
    """Words that are said four times and more in a row, without capitals and marks."""
    groups = groupby(text.split(), _plain)
    return [word for word, group in groups if len([*group]) >= RUN]


def without_runs(text: str) -> str | None:
    """A text without these; None where nothing is left.

    >>> without_runs("Hello. Hello. Hello. Hello. Who is there?")
    'Who is there?'
    """
    words = text.split()
    return (
        " ".join(word for word, loop in zip(words, _loops(words), strict=True) if not loop) or None
    )


def _loops(words: Sequence[str]) -> list[bool]:
    """Whether each of some words is one of a run."""
    sizes = [len([*group]) for _, group in groupby(words, _plain)]
    return [size >= RUN for size in sizes for _ in range(size)]


def _plain(word: str) -> str:
    return re.sub(r"[^\w']", "", word.lower())
