"""Recordings of hours, block by block: what is in memory does not grow with their length.

Blocks have all channels at the file's own rate, with their exact position; joined they equal what
:mod:`encoders.audio.reading` reads at once, and the same damage is refused. Most of it can be known
only when the last block has been taken: what was made of the blocks before is worth nothing then.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile
import soxr
from jaxtyping import Float, Float32

from encoders.audio.reading import announced_length_s, bounds
from encoders.audio.sound_files import SoundFile, open_sound
from encoders.audio.waveform import (
    MAX_DURATION_S,
    Audio,
    AudioError,
    Samples,
    channel_of,
    check_length,
    check_samples,
)

#: Seconds of a block: 48 kHz stereo takes 4 MB.
BLOCK_S = 10.0
#: Samples of one channel, of any number from block to block.
Some = Float32[np.ndarray, "_some"]


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive samples of a recording; ``start`` frames of it lie before them.

    ``notes`` are what reading up to their end told that was not told before.
    """

    samples: Float[np.ndarray, "channels frames"]
    start: int
    sample_rate_hz: int
    notes: tuple[str, ...] = ()

    @property
    def stop(self) -> int:
        """The frame after the last one."""
        return self.start + self.samples.shape[1]

    def mono(self, channel: int | None = None) -> Samples:
        """One channel, counted from 0, or the mean of all of them."""
        with np.errstate(over="ignore", invalid="ignore"):
            chosen = self.samples.mean(axis=0) if channel is None else self.samples[channel]
            return chosen.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a recording in seconds, of one channel or (None) of their mean."""

    start_s: float
    end_s: float
    channel: int | None = None


def read_blocks(
    path: Path,
    block_s: float = BLOCK_S,
    channel: int | None = None,
    keep_damaged: bool = False,
) -> Generator[Block, None, None]:
    """All of a recording, in blocks of about ``block_s`` seconds.

    Blocks have all channels, or the one ``channel``, counted from 1. With ``keep_damaged`` a
    damaged recording ends where its damage begins, or goes on behind it where the file knows the
    times of what follows; the last block, which may be empty, tells what is lost.

    Raises:
        AudioError: missing, empty, unreadable or damaged, or without such a channel; some damage
            only shows after the last block.
    """
    if not path.is_file():
        raise AudioError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes)")
    last = None
    try:
        # What is lost with a block that cannot be read is a second at most.
        for block in _blocks(path, min(block_s, 1.0) if keep_damaged else block_s, keep_damaged):
            check_samples(path, block.samples)
            if channel is not None:
                block = replace(block, samples=channel_of(path, block.samples, channel))
            last = block
            yield block
    except (MemoryError, RuntimeError, OSError, AudioError) as error:
        damage = _as_audio_error(path, error)
        if last is None or not keep_damaged:
            raise damage from error
        yield replace(
            last, samples=last.samples[:, :0], start=last.stop, notes=(_lost(path, last, damage),)
        )
    if last is None:
        raise AudioError(f"{path}: holds no samples")


def _as_audio_error(path: Path, error: Exception) -> AudioError:
    if isinstance(error, AudioError):
        return error
    return AudioError(f"{path}: cannot be read ({str(error) or type(error).__name__})")


def _lost(path: Path, last: Block, damage: AudioError) -> str:
    """What is told of a recording that is shorter than it should be."""
    read_s, declared_s = last.stop / last.sample_rate_hz, announced_length_s(path)
    lost = "how much is missing is not known"
    if declared_s is not None and declared_s > read_s:
        lost = f"{declared_s - read_s:.2f} s are lost"
    why = str(damage).removeprefix(f"{path}: ")
    return f"damaged: {read_s:.2f} s were read, {lost} ({why})"


class HeldBlocks:
    """The last blocks of a recording, as far back as something is still to be cut from them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._blocks: list[Block] = []

    def add(self, block: Block) -> None:
        """Hold the next block too."""
        self._blocks.append(block)

    def forget(self, before_s: float) -> None:
        """Let go of blocks that end before a time."""
        self._blocks = [
            block for block in self._blocks if block.stop > round(before_s * block.sample_rate_hz)
        ]

    def cut(self, span: Span) -> Audio:
        """The audio of a span, which begins in what is held.

        Raises:
            AudioError: the recording ends before it.
        """
        held = self._blocks
        if not held:
            raise AudioError(f"{self._path}: ends before {span.start_s:g} s")
        rate = held[-1].sample_rate_hz
        first, last = bounds(self._path, span.start_s, span.end_s, rate, held[-1].stop)
        within = [block for block in held if block.start < last and block.stop > first]
        joined = np.concatenate([block.mono(span.channel) for block in within])
        return Audio(joined[first - within[0].start : last - within[0].start], rate)


def read_spans(
    path: Path,
    spans: Sequence[Span],
    block_s: float = BLOCK_S,
    channel: int | None = None,
    keep_damaged: bool = False,
) -> Iterator[Audio]:
    """Audio of each span, in their order, from one pass over the recording.

    ``channel`` and ``keep_damaged`` are those of :func:`read_blocks`.

    Equal to :func:`encoders.audio.reading.read_segment` of the same seconds. At most the longest
    chain of spans that overlap is in memory.

    Raises:
        ValueError: the spans are not in the order of their starts.
        AudioError: as of :func:`read_blocks`, or the recording ends before a span.
    """
    if any(span.start_s > following.start_s for span, following in pairwise(spans)):
        raise ValueError("expected spans in the order of their starts")
    waiting = list(reversed(spans))
    held = HeldBlocks(path)
    if not waiting:
        return
    with closing(read_blocks(path, block_s, channel, keep_damaged)) as blocks:
        for block in blocks:
            held.add(block)
            while waiting and round(waiting[-1].end_s * block.sample_rate_hz) <= block.stop:
                yield held.cut(waiting.pop())
            if not waiting:
                return
            held.forget(waiting[-1].start_s)
    # What is left ends within the tolerance after the end of the file, or cannot be had.
    while waiting:
        yield held.cut(waiting.pop())


class Resampler:
    """Blocks of one channel at another rate, by soxr's high quality setting, without seams."""

    def __init__(self, rate_hz: int, wanted_hz: int) -> None:
        self._stream = None
        if rate_hz != wanted_hz:
            self._stream = soxr.ResampleStream(rate_hz, wanted_hz, 1, dtype="float32", quality="HQ")

    def push(self, samples: Samples, last: bool = False) -> Some:
        """What the samples so far settle of the output; after the ``last`` ones, all of it."""
        if self._stream is None:
            return samples
        made: Some = self._stream.resample_chunk(samples, last=last)
        return made


# ---------------------------------------------------------------- soundfile first, PyAV after


def _blocks(path: Path, block_s: float, keep_damaged: bool) -> Iterator[Block]:
    file = open_sound(path, keep_damaged)
    if file is None:
        yield from _of_container(path, block_s, keep_damaged)
        return
    with file:
        yield from _of_soundfile(path, file, block_s, keep_damaged)


def _of_soundfile(
    path: Path, file: SoundFile, block_s: float, keep_damaged: bool
) -> Iterator[Block]:
    form, rate = file.format, file.samplerate
    bounds(path, 0.0, None, rate, file.frames)
    if not keep_damaged:
        check_length(path, form, rate, file.frames, file.announced_frames)
    size, decoded = max(1, round(block_s * rate)), 0
    while decoded < file.frames:
        wanted = min(size, file.frames - decoded)
        try:
            values = file.read(wanted)
        except soundfile.LibsndfileError as error:
            raise AudioError(
                f"{path}: the file is damaged or cut short ({error.error_string})"
            ) from error
        if len(values):
            yield Block(values.T, decoded, rate, file.notes if decoded == 0 else ())
        decoded += len(values)
        # After a short block libsndfile reads on behind the hole, as if nothing were missing.
        if len(values) < wanted:
            break
    if file.damage is not None:
        raise AudioError(f"{path}: {file.damage}")
    check_length(path, form, rate, decoded, max(file.frames, file.announced_frames))


def _of_container(path: Path, block_s: float, keep_damaged: bool) -> Iterator[Block]:
    # Imported when needed: most recordings are wav.
    from encoders.audio.containers import container_pieces

    held: list[Float[np.ndarray, "channels frames"]] = []
    start, frames, rate = 0, 0, 0
    notes: tuple[str, ...] = ()
    with closing(container_pieces(path, keep_damaged)) as pieces:
        for piece in pieces:
            if held and len(held[0]) != len(piece.samples):
                raise AudioError(f"{path}: its number of channels changes: convert it to one")
            if not rate:
                rate = piece.sample_rate_hz
                bounds(path, 0.0, None, rate, piece.samples.shape[1])
            held.append(piece.samples)
            notes += piece.notes
            frames += piece.samples.shape[1]
            if frames >= block_s * rate:
                yield Block(np.concatenate(held, axis=1), start, rate, notes)
                start, frames, held, notes = start + frames, 0, [], ()
            if (start + frames) / rate > MAX_DURATION_S:
                raise AudioError(f"{path}: longer than {MAX_DURATION_S / 3600:g} h")
    if held:
        yield Block(np.concatenate(held, axis=1), start, rate, notes)
