"""Mel-frequency cepstra and the trimming of silence. Samples in, frames out; no state, no weights.

Everything here equals librosa's function of the same name and parameters (pinned by tests); the
values are computed in float32, as there.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from encoders.descriptors import WindowShape

#: Power below which a mel band counts as empty, -100 dB, and the range kept below the loudest
#: value of the utterance: ``amin`` and ``top_db`` of ``librosa.power_to_db``.
POWER_FLOOR = 1e-10
RANGE_DB = 80.0
#: Samples of the frames in which ``librosa.effects.trim`` measures the level, and their distance.
TRIM_FRAME = 2048
TRIM_HOP = 512
#: Amplitude below which a frame counts as empty: ``amin`` of ``librosa.amplitude_to_db``.
AMPLITUDE_FLOOR = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class MelFrontEnd:
    """Short-time power in mel bands, in samples and Hz as ``librosa.feature.melspectrogram``.

    The filters are Slaney's, normalised by area, from 0 Hz to half of ``sample_rate_hz``.
    ``mel_sample_rate_hz`` is the rate that they are built for; where it is not the true one, they
    lie at the wrong frequencies.
    """

    sample_rate_hz: int
    n_fft: int
    window: int
    hop: int
    n_mels: int
    window_shape: WindowShape = "hann"
    mel_sample_rate_hz: int | None = None


def mfcc(
    samples: Float32[np.ndarray, "samples"], n_mfcc: int, front_end: MelFrontEnd
) -> Float32[Tensor, "frames coefficients"]:
    """The first ``n_mfcc`` cepstral coefficients of each frame, frames centred, zeros outside.

    Log-mel power in dB, at most 80 dB below the loudest value of the utterance, then the
    orthonormal DCT-II over the bands (Davis and Mermelstein 1980): equal to
    ``librosa.feature.mfcc``.
    """
    decibels = mel_decibels(samples, front_end)
    return decibels @ _cosines(n_mfcc, front_end.n_mels).T


def mel_decibels(
    samples: Float32[np.ndarray, "samples"], front_end: MelFrontEnd
) -> Float32[Tensor, "frames mels"]:
    """Mel band power in dB against a power of 1, cut 80 dB below the loudest value."""
    shape = torch.hann_window if front_end.window_shape == "hann" else torch.hamming_window
    spectrum = torch.stft(
        torch.from_numpy(samples),
        n_fft=front_end.n_fft,
        hop_length=front_end.hop,
        win_length=front_end.window,
        window=shape(front_end.window),
        center=True,
        pad_mode="constant",
        return_complex=True,
    )
    power = spectrum.real.square() + spectrum.imag.square()  # [bins, frames]
    decibels = 10 * (_filters(front_end) @ power).clamp_min(POWER_FLOOR).log10().T
    return decibels.clamp_min(float(decibels.max()) - RANGE_DB)


def trim(
    samples: Float32[np.ndarray, "samples"], top_db: float
) -> Float32[np.ndarray, "kept_samples"]:
    """What lies between the first and the last frame within ``top_db`` of the loudest frame.

    Frames are 2048 samples every 512, centred, zeros outside: equal to ``librosa.effects.trim``.
    Digital silence is kept whole, because no frame of it is quieter than another.
    """
    if len(samples) == 0:
        return samples
    loud = np.flatnonzero(_levels_db(samples) > -top_db)
    first, last = int(loud[0]), int(loud[-1]) + 1
    return samples[first * TRIM_HOP : min(len(samples), last * TRIM_HOP)]


def _levels_db(samples: Float32[np.ndarray, "samples"]) -> Float32[np.ndarray, "frames"]:
    """Root mean square of each frame in dB below the loudest one."""
    padded = np.pad(samples, TRIM_FRAME // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, TRIM_FRAME)[::TRIM_HOP]
    power = np.square(frames).mean(axis=1, dtype=np.float32)
    floor = np.float32(AMPLITUDE_FLOOR**2)
    return 10 * np.log10(np.maximum(power, floor) / np.maximum(power.max(), floor))


@lru_cache
def _cosines(n_mfcc: int, n_mels: int) -> Float32[Tensor, "coefficients mels"]:
    """Rows of the orthonormal DCT-II."""
    order: Int64[np.ndarray, "coefficients 1"] = np.arange(n_mfcc)[:, None]
    rows = np.cos(np.pi * order * (np.arange(n_mels) + 0.5) / n_mels) * math.sqrt(2 / n_mels)
    rows[0] /= math.sqrt(2)
    return torch.from_numpy(rows.astype(np.float32))


@lru_cache
def _filters(front_end: MelFrontEnd) -> Float32[Tensor, "mels bins"]:
    """Slaney's filter bank up to half the true rate, for the bins of the rate believed in."""
    believed = front_end.mel_sample_rate_hz or front_end.sample_rate_hz
    bins = np.arange(front_end.n_fft // 2 + 1) * believed / front_end.n_fft
    top = _mel(front_end.sample_rate_hz / 2)
    edges = _hertz(np.linspace(0.0, top, front_end.n_mels + 2))[:, None]
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre))
    filters = triangles.clip(min=0.0) * 2.0 / (high - low)
    return torch.from_numpy(filters.astype(np.float32))


def _mel(hertz: float) -> float:
    """Slaney's scale: 3 mel per 200 Hz up to 1 kHz, 27 mel per factor 6.4 above."""
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000, 6.4)


def _hertz(mel: Float64[np.ndarray, "edges"]) -> Float64[np.ndarray, "edges"]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))
