"""The files of a recording: its timeline in the formats that people annotate in, and a page."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from experiments.annotations import eaf_writing, rttm, segments_csv, textgrid, timeline_json, vtt
from experiments.annotations.segments import Timeline
from experiments.interviews.page import write_page
from experiments.interviews.speech_scan import SpeechScan

PAGE = "interview.html"
#: What writes each file. JSON, CSV and TextGrid keep times exactly, the others to the millisecond;
#: RTTM keeps no words, and only JSON keeps everything.
TIMELINES: Mapping[str, Callable[[Timeline, Path], None]] = MappingProxyType(
    {
        "timeline.json": timeline_json.write,
        "segments.csv": segments_csv.write,
        "timeline.TextGrid": textgrid.write,
        "timeline.eaf": eaf_writing.write,
        "timeline.rttm": rttm.write,
        "timeline.vtt": vtt.write,
    }
)
OUTPUTS = (*TIMELINES, PAGE)


def write_outputs(
    timeline: Timeline, surveyed: SpeechScan, recording: Path, folder: Path, heard: bool = True
) -> None:
    """Write every file of a recording, each complete or not at all.

    The sound of a short recording is put into its page if it may be ``heard`` there.
    """
    for name, write in TIMELINES.items():
        write(timeline, folder / name)
    write_page(timeline, surveyed, recording, folder / PAGE, heard)
