"""What tells speakers apart: cepstra of short windows, or vectors of a model trained for it.

Cepstral statistics need no weights. They tell voices apart in one recording as long as the voices
differ more than the moods of one voice do; GE2E and x-vectors are trained to be near for one
speaker and apart for two, and so compare recordings as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from encoders.audio.waveform import Samples
from encoders.spectra.cepstrum import mfcc
from encoders.spectra.mel import MelSetting, centred, mel_power
from encoders.weights.locate import locate
from encoders.weights.sources import GE2E_FILES, checkpoint_source

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


def windows_of(frames: int, window: int = WINDOW) -> tuple[Extent, ...]:
    """Windows of so many frames every 0.5 s over a stretch; the last ones may be shorter."""
    starts = range(0, max(1, frames - window // 2), HOP)
    return tuple(Extent(start, min(start + window, frames)) for start in starts)


@runtime_checkable
class SpeakerEncoder(Protocol):
    """Anything that gives each window of a stretch a vector; near ones are of one speaker.

    Those of a ``trained`` one have length 1, and their cosine compares recordings; ``window`` is
    the length of a window in frames.
    """

    name: str
    trained: bool
    window: int

    def embed(
        self, samples: Samples, frames: Frames, windows: Sequence[Extent]
    ) -> Float32[np.ndarray, "windows dim"]:
        """One vector per window of a stretch of speech at 16 kHz."""
        ...


class CepstralStatistics:
    """Mean and deviation of the cepstra of a window: no weights, no training."""

    name = "cepstral statistics"
    trained, window = False, WINDOW

    def embed(
        self, samples: Samples, frames: Frames, windows: Sequence[Extent]
    ) -> Float32[np.ndarray, "windows dim"]:
        """Mean and deviation of each window side by side."""
        windowed = [frames[window.start : window.stop] for window in windows]
        return np.stack(
            [np.concatenate([window.mean(axis=0), window.std(axis=0)]) for window in windowed]
        )


#: Of GE2E: bands of 25 ms every 10 ms, and the level to which what is softer is raised.
GE2E_SETTING = replace(SETTING, n_fft=400)
GE2E_LEVEL_DB = -30.0
GE2E_DIM = 256


def ge2e_bands(samples: Samples) -> Float32[Tensor, "frames mels"]:
    """Mel power (no logarithm) of a stretch, raised to -30 dB of full scale if it is softer.

    Equal to ``wav_to_mel_spectrogram(normalize_volume(samples, -30, increase_only=True))`` of
    Resemblyzer 0.1.4, which calls ``librosa.feature.melspectrogram`` (pinned by a test).
    """
    power = float(np.square(samples, dtype=np.float64).mean())
    gain = max(1.0, 10 ** (GE2E_LEVEL_DB / 20) / np.sqrt(power)) if power else 1.0
    frames = 1 + len(samples) // GE2E_SETTING.hop_length
    padded = centred((samples * gain).astype(np.float32), GE2E_SETTING, frames)
    return mel_power(padded, GE2E_SETTING).T


class GE2ENetwork(nn.Module):
    """Three LSTMs, a linear layer and ReLU on the last state, brought to length 1.

    Wan et al. 2018, "Generalized End-to-End Loss for Speaker Verification", as Resemblyzer has it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(GE2E_SETTING.n_mels, GE2E_DIM, num_layers=3, batch_first=True)
        self.linear = nn.Linear(GE2E_DIM, GE2E_DIM)

    def forward(
        self, bands: Float32[Tensor, "windows frames mels"]
    ) -> Float32[Tensor, "windows dim"]:
        """One vector per window; all windows have the same length."""
        _, (state, _) = self.lstm(bands)
        return nn.functional.normalize(torch.relu(self.linear(state[-1])), dim=1)


class GE2E:
    """Speaker embeddings of Resemblyzer's weights, which are read as data: none of its code runs.

    Raises:
        MissingWeightsError: its package is not installed, or is not the one that was published.
    """

    name = "GE2E vectors"
    # Of 1.6 s, as it was trained.
    trained, window = True, 160

    def __init__(self) -> None:
        path = locate(GE2E_FILES) / GE2E_FILES.weights
        state = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
        self.network = GE2ENetwork().eval()
        # Weight and bias of the similarity served the loss alone.
        names = self.network.state_dict().keys()
        self.network.load_state_dict({name: state[name] for name in names})

    @torch.inference_mode()
    def embed(
        self, samples: Samples, frames: Frames, windows: Sequence[Extent]
    ) -> Float32[np.ndarray, "windows dim"]:
        """One vector of length 1 per window; those of one length share a batch."""
        bands = ge2e_bands(samples)
        vectors = np.empty((len(windows), GE2E_DIM), np.float32)
        for length in {window.stop - window.start for window in windows}:
            rows = [k for k, one in enumerate(windows) if one.stop - one.start == length]
            batch = torch.stack([bands[windows[k].start : windows[k].stop] for k in rows])
            vectors[rows] = self.network(batch).numpy()
        return vectors


class XVectors:
    """Speaker embeddings of a transformers x-vector model, as microsoft/wavlm-base-plus-sv.

    Raises:
        MissingWeightsError: the checkpoint is neither on this machine nor to be had.
        ValueError: it is another kind of model.
    """

    trained, window = True, WINDOW

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
