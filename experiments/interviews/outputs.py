"""The files of a recording: its timeline in the formats that people annotate in, and a page."""

import base64
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import soundfile

from encoders.audio.waveform import Audio, resample
from encoders.files import write_atomically
from experiments.annotations import eaf_writing, rttm, segments_csv, textgrid, timeline_json, vtt
from experiments.annotations.segments import Timeline
from experiments.interviews.page import page
from experiments.interviews.speech_scan import SpeechScan

PAGE = "interview.html"
#: Rate of a recording that is put into its page: two minutes of Ogg Vorbis are about 0.5 MB.
EMBEDDED_RATE_HZ = 16000
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

    The sound of a short recording is put into its page if it may be ``heard`` there; any other is
    played from where it lies.
    """
    for name, write in TIMELINES.items():
        write(timeline, folder / name)
    source = source_of(recording, folder / PAGE, surveyed.whole if heard else None)
    write_atomically(folder / PAGE, page(timeline, surveyed.peaks, source).encode())


def source_of(recording: Path, path: Path, whole: Audio | None) -> str:
    """Address of a recording for a page: its data where that was kept, else the way to it."""
    if whole is not None:
        return f"data:audio/ogg;base64,{_embedded(whole)}"
    way = os.path.relpath(recording.resolve(), path.parent.resolve())
    return quote(Path(way).as_posix())


def _embedded(whole: Audio) -> str:
    samples = resample(whole, EMBEDDED_RATE_HZ).samples
    content = io.BytesIO()
    loud = Audio(samples.clip(-1, 1), EMBEDDED_RATE_HZ)
    soundfile.write(content, loud.samples, loud.sample_rate_hz, format="OGG", subtype="VORBIS")
    return base64.b64encode(content.getvalue()).decode()
