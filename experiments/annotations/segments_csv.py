"""``segments.csv``: a timeline as a table for spreadsheets and statistics."""

import csv
from collections.abc import Sequence
from pathlib import Path

from encoders.manifest_rows import guarded
from experiments.annotations.plain import BETWEEN, escape_reason
from experiments.annotations.segments import PLACES, Segment, Timeline
from fusion.evaluation.emotions import DERIVED, derived_values

COLUMNS = (
    *("start_s", "end_s", "speaker", "text", "text_doubtful"),
    *("label", "level", "probability", "prediction_set", "overlap", "recording"),
)
#: What the columns of probabilities start with: of both modalities together, and of each.
SCORES = ("p_", "voice_", "words_")
#: What the first of them starts with where the targets have values.
VALUE = "value_"
#: What columns of values that were derived from probabilities start with.
FROM_CLASSES = "derived_"


def write(timeline: Timeline, path: Path) -> None:
    """Write a line for each segment, that tables of several recordings can be put together.

    No cell starts a formula: an apostrophe stands before what would, which :mod:`table` takes away.
    ``level`` says whether the label is a class, or a group of classes or the arousal of coarser
    answers, ``probability`` is the label's. A column for the probability of each class follows,
    ``p_happy`` for voice and words together, ``voice_happy`` and ``words_happy`` for each alone;
    empty where there is none. Of dimensions the first is ``value_valence``; of classes
    ``derived_valence`` and ``derived_arousal`` are the last.
    """
    first = VALUE if timeline.kind == "values" else SCORES[0]
    scores = [f"{prefix}{name}" for prefix in (first, *SCORES[1:]) for name in timeline.targets]
    # Lines of cells, as RFC 4180 has them.
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        if timeline.kind == "classes":
            scores += [FROM_CLASSES + name for name in DERIVED]
        lines.writerow([*COLUMNS, *scores])
        lines.writerows(_row(segment, timeline) for segment in timeline.segments)


def _row(segment: Segment, timeline: Timeline) -> list[str]:
    nothing = [None] * len(timeline.targets)
    groups: list[Sequence[float | None]] = [
        values or nothing for values in (segment.scores, segment.voice, segment.words)
    ]
    if timeline.kind == "classes":
        derived = derived_values(segment.probabilities, timeline.targets)
        shown = [round(value, PLACES) for value in derived] if derived else [None] * len(DERIVED)
        groups.append(shown)
    scores = ["" if value is None else repr(value) for values in groups for value in values]
    answer = segment.answer
    return [
        repr(segment.start_s),
        repr(segment.end_s),
        guarded(segment.speaker),
        guarded(segment.text or ""),
        guarded(BETWEEN.join(map(escape_reason, segment.text_doubtful))),
        guarded(segment.label or ""),
        "" if answer is None else answer.level,
        "" if answer is None else repr(answer.probability),
        guarded(BETWEEN.join(map(escape_reason, segment.prediction_set))),
        str(segment.overlap).lower(),
        guarded(timeline.recording),
        *scores,
    ]
