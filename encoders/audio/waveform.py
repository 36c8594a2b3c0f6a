"""Samples of a recording, what of them is refused, and resampling."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from jaxtyping import Float, Float32

from encoders.messages import with_count

Samples = Float32[np.ndarray, "samples"]
MAX_DURATION_S = 12 * 3600.0
#: Longest utterance: all of it is in memory, at 48 kHz 0.7 GB an hour, and as much again for what
#: is made of it. Longer recordings are read block by block (:mod:`encoders.audio.streaming`).
MAX_UTTERANCE_S = 3600.0
#: Segment times are often rounded; an end this far past the end of the file is taken as its end.
END_TOLERANCE_S = 0.1
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
#: Power of the mean below this share of the channels' is no chance of two microphones: -20 dB.
CANCELLED_SHARE = 0.01
#: What is told of a recording.
LONGER = "more sound than the header declares: read to the end"
CANCELLED = (
    "channels cancel each other in their mean, which is heard: take one (--channel 1, or column "
    "channel of a manifest)"
)


@dataclass(frozen=True, slots=True)
class Audio:
    """Mono samples in [-1, 1] with their rate in Hz; ``notes`` are what reading them told."""

    samples: Samples
    sample_rate_hz: int
    notes: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate_hz

    @property
    def is_silent(self) -> bool:
        """Whether no sample rises above -80 dB of full scale."""
        return _peak(self.samples) < SILENCE_PEAK


class AudioError(ValueError):
    """A recording cannot be read, or does not hold the segment asked for."""


class Mono:
    """Blocks of a recording as one channel: the mean of all, or one, counted from 1.

    Where the mean lies more than 20 dB below the channels, as of a balanced line stored as stereo,
    :meth:`notes` says so.
    """

    def __init__(self, path: Path, channel: int | None = None) -> None:
        self._path, self._channel = path, channel
        self._apart = self._together = 0.0

    def of(self, samples: Float[np.ndarray, "channels frames"]) -> Samples:
        """The next block as one channel; an :class:`AudioError` where there is no such."""
        if self._channel is not None:
            return channel_of(self._path, samples, self._channel)[0].astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = samples.mean(axis=0).astype(np.float32)
            if len(samples) > 1:
                self._apart += float(np.square(samples, dtype=np.float64).mean(axis=0).sum())
                self._together += float(np.square(mean, dtype=np.float64).sum())
        return mean

    def notes(self) -> tuple[str, ...]:
        """What is told of the channels so far."""
        heard = self._apart > SILENCE_PEAK**2
        return (CANCELLED,) if heard and self._together < CANCELLED_SHARE * self._apart else ()


def channel_of(
    path: Path, samples: Float[np.ndarray, "channels frames"], channel: int
) -> Float[np.ndarray, "1 frames"]:
    """One channel of a block, counted from 1; an :class:`AudioError` where there is no such."""
    if not 1 <= channel <= len(samples):
        count = with_count(len(samples), "channel")
        raise AudioError(f"{path}: channel {channel} asked for, it has {count}")
    return samples[channel - 1 : channel]


def resample(audio: Audio, sample_rate_hz: int) -> Audio:
    """Resample with soxr's high quality setting; the same object where the rate is right."""
    if audio.sample_rate_hz == sample_rate_hz:
        return audio
    samples = soxr.resample(audio.samples, audio.sample_rate_hz, sample_rate_hz, "HQ")
    return Audio(samples.astype(np.float32, copy=False), sample_rate_hz, audio.notes)


def check_length(path: Path, form: str, rate: int, decoded: int, expected: int) -> None:
    """An :class:`AudioError` where fewer frames were decoded than a format may lack."""
    if decoded == 0 or decoded < expected - _may_lack(form, rate):
        raise AudioError(
            f"{path}: {decoded / rate:.3f} s decoded of the {expected / rate:.3f} s declared: "
            "the file is damaged or cut short"
        )


def _may_lack(form: str, rate: int) -> float:
    """Frames that may be missing at the end of a file that is whole all the same."""
    if form == "MP3":
        return float(MP3_FRAME if rate >= MP3_LOW_HZ else MP3_FRAME_LOW)
    return 0.0 if form in EXACT else END_TOLERANCE_S * rate


def check_utterance_length(path: Path, seconds: float) -> None:
    """An :class:`AudioError` where what is to be read at once is longer than an utterance."""
    if seconds > MAX_UTTERANCE_S:
        raise AudioError(
            f"{path}: {seconds / 60:.0f} min or more as one utterance, at most "
            f"{MAX_UTTERANCE_S / 60:g} min are read at once: name its utterances (start_s and "
            "end_s of a manifest), or let serfusion interview find them"
        )


def joined(blocks: list[Float32[np.ndarray, "_some"]]) -> Samples:
    """Consecutive blocks as one; they are let go of on the way, so that memory holds them once."""
    samples = np.empty(sum(map(len, blocks)), np.float32)
    stop = len(samples)
    while blocks:
        block = blocks.pop()
        samples[stop - len(block) : stop] = block
        stop -= len(block)
    return samples


def _peak(samples: Float[np.ndarray, "*any"]) -> float:
    """The largest magnitude, NaN where a sample is; without a copy, unlike that of ``abs``."""
    return float(np.maximum(samples.max(initial=0.0), -samples.min(initial=0.0)))


def check_samples(path: Path, samples: Float[np.ndarray, "*any"]) -> None:
    """An :class:`AudioError` where a sample is no number, or too large for sound."""
    peak = _peak(samples)
    if not math.isfinite(peak):
        raise AudioError(f"{path}: holds samples that are not numbers (NaN or infinite)")
    if peak > MAX_PEAK:
        raise AudioError(
            f"{path}: its loudest sample is {peak:.3g}, expected at most 1 (up to {MAX_PEAK:.3g} "
            "is taken for unscaled integers): the file is damaged or holds no sound"
        )
