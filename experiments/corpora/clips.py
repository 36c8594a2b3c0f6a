"""Which clip of a video holds which labelled segment: by times, by lengths, by numbers that fit.

Clips of the raw archive of CMU-MOSEI are numbered by their place in the video, rows of the table of
labels by their place in the table; files of CMU-MOSI count from 1, its ``.csd`` from 0. A number
joins the two only where the lengths agree with the times.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from encoders.audio.reading import declared_length_s
from encoders.messages import with_count
from experiments.corpora.tables import read_text
from experiments.corpora.tree import Tree, first_few

#: How the corpora name their segments.
IDS = {"mosei": "{}[{}]", "mosi": "{}_{}"}
#: How far a clip may be from the end minus the start of its segment: encoders fill up frames.
TOLERANCE_S = 0.25
#: Neighbours were cut with half a second more at both ends (CMU-MOSEI's table: overlaps up to 1 s).
MARGIN_S = 0.5
#: Share of compared clips that may differ before no number is believed.
ODD_SHARE = 0.01
#: A clip is called ``VIDEO_3`` or ``VIDEO[3]``, or ``3`` in the folder of its video.
NAME = re.compile(r"(?P<video>.+?)(?:_(?P<number>\d+)|\[(?P<inside>\d+)\])")
#: ``VIDEO___3___23.199___30.325___words``, in the raw archive's texts of segments.
LINE = re.compile(
    r"(?P<video>.+?)___(?P<number>\d+)___(?P<start>-?[\d.]+)___(?P<end>[\d.]+)___(?P<text>.*)"
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a video with the values that its labels give it, by their names.

    ``early_s`` is how long before its video it began in the table; ``start_s`` is 0 then.
    """

    video: str
    index: str
    start_s: float
    end_s: float | None
    text: str | None
    split: str | None
    values: Mapping[str, float]
    early_s: float = 0.0

    def id(self, corpus: str) -> str:
        """Name of the segment as its corpus writes it."""
        return IDS[corpus].format(self.video, self.index)


@dataclass(frozen=True, slots=True)
class Clip:
    """A file of a segment; times and words where the raw archive's texts have them."""

    number: int
    path: Path
    length_s: float | None
    start_s: float | None = None
    end_s: float | None = None
    text: str | None = None


@dataclass(frozen=True)
class Matches:
    """The clip of each segment by video and index, what joined them (in words), who has none."""

    clips: dict[tuple[str, str], Clip] = field(default_factory=dict)
    ways: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)

    def take(self, segment: Segment, clip: Clip, way: str) -> None:
        """A segment has a clip."""
        self.clips[segment.video, segment.index] = clip
        self.ways[way] += 1

    def refuse(self, segment: Segment) -> None:
        """A segment has clips of its video beside it, and none that is surely its own."""
        self.refused.append(f"{segment.video}[{segment.index}]")

    def notes(self) -> tuple[str, ...]:
        """What was matched how, and how many were not."""
        ways = [f"{with_count(count, 'clip')} matched {way}" for way, count in self.ways.items()]
        if self.refused:
            ways.append(
                f"{with_count(len(self.refused), 'segment')} without a clip whose length is its "
                f"end − start to {TOLERANCE_S} s and that could be no other's: "
                f"{first_few(self.refused)}"
            )
        return tuple(ways)


def match_clips(tree: Tree, segments: Sequence[Segment]) -> Matches:
    """Clips of segments; a whole number of the table names a clip only where it is believed.

    Where texts of segments give the times of clips, times join them. Else lengths are compared:
    a video whose numbered clips all have the lengths of their rows is matched by number; in any
    other the rows, in the order of their starts, take clips of their lengths in the order of their
    numbers, where only one choice is possible. If more than one in a hundred numbered clips
    differs, no number is believed, because some agree by chance.
    """
    rows_of: dict[str, list[Segment]] = defaultdict(list)
    for segment in segments:
        rows_of[segment.video].append(segment)
    clips_of = _clips(tree, rows_of.keys())
    numbers_hold = _numbers_hold(rows_of, clips_of)
    matches = Matches()
    for video, rows in rows_of.items():
        clips = clips_of.get(video)
        if clips is None:
            continue
        timed = [clip for clip in clips.values() if clip.start_s is not None]
        if timed and all(row.end_s is not None for row in rows):
            _by_times(rows, timed, matches)
        elif numbers_hold and not any(map(_differs, *_numbered(rows, clips))):
            _by_number(rows, clips, matches)
        else:
            _by_lengths(rows, [clips[number] for number in sorted(clips)], matches)
    return matches


def _clips(tree: Tree, videos: Iterable[str]) -> dict[str, dict[int, Clip]]:
    """Clips by video and number, with what texts of segments say of them."""
    known = set(videos)
    clips: dict[str, dict[int, Clip]] = defaultdict(dict)
    for (video, number), path in tree.clips(lambda path: clip_name(path, known)).items():
        clips[video][number] = Clip(number, path, declared_length_s(path))
    for video, clip in _texts(tree, clips):
        clips[video][clip.number] = clip
    return clips


def clip_name(path: Path, videos: set[str]) -> tuple[str, int] | None:
    """Video and number of a clip; None of another file."""
    if path.stem in videos:
        return None
    name = NAME.fullmatch(path.stem)
    if name is not None and name["video"] in videos:
        return name["video"], int(name["number"] or name["inside"])
    if path.parent.name in videos and path.stem.isdecimal():
        return path.parent.name, int(path.stem)
    return None


def _texts(tree: Tree, clips: Mapping[str, Mapping[int, Clip]]) -> Iterator[tuple[str, Clip]]:
    for path in tree.files:
        if path.suffix.lower() != ".txt" or path.stem not in clips:
            continue
        for line in map(LINE.fullmatch, read_text(path).splitlines()):
            if line and (clip := clips[path.stem].get(int(line["number"]))):
                start_s, end_s = float(line["start"]), float(line["end"])
                text = line["text"].strip() or None
                yield path.stem, replace(clip, start_s=start_s, end_s=end_s, text=text)


def has_length(path: Path, seconds: float, tolerance_s: float = TOLERANCE_S) -> bool:
    """Whether a file is as long as a table says; also where its header does not tell."""
    length_s = declared_length_s(path)
    return length_s is None or abs(length_s - seconds) <= tolerance_s


# ---------------------------------------------------------------- three ways


def _by_times(rows: Sequence[Segment], clips: Sequence[Clip], matches: Matches) -> None:
    way = f"by the times of their texts, which agree to {TOLERANCE_S} s"
    for row in rows:
        near = [clip for clip in clips if _same_times(row, clip)]
        # Its own text must not speak of another sound.
        if len(near) == 1 and (near[0].length_s is None or not _differs(row, near[0])):
            matches.take(row, near[0], way)
        else:
            matches.refuse(row)


def _by_number(rows: Sequence[Segment], clips: Mapping[int, Clip], matches: Matches) -> None:
    for row, clip in zip(*_numbered(rows, clips), strict=True):
        compared = row.end_s is not None and clip.length_s is not None
        agreed = f"by number, lengths agree to {TOLERANCE_S} s"
        unknown = "by number alone: no times, or no length, to compare"
        matches.take(row, clip, agreed if compared else unknown)


def _by_lengths(rows: Sequence[Segment], clips: Sequence[Clip], matches: Matches) -> None:
    rows = sorted(rows, key=lambda row: row.start_s)
    for row, places in zip(rows, _possible(rows, clips), strict=True):
        if len(places) == 1:
            way = f"by lengths, in the order of time (to {TOLERANCE_S} s): numbers do not fit"
            matches.take(row, clips[next(iter(places))], way)
        else:
            matches.refuse(row)


def _numbered(
    rows: Sequence[Segment], clips: Mapping[int, Clip]
) -> tuple[tuple[Segment, ...], tuple[Clip, ...]]:
    """Rows whose number a clip has, and these clips."""
    pairs = [
        (row, clips[int(row.index)])
        for row in rows
        if row.index.isdecimal() and int(row.index) in clips
    ]
    return tuple(row for row, _ in pairs), tuple(clip for _, clip in pairs)


def _numbers_hold(
    rows_of: Mapping[str, Sequence[Segment]], clips_of: Mapping[str, Mapping[int, Clip]]
) -> bool:
    differ = [
        _differs(row, clip)
        for video, clips in clips_of.items()
        for row, clip in zip(*_numbered(rows_of[video], clips), strict=True)
        if row.end_s is not None and clip.length_s is not None
    ]
    return sum(differ) <= ODD_SHARE * len(differ)


def _differs(row: Segment, clip: Clip) -> bool:
    """Whether a clip is longer or shorter than its segment; not where one is not known."""
    if row.end_s is None or clip.length_s is None:
        return False
    # A segment that begins before its video is given from 0 on; its clip may have begun there.
    early_s = MARGIN_S if row.start_s == 0.0 else 0.0
    return not -TOLERANCE_S <= clip.length_s - (row.end_s - row.start_s) <= TOLERANCE_S + early_s


def _same_times(row: Segment, clip: Clip) -> bool:
    apart = (
        abs((row.end_s or math.inf) - (clip.end_s or 0.0)),
        abs(row.start_s - max(0.0, clip.start_s or 0.0)),
    )
    return max(apart) <= TOLERANCE_S


def _possible(rows: Sequence[Segment], clips: Sequence[Clip]) -> list[set[int]]:
    """Places among the clips that each row can have, if every row has one and all keep order."""
    lengths = [clip.length_s or 0.0 for clip in clips]
    before = [0.0]
    for length_s in lengths:
        # What a clip adds to the time that passes until the next one begins.
        before.append(before[-1] + max(0.0, length_s - 2 * MARGIN_S))
    fits = [
        {
            place
            for place, clip in enumerate(clips)
            if row.end_s is not None and clip.length_s is not None and not _differs(row, clip)
        }
        for row in rows
    ]
    slack_s = 2 * MARGIN_S + TOLERANCE_S
    for place in [p for p in fits[0] if before[p] > rows[0].start_s + slack_s]:
        fits[0].discard(place)

    def follows(row: int, place: int, later: int) -> bool:
        pause_s = rows[row + 1].start_s - (rows[row].end_s or 0.0)
        return later > place and before[later] - before[place + 1] <= pause_s + slack_s

    for row in range(len(rows) - 1):
        fits[row + 1] = {q for q in fits[row + 1] if any(follows(row, p, q) for p in fits[row])}
    for row in reversed(range(len(rows) - 1)):
        fits[row] = {p for p in fits[row] if any(follows(row, p, q) for q in fits[row + 1])}
    return fits
