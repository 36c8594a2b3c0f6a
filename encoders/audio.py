"""Read a segment of any recording as mono samples at the file's own rate.

soundfile reads what libsndfile knows (wav, flac, ogg, mp3), PyAV the rest (m4a, mp4, webm).
Mono is the mean of the channels in both: PyAV's own down-mix would add 3 dB.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from jaxtyping import Float32

from encoders.utterance import Utterance

Samples = Float32[np.ndarray, "samples"]

BLOCK_FRAMES = 1 << 20
MAX_DURATION_S = 12 * 3600.0
#: Segment times are often rounded; an end this far past the end of the file is taken as its end.
END_TOLERANCE_S = 0.1
#: Formats in which seeking is sample-exact (pinned by a test); mp3 is read from its start.
SEEKABLE = ("WAV", "WAVEX", "FLAC", "OGG", "AIFF", "W64", "RF64")
#: Opus lies in an Ogg file too, and decodes to other samples after a seek.
NOT_SEEKABLE = ("OPUS",)
#: Bytes that a header announces from here on stand for "not known": the writer could not go back.
STREAMED_BYTES = 0x7FFF0000
#: Peak below which a recording counts as silent: -80 dB of full scale.
SILENCE_PEAK = 1e-4


@dataclass(frozen=True, slots=True)
class Audio:
    """Mono samples in [-1, 1] with their rate in Hz."""

    samples: Samples
    sample_rate_hz: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate_hz

    @property
    def is_silent(self) -> bool:
        """Whether no sample rises above -80 dB of full scale."""
        return bool(np.abs(self.samples).max(initial=0.0) < SILENCE_PEAK)


class AudioError(ValueError):
    """A recording cannot be read, or does not hold the segment asked for."""


def read_utterance(utterance: Utterance) -> Audio:
    """The audio of one utterance; an :class:`AudioError` where it has none."""
    if utterance.audio is None:
        raise AudioError(f"{utterance.id}: has no audio file")
    return read_segment(utterance.audio, utterance.start_s, utterance.end_s)


def read_segment(path: Path, start_s: float = 0.0, end_s: float | None = None) -> Audio:
    """Samples from ``round(start_s * rate)`` up to ``round(end_s * rate)``, channels averaged.

    Raises:
        AudioError: the file is missing, empty, unreadable, damaged, or ends before the segment.
    """
    if not path.is_file():
        raise AudioError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes)")
    if start_s < 0 or not math.isfinite(start_s + (end_s or 0.0)):
        raise AudioError(f"{path}: segment {start_s:g}-{end_s} s: expected seconds from 0 on")
    try:
        audio = _read_soundfile(path, start_s, end_s)
    except soundfile.LibsndfileError:
        audio = _read_av(path, start_s, end_s)
    except (MemoryError, RuntimeError, OSError) as error:
        raise AudioError(
            f"{path}: cannot be read ({str(error) or type(error).__name__})"
        ) from error
    if not np.isfinite(audio.samples).all():
        raise AudioError(f"{path}: holds samples that are not numbers (NaN or infinite)")
    return audio


def resample(audio: Audio, sample_rate_hz: int) -> Audio:
    """Resample with soxr's high quality setting; the same object where the rate is right."""
    if audio.sample_rate_hz == sample_rate_hz:
        return audio
    samples = soxr.resample(audio.samples, audio.sample_rate_hz, sample_rate_hz, "HQ")
    return Audio(samples.astype(np.float32, copy=False), sample_rate_hz)


# ---------------------------------------------------------------- soundfile


def _read_soundfile(path: Path, start_s: float, end_s: float | None) -> Audio:
    with soundfile.SoundFile(path) as file:
        first, last = _bounds(path, start_s, end_s, file.samplerate, file.frames)
        if end_s is None:
            _check_length(path, file.frames, _announced_frames(file), file.samplerate)
        if file.format in SEEKABLE and file.subtype not in NOT_SEEKABLE:
            file.seek(first)
            samples = _join(_blocks(file, last - first))
        else:
            samples = _join(_blocks(file, last))[first:]
        _check_length(path, len(samples), last - first, file.samplerate)
        return Audio(samples, file.samplerate)


def _announced_frames(file: soundfile.SoundFile) -> int:
    """Frames by the header; libsndfile mends that of a file cut short, and only its log tells."""
    said = re.search(r"(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", file.extra_info)
    announced, found = (int(number) for number in said.groups()) if said else (0, 0)
    if found == 0 or announced >= STREAMED_BYTES:
        return file.frames
    return round(file.frames * announced / found)


def _blocks(file: soundfile.SoundFile, frames: int) -> Iterator[Samples]:
    # In blocks, because a forged header may announce more samples than memory holds.
    while frames > 0:
        block = file.read(min(frames, BLOCK_FRAMES), dtype="float32", always_2d=True)
        if len(block) == 0:
            return
        frames -= len(block)
        yield block.mean(axis=1, dtype=np.float32)


def _join(blocks: Iterator[Samples]) -> Samples:
    return np.concatenate([np.zeros(0, np.float32), *blocks])


def _bounds(
    path: Path, start_s: float, end_s: float | None, rate: int, frames: int
) -> tuple[int, int]:
    if frames == 0 or rate <= 0:
        raise AudioError(f"{path}: holds no samples")
    if frames / rate > MAX_DURATION_S:
        raise AudioError(f"{path}: claims {frames / rate / 3600:.0f} h, more than we read at once")
    first = round(start_s * rate)
    last = frames if end_s is None else round(end_s * rate)
    if last > frames + END_TOLERANCE_S * rate or first >= frames:
        asked = f"{start_s:g}-{'end' if end_s is None else format(end_s, 'g')} s"
        raise AudioError(f"{path}: segment {asked} asked for, the file ends at {frames / rate:g} s")
    if last <= first:
        raise AudioError(f"{path}: segment {start_s:g}-{end_s:g} s holds no sample")
    return first, min(last, frames)


def _check_length(path: Path, found: int, expected: int, rate: int) -> None:
    if found == 0 or found < expected - END_TOLERANCE_S * rate:
        raise AudioError(
            f"{path}: {found / rate:.2f} s decoded of the {expected / rate:.2f} s announced: "
            "the file is damaged or cut short"
        )


# ---------------------------------------------------------------- PyAV


def _read_av(path: Path, start_s: float, end_s: float | None) -> Audio:
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise AudioError(f"{path}: holds no audio stream")
            rate = int(container.streams.audio[0].rate)
            samples = _join(_av_blocks(container, rate, end_s))
    except AudioError:
        raise
    # PyAV raises nine kinds of exception on damaged files; to a user they are one.
    except Exception as error:
        why = str(error) or type(error).__name__
        raise AudioError(f"{path}: not a recording we can read ({why})") from error
    first, last = _bounds(path, start_s, end_s, rate, len(samples))
    return Audio(samples[first:last], rate)


def _av_blocks(container: "object", rate: int, end_s: float | None) -> Iterator[Samples]:
    import av

    assert isinstance(container, av.container.InputContainer)
    wanted = round((MAX_DURATION_S if end_s is None else end_s) * rate)
    for frame in container.decode(audio=0):
        block = _av_mono(frame)
        yield block
        wanted -= len(block)
        if wanted <= 0:
            return


def _av_mono(frame: "object") -> Samples:
    import av

    assert isinstance(frame, av.AudioFrame)
    values = frame.to_ndarray()
    channels = frame.layout.nb_channels
    if not frame.format.is_planar:
        values = values.reshape(-1, channels).T
    if np.issubdtype(values.dtype, np.integer):
        # Unsigned 8-bit audio rests at 128, signed formats at 0.
        offset = 128.0 if values.dtype == np.uint8 else 0.0
        full = 2.0 ** (8 * values.dtype.itemsize - 1)
        values = (values.astype(np.float64) - offset) / full
    return values.mean(axis=0).astype(np.float32)
