"""Mel spectrograms in decibels as librosa makes them, and its trimming of silence.

Samples in, bands out; no state and no weights. Each function names the one of librosa 0.11 that
it equals; tests compare the values.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from encoders.specs import WindowFunction
from encoders.spectra.spectrogram import POWER_FLOOR, mel_filters

#: Samples per frame, and between two, in which ``librosa.effects.trim`` looks for silence.
TRIM_FRAME_LENGTH = 2048
TRIM_HOP_LENGTH = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class MelSetting:
    """Parameters of a mel spectrogram; lengths in samples, as librosa counts them.

    The window of ``win_length`` samples stands in the middle of ``n_fft``, zeros around it.
    ``mel_sample_rate_hz`` is the rate for which the filters are built, None: the true one. The
    filters end at half the true rate, as they do in a call of librosa that gives ``fmax`` and
    forgets ``sr``: built for 22 050 Hz, 128 of them end at 1451 Hz of a signal at 8 kHz.
    """

    sample_rate_hz: int
    n_fft: int
    win_length: int
    hop_length: int
    window_function: WindowFunction
    n_mels: int
    mel_sample_rate_hz: int | None = None


def trim_bounds(samples: Float32[np.ndarray, "samples"], top_db: float) -> tuple[int, int]:
    """First sample, and the one past the last, of what ``librosa.effects.trim`` keeps.

    A frame of 2048 samples is silent where its root mean square lies ``top_db`` or more below
    that of the loudest frame; frames are centred every 512 samples, zeros outside. Samples that
    are all zero are kept, as librosa keeps them.
    """
    level = _level_db(samples)
    loud = np.flatnonzero(level > level.max() - top_db)
    first, last = int(loud[0]), int(loud[-1])
    return first * TRIM_HOP_LENGTH, min(len(samples), (last + 1) * TRIM_HOP_LENGTH)


def _level_db(samples: Float32[np.ndarray, "samples"]) -> Float32[np.ndarray, "frames"]:
    """Mean power of every frame in decibels."""
    padded = np.pad(samples, TRIM_FRAME_LENGTH // 2)
    whole = len(padded) // TRIM_HOP_LENGTH * TRIM_HOP_LENGTH
    # A frame is four hops long: sums of hops need a fourth of the memory of frames.
    hops = np.square(padded[:whole]).reshape(-1, TRIM_HOP_LENGTH).sum(axis=1)
    frames = np.lib.stride_tricks.sliding_window_view(hops, TRIM_FRAME_LENGTH // TRIM_HOP_LENGTH)
    power = frames.sum(axis=1) / np.float32(TRIM_FRAME_LENGTH)
    return 10 * np.log10(np.maximum(power, np.float32(POWER_FLOOR)))


def centred(
    samples: Float32[np.ndarray, "samples"], setting: MelSetting, frames: int
) -> Float32[np.ndarray, "padded"]:
    """Samples with zeros around them, so that frame i of at least ``frames`` is centred at i hops.

    The end is filled up to the last of the ``frames`` only where samples do not reach so far.
    """
    before = setting.n_fft // 2
    needed = (frames - 1) * setting.hop_length + setting.n_fft
    return np.pad(samples, (before, max(0, needed - before - len(samples))))


def mel_power(
    padded: Float32[np.ndarray, "padded"], setting: MelSetting
) -> Float32[Tensor, "mels frames"]:
    """Power in mel bands of every frame that lies wholly in ``padded`` (see :func:`centred`).

    Equal to ``librosa.feature.melspectrogram`` with power 2 and Slaney's filters, ``fmax`` half
    the true rate and ``sr`` the rate of the filters.
    """
    spectrum = torch.stft(
        torch.from_numpy(padded),
        n_fft=setting.n_fft,
        hop_length=setting.hop_length,
        win_length=setting.win_length,
        window=_window(setting),
        center=False,
        return_complex=True,
    )
    power = spectrum.real.square() + spectrum.imag.square()  # [bins, frames]
    assumed_hz = setting.mel_sample_rate_hz or setting.sample_rate_hz
    high_hz = setting.sample_rate_hz / 2
    return mel_filters(assumed_hz, setting.n_fft, setting.n_mels, high_hz) @ power


def _window(setting: MelSetting) -> Float32[Tensor, "window"]:
    make = torch.hamming_window if setting.window_function == "hamming" else torch.hann_window
    return make(setting.win_length, periodic=True)


def decibels_below(
    power: Float32[Tensor, "*any mels frames"], peak: Float32[Tensor, "*scope"], top_db: float
) -> Float32[Tensor, "*any mels frames"]:
    """Power in decibels relative to its ``peak``, nowhere below ``-top_db``.

    Equal to ``librosa.power_to_db(power, ref=np.max, top_db=top_db)`` where ``peak`` is the
    maximum of ``power``; ``peak`` broadcasts, so that windows of one file can share the file's.
    """
    floor = POWER_FLOOR
    level = 10 * (power.clamp_min(floor).log10() - peak.clamp_min(floor).log10())
    return level.clamp_min(-top_db)
