"""What an interview command asks for, checked before any work starts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from encoders.analysis.voice_activity import SILERO_DEFAULTS, ActivityOptions
from experiments.config import OptionError
from experiments.interviews.segmentation import MAX_S, MIN_S, USUAL_S, Cutting

MOST_SPEAKERS = 20
LONGEST_PADDING_S = 5.0
Words = Literal["show", "classify", "off"]
LEAST_HOP_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class InterviewOptions:
    """Options of ``serfusion interview`` that hold for all its recordings.

    ``turns`` and ``transcript`` name a file or, for several recordings, a folder with one file
    per recording, named like it. Of a TextGrid or an ELAN file, ``tier`` is the one of ``turns``
    that says who speaks, ``words_tiers`` are those that say what, of ``transcript`` or else of
    ``turns``. ``asr`` "none" recognises nothing; None is whisper-base, or
    whisper-tiny.en where only that is on this machine, which is told. ``abstain`` is the
    probability below which no class is named, None the model's own; ``sets`` the share of segments
    whose true class is to be in the set that each then has, None: no sets; ``smooth`` the number of
    neighbouring pieces of one speaker whose mean is taken (1: none). ``speaker_model`` is
    what tells speakers apart: ``ge2e``, ``cepstra`` or an x-vector checkpoint, None the first that
    is here; ``voices`` is a folder with a recording of each person, by whose name who sounds like
    it is called. ``segment_max`` is how long a segment is at most, in seconds; ``window`` gives
    segments of that length instead, one every ``hop``. ``packing`` lets short pieces share the
    windows of Whisper, None where that was measured to cost no words. ``redact`` leaves words and
    names of speakers out of all that is written, ``redact_name`` those of the recording's file and
    of files of turns, words and voices too. ``channel``, from 1 on, is heard alone; None is the
    mean of all. ``words`` "classify" gives the model all words that are not in doubt, "show" none,
    "off" leaves them out altogether; None gives it those of its text model's language.
    ``speech_threshold`` is the probability from which on Silero's windows are speech,
    ``speech_padding`` the seconds that each stretch is longer on both sides. ``keep_damaged`` goes
    on with what can be read of a damaged recording.
    """

    turns: Path | None = None
    channels: bool = False
    channel: int | None = None
    speakers: int | None = None
    speaker_model: str | None = None
    voices: Path | None = None
    segment_max: float = USUAL_S
    window: float | None = None
    hop: float | None = None
    transcript: Path | None = None
    tier: str | None = None
    words_tiers: tuple[str, ...] = ()
    asr: str | None = None
    abstain: float | None = None
    sets: float | None = None
    smooth: int = 1
    redact: bool = False
    redact_name: bool = False
    packing: bool | None = None
    words: Words | None = None
    speech_threshold: float = SILERO_DEFAULTS.threshold
    speech_padding: float = SILERO_DEFAULTS.padding_s
    keep_damaged: bool = False

    def __post_init__(self) -> None:
        self._check_who()
        self._check_words()
        self._check_cutting()
        self._check_numbers()

    @property
    def activity(self) -> ActivityOptions:
        """What is taken for speech."""
        return ActivityOptions(threshold=self.speech_threshold, padding_s=self.speech_padding)

    @property
    def words_file(self) -> Path | None:
        """Where the words come from, if not from what tells who speaks."""
        if self.transcript is None and self.tier is not None and self.words_tiers:
            return self.turns
        return self.transcript

    @property
    def turns_tiers(self) -> tuple[str, ...] | None:
        """Tiers of words that tell who speaks, too; None where nothing is said of that."""
        alone = self.transcript is None and self.tier is None
        return self.words_tiers or None if alone else None

    @property
    def cutting(self) -> Cutting:
        """How segments are cut."""
        return Cutting(self.segment_max, self.window, self.hop)

    @property
    def nobody_is_known(self) -> bool:
        """Whether nothing says who speaks, or that one person does."""
        return self.turns is None and not self.channels and self.speakers is None

    def _check_who(self) -> None:
        ways = {
            "--turns": self.turns is not None,
            "--channels": self.channels,
            "--speakers": self.speakers is not None,
        }
        given = [name for name, wanted in ways.items() if wanted]
        if len(given) > 1:
            raise OptionError(f"{' and '.join(given)}: expected one way to tell who speaks")
        if self.channels and self.channel is not None:
            raise OptionError("--channel with --channels, which hears each as a speaker: drop one")
        if self.channels and self.voices is not None:
            raise OptionError("--voices with --channels, where each is a speaker: drop one")
        if self.tier is not None and self.turns is None:
            raise OptionError("--tier: needs --turns FILE; --words-tier names tiers of words")
        if self.speakers is not None and not 1 <= self.speakers <= MOST_SPEAKERS:
            raise OptionError(f"--speakers {self.speakers}: expected 1 to {MOST_SPEAKERS}")
        if self.speaker_model is not None and self.speakers is None and self.voices is None:
            raise OptionError("--speaker-model: needs --speakers N or --voices DIR, who read it")

    def _check_words(self) -> None:
        if self.redact_name and not self.redact:
            raise OptionError("--redact-name: needs --redact, which leaves the words out too")
        if self.words_tiers and self.turns is None and self.transcript is None:
            raise OptionError("--words-tier: needs --transcript FILE or --turns FILE")
        if self.packing and (self.asr == "none" or self.transcript is not None):
            other = "--transcript" if self.transcript is not None else "--asr none"
            raise OptionError(f"--packing with {other}: nothing is recognised; leave one out")
        if self.words is not None and self.words not in get_args(Words):
            known = ", ".join(get_args(Words))
            raise OptionError(f"--words {self.words}: expected one of {known}")
        known_words = self.transcript is not None or self.asr not in (None, "none")
        if self.words == "off" and known_words:
            other = "--transcript" if self.transcript is not None else "--asr"
            raise OptionError(f"--words off with {other}: nobody would see them; leave one out")

    def _check_cutting(self) -> None:
        if not MIN_S <= self.segment_max <= MAX_S:
            expected = f"expected {MIN_S:g} to {MAX_S:g} seconds"
            raise OptionError(f"--segment-max {self.segment_max:g}: {expected}")
        if self.hop is not None and self.window is None:
            raise OptionError("--hop: needs --window S, whose distance it is")
        if self.window is None:
            return
        if self.segment_max != USUAL_S:
            raise OptionError("--segment-max with --window, which fixes the length: drop one")
        if not MIN_S <= self.window <= MAX_S:
            raise OptionError(f"--window {self.window:g}: expected {MIN_S:g} to {MAX_S:g} seconds")
        if self.hop is not None and not LEAST_HOP_S <= self.hop <= self.window:
            expected = f"expected {LEAST_HOP_S:g} s to the length of the window"
            raise OptionError(f"--hop {self.hop:g}: {expected}, so that no speech is left out")

    def _check_numbers(self) -> None:
        if not 0 < self.speech_threshold < 1:
            what = "expected a probability between 0 and 1, as in 0.3"
            raise OptionError(f"--speech-threshold {self.speech_threshold:g}: {what}")
        if not 0 <= self.speech_padding <= LONGEST_PADDING_S:
            what = f"expected seconds from 0 to {LONGEST_PADDING_S:g}, as in 0.2"
            raise OptionError(f"--speech-padding {self.speech_padding:g}: {what}")
        if self.abstain is not None and not 0 <= self.abstain <= 1:
            raise OptionError(f"--abstain {self.abstain:g}: expected a probability from 0 to 1")
        if self.sets is not None and not 0 < self.sets < 1:
            raise OptionError(f"--sets {self.sets:g}: expected a coverage, as in 0.9")
        if self.smooth < 1 or self.smooth % 2 == 0:
            raise OptionError(f"--smooth {self.smooth}: expected an odd number of pieces, as in 3")
