"""Networks on windows of a log-mel spectrogram, as images or as cepstra: one embedding per window.

Frames of the whole (trimmed) recording are cut into windows, so that a window inside a recording
has no artificial edges; each window is then embedded by itself. Batches of windows bound the
memory: what is held of a long recording are its samples and one batch of windows.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from encoders.audio.waveform import Audio, AudioError, Samples, resample
from encoders.networks.cnn_models import WindowNetwork
from encoders.networks.cnn_weights import NetworkSpec, load_network
from encoders.networks.mfcc_cnn_models import Frames
from encoders.pooling import Hidden
from encoders.pretrained.speech import state_sha256
from encoders.provenance import network_sha256
from encoders.specs import MfccCnnSpec, SpectrogramCnnSpec, WindowSpec
from encoders.spectra.cepstrum import cosines
from encoders.spectra.mel import MelSetting, centred, decibels_below, mel_power, trim_bounds
from encoders.weights.locate import locate
from encoders.weights.sources import network_source

NUMERICS_VERSION = 1
#: Images in one pass: more are slower on the CPU (one core, ResNet-50: 84 ms an image alone, 78 in
#: batches of 8, 90 of 16, 103 of 32) and take more memory (8 images: 300 MB beside the weights).
BATCH_WINDOWS = 8
#: Frames of one block when the loudest band of a recording is looked for.
BLOCK_FRAMES = 4096
#: Mean and deviation of ImageNet's red, green and blue, for which published weights were trained.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Spectrogram = Float32[Tensor, "mels frames"]
Windows = Float32[Tensor, "windows mels frames"]
Images = Float32[Tensor, "windows 3 size size"]


def weights_sha256(spec: NetworkSpec) -> str:
    """Hash of the file's bytes, or of the random weights of an untrained network.

    Of a fine-tuned network its record is hashed too: weights that have seen more are another
    encoder.
    """
    if spec.untrained:
        return state_sha256(load_network(spec))
    return network_sha256(locate(network_source(spec.checkpoint, spec.architecture)))


def load(spec: NetworkSpec, device: torch.device) -> "WindowEncoder":
    """The encoder of a spec, with the weights of a file or random ones.

    Raises:
        MissingWeightsError: there is no such file, or the spec names none.
        ValueError: the file holds another network.
    """
    network = load_network(spec)
    if isinstance(spec, MfccCnnSpec):
        return MfccCnnEncoder(network, spec, device)
    return SpectrogramCnnEncoder(network, spec, device)


class WindowEncoder(nn.Module, ABC):
    """One embedding per window, ``[1, windows, dim]``; ``dim`` is that of the network.

    Windows start ``frame_s`` seconds apart, the first ``offset_s`` after the recording's start.
    Every recording runs alone; the norms of the network use the statistics they were trained with,
    so that no window sees another.
    """

    def __init__(self, network: nn.Module, spec: WindowSpec, device: torch.device) -> None:
        super().__init__()
        self.network = network
        self.spec = spec
        self.device = device
        self.grid = Grid.of(spec)
        self.frame_s = self.grid.hop * spec.hop_length / spec.sample_rate_hz

    def forward(self, inputs: Sequence[Audio]) -> list[Hidden]:
        """Embeddings of the windows of every recording."""
        return [self._one(audio) for audio in inputs]

    def offset_s(self, audio: Audio) -> float:
        """Seconds of silence trimmed from the start of a recording."""
        samples = resample(audio, self.spec.sample_rate_hz).samples
        return trimmed(samples, self.spec).start / self.spec.sample_rate_hz

    def _one(self, audio: Audio) -> Hidden:
        samples = resample(audio, self.spec.sample_rate_hz).samples
        if len(samples) == 0:
            raise AudioError(f"a segment of {audio.duration_s:g} s holds no sample")
        samples = samples[trimmed(samples, self.spec)]
        rows = [self.embed(windows) for windows in self._windows(samples)]
        return torch.cat(rows)[None]

    def _windows(self, samples: Samples) -> Iterator[Windows]:
        return windows_of(samples, self.spec)

    @abstractmethod
    def embed(self, windows: Windows) -> Float32[Tensor, "windows dim"]:
        """Embeddings of windows in decibels."""


class SpectrogramCnnEncoder(WindowEncoder):
    """Windows as images for a network that was made for photographs."""

    def __init__(
        self, network: WindowNetwork, spec: SpectrogramCnnSpec, device: torch.device
    ) -> None:
        # Faster on the CPU: 7.8 for 10.8 ms an image of AlexNet, 73 for 84 of ResNet-50, one core.
        last: nn.Module = network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        super().__init__(last, spec, device)
        self.images = spec

    def embed(self, windows: Windows) -> Float32[Tensor, "windows dim"]:
        """Embeddings of windows in decibels."""
        images = to_images(windows, self.images).to(self.device)
        return self.network(images.contiguous(memory_format=torch.channels_last))


class MfccCnnEncoder(WindowEncoder):
    """One embedding per window, ``[1, windows, dim]``; ``dim`` is that of the network."""

    def __init__(self, network: WindowNetwork, spec: MfccCnnSpec, device: torch.device) -> None:
        super().__init__(network.to(device), spec, device)
        self.cepstra = spec

    def embed(self, windows: Windows) -> Float32[Tensor, "windows dim"]:
        """Embeddings of windows in decibels."""
        return self.network(to_frames(to_unit(windows, self.cepstra), self.cepstra).to(self.device))


# ---------------------------------------------------------------- windows


@dataclass(frozen=True, slots=True)
class Grid:
    """Length of a window and distance of two, in frames; both are rounded to whole frames."""

    window: int
    hop: int

    @classmethod
    def of(cls, spec: WindowSpec) -> "Grid":
        """The grid of a spec."""
        frames_per_s = spec.sample_rate_hz / spec.hop_length
        return cls(round(spec.window_s * frames_per_s), round(spec.hop_s * frames_per_s))

    def count(self, samples: int, spec: WindowSpec) -> int:
        """Windows of a recording of so many samples, at least one.

        With the tail padded the last sample lies in the last window; with the tail dropped no
        window but that of a short recording reaches past the last sample.
        """
        hops = (samples - self.window * spec.hop_length) / (self.hop * spec.hop_length)
        return 1 + max(0, math.ceil(hops) if spec.tail == "pad" else math.floor(hops))

    def frames(self, windows: int) -> int:
        """Frames that so many windows cover."""
        return self.window + (windows - 1) * self.hop


def windows_of(samples: Samples, spec: WindowSpec) -> Iterator[Windows]:
    """Batches of windows in decibels, of samples that are trimmed already."""
    setting, grid = mel_setting(spec), Grid.of(spec)
    count = grid.count(len(samples), spec)
    frames = max(1 + len(samples) // setting.hop_length, grid.frames(count))
    padded = centred(samples, setting, frames)
    peak = loudest(padded, setting, frames) if spec.reference == "file" else None
    for first in range(0, count, BATCH_WINDOWS):
        size = min(BATCH_WINDOWS, count - first)
        block = _block(padded, setting, first * grid.hop, grid.frames(size))
        power = block.unfold(1, grid.window, grid.hop).permute(1, 0, 2)
        reference = power.amax(dim=(1, 2), keepdim=True) if peak is None else peak
        yield decibels_below(power, reference, spec.top_db)


def trimmed(samples: Samples, spec: WindowSpec) -> slice:
    """The part of a recording that is not silence at its start or end."""
    if spec.trim_db is None:
        return slice(0, len(samples))
    return slice(*trim_bounds(samples, spec.trim_db))


# ---------------------------------------------------------------- spectrograms


def mel_setting(spec: WindowSpec) -> MelSetting:
    """Parameters of the spectrogram of a spec."""
    return MelSetting(
        sample_rate_hz=spec.sample_rate_hz,
        n_fft=spec.n_fft,
        win_length=spec.win_length,
        hop_length=spec.hop_length,
        window_function=spec.window_function,
        n_mels=spec.n_mels,
        mel_sample_rate_hz=spec.mel_sample_rate_hz,
    )


def _block(padded: Samples, setting: MelSetting, first: int, frames: int) -> Spectrogram:
    """Mel power of some of the frames."""
    start = first * setting.hop_length
    return mel_power(
        padded[start : start + (frames - 1) * setting.hop_length + setting.n_fft], setting
    )


def loudest(padded: Samples, setting: MelSetting, frames: int) -> Float32[Tensor, ""]:
    """Largest power of any band in any frame of a recording."""
    peaks = [
        _block(padded, setting, first, min(BLOCK_FRAMES, frames - first)).max()
        for first in range(0, frames, BLOCK_FRAMES)
    ]
    return torch.stack(peaks).max()


# ---------------------------------------------------------------- images and cepstra


def to_images(windows: Windows, spec: SpectrogramCnnSpec) -> Images:
    """Windows in decibels as images for a network trained on ImageNet; row 0 is the lowest band."""
    return from_unit(to_unit(windows, spec), spec)


def from_unit(windows: Windows, spec: SpectrogramCnnSpec) -> Images:
    """Images of windows from 0 to 1.

    Sizes are changed without antialiasing, ``align_corners`` False.
    """
    size = (spec.image_size, spec.image_size)
    corners = None if spec.interpolation == "nearest" else False
    grey = nn.functional.interpolate(
        windows[:, None], size, mode=spec.interpolation, align_corners=corners
    )
    mean, std = (torch.tensor(of)[:, None, None] for of in (IMAGENET_MEAN, IMAGENET_STD))
    return (grey - mean) / std


def to_unit(windows: Windows, spec: WindowSpec) -> Windows:
    """Decibels as 0 to 1; a window that is the same everywhere becomes 0."""
    if spec.scaling == "decibels":
        return windows / spec.top_db + 1
    least = windows.amin(dim=(1, 2), keepdim=True)
    range_db = windows.amax(dim=(1, 2), keepdim=True) - least
    return torch.where(range_db > 0, (windows - least) / range_db.clamp_min(1e-6), 0.0)


def to_frames(windows: Windows, spec: MfccCnnSpec) -> Frames:
    """Frames that a network takes, of windows from 0 to 1: their bands, or the cepstrum of them."""
    frames = windows.transpose(1, 2)
    if spec.n_mfcc is None:
        return frames
    return frames @ cosines(spec.n_mfcc, spec.n_mels).T
