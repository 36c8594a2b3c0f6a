"""What tells speakers apart: cepstra of short windows, or x-vectors of a published model.

Cepstral statistics need no weights. They tell voices apart in one recording as long as the voices
differ more than the moods of one voice do; x-vectors were trained for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32

from encoders.audio.waveform import Samples
from encoders.spectra.cepstrum import mfcc
from encoders.spectra.mel import MelSetting
from encoders.weights.locate import locate
from encoders.weights.sources import checkpoint_source

SAMPLE_RATE_HZ = 16000
FRAME_S = 0.01
#: Coefficients of a frame without the first, which is its level.
COEFFICIENTS = 19
SETTING = MelSetting(
    sample_rate_hz=SAMPLE_RATE_HZ,
    n_fft=512,
    win_length=400,
    hop_length=round(FRAME_S * SAMPLE_RATE_HZ),
    window_function="hann",
    n_mels=40,
)
#: Windows that are compared, and their distance, in frames.
WINDOW, HOP = 150, 50

Frames = Float32[np.ndarray, "_frames coefficients"]


@dataclass(frozen=True, slots=True)
class Extent:
    """Frames of a window, as a slice."""

    start: int
    stop: int


def cepstra(samples: Samples) -> Frames:
    """Cepstral coefficients 1 to 19 every 10 ms of speech at 16 kHz."""
    return mfcc(samples, COEFFICIENTS + 1, SETTING).numpy()[:, 1:]


def windows_of(frames: int) -> tuple[Extent, ...]:
    """Windows of 1.5 s every 0.5 s over a stretch; the last ones may be shorter."""
    starts = range(0, max(1, frames - WINDOW // 2), HOP)
    return tuple(Extent(start, min(start + WINDOW, frames)) for start in starts)


@runtime_checkable
class SpeakerEncoder(Protocol):
    """Anything that gives each window of a stretch a vector; near ones are of one speaker."""

    name: str

    def embed(
        self, samples: Samples, frames: Frames, windows: Sequence[Extent]
    ) -> Float32[np.ndarray, "windows dim"]:
        """One vector per window of a stretch of speech at 16 kHz."""
        ...


class CepstralStatistics:
    """Mean and deviation of the cepstra of a window: no weights, no training."""

    name = "cepstral statistics"

    def embed(
        self, samples: Samples, frames: Frames, windows: Sequence[Extent]
    ) -> Float32[np.ndarray, "windows dim"]:
        """Mean and deviation of each window side by side."""
        windowed = [frames[window.start : window.stop] for window in windows]
        return np.stack(
            [np.concatenate([window.mean(axis=0), window.std(axis=0)]) for window in windowed]
        )


class XVectors:
    """Speaker embeddings of a transformers x-vector model, as microsoft/wavlm-base-plus-sv.

    Raises:
        MissingWeightsError: the checkpoint is neither on this machine nor to be had.
        ValueError: it is another kind of model.
    """

    def __init__(self, checkpoint: str) -> None:
        from transformers import AutoConfig, AutoModelForAudioXVector
        from transformers.utils import logging

        logging.disable_progress_bar()
        folder = locate(checkpoint_source(checkpoint))
        kinds = AutoConfig.from_pretrained(folder).architectures or []
        if not any(kind.endswith("ForXVector") for kind in kinds):
            architectures = ", ".join(kinds) or "no architecture"
            raise ValueError(
                f"{checkpoint}: {architectures}, expected a speaker model (...ForXVector)"
            )
        self.name = f"x-vectors of {checkpoint}"
        self.model: Any = AutoModelForAudioXVector.from_pretrained(
            folder, trust_remote_code=False, dtype=torch.float32
        ).eval()
        self._shortest = self._samples_needed()

    @torch.inference_mode()
    def embed(
        self, samples: Samples, frames: Frames, windows: Sequence[Extent]
    ) -> Float32[np.ndarray, "windows dim"]:
        """One vector of length 1 per window, each window alone."""
        return np.concatenate([self._vector(samples, window) for window in windows])

    def _vector(self, samples: Samples, window: Extent) -> Float32[np.ndarray, "1 dim"]:
        hop = SETTING.hop_length
        wave = samples[window.start * hop : window.stop * hop]
        wave = np.pad(wave, (0, max(0, self._shortest - len(wave))))
        # As the models' feature extractors do it: mean 0, variance 1.
        centred = (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)
        vector = self.model(torch.from_numpy(centred.astype(np.float32))[None]).embeddings
        return torch.nn.functional.normalize(vector, dim=1).numpy()

    def _samples_needed(self) -> int:
        """The least that leaves a frame after the time-delay layers."""
        config = self.model.config
        frames = 1 + sum(
            (kernel - 1) * dilation
            for kernel, dilation in zip(config.tdnn_kernel, config.tdnn_dilation, strict=True)
        )
        # Two frames at least: their deviation is half of what is pooled.
        needed = frames + 1
        for kernel, stride in zip(
            reversed(config.conv_kernel), reversed(config.conv_stride), strict=True
        ):
            needed = (needed - 1) * stride + kernel
        return int(needed)
