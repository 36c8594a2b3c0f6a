"""Tables over the recordings of a study, ready for R and pandas: by segment and by stretch of time.

Both have a line's recording and speaker first, so that they join tables of people and sessions. A
speaker's z-scores are within one recording: "speaker 1" of two recordings need not be one person,
and what two rooms and microphones do to a voice is not how somebody feels.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil
from pathlib import Path

import numpy as np
from jaxtyping import Float

from encoders.analysis.voice_activity import Stretch
from encoders.files import free_name, write_atomically
from encoders.manifest_rows import guarded, unguarded
from encoders.messages import with_count
from experiments.annotations.plain import BETWEEN, escape_reason
from experiments.annotations.segments import PLACES, Segment, Timeline
from experiments.annotations.timeline_json import read_json
from experiments.config import OptionError
from experiments.interviews.outputs import TIMELINE, files_of
from experiments.interviews.speech_scan import union
from fusion.evaluation.emotions import DERIVED, derived_values

#: Segments of a speaker from which on one is compared with the others.
LEAST_SEGMENTS = 3
#: Most lines of one speaker in one recording that ``--bins`` may ask for.
MOST_BINS = 10_000
#: What the lines of each table begin with, by which one of ours is known.
OF_SEGMENTS, OF_STRETCHES = ("recording", "segment", "speaker"), ("recording", "speaker", "bin")

#: Recordings that a message names.
NAMED = 3
#: Names that nobody gave to a person.
GIVEN = re.compile(r"(guess|speaker|channel)[ _]?\d*|unknown", re.IGNORECASE)

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class StudyTables:
    """Where tables over all recordings of a command go, None: nowhere.

    Raises:
        OptionError: ``bins`` without a summary, or in no form that is known; no such folder; or
            both in one file.
    """

    table: Path | None = None
    summary: Path | None = None
    bins: str | None = None

    def __post_init__(self) -> None:
        if self.bins is not None and self.summary is None:
            raise OptionError("--bins: needs --summary FILE, whose lines it makes")
        Bins.typed(self.bins or "1")
        for option, path in (("--table", self.table), ("--summary", self.summary)):
            if path is not None and (path.is_dir() or not path.parent.is_dir()):
                raise OptionError(f"{option} {path}: expected a file in a folder that is there")
        wanted = [path.resolve() for path in (self.table, self.summary) if path is not None]
        if len(set(wanted)) < len(wanted):
            raise OptionError(f"--table and --summary {self.table}: expected a file for each")

    def spare(self, given: Iterable[Path | None]) -> None:
        """Refuse to write over files that the command reads, or those of a folder of them.

        Raises:
            OptionError: a table has the name of one.
        """
        read = {file.resolve() for one in given for file in files_of(one)}
        for option, path in (("--table", self.table), ("--summary", self.summary)):
            if path is not None and path.resolve() in read:
                what = "is read by this command and would be written over: expected another name"
                raise OptionError(f"{option} {path}: {what}")

    def write(self, folders: Sequence[Path]) -> list[str]:
        """Write what was asked for of the recordings whose results lie in some folders.

        Returns what is told of it. Without any folder the tables of before stay as they are.
        """
        wanted = [path for path in (self.table, self.summary) if path is not None]
        if not wanted:
            return []
        if not folders:
            return [f"{path}: not written, as no recording could be used" for path in wanted]
        found = [read_json(folder / TIMELINE) for folder in folders]
        times = Counter(timeline.recording for timeline in found)
        timelines = [
            replace(one, recording=folder.name) if times[one.recording] > 1 else one
            for folder, one in zip(folders, found, strict=True)
        ]
        told = list(_guessed_alike(timelines))
        if self.table is not None:
            told += write_study(timelines, self.table)
        if self.summary is not None:
            told += write_summary(timelines, self.summary, Bins.typed(self.bins or "1"))
        return told


@dataclass(frozen=True, slots=True)
class Bins:
    """Equal stretches of a recording: so many, or each so many seconds (the last one shorter)."""

    count: int | None = None
    seconds: float | None = None

    @classmethod
    def typed(cls, text: str) -> "Bins":
        """Bins as they are typed: ``10`` equal ones, or ``30s`` each.

        Raises:
            OptionError: neither.
        """
        number = re.fullmatch(r"(\d+(?:\.\d+)?)(s?)", text.strip())
        value = float(number[1]) if number else 0.0
        if number and number[2] and value > 0:
            return cls(seconds=value)
        if number and not number[2] and value.is_integer() and 1 <= value <= MOST_BINS:
            return cls(count=int(value))
        raise OptionError(
            f"--bins {text}: expected how many equal stretches (10, at most {MOST_BINS}) or how "
            "long each is (30s)"
        )

    def edges(self, duration_s: float) -> list[float]:
        """Start of each stretch, and the end of the last one.

        Raises:
            OptionError: there would be more than :data:`MOST_BINS`.
        """
        if self.seconds is None:
            return [float(edge) for edge in np.linspace(0, duration_s, (self.count or 1) + 1)]
        count = max(1, ceil(duration_s / self.seconds))
        if count > MOST_BINS:
            raise OptionError(
                f"--bins {self.seconds:g}s: {duration_s:.0f} s would be {count} stretches, "
                f"expected at most {MOST_BINS}"
            )
        return [*(k * self.seconds for k in range(count)), duration_s]


def _guessed_alike(timelines: Sequence[Timeline]) -> Iterator[str]:
    """What is told of names that a program gave, which several recordings have."""
    counts = Counter(name for timeline in timelines for name in timeline.speakers)
    alike = [name for name, count in counts.items() if count > 1 and GIVEN.fullmatch(name)]
    if alike:
        yield (
            f"{', '.join(alike)}: of each recording by itself, and not one person in all of them; "
            "group by recording and speaker, or name people by --voices"
        )


def write_study(timelines: Sequence[Timeline], path: Path) -> list[str]:
    """A line for each segment of all recordings; returns what is told of the file.

    ``label``, ``level`` and ``probability`` are what was answered, ``top`` and ``top_probability``
    the likeliest class whether it is sure or not; ``entropy_bits`` is that of the probabilities, 0
    where one class is certain. ``p_CLASS`` are those of voice and words together, ``voice_CLASS``
    and ``words_CLASS`` of each alone. ``valence`` and ``arousal`` are derived from the classes, or
    the model's own. ``z_`` is a segment against its speaker's others in this recording: minus their
    mean, over their standard deviation; empty below three segments.
    """
    rows = [row for timeline in timelines for row in _segments(timeline)]
    return _write(rows, OF_SEGMENTS, path, len(timelines))


def write_summary(timelines: Sequence[Timeline], path: Path, bins: Bins) -> list[str]:
    """A line for each recording, speaker and stretch of time, also where nothing is said.

    ``speech_s`` are the seconds that the speaker is heard in the stretch, ``classified_s`` those
    with probabilities; all other columns are means over the latter, second by second: a segment
    that reaches into a stretch counts with the seconds that it has there. ``words`` shares out the
    words of a segment alike. Where segments of a speaker lie over one another, as windows do,
    seconds and words count once. ``answered`` is the share of ``classified_s`` with any answer,
    ``class`` with a class.
    """
    rows = [row for timeline in timelines for row in _stretches(timeline, bins)]
    return _write(rows, OF_STRETCHES, path, len(timelines))


def _write(rows: Sequence[Row], first: Sequence[str], path: Path, recordings: int) -> list[str]:
    """Write a table whose columns begin with the ``first``, also where it has no lines.

    A file of that name that begins otherwise is nobody's table of before: it is kept.
    """
    # Models differ in their classes: a column that a recording lacks is empty there.
    columns = list(dict.fromkeys([*first, *(name for row in rows for name in row)]))
    told = []
    if path.is_file() and not _begins(path, ",".join(first).encode()):
        aside = free_name(path, "kept")
        path.rename(aside)
        told = [f"{path.name} was there and is no table of before; it is kept as {aside.name}"]
    elif path.is_file() and (gone := _recordings(path) - {str(row["recording"]) for row in rows}):
        told = [
            f"{path.name} had {with_count(len(gone), 'recording')} more before ("
            f"{', '.join(sorted(gone)[:NAMED])}): it is of the recordings of this command alone"
        ]
    text = io.StringIO()
    table = csv.DictWriter(text, columns, restval="", lineterminator="\r\n")
    table.writeheader()
    table.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    write_atomically(path, text.getvalue().encode(), private=True)
    lines, made_of = with_count(len(rows), "line"), with_count(recordings, "recording")
    return [*told, f"{path}: {lines} of {made_of}"]


def _begins(path: Path, content: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(content)) == content


def _recordings(path: Path) -> set[str]:
    """Recordings of a table of before, as far as it can be read: anyone may have changed it."""
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            return {unguarded(row["recording"]) for row in csv.DictReader(file)}
    except csv.Error:
        return set()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        # Nothing is minus zero.
        return repr(round(float(value), PLACES) + 0.0)
    return guarded(value) if isinstance(value, str) else str(value).lower()


# ---------------------------------------------------------------- segments


def _segments(timeline: Timeline) -> Iterator[Row]:
    measured = [_measured(segment, timeline) for segment in timeline.segments]
    against = _z_scores(timeline, measured)
    for number, segment in enumerate(timeline.segments):
        row: dict[str, object] = {
            "recording": timeline.recording,
            "segment": number + 1,
            "speaker": segment.speaker,
            "start_s": segment.start_s,
            "end_s": segment.end_s,
            "text": segment.text,
            "text_doubtful": BETWEEN.join(map(escape_reason, segment.text_doubtful)),
            "overlap": segment.overlap,
            "label": segment.label,
            "level": segment.answer.level if segment.answer else None,
            "probability": segment.answer.probability if segment.answer else None,
        }
        if timeline.kind == "classes":
            best = int(np.argmax(segment.probabilities)) if segment.probabilities else None
            row["top"] = None if best is None else timeline.targets[best]
            row["top_probability"] = None if best is None else segment.probabilities[best]
        alone = {"voice": segment.voice, "words": segment.words}
        for prefix, values in alone.items():
            row |= _named(f"{prefix}_", timeline.targets, values)
        yield {**row, **measured[number], **against[number]}


def _measured(segment: Segment, timeline: Timeline) -> dict[str, float | None]:
    """What is a number of a segment: entropy, probabilities, and values, derived ones too."""
    if timeline.kind == "values":
        return _named("", timeline.targets, segment.values)
    shares = np.array(segment.probabilities)
    known = shares[shares > 0]
    entropy = float(-(known * np.log2(known)).sum()) if len(shares) else None
    return {
        "entropy_bits": entropy,
        **_named("p_", timeline.targets, segment.probabilities),
        **_named("", DERIVED, derived_values(segment.probabilities, timeline.targets)),
    }


def _named(
    prefix: str, names: Sequence[str], values: Sequence[float] | None
) -> dict[str, float | None]:
    return {f"{prefix}{name}": values[k] if values else None for k, name in enumerate(names)}


def _z_scores(
    timeline: Timeline, measured: Sequence[Mapping[str, float | None]]
) -> list[dict[str, float | None]]:
    scores: list[dict[str, float | None]]
    scores = [dict.fromkeys(f"z_{name}" for name in row) for row in measured]
    for speaker in timeline.speakers:
        own = [k for k, segment in enumerate(timeline.segments) if segment.speaker == speaker]
        for name in measured[own[0]]:
            known = [(k, value) for k in own if (value := measured[k][name]) is not None]
            values = np.array([value for _, value in known])
            spread = values.std(ddof=1) if len(known) >= LEAST_SEGMENTS else 0
            if spread > 0:
                for k, value in known:
                    scores[k][f"z_{name}"] = float((value - values.mean()) / spread)
    return scores


# ---------------------------------------------------------------- stretches of time


def _stretches(timeline: Timeline, bins: Bins) -> Iterator[Row]:
    edges = np.array(bins.edges(timeline.duration_s))
    if not timeline.speakers:
        # A recording without speech is a line too, or it would be missing unseen.
        nothing = dict.fromkeys(("speech_s", "words", "classified_s"), 0.0)
        for number, (start, end) in enumerate(pairwise(map(float, edges)), start=1):
            place = {"recording": timeline.recording, "speaker": "", "bin": number}
            yield {**place, "start_s": start, "end_s": end, "segments": 0, **nothing}
    for speaker in timeline.speakers:
        own = [segment for segment in timeline.segments if segment.speaker == speaker]
        shares = _seconds_in(own, edges)
        for number, seconds in enumerate(shares.T):
            yield {
                "recording": timeline.recording,
                "speaker": speaker,
                "bin": number + 1,
                "start_s": float(edges[number]),
                "end_s": float(edges[number + 1]),
                **_summary(own, seconds, (edges[number], edges[number + 1]), timeline),
            }


def _seconds_in(
    segments: Sequence[Segment], edges: Float[np.ndarray, "edges"]
) -> Float[np.ndarray, "segments bins"]:
    start = np.array([[segment.start_s] for segment in segments])
    end = np.array([[segment.end_s] for segment in segments])
    return np.clip(np.minimum(end, edges[1:]) - np.maximum(start, edges[:-1]), 0, None)


def _once(segments: Sequence[Segment], start_s: float, end_s: float) -> float:
    """What share of their seconds in a stretch is left if those that they share count once."""
    inside = [
        Stretch(max(one.start_s, start_s), min(one.end_s, end_s))
        for one in segments
        if one.start_s < end_s and one.end_s > start_s
    ]
    total = sum(one.length_s for one in inside)
    return sum(one.length_s for one in union(inside)) / total if total else 1.0


def _summary(
    segments: Sequence[Segment],
    seconds: Float[np.ndarray, "segments"],
    stretch: tuple[float, float],
    timeline: Timeline,
) -> Row:
    once = _once(segments, *stretch)
    here = [(segment, s) for segment, s in zip(segments, seconds, strict=True) if s > 0]
    words = [len((one.text or "").split()) * s / (one.end_s - one.start_s) for one, s in here]
    known = [(segment, s) for segment, s in here if segment.scores]
    weight = sum(s for _, s in known)
    row: dict[str, object] = {
        "segments": len(here),
        "speech_s": float(sum(s for _, s in here)) * once,
        "words": float(sum(words)) * once,
        "classified_s": float(weight) * once,
    }
    if timeline.kind == "classes":
        answered = sum(s for one, s in known if one.answer is not None)
        classes = sum(s for one, s in known if one.answer and one.answer.level == "class")
        row["answered"] = answered / weight if weight else None
        row["class"] = classes / weight if weight else None
    measured = [(_measured(segment, timeline), s) for segment, s in known]
    for name in _measured(segments[0], timeline):
        values = [(value, s) for found, s in measured if (value := found[name]) is not None]
        total = sum(s for _, s in values)
        row[name] = sum(value * s for value, s in values) / total if total else None
    return row
