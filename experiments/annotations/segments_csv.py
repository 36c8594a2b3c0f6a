"""``segments.csv``: a timeline as a table for spreadsheets and statistics."""

import csv
from pathlib import Path

from encoders.manifest_rows import guarded
from experiments.annotations.segments import Segment, Timeline

COLUMNS = ("start_s", "end_s", "speaker", "text", "text_doubtful", "label", "overlap")
#: What the columns of probabilities start with: of both modalities together, and of each.
SCORES = ("p_", "voice_", "words_")
#: What the first of them starts with where the targets have values.
VALUE = "value_"
_BETWEEN = " | "


def write(timeline: Timeline, path: Path) -> None:
    """Write a line for each segment; times and probabilities exactly.

    No cell starts a formula: an apostrophe stands before what would, which :mod:`table` takes away.
    A column for the probability of each class follows, ``p_happy`` for voice and words together,
    ``voice_happy`` and ``words_happy`` for each alone; empty where there is none. Of dimensions
    the first is ``value_valence``.
    """
    first = VALUE if timeline.kind == "values" else SCORES[0]
    scores = [f"{prefix}{name}" for prefix in (first, *SCORES[1:]) for name in timeline.targets]
    # Lines of cells, as RFC 4180 has them.
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow([*COLUMNS, *scores])
        lines.writerows(_row(segment, len(timeline.targets)) for segment in timeline.segments)


def _row(segment: Segment, classes: int) -> list[str]:
    scores = [
        "" if value is None else repr(value)
        for values in (segment.scores, segment.voice, segment.words)
        for value in (values or [None] * classes)
    ]
    return [
        repr(segment.start_s),
        repr(segment.end_s),
        guarded(segment.speaker),
        guarded(segment.text or ""),
        guarded(_BETWEEN.join(map(_escaped, segment.text_doubtful))),
        guarded(segment.label or ""),
        str(segment.overlap).lower(),
        *scores,
    ]


def _escaped(reason: str) -> str:
    return reason.replace("\\", "\\\\").replace("|", "\\p")
