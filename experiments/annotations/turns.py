"""Turns: who speaks when, and what, as a person or a tool wrote it down."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from encoders.messages import quoted
from encoders.utterance import Fault
from experiments.annotations.plain import AnnotationError, tidy, tidy_name

__all__ = ["AnnotationError", "Turn", "read_turns", "within"]

#: The module that reads a file, by the end of its name.
FORMATS: Mapping[str, str] = MappingProxyType(
    {
        ".csv": "experiments.annotations.table",
        ".eaf": "experiments.annotations.eaf",
        ".json": "experiments.annotations.whisper_json",
        ".rttm": "experiments.annotations.rttm",
        ".srt": "experiments.annotations.srt",
        ".stm": "experiments.annotations.stm",
        ".textgrid": "experiments.annotations.textgrid",
        ".tsv": "experiments.annotations.table",
        ".txt": "experiments.annotations.lines",
        ".vtt": "experiments.annotations.vtt",
    }
)
TIERED = (".textgrid", ".eaf")
#: Ends of turns are often rounded; the same bound as for segments of a corpus.
PAST_END_S = 0.1
#: Whisper's last cue ends with its window of so many seconds, wherever the recording does.
WINDOW_S = 30.0
#: An hour of single words has 10 000 turns; so many take some 60 MB.
MOST_TURNS = 200_000
#: Faults after which a file is given up: it is of another kind.
MOST_FAULTS = 1_000
GIVEN_UP = f"given up after {MOST_FAULTS} faults: is it a file of this format?"
#: Four months: far beyond any recording, and within what every format counts.
LATEST_S = 1e7


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One stretch of speech; both times in seconds from the start of the recording.

    ``speaker`` and ``text`` are None where the annotation does not say; names are on one line and
    in composed form, texts without blanks at their ends. A turn of no length is an instant, such
    as the mark of a point tier: nobody can be heard in it.

    Raises:
        ValueError: the times are no finite numbers from 0, or the turn ends before it starts.
    """

    start_s: float
    end_s: float
    speaker: str | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        check_times(self.start_s, self.end_s)
        object.__setattr__(self, "start_s", float(self.start_s))
        object.__setattr__(self, "end_s", float(self.end_s))
        object.__setattr__(self, "speaker", tidy_name(self.speaker))
        object.__setattr__(self, "text", tidy(self.text))


def check_times(start_s: float, end_s: float) -> None:
    """Both times are seconds of a recording, in their order.

    Raises:
        ValueError: with what is wrong.
    """
    for name, time_s in (("starts", start_s), ("ends", end_s)):
        if not (math.isfinite(time_s) and 0 <= time_s <= LATEST_S):
            raise ValueError(f"{name} at {time_s:g} s: expected seconds from 0 to {LATEST_S:g}")
    if end_s < start_s:
        raise ValueError(f"ends at {end_s:g} s, before it starts at {start_s:g} s")


def read_turns(
    path: Path | str,
    *,
    tier: str | None = None,
    tiers: Sequence[str] | None = None,
    recording: str | None = None,
) -> tuple[Turn, ...]:
    """Turns of a file, in the order of their start; its format is told by the end of its name.

    TextGrid, ELAN: each tier is a speaker, its labels are the words; ``tiers`` names those that
    are meant, ``tier`` the one whose labels are the names of the speakers instead. RTTM, STM,
    ELAN: ``recording`` names the one that is meant where a file holds several.

    Raises:
        AnnotationError: no such file, an unknown format, or with every fault of the file, each
            with its line, tier or cue.
    """
    path = Path(path)
    module = FORMATS.get(path.suffix.lower())
    if module is None:
        what = f"unknown format {quoted(path.suffix)}: expected one of {', '.join(FORMATS)}"
        raise AnnotationError(path, [Fault("file name", what)])
    if path.suffix.lower() not in TIERED and not (tier is None and tiers is None):
        what = f"a tier was named, but only {' and '.join(TIERED)} have tiers: leave it out"
        raise AnnotationError(path, [Fault("file name", what)])
    reading = Reading(path, tier, tiers, recording)
    with suppress(_GivenUp):
        import_module(module).read(reading)
    if not reading.turns and not reading.faults:
        reading.fault("file", "no turns in it: expected at least one")
    if reading.faults:
        raise AnnotationError(path, reading.faults)
    return tuple(sorted(reading.turns, key=lambda turn: (turn.start_s, turn.end_s)))


class _GivenUp(Exception):
    """A file has so many faults or turns that the rest of it is not read."""


@dataclass(slots=True)
class Reading:
    """A file while it is read: what of it is meant, its turns and its faults so far."""

    path: Path
    tier: str | None = None
    tiers: Sequence[str] | None = None
    recording: str | None = None
    turns: list[Turn] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, where: str, what: str) -> None:
        """Note what is wrong, and where."""
        self.faults.append(Fault(where, what))
        if len(self.faults) == MOST_FAULTS:
            self.faults.append(Fault("the rest", GIVEN_UP))
            raise _GivenUp

    def bound(self, turns: int, where: str) -> None:
        """Give a file up that holds more turns than a recording has."""
        if turns > MOST_TURNS:
            what = f"more than {MOST_TURNS} turns: expected those of one recording"
            self.faults.append(Fault(where, what))
            raise _GivenUp

    def turn(
        self,
        where: str,
        span: tuple[float, float],
        speaker: str | None = None,
        text: str | None = None,
    ) -> None:
        """Note a turn from its start to its end in seconds, or the fault that it has."""
        start_s, end_s = span
        self.bound(len(self.turns) + 1, where)
        try:
            self.turns.append(Turn(start_s=start_s, end_s=end_s, speaker=speaker, text=text))
        except ValueError as error:
            self.fault(where, str(error))

    def one_recording(self, names: Iterable[str]) -> str | None:
        """The recording whose turns are meant; a fault where that is open."""
        recordings = list(dict.fromkeys(names))
        if self.recording in recordings:
            return self.recording
        if self.recording is None and len(recordings) < 2:
            return next(iter(recordings), None)
        asked = "several recordings" if self.recording is None else f"no {quoted(self.recording)}"
        listed = ", ".join(map(quoted, recordings[:10])) + (", ..." if len(recordings) > 10 else "")
        self.fault("file", f"{asked}: it holds {listed}; say which one is meant")
        return None


def within(turns: Sequence[Turn], duration_s: float, source: Path | str) -> tuple[Turn, ...]:
    """Turns of a recording of ``duration_s``; an end up to 0.1 s past its end is taken as its end.

    So is that of the last turn, if it has words and begins in the recording, up to 30 s past.

    Raises:
        AnnotationError: turns lie further out, so that the file may be of another recording.
    """
    last = max((turn.start_s for turn in turns), default=0.0)
    faults = [
        Fault(
            f"turn {number} ({turn.start_s:g} to {turn.end_s:g} s)",
            f"past the end of the recording at {duration_s:g} s: is it the right file? (columns of "
            "milliseconds are called start_ms and end_ms)",
        )
        for number, turn in enumerate(turns, start=1)
        if turn.start_s > duration_s or turn.end_s > duration_s + _past_s(turn, last, duration_s)
    ]
    if faults:
        raise AnnotationError(source, faults)
    return tuple(replace(turn, end_s=min(turn.end_s, duration_s)) for turn in turns)


def _past_s(turn: Turn, last_s: float, duration_s: float) -> float:
    """How far past the end of the recording a turn may end."""
    is_cue = turn.text is not None and turn.start_s == last_s < duration_s
    return WINDOW_S if is_cue else PAST_END_S
