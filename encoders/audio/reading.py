"""Read a segment of any recording as mono samples at the file's own rate.

soundfile reads what libsndfile knows (wav, flac, ogg, mp3), :mod:`encoders.audio.containers`
the rest (m4a, mp4, webm). Mono is the mean of the channels in both, or one of them. A
damaged file is an error: what a decoder makes of it may lie at other times than what was recorded.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import soundfile

from encoders.audio.sound_files import UNKNOWN_FRAMES, SoundFile, open_sound, quiet_stderr
from encoders.audio.waveform import (
    END_TOLERANCE_S,
    MAX_DURATION_S,
    MAX_RATE_HZ,
    MIN_RATE_HZ,
    Audio,
    AudioError,
    Mono,
    Samples,
    check_length,
    check_samples,
    check_utterance_length,
    joined,
)
from encoders.utterance import Utterance

BLOCK_FRAMES = 1 << 20
#: Formats in which seeking is sample-exact (pinned by a test); mp3 is read from its start.
SEEKABLE = ("WAV", "WAVEX", "FLAC", "OGG", "AIFF", "W64", "RF64")
#: Opus lies in an Ogg file too, and decodes to other samples after a seek.
NOT_SEEKABLE = ("OPUS",)


def read_utterance(utterance: Utterance) -> Audio:
    """The audio of one utterance; an :class:`AudioError` where it has none."""
    if utterance.audio is None:
        raise AudioError(f"{utterance.id}: has no audio file")
    return read_segment(utterance.audio, utterance.start_s, utterance.end_s, utterance.channel)


def read_segment(
    path: Path, start_s: float = 0.0, end_s: float | None = None, channel: int | None = None
) -> Audio:
    """Samples from ``round(start_s * rate)`` up to ``round(end_s * rate)``.

    They are those of ``channel``, which counts from 1, or the mean of all channels.

    Raises:
        AudioError: the file is missing, empty, unreadable, damaged, or ends before the segment,
            or has no such channel; or the segment is longer than ``MAX_UTTERANCE_S``.
    """
    if not path.is_file():
        raise AudioError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes)")
    if start_s < 0 or not math.isfinite(start_s + (end_s or 0.0)):
        raise AudioError(f"{path}: segment {start_s:g}-{end_s} s: expected seconds from 0 on")
    try:
        audio = _read(path, start_s, end_s, Mono(path, channel))
    except (MemoryError, RuntimeError, OSError) as error:
        raise AudioError(
            f"{path}: cannot be read ({str(error) or type(error).__name__})"
        ) from error
    check_samples(path, audio.samples)
    return audio


def declared_length_s(path: Path) -> float | None:
    """Seconds that a file's header declares; None where it cannot be read or does not say."""
    try:
        status = path.stat()
    except OSError:
        return None
    return _declared(path, status.st_size, status.st_mtime_ns)


def announced_length_s(path: Path) -> float | None:
    """The same of a damaged file, whose header libsndfile would mend by what is there."""
    try:
        with quiet_stderr(), soundfile.SoundFile(path) as file:
            return SoundFile([file]).announced_frames / float(file.samplerate)
    except (soundfile.LibsndfileError, OSError):
        return declared_length_s(path)


# Once per file: joins of a corpus may be made anew in one command.
@lru_cache(maxsize=100_000)
def _declared(path: Path, _size: int, _changed_ns: int) -> float | None:
    try:
        with quiet_stderr():
            information = soundfile.info(path)
        if 0 < information.frames < UNKNOWN_FRAMES:
            return float(information.frames / information.samplerate)
    except (soundfile.LibsndfileError, OSError):
        pass
    from encoders.audio.containers import declared_seconds

    return declared_seconds(path)


# ---------------------------------------------------------------- soundfile


def _read(path: Path, start_s: float, end_s: float | None, mono: Mono) -> Audio:
    file = open_sound(path)
    if file is not None:
        with file:
            try:
                return _read_soundfile(path, file, start_s, end_s, mono)
            except soundfile.LibsndfileError as error:
                raise AudioError(
                    f"{path}: the file is damaged or cut short ({error.error_string})"
                ) from error
    # Imported when needed: most corpora are wav.
    from encoders.audio.containers import read_container

    before, audio = read_container(path, start_s, end_s, mono)
    frames = before + len(audio.samples)
    first, last = bounds(path, start_s, end_s, audio.sample_rate_hz, frames)
    return replace(audio, samples=audio.samples[first - before : last - before])


def _read_soundfile(
    path: Path, file: SoundFile, start_s: float, end_s: float | None, mono: Mono
) -> Audio:
    form, rate = file.format, file.samplerate
    first, last = bounds(path, start_s, end_s, rate, file.frames)
    if end_s is None:
        check_length(path, form, rate, file.frames, file.announced_frames)
    check_utterance_length(path, (last - first) / rate)
    if form in SEEKABLE and file.subtype not in NOT_SEEKABLE and file.seekable():
        file.seek(first)
        samples, decoded = _behind(0, _blocks(file, last - first, mono))
        check_length(path, form, rate, decoded, last - first)
    else:
        _check_whole(path, file)
        samples, decoded = _behind(first, _blocks(file, last, mono))
        check_length(path, form, rate, decoded, last)
    return Audio(samples, rate, (*file.notes, *mono.notes()))


def _blocks(file: SoundFile, frames: int, mono: Mono) -> Iterator[Samples]:
    # In blocks, because a forged header may announce more samples than memory holds.
    while frames > 0:
        block = file.read(min(frames, BLOCK_FRAMES))
        if len(block) == 0:
            return
        # After a short block libsndfile reads on behind the hole, as if nothing were missing.
        frames = 0 if len(block) < min(frames, BLOCK_FRAMES) else frames - len(block)
        yield mono.of(block.T)


def _behind(first: int, blocks: Iterator[Samples]) -> tuple[Samples, int]:
    """Blocks from a frame on, joined, and frames of all: what lies before is not held."""
    held: list[Samples] = []
    decoded = 0
    for block in blocks:
        if decoded + len(block) > first:
            held.append(block[max(first - decoded, 0) :])
        decoded += len(block)
    return joined(held), decoded


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


def _check_whole(path: Path, file: SoundFile) -> None:
    """Of a format without checksums: a hole before the segment would shift it."""
    if file.format == "MP3":
        status = path.stat()
        decoded = _decoded_frames(path, status.st_size, status.st_mtime_ns)
        check_length(path, file.format, file.samplerate, decoded, file.frames)


# Once per file: a recording of an hour may be read in a thousand segments.
@lru_cache(maxsize=256)
def _decoded_frames(path: Path, _size: int, _changed_ns: int) -> int:
    file = open_sound(path)
    assert file is not None
    with file:
        return sum(len(block) for block in _blocks(file, file.frames, Mono(path)))
