"""Mel-frequency cepstra. Samples in, frames out; no state and no weights."""

import math
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from encoders.spectra.mel import MelSetting, centred, decibels_below, mel_power

#: Range kept below the loudest value of the utterance: ``top_db`` of ``librosa.power_to_db``.
RANGE_DB = 80.0


def mfcc(
    samples: Float32[np.ndarray, "samples"], n_mfcc: int, setting: MelSetting
) -> Float32[Tensor, "frames coefficients"]:
    """The first ``n_mfcc`` cepstral coefficients of each frame, frames centred, zeros outside.

    Log-mel power in dB, at most 80 dB below the loudest value of the utterance, then the
    orthonormal DCT-II over the bands (Davis and Mermelstein 1980): equal to
    ``librosa.feature.mfcc`` with the same parameters (pinned by tests).
    """
    power = mel_power(centred(samples, setting, 1 + len(samples) // setting.hop_length), setting)
    peak = power.max()
    # Against a power of 1, not against the peak: the first coefficient carries the level.
    decibels = decibels_below(power, peak, RANGE_DB) + 10 * peak.clamp_min(1e-10).log10()
    return decibels.T @ cosines(n_mfcc, setting.n_mels).T


@lru_cache
def cosines(n_mfcc: int, n_mels: int) -> Float32[Tensor, "coefficients mels"]:
    """Rows of the orthonormal DCT-II over ``n_mels`` bands."""
    order: Int64[np.ndarray, "coefficients 1"] = np.arange(n_mfcc)[:, None]
    rows = np.cos(np.pi * order * (np.arange(n_mels) + 0.5) / n_mels) * math.sqrt(2 / n_mels)
    rows[0] /= math.sqrt(2)
    return torch.from_numpy(rows.astype(np.float32))
