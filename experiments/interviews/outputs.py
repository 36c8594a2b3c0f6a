"""The files of a recording: its timeline in the formats that people annotate in."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from experiments.annotations import eaf_writing, rttm, textgrid
from experiments.annotations.segments import Timeline
from experiments.interviews.survey import Survey

Write = Callable[[Timeline, Path], None]
WRITERS: Mapping[str, Write] = MappingProxyType(
    {
        "timeline.TextGrid": textgrid.write,
        "timeline.eaf": eaf_writing.write,
        "timeline.rttm": rttm.write,
    }
)
OUTPUTS = tuple(WRITERS)


def write_outputs(timeline: Timeline, surveyed: Survey, recording: Path, folder: Path) -> None:
    """Write every file of a recording, each complete or not at all."""
    for name, write in WRITERS.items():
        write(timeline, folder / name)
