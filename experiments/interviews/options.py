"""What an interview command asks for, checked before any work starts."""

from dataclasses import dataclass
from pathlib import Path

from experiments.config import OptionError

MOST_SPEAKERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class InterviewOptions:
    """Options of ``serfusion interview`` that hold for all its recordings.

    ``turns`` and ``transcript`` name a file or, for several recordings, a folder with one file
    per recording, named like it. ``asr`` "none" recognises nothing; None is whisper-base, or
    whisper-tiny.en where only that is on this machine, which is told. ``abstain`` is the
    probability below which no class is named, None the model's own; ``sets`` the share of segments
    whose true class is to be in the set that each then has, None: no sets; ``smooth`` the number of
    neighbouring pieces of one speaker whose mean is taken (1: none). ``speaker_model`` is an
    x-vector checkpoint for the guess. ``packing`` lets short pieces share the windows of Whisper.
    ``redact`` leaves words and names of speakers out of all that is written, ``redact_name`` those
    of the recording's file and of files of turns and words too. ``channel``, from 1 on, is heard
    alone; None is the mean of all.
    """

    turns: Path | None = None
    channels: bool = False
    channel: int | None = None
    speakers: int | None = None
    speaker_model: str | None = None
    transcript: Path | None = None
    asr: str | None = None
    abstain: float | None = None
    sets: float | None = None
    smooth: int = 1
    redact: bool = False
    redact_name: bool = False
    packing: bool = False

    def __post_init__(self) -> None:
        ways = {
            "--turns": self.turns is not None,
            "--channels": self.channels,
            "--speakers": self.speakers is not None,
        }
        given = [name for name, wanted in ways.items() if wanted]
        if len(given) > 1:
            raise OptionError(f"{' and '.join(given)}: expected one way to tell who speaks")
        if self.redact_name and not self.redact:
            raise OptionError("--redact-name: needs --redact, which leaves the words out too")
        if self.channels and self.channel is not None:
            raise OptionError("--channel with --channels, which hears each as a speaker: drop one")
        self._check_numbers()
        if self.speakers is not None and not 1 <= self.speakers <= MOST_SPEAKERS:
            raise OptionError(f"--speakers {self.speakers}: expected 1 to {MOST_SPEAKERS}")
        if self.speaker_model is not None and self.speakers is None:
            raise OptionError("--speaker-model: needs --speakers N, whose guess it makes")
        if self.packing and (self.asr == "none" or self.transcript is not None):
            other = "--transcript" if self.transcript is not None else "--asr none"
            raise OptionError(f"--packing with {other}: nothing is recognised; leave one out")

    def _check_numbers(self) -> None:
        if self.abstain is not None and not 0 <= self.abstain <= 1:
            raise OptionError(f"--abstain {self.abstain:g}: expected a probability from 0 to 1")
        if self.sets is not None and not 0 < self.sets < 1:
            raise OptionError(f"--sets {self.sets:g}: expected a coverage, as in 0.9")
        if self.smooth < 1 or self.smooth % 2 == 0:
            raise OptionError(f"--smooth {self.smooth}: expected an odd number of pieces, as in 3")
