"""What an encoder is: one frozen dataclass per family, and its fingerprint.

A spec holds only what is expensive to change; it is the input of the cache key. What is cheap to
change (layer, pooling, source of the transcript) lives in :class:`Modality`.

Beside its fields every spec class says its ``kind``, the ``statistics`` over time that pooled
storage keeps, the ``default_pooling`` of them, which fields are decided ``after_forward``, what
its ``sequence`` form changes, and which fields a user may set by name as ``options``.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, ClassVar, Literal, get_args

from encoders.cards import TORCHVISION

Kind = Literal["audio", "text"]
Storage = Literal["pooled", "frames"]
StorageDtype = Literal["float32", "float16"]
TranscriptSource = Literal["gold", "asr", "gold_else_asr"]
Architecture = Literal["alexnet", "resnet50", "resnext50", "densenet201"]
WindowFunction = Literal["hamming", "hann"]

#: Statistics over time that ``storage="pooled"`` keeps side by side, in this order.
TIME_STATISTICS = ("mean", "std", "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMelSpec:
    """Log-mel frames; pooled over time they are the functionals of the unimodal arm.

    25 ms windows every 10 ms and 80 filters up to half the rate are the front end of Whisper
    (Radford et al. 2022) and of most ASR. ``deltas`` appends that many orders of time differences.
    """

    family: Literal["logmel"] = "logmel"
    storage: Storage = "pooled"
    storage_dtype: StorageDtype = "float32"
    sample_rate_hz: int = 16000
    window_ms: float = 25.0
    hop_ms: float = 10.0
    n_mels: int = 80
    deltas: int = 1
    time_pool: int = 1

    kind = "audio"
    layers = None
    statistics = TIME_STATISTICS
    default_pooling = "mean+std+max"
    after_forward = ("storage", "storage_dtype", "time_pool")
    options: ClassVar[tuple[str, ...]] = ()
    sequence: ClassVar[Mapping[str, Any]] = MappingProxyType({"deltas": 0, "time_pool": 4})


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechSpec:
    """wav2vec2 and its relatives through transformers.

    ``layers`` None keeps all hidden layers (index 0 is the input of the first transformer layer,
    the last index is ``last_hidden_state``). ``untrained`` draws seeded random weights.
    """

    family: Literal["speech"] = "speech"
    checkpoint: str = "facebook/wav2vec2-base"
    revision: str | None = None
    untrained: bool = False
    storage: Storage = "pooled"
    storage_dtype: StorageDtype = "float32"
    time_pool: int = 1
    layers: tuple[int, ...] | None = None

    kind = "audio"
    statistics = TIME_STATISTICS
    default_pooling = "mean+std"
    after_forward = ("storage", "storage_dtype", "time_pool", "layers")
    options: ClassVar[tuple[str, ...]] = ()
    sequence: ClassVar[Mapping[str, Any]] = MappingProxyType({"time_pool": 4})


@dataclass(frozen=True, slots=True, kw_only=True)
class BertSpec:
    """BERT, RoBERTa and their relatives through transformers; frames are tokens."""

    family: Literal["bert"] = "bert"
    checkpoint: str = "google-bert/bert-base-uncased"
    revision: str | None = None
    untrained: bool = False
    max_length: int = 128
    storage: Storage = "pooled"
    storage_dtype: StorageDtype = "float32"
    layers: tuple[int, ...] | None = None

    kind = "text"
    time_pool = 1
    statistics = (*TIME_STATISTICS, "cls")
    default_pooling = "mean"
    after_forward = ("storage", "storage_dtype", "layers")
    options: ClassVar[tuple[str, ...]] = ()
    sequence: ClassVar[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceSpec:
    """A sentence-transformers model: its own sentence embedding, or its token embeddings."""

    family: Literal["sentence"] = "sentence"
    checkpoint: str = "sentence-transformers/all-MiniLM-L6-v2"
    revision: str | None = None
    storage: Storage = "pooled"
    storage_dtype: StorageDtype = "float32"

    kind = "text"
    time_pool = 1
    layers = None
    statistics = ("sentence",)
    default_pooling = "sentence"
    after_forward = ("storage_dtype",)
    options: ClassVar[tuple[str, ...]] = ()
    sequence: ClassVar[Mapping[str, Any]] = MappingProxyType({})


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
        _check_least(self.architecture, self, least)


def _check_least(where: str, spec: object, least: Mapping[str, float]) -> None:
    """Raise a ValueError that names every field below its least value; None is below nothing."""
    found = {name: getattr(spec, name) for name in least}
    low = [name for name, value in found.items() if not (value is None or value >= least[name])]
    if low:
        said = (f"{name} {found[name]:g}: expected {least[name]:g} or more" for name in low)
        raise ValueError(f"{where}: {'; '.join(said)}")


Spec = LogMelSpec | SpeechSpec | BertSpec | SentenceSpec | SpectrogramCnnSpec

#: The module of each family. Each has ``NUMERICS_VERSION``, ``weights_sha256(spec)`` and
#: ``load(spec, device)``.
FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "logmel": "encoders.acoustic",
        "speech": "encoders.speech",
        "bert": "encoders.text",
        "sentence": "encoders.text",
        "spectrogram_cnn": "encoders.spectrogram_cnn",
    }
)


def spec_from_json(fields_of: Mapping[str, Any]) -> Spec:
    """Spec whose ``asdict`` went through JSON, which knows lists only.

    Raises:
        ValueError: no family of this version is called so.
    """
    classes = {str(fields(cls)[0].default): cls for cls in get_args(Spec)}
    if fields_of.get("family") not in classes:
        raise ValueError(f"family {fields_of.get('family')!r}: expected one of {sorted(classes)}")
    whole = {name: tuple(v) if isinstance(v, list) else v for name, v in fields_of.items()}
    spec: Spec = classes[fields_of["family"]](**whole)
    return spec


def fingerprint(spec: Spec, weights_sha256: str, numerics_version: int) -> str:
    """Sha256 over everything that can change an embedding: spec, weights, version of our code."""
    identity = {"spec": asdict(spec), "weights": weights_sha256, "numerics": numerics_version}
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def model_part(spec: Spec) -> Spec:
    """The spec without what is decided after the forward pass; specs with equal parts share it."""
    defaults: dict[str, Any] = {found.name: found.default for found in fields(spec)}
    return replace(spec, **{name: defaults[name] for name in spec.after_forward})


@dataclass(frozen=True, slots=True, kw_only=True)
class Modality:
    """One input of a head: an encoder and what is cheap to change about it.

    ``layer`` counts from 0 or, negative, from the end. ``pooling`` joins statistics of the spec
    with ``+``; it is ignored where the spec stores frames.
    """

    name: str
    encoder: Spec
    layer: int = -1
    pooling: str = ""
    transcript: TranscriptSource = "gold_else_asr"

    def __post_init__(self) -> None:
        object.__setattr__(self, "pooling", self.pooling or self.encoder.default_pooling)
        unknown = [name for name in self.pooling.split("+") if name not in self.encoder.statistics]
        if unknown:
            known = ", ".join(self.encoder.statistics)
            raise ValueError(f"pooling {'+'.join(unknown)!r}: {self.encoder.family} keeps {known}")

    def as_sequence(self) -> "Modality":
        """The same input as a sequence: frames pooled in time by four, or tokens.

        Of a deep model only this layer is kept, because frames of all layers would fill a disk.
        """
        changed: dict[str, Any] = {"storage": "frames", **self.encoder.sequence}
        if "layers" in self.encoder.after_forward:
            changed["layers"] = (self._own_layer(),)
        frames = replace(self.encoder, **changed)
        return replace(self, encoder=frames, layer=-1)

    def _own_layer(self) -> int:
        """Layer of the model itself, where the spec keeps only some and ``layer`` counts those."""
        kept = self.encoder.layers
        return self.layer if kept is None else kept[self.layer]
