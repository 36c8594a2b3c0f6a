"""The spec of image networks on spectrograms: every parameter of the preprocessing is a field."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from encoders.storage import TIME_STATISTICS, Storage, StorageDtype, WindowFunction
from encoders.weights.cards import TORCHVISION

Architecture = Literal["alexnet", "resnet50", "resnext50", "densenet201"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrogramCnnSpec:
    """AlexNet, ResNet-50, ResNeXt-50 or DenseNet-201 on windows of a log-mel spectrogram.

    ``checkpoint`` is a file with torchvision's state dict, or the folder of one; empty stands for
    the file that torchvision publishes. ``untrained`` draws seeded random weights.

    The defaults are a recipe of spectrogram networks for emotion in speech, given as calls of
    librosa: 8 kHz, silence 30 dB below the loudest frame trimmed at both ends (None: kept),
    ``n_fft`` 1024, Hamming windows of 512 samples every 100, 128 bands, decibels below the maximum
    of the ``reference``, 80 at most, cut into windows of 1 s every 0.25 s (0.5 s, and 4 s every
    2 s, are its other cases). That recipe forgot the rate when it built its filters, which then end
    near 1.45 kHz: ``mel_sample_rate_hz`` 22050 repeats it, None builds them for the true rate.

    Windows start every ``hop_s`` on the frames of the trimmed recording. What is shorter than a
    window is filled up with zeros; what is left behind the last whole window is filled up too
    (``tail`` "pad") or left out ("drop"). Decibels become 0 to 1 between the least and the largest
    of each window (``scaling`` "window") or from ``-top_db`` to 0 ("decibels"), then an image of
    ``image_size`` squared in three equal channels with ImageNet's mean and deviation.

    Raises:
        ValueError: fields that cannot be, all of them at once.
    """

    family: Literal["spectrogram_cnn"] = "spectrogram_cnn"
    architecture: Architecture = "alexnet"
    checkpoint: str = ""
    untrained: bool = False
    storage: Storage = "pooled"
    storage_dtype: StorageDtype = "float32"
    sample_rate_hz: int = 8000
    trim_db: float | None = 30.0
    n_fft: int = 1024
    win_length: int = 512
    window_function: WindowFunction = "hamming"
    hop_length: int = 100
    n_mels: int = 128
    mel_sample_rate_hz: int | None = None
    reference: Literal["file", "window"] = "file"
    top_db: float = 80.0
    window_s: float = 1.0
    hop_s: float = 0.25
    tail: Literal["pad", "drop"] = "pad"
    scaling: Literal["window", "decibels"] = "window"
    image_size: int = 224
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"

    kind = "audio"
    layers = None
    time_pool = 1
    statistics = TIME_STATISTICS
    default_pooling = "mean+std"
    after_forward = ("storage", "storage_dtype")
    sequence: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    options: ClassVar[tuple[str, ...]] = (
        *("checkpoint", "sample_rate_hz", "trim_db", "n_fft", "win_length", "window_function"),
        *("hop_length", "n_mels", "mel_sample_rate_hz", "reference", "top_db", "window_s", "hop_s"),
        *("tail", "scaling", "image_size", "interpolation"),
    )

    def __post_init__(self) -> None:
        if not self.checkpoint:
            object.__setattr__(self, "checkpoint", TORCHVISION[self.architecture])
        # Smallest images whose last feature maps are not empty, as torchvision states them.
        smallest = {"alexnet": 63, "densenet201": 29}.get(self.architecture, 1)
        frame_s = self.hop_length / self.sample_rate_hz if self.sample_rate_hz > 0 else 0.0
        least = {
            **dict.fromkeys(("sample_rate_hz", "win_length", "hop_length", "n_mels"), 1.0),
            **dict.fromkeys(("window_s", "hop_s"), frame_s),
            **dict.fromkeys(("top_db", "trim_db"), 0.1),
            **{"n_fft": self.win_length, "mel_sample_rate_hz": 1.0, "image_size": smallest},
        }
        check_least(self.architecture, self, least)


def check_least(where: str, spec: object, least: Mapping[str, float]) -> None:
    """Raise a ValueError that names every field below its least value; None is below nothing."""
    found = {name: getattr(spec, name) for name in least}
    low = [name for name, value in found.items() if not (value is None or value >= least[name])]
    if low:
        said = (f"{name} {found[name]:g}: expected {least[name]:g} or more" for name in low)
        raise ValueError(f"{where}: {'; '.join(said)}")
