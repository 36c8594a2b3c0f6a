"""Samples of a recording, what of them is refused, and resampling."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from jaxtyping import Float, Float32

Samples = Float32[np.ndarray, "samples"]
MAX_DURATION_S = 12 * 3600.0
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


def resample(audio: Audio, sample_rate_hz: int) -> Audio:
    """Resample with soxr's high quality setting; the same object where the rate is right."""
    if audio.sample_rate_hz == sample_rate_hz:
        return audio
    samples = soxr.resample(audio.samples, audio.sample_rate_hz, sample_rate_hz, "HQ")
    return Audio(samples.astype(np.float32, copy=False), sample_rate_hz)


def check_length(path: Path, file: soundfile.SoundFile, decoded: int, expected: int) -> None:
    """An :class:`AudioError` where fewer frames were decoded than its format may lack."""
    rate = file.samplerate
    if decoded == 0 or decoded < expected - _may_lack(file):
        raise AudioError(
            f"{path}: {decoded / rate:.3f} s decoded of the {expected / rate:.3f} s declared: "
            "the file is damaged or cut short"
        )


def _may_lack(file: soundfile.SoundFile) -> float:
    """Frames that may be missing at the end of a file that is whole all the same."""
    if file.format == "MP3":
        return float(MP3_FRAME if file.samplerate >= MP3_LOW_HZ else MP3_FRAME_LOW)
    return 0.0 if file.format in EXACT else END_TOLERANCE_S * file.samplerate


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
