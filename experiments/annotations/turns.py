"""Turns: who speaks when, and what, as a person or a tool wrote it down."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from encoders.messages import quoted, with_count
from encoders.utterance import Fault
from experiments.annotations.plain import AnnotationError, tidy, tidy_name

__all__ = ["Annotation", "AnnotationError", "Turn", "read_annotation", "read_turns", "within"]

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
#: The reason to doubt words that a mark in the file calls doubtful without saying why.
MARKED = "marked as doubtful"
#: Beyond so many characters nothing is a remark.
LONGEST_REMARK = 200
#: A label that is a remark and no words: all of it in brackets, asterisks or notes of music.
_REMARK = re.compile(r"(?:\[[^\[\]]*\]|\(\([^()]*\)\)|<[^<>]*>|\*[^*]+\*|[♪♫\s.,;…])+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One stretch of speech; both times in seconds from the start of the recording.

    ``speaker`` and ``text`` are None where the annotation does not say; names are on one line and
    in composed form, texts without blanks at their ends. ``doubts`` are the reasons to doubt the
    words. A turn of no length is an instant, such as the mark of a point tier: nobody can be heard
    in it.

    Raises:
        ValueError: the times are no finite numbers from 0, or the turn ends before it starts.
    """

    start_s: float
    end_s: float
    speaker: str | None = None
    text: str | None = None
    doubts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_times(self.start_s, self.end_s)
        object.__setattr__(self, "start_s", float(self.start_s))
        object.__setattr__(self, "end_s", float(self.end_s))
        object.__setattr__(self, "speaker", tidy_name(self.speaker))
        object.__setattr__(self, "text", tidy(self.text))
        doubts = self.doubts if self.text is not None else ()
        object.__setattr__(self, "doubts", tuple(filter(None, map(tidy_name, doubts))))


@dataclass(frozen=True, slots=True)
class Annotation:
    """The turns of a file in the order of their start, and what a person must know of how.

    ``notes`` are sentences: which tiers were taken for what, what was left or cut.
    """

    turns: tuple[Turn, ...]
    notes: tuple[str, ...] = ()


def is_remark(text: str) -> bool:
    """Whether a label says what happens, and no words.

    >>> is_remark("[laughs]"), is_remark("((coughs)) <noise>"), is_remark("well [laughs]")
    (True, True, False)
    """
    return bool(text.strip()) and len(text) <= LONGEST_REMARK and bool(_REMARK.fullmatch(text))


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
    """The turns alone of :func:`read_annotation`."""
    return read_annotation(path, tier=tier, tiers=tiers, recording=recording).turns


def read_annotation(
    path: Path | str,
    *,
    tier: str | None = None,
    tiers: Sequence[str] | None = None,
    recording: str | None = None,
    duration_s: float | None = None,
) -> Annotation:
    """Turns of a file, in the order of their start; its format is told by the end of its name.

    TextGrid, ELAN: ``tier`` names the one whose labels are the names of the speakers, ``tiers``
    those whose labels are words; without them it is told by the tiers themselves
    (:mod:`experiments.annotations.tiers`), and noted. RTTM, STM, ELAN: ``recording`` names the one
    that is meant where a file holds several. A recording's ``duration_s`` tells whole
    milliseconds from seconds in tables whose headings do not.

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
    reading = Reading(path, tier, tiers, recording, duration_s)
    with suppress(GivenUp):
        import_module(module).read(reading)
    if not reading.turns and not reading.faults:
        reading.fault("file", "no turns in it: expected at least one")
    if reading.faults:
        raise AnnotationError(path, reading.faults)
    ordered = sorted(reading.turns, key=lambda turn: (turn.start_s, turn.end_s))
    return Annotation(tuple(ordered), tuple(f"{path.name}: {note}" for note in reading.notes))


class GivenUp(Exception):
    """A file has so many faults or turns that the rest of it is not read."""


@dataclass(slots=True)
class Reading:
    """A file while it is read: what of it is meant, its turns and its faults so far."""

    path: Path
    tier: str | None = None
    tiers: Sequence[str] | None = None
    recording: str | None = None
    duration_s: float | None = None
    turns: list[Turn] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fault(self, where: str, what: str) -> None:
        """Note what is wrong, and where."""
        self.faults.append(Fault(where, what))
        if len(self.faults) == MOST_FAULTS:
            self.faults.append(Fault("the rest", GIVEN_UP))
            raise GivenUp

    def bound(self, turns: int, where: str) -> None:
        """Give a file up that holds more turns than a recording has."""
        if turns > MOST_TURNS:
            what = f"more than {MOST_TURNS} turns: expected those of one recording"
            self.faults.append(Fault(where, what))
            raise GivenUp

    def note(self, what: str) -> None:
        """Note what a person must know of how the file was read."""
        self.notes.append(what)

    def turn(
        self,
        where: str,
        span: tuple[float, float],
        speaker: str | None = None,
        text: str | None = None,
        doubts: Sequence[str] = (),
    ) -> None:
        """Note a turn from its start to its end in seconds, or the fault that it has."""
        start_s, end_s = span
        self.bound(len(self.turns) + 1, where)
        try:
            turn = Turn(
                start_s=start_s, end_s=end_s, speaker=speaker, text=text, doubts=tuple(doubts)
            )
            self.turns.append(turn)
        except ValueError as error:
            self.fault(where, str(error))

    def one_recording(self, names: Iterable[str]) -> str | None:
        """The recording whose turns are meant; a fault where that is open."""
        recordings = list(dict.fromkeys(names))
        by_stem = {Path(name).stem: name for name in reversed(recordings)}
        if self.recording in (*recordings, *by_stem):
            return by_stem.get(self.recording, self.recording)
        if self.recording is None and len(recordings) < 2:
            return next(iter(recordings), None)
        asked = "several recordings" if self.recording is None else f"no {quoted(self.recording)}"
        listed = ", ".join(map(quoted, recordings[:10])) + (", ..." if len(recordings) > 10 else "")
        self.fault("file", f"{asked}: it holds {listed}; say which one is meant")
        return None


def within(annotation: Annotation, duration_s: float, source: Path | str) -> Annotation:
    """Turns of a recording of ``duration_s``; an end up to 0.1 s past its end is taken as its end.

    So is that of the last turn, if it has words and begins in the recording, up to 30 s past,
    which is noted.

    Raises:
        AnnotationError: turns lie further out, so that the file may be of another recording.
    """
    last = max((turn.start_s for turn in annotation.turns), default=0.0)
    faults, notes = [], list(annotation.notes)
    for number, turn in enumerate(annotation.turns, start=1):
        past_s = turn.end_s - duration_s
        if turn.start_s > duration_s or past_s > _most_past_s(turn, last, duration_s):
            where = f"turn {number} ({turn.start_s:g} to {turn.end_s:g} s)"
            what = f"past the end of the recording at {duration_s:g} s: is it the right file?"
            faults.append(Fault(where, f"{what} (columns of milliseconds are called start_ms ...)"))
        elif past_s > PAST_END_S:
            what = f"ended {past_s:.1f} s past the end of the recording, and is cut there"
            notes.append(f"{Path(source).name}: the last turn {what}")
    if faults:
        raise AnnotationError(source, faults)
    cut = (replace(turn, end_s=min(turn.end_s, duration_s)) for turn in annotation.turns)
    return Annotation(tuple(cut), tuple(notes))


def _most_past_s(turn: Turn, last_s: float, duration_s: float) -> float:
    """How far past the end of the recording a turn may end."""
    is_cue = turn.text is not None and turn.start_s == last_s < duration_s
    return WINDOW_S if is_cue else PAST_END_S


def words_apart(annotation: Annotation) -> Annotation:
    """Turns whose label is a remark, as ``[laughs]``, without words, which is noted."""
    remarks = {turn.text: None for turn in annotation.turns if turn.text and is_remark(turn.text)}
    if not remarks:
        return annotation
    turns = (
        replace(turn, text=None) if turn.text in remarks else turn for turn in annotation.turns
    )
    count = sum(turn.text in remarks for turn in annotation.turns)
    some = ", ".join(quoted(text or "") for text in list(remarks)[:3])
    more = ", ..." if len(remarks) > 3 else ""
    note = f"{with_count(count, 'label')} taken for remarks, not for words: {some}{more}"
    return Annotation(tuple(turns), (*annotation.notes, note))
