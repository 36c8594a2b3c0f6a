"""Log-mel spectrograms. Samples in, frames out; no state and no weights."""

import math
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

#: Power below which a mel band counts as empty: -100 dB.
POWER_FLOOR = 1e-10
#: Half width in frames of the least-squares slope that is the time difference (as in HTK, 4).
DELTA_REACH = 4


def log_mel(
    samples: Float32[np.ndarray, "samples"],
    *,
    sample_rate_hz: int,
    window_ms: float,
    hop_ms: float,
    n_mels: int,
) -> Float32[Tensor, "frames mels"]:
    """Natural logarithm of mel band power, one frame every ``hop_ms``, centred, zeros outside.

    The filters are Slaney's, normalised by area, from 0 Hz to half the rate, built for the true
    rate: equal to ``librosa.feature.melspectrogram`` with its defaults (pinned by a test).
    """
    window = round(window_ms * sample_rate_hz / 1000)
    spectrum = torch.stft(
        torch.from_numpy(samples),
        n_fft=window,
        hop_length=round(hop_ms * sample_rate_hz / 1000),
        window=torch.hann_window(window),
        center=True,
        # Zeros, as librosa has them: reflection differs by up to 3.7 log units at the edges.
        pad_mode="constant",
        return_complex=True,
    )
    power = spectrum.real.square() + spectrum.imag.square()  # [bins, frames]
    return (mel_filters(sample_rate_hz, window, n_mels) @ power).clamp_min(POWER_FLOOR).log().T


@lru_cache
def mel_filters(
    sample_rate_hz: int, n_fft: int, n_mels: int, high_hz: float | None = None
) -> Float32[Tensor, "mels bins"]:
    """Slaney's filter bank for the true rate; with another, filters would end at the wrong Hz.

    The last filter ends at ``high_hz``, None: at half the rate.
    """
    # The last bin of an odd window lies below half the rate: it is k * rate / n_fft that counts.
    bins = np.arange(n_fft // 2 + 1) * sample_rate_hz / n_fft
    top = sample_rate_hz / 2 if high_hz is None else high_hz
    edges = _hertz(np.linspace(0.0, _mel(top), n_mels + 2))[:, None]
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre))
    filters = triangles.clip(min=0.0) * 2.0 / (high - low)
    return torch.from_numpy(filters.astype(np.float32))


def _mel(hertz: float) -> float:
    """Slaney's scale: 3 mel per 200 Hz up to 1 kHz, 27 mel per factor 6.4 above."""
    return hertz * 3 / 200 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000, 6.4)


def _hertz(mel: Float64[np.ndarray, "edges"]) -> Float64[np.ndarray, "edges"]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))


def with_deltas(
    frames: Float32[Tensor, "frames dim"], orders: int
) -> Float32[Tensor, "frames wide"]:
    """Frames with their time differences of the first ``orders`` orders beside them.

    A difference is the least-squares slope over nine frames (Furui 1986), edges held.
    """
    blocks = [frames]
    for _ in range(orders):
        blocks.append(_slope(blocks[-1]))
    return torch.cat(blocks, dim=1)


def _slope(frames: Float32[Tensor, "frames dim"]) -> Float32[Tensor, "frames dim"]:
    steps = torch.arange(-DELTA_REACH, DELTA_REACH + 1, dtype=torch.float32)
    held = torch.cat(
        [frames[:1].expand(DELTA_REACH, -1), frames, frames[-1:].expand(DELTA_REACH, -1)]
    )
    windows = held.unfold(0, len(steps), 1)  # [frames, dim, 9]
    return windows @ (steps / steps.square().sum())
