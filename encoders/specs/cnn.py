"""Specs of networks on windows of a spectrogram: all of the preprocessing are fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from encoders.specs.spec import Spec, WindowFunction

Architecture = Literal["alexnet", "resnet50", "resnext50", "densenet201"]
MfccArchitecture = Literal[
    "cnn1d-3", "cnn1d-5", "cnn1d-8", "cnn2d-2", "cnn2d-6", "cnn-lstm", "cnn-lstm-attention"
]
#: Frames that the poolings of the deepest network join into one.
SHORTEST_WINDOW = 8
#: torchvision's published file of each architecture: ImageNet weights, version 1. The digits are
#: the first of the sha256 of its bytes.
TORCHVISION: Mapping[str, str] = MappingProxyType(
    {
        "alexnet": "alexnet-owt-7be5be79.pth",
        "resnet50": "resnet50-0676ba61.pth",
        "resnext50": "resnext50_32x4d-7cdf4587.pth",
        "densenet201": "densenet201-c1103571.pth",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSpec(Spec):
    """What networks on windows of a spectrogram share; ``checkpoint`` is a file, or its folder."""

    architecture: str
    checkpoint: str | None = None
    untrained: bool = False
    sample_rate_hz: int = 8000
    trim_db: float | None = 30.0
    n_fft: int = 1024
    win_length: int = 512
    window_function: WindowFunction = "hamming"
    hop_length: int = 100
    n_mels: int = 128
    mel_sample_rate_hz: int | None = None
    top_db: float = 80.0
    window_s: float = 1.0
    hop_s: float = 0.25

    @property
    def reference(self) -> Literal["file", "window"]:
        """Whose maximum is 0 dB."""
        return "file"

    @property
    def scaling(self) -> Literal["window", "decibels"]:
        """What decibels become 0 to 1 between."""
        return "decibels"

    @property
    def tail(self) -> Literal["pad", "drop"]:
        """What becomes of the samples behind the last whole window."""
        return "pad"

    def check(self, least: Mapping[str, float]) -> None:
        """Raise a ValueError that names every field below its least value; None is below nothing.

        ``least`` comes on top of what holds for every network.
        """
        least = {
            **dict.fromkeys(("sample_rate_hz", "win_length", "hop_length", "n_mels"), 1.0),
            **dict.fromkeys(("window_s", "hop_s"), self.frame_s),
            **dict.fromkeys(("top_db", "trim_db"), 0.1),
            **{"n_fft": self.win_length, "mel_sample_rate_hz": 1.0},
            **least,
        }
        values = {name: getattr(self, name) for name in least}
        low = [name for name, v in values.items() if not (v is None or v >= least[name])]
        if low:
            faults = (f"{name} {values[name]:g}: expected {least[name]:g} or more" for name in low)
            raise ValueError(f"{self.architecture}: {'; '.join(faults)}")

    @property
    def frame_s(self) -> float:
        """Distance of two frames in seconds."""
        return self.hop_length / self.sample_rate_hz if self.sample_rate_hz > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectrogramCnnSpec(WindowSpec):
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
    reference: Literal["file", "window"] = "file"
    tail: Literal["pad", "drop"] = "pad"
    scaling: Literal["window", "decibels"] = "window"
    image_size: int = 224
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"

    options = (
        *("checkpoint", "sample_rate_hz", "trim_db", "n_fft", "win_length", "window_function"),
        *("hop_length", "n_mels", "mel_sample_rate_hz", "reference", "top_db", "window_s", "hop_s"),
        *("tail", "scaling", "image_size", "interpolation"),
    )

    def __post_init__(self) -> None:
        if not self.checkpoint:
            object.__setattr__(self, "checkpoint", TORCHVISION[self.architecture])
        # Smallest images whose last feature maps are not empty, as torchvision states them.
        smallest = {"alexnet": 63, "densenet201": 29}.get(self.architecture, 1)
        self.check({"image_size": float(smallest)})


@dataclass(frozen=True, slots=True, kw_only=True)
class MfccCnnSpec(WindowSpec):
    """A network over MFCC: 3, 5 or 8 convolutions over time, 2 or 6 over time and cepstrum, LSTM.

    Nobody publishes weights of these: they are trained on a corpus
    (:mod:`encoders.finetuning.finetune`). ``checkpoint`` is the folder or file that came of it,
    None: there is none yet. ``untrained`` draws seeded random weights.

    The spectrogram is that of :class:`SpectrogramCnnSpec` with its defaults (8 kHz, silence 30 dB
    below the loudest frame trimmed, 128 bands every 12.5 ms, at most ``top_db`` below the loudest
    band of the recording), divided by ``top_db``; its orthonormal DCT-II over the bands gives
    ``n_mfcc`` coefficients, 40 or 13 in the published study, None: the bands themselves. The level
    of a recording is left out. Windows of ``window_s`` start every ``hop_s`` on the frames of the
    trimmed recording; what is shorter, and the tail, is filled up with zeros.

    Raises:
        ValueError: fields that cannot be, all of them at once.
    """

    family: Literal["mfcc_cnn"] = "mfcc_cnn"
    architecture: MfccArchitecture = "cnn1d-3"
    n_mfcc: int | None = 40
    window_s: float = 2.0
    hop_s: float = 0.5

    options = (
        *("checkpoint", "n_mfcc", "sample_rate_hz", "trim_db", "n_fft", "win_length"),
        *("window_function", "hop_length", "n_mels", "mel_sample_rate_hz", "top_db"),
        *("window_s", "hop_s"),
    )

    def __post_init__(self) -> None:
        # Two dimensions are pooled over the coefficients too, three times by two.
        fewest = SHORTEST_WINDOW if self.architecture.startswith("cnn2d") else 1.0
        self.check({"window_s": SHORTEST_WINDOW * self.frame_s, "n_mfcc": fewest})
        if (self.n_mfcc or 0) > self.n_mels:
            raise ValueError(f"n_mfcc {self.n_mfcc}: expected n_mels={self.n_mels} or less")

    @property
    def inputs(self) -> int:
        """Coefficients or bands of a frame."""
        return self.n_mels if self.n_mfcc is None else self.n_mfcc
