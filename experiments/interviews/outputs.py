"""The files of a recording: its timeline in the formats that people annotate in, and a page."""

from pathlib import Path

from experiments.annotations.segments import Timeline
from experiments.annotations.writing import write_timeline
from experiments.interviews.page import write_page
from experiments.interviews.speech_scan import SpeechScan

PAGE = "interview.html"
TIMELINES = (
    "timeline.json",
    "segments.csv",
    "timeline.TextGrid",
    "timeline.eaf",
    "timeline.rttm",
    "timeline.vtt",
)
OUTPUTS = (*TIMELINES, PAGE)


def write_outputs(
    timeline: Timeline, surveyed: SpeechScan, recording: Path, folder: Path, heard: bool = True
) -> None:
    """Write every file of a recording, each complete or not at all.

    The sound of a short recording is put into its page if it may be ``heard`` there.
    """
    for name in TIMELINES:
        write_timeline(timeline, folder / name)
    write_page(timeline, surveyed, recording, folder / PAGE, heard)
