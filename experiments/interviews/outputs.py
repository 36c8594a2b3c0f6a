"""The files of a recording: its timeline in the formats that people annotate in, and a page."""

import base64
import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import soundfile

from encoders.audio.waveform import Audio, AudioError, resample
from encoders.files import (
    WRITING,
    StoreError,
    changed_files,
    make_folder,
    mark_folder,
    marked,
    publish,
    remove_own,
    write_mark,
)
from encoders.weights.files import file_sha256
from experiments.annotations import eaf_writing, rttm, segments_csv, textgrid, timeline_json, vtt
from experiments.annotations.segments import Timeline, rounded
from experiments.interviews.page import page
from experiments.interviews.speech_scan import SpeechScan

#: Below a recording's folder: embeddings and transcripts so far. May be deleted at any time.
WORK = "work"
#: Of how a recording becomes its files: what another version made is made again.
FORMAT_VERSION = 4
PAGE, TIMELINE, ELAN = "interview.html", "timeline.json", "timeline.eaf"
#: Rate of a recording that is put into its page: two minutes of Ogg Vorbis are about 0.5 MB.
EMBEDDED_RATE_HZ = 16000
#: What writes each file. RTTM keeps no words, and only JSON keeps everything.
TIMELINES: Mapping[str, Callable[[Timeline, Path], None]] = MappingProxyType(
    {
        TIMELINE: timeline_json.write,
        "segments.csv": segments_csv.write,
        "timeline.TextGrid": textgrid.write,
        ELAN: eaf_writing.write,
        "timeline.rttm": rttm.write,
        "timeline.vtt": vtt.write,
    }
)
OUTPUTS = (*TIMELINES, PAGE)


def write_outputs(
    timeline: Timeline, surveyed: SpeechScan, recording: Path, hidden: bool | None, folder: Path
) -> None:
    """Write every file of a recording into a folder that is its owner's alone.

    The sound of a short recording is put into its page; any other is played from where it lies.
    Where words are left out (``hidden`` is not None) no sound is put there, and where the
    recording's name is left out too (True) nothing says where it lies. All say the same numbers, to
    the ms and to .001.
    """
    timeline = rounded(timeline)
    for name, write in TIMELINES.items():
        if name == ELAN and not hidden:
            eaf_writing.write(timeline, folder / name, recording, beside=folder.parent)
        else:
            write(timeline, folder / name)
    source = source_of(recording, folder.parent / PAGE, surveyed.whole if hidden is None else None)
    source = timeline.recording if hidden else source
    (folder / PAGE).write_bytes(page(timeline, surveyed.peaks, source).encode())
    for name in OUTPUTS:
        (folder / name).chmod(0o600)


# ---------------------------------------------------------------- whose folder it is, and if done


def belongs_to(folder: Path, recording: Path) -> bool:
    """Whether the outputs of a recording may go into a folder.

    One that is not there or empty; or one that bears our mark for this recording: of this path, or
    of equal content.
    """
    mark = marked(folder)
    if mark is None:
        return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not recording.is_file() or mark.get("path") == _path_hash(recording):
        return True
    return bool(mark.get("content") == content_of(recording))


def begin(folder: Path, recording: Path) -> None:
    """Mark a folder as this recording's, and as not done.

    Raises:
        AudioError: the folder cannot be made.
    """
    try:
        make_folder(folder, private=True)
    except StoreError as error:
        raise AudioError(str(error)) from error
    mark = marked(folder) or {}
    kept = {name: mark.get(name, {}) for name in ("files", "before")}
    write_mark(folder, {**_whose(recording), **kept})
    remove_own(folder / WRITING)


def work_folder(folder: Path, wanted: bool) -> Path | None:
    """Folder of what was computed so far, to go on after a stop; None, and gone, if not wanted.

    Raises:
        AudioError: there is a folder of that name that is not ours.
    """
    work = folder / WORK
    ours = not work.exists() or marked(work) is not None
    if work.exists() and not (ours if wanted else remove_own(work)):
        raise AudioError(
            f"{work}: is there and was not made by serfusion; it was left as it is: move it away, "
            "or choose another --out"
        )
    if not wanted:
        return None
    if not work.exists():
        make_folder(work, private=True)
        mark_folder(work)
    return work


def identity_of(recording: Path, given: Sequence[Path | None], *made_by: Any) -> str:  # noqa: ANN401
    """Sha256 over everything that decides the outputs of a recording.

    That is its name and content, the content of files and folders that are ``given`` with it, and
    what else they are ``made_by``, which JSON can hold.

    Raises:
        AudioError: there is no such file.
    """
    if not recording.is_file():
        raise AudioError(f"{recording}: no such file")
    stamps = [[[file.name, file_sha256(file)] for file in files_of(source)] for source in given]
    of_recording = [recording.name, content_of(recording)]
    identity = [FORMAT_VERSION, version("serfusion"), of_recording, stamps, *made_by]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def was_done(folder: Path, identity: str) -> bool:
    """Whether every output is there as it was written, of the same recording and options."""
    mark = marked(folder)
    if mark is None or mark.get("done") != identity:
        return False
    return all(mark["files"].get(name) for name in OUTPUTS) and not changed_files(folder)


def finish(
    folder: Path,
    recording: Path,
    identity: str,
    seconds: Mapping[str, float],
    write: Callable[[Path], None],
) -> list[str]:
    """Write all outputs, and say that they are done; returns names of files that were kept."""
    about = {**_whose(recording), "done": identity, "seconds": dict(seconds)}
    return publish(folder, write, about)


def _whose(recording: Path) -> dict[str, Any]:
    return {"path": _path_hash(recording), "content": content_of(recording)}


def _path_hash(recording: Path) -> str:
    # Names of recordings are often names of people.
    return hashlib.sha256(str(recording.resolve()).encode()).hexdigest()


def content_of(recording: Path) -> str:
    """Sha256 of a recording, which may be gigabytes: read once while it stays as it is."""
    status = recording.stat()
    times = (status.st_mtime_ns, status.st_ctime_ns)
    return _content_of(recording, status.st_ino, status.st_size, *times)


@lru_cache(maxsize=8)
def _content_of(recording: Path, *_stamp: int) -> str:
    return file_sha256(recording)


def files_of(given: Path | None) -> list[Path]:
    """The file of an option, or all of its folder."""
    if given is None:
        return []
    files = sorted(given.iterdir()) if given.is_dir() else [given]
    return [file for file in files if file.is_file()]


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
