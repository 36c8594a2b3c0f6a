"""Read a segment of any recording as mono samples at the file's own rate.

soundfile reads what libsndfile knows (wav, flac, ogg, mp3), :mod:`encoders.listening.containers`
the rest (m4a, mp4, webm). Mono is the mean of the channels in both. A damaged file is an error:
what a decoder makes of it may lie at other times than what was recorded.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import soxr
from jaxtyping import Float, Float32

from encoders.listening import ogg
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
#: Frames that libsndfile gives for a length that is not known.
UNKNOWN_FRAMES = 2**62
#: Sample rates that we take for one; sound cards reach from 4 to 768 kHz, old telephony from 1.
MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 768_000
#: Largest sample we take for sound: 32-bit integers that were written as floats without scaling.
MAX_PEAK = 2.0**31
#: Formats whose decoders pass over damage: a sample that is missing is a hole, not a short end.
EXACT = ("FLAC", "OGG")
#: Samples of a frame of layer III from 32 kHz on, and below (ISO/IEC 11172-3 and 13818-3): some
#: encoders count one frame more than they write.
MP3_FRAME, MP3_FRAME_LOW, MP3_LOW_HZ = 1152, 576, 32_000
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
        audio = _read(path, start_s, end_s)
    except (MemoryError, RuntimeError, OSError) as error:
        raise AudioError(
            f"{path}: cannot be read ({str(error) or type(error).__name__})"
        ) from error
    check_samples(path, audio.samples)
    return audio


def resample(audio: Audio, sample_rate_hz: int) -> Audio:
    """Resample with soxr's high quality setting; the same object where the rate is right."""
    if audio.sample_rate_hz == sample_rate_hz:
        return audio
    samples = soxr.resample(audio.samples, audio.sample_rate_hz, sample_rate_hz, "HQ")
    return Audio(samples.astype(np.float32, copy=False), sample_rate_hz)


# ---------------------------------------------------------------- soundfile


def _read(path: Path, start_s: float, end_s: float | None) -> Audio:
    damage = ogg.damage_of(path)
    if damage is not None:
        raise AudioError(f"{path}: {damage}: the file is damaged or cut short")
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError:
        return _read_container(path, start_s, end_s)
    with file:
        # A flac that was written to a pipe does not say how long it is.
        if file.frames >= UNKNOWN_FRAMES:
            return _read_container(path, start_s, end_s)
        try:
            return _read_soundfile(path, file, start_s, end_s)
        except soundfile.LibsndfileError as error:
            raise AudioError(
                f"{path}: the file is damaged or cut short ({error.error_string})"
            ) from error


def _read_container(path: Path, start_s: float, end_s: float | None) -> Audio:
    # Imported when needed: most corpora are wav.
    from encoders.listening.containers import read_container

    audio = read_container(path, end_s)
    first, last = bounds(path, start_s, end_s, audio.sample_rate_hz, len(audio.samples))
    return Audio(audio.samples[first:last], audio.sample_rate_hz)


def _read_soundfile(
    path: Path, file: soundfile.SoundFile, start_s: float, end_s: float | None
) -> Audio:
    first, last = bounds(path, start_s, end_s, file.samplerate, file.frames)
    if end_s is None:
        check_length(path, file, file.frames, announced_frames(file))
    if file.format in SEEKABLE and file.subtype not in NOT_SEEKABLE and file.seekable():
        file.seek(first)
        samples = _join(_blocks(file, last - first))
        check_length(path, file, len(samples), last - first)
    else:
        _check_whole(path, file)
        samples = _join(_blocks(file, last))
        check_length(path, file, len(samples), last)
        samples = samples[first:]
    return Audio(samples, file.samplerate)


def announced_frames(file: soundfile.SoundFile) -> int:
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
        # After a short block libsndfile reads on behind the hole, as if nothing were missing.
        frames = 0 if len(block) < min(frames, BLOCK_FRAMES) else frames - len(block)
        with np.errstate(over="ignore", invalid="ignore"):
            yield block.mean(axis=1, dtype=np.float32)


def _join(blocks: Iterator[Samples]) -> Samples:
    return np.concatenate([np.zeros(0, np.float32), *blocks])


def bounds(
    path: Path, start_s: float, end_s: float | None, rate: int, frames: int
) -> tuple[int, int]:
    """First frame of a segment and the one past its last; an :class:`AudioError` without one."""
    if frames == 0:
        raise AudioError(f"{path}: holds no samples")
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise AudioError(
            f"{path}: its header says {rate} samples a second, expected {MIN_RATE_HZ} to "
            f"{MAX_RATE_HZ}: the file is damaged, or write it with its true rate"
        )
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


def check_length(path: Path, file: soundfile.SoundFile, found: int, expected: int) -> None:
    """An :class:`AudioError` where fewer frames were decoded than its format may lack."""
    rate = file.samplerate
    if found == 0 or found < expected - _may_lack(file):
        raise AudioError(
            f"{path}: {found / rate:.3f} s decoded of the {expected / rate:.3f} s declared: "
            "the file is damaged or cut short"
        )


def _may_lack(file: soundfile.SoundFile) -> float:
    """Frames that may be missing at the end of a file that is whole all the same."""
    if file.format == "MP3":
        return float(MP3_FRAME if file.samplerate >= MP3_LOW_HZ else MP3_FRAME_LOW)
    return 0.0 if file.format in EXACT else END_TOLERANCE_S * file.samplerate


def _check_whole(path: Path, file: soundfile.SoundFile) -> None:
    """Of a format without checksums: a hole before the segment would shift it."""
    if file.format == "MP3":
        status = path.stat()
        found = _decoded_frames(path, status.st_size, status.st_mtime_ns)
        check_length(path, file, found, file.frames)


# Once per file: a recording of an hour may be read in a thousand segments.
@lru_cache(maxsize=256)
def _decoded_frames(path: Path, size: int, changed_ns: int) -> int:
    with soundfile.SoundFile(path) as file:
        return sum(len(block) for block in _blocks(file, file.frames))


def check_samples(path: Path, samples: Float[np.ndarray, "*any"]) -> None:
    """An :class:`AudioError` where a sample is no number, or too large for sound."""
    peak = float(np.abs(samples).max(initial=0.0))
    if not math.isfinite(peak):
        raise AudioError(f"{path}: holds samples that are not numbers (NaN or infinite)")
    if peak > MAX_PEAK:
        raise AudioError(
            f"{path}: its loudest sample is {peak:.3g}, expected at most 1 (up to {MAX_PEAK:.3g} "
            "is taken for unscaled integers): the file is damaged or holds no sound"
        )
