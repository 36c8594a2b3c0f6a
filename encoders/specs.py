"""What an encoder is: one frozen dataclass per family, and its fingerprint.

A spec holds only what is expensive to change; it is the input of the cache key. What is cheap to
change (layer, pooling) lives in :class:`Modality`.

Beside its fields every spec class says its ``kind``, the ``statistics`` over time that pooled
storage keeps, the ``default_pooling`` of them, which fields are decided ``after_forward``, what
its ``sequence`` form changes, and which fields are ``options`` that a user may set by name.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, ClassVar, Literal, get_args

from encoders.networks.cnn_spec import SpectrogramCnnSpec
from encoders.networks.mfcc_cnn_spec import MfccCnnSpec
from encoders.pretrained.classifier_spec import SpeechClassifierSpec, TextClassifierSpec
from encoders.spectra.descriptors import EgemapsSpec, MfccSpec
from encoders.storage import TIME_STATISTICS, Storage, StorageDtype

Kind = Literal["audio", "text"]
Cleaning = Literal["none", "s4"]
Precision = Literal["float32", "bfloat16"]
Backend = Literal["torch", "openvino"]


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
    sequence: ClassVar[Mapping[str, Any]] = MappingProxyType({"deltas": 0, "time_pool": 4})
    options: ClassVar[tuple[str, ...]] = (
        *("sample_rate_hz", "window_ms", "hop_ms", "n_mels", "deltas"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechSpec:
    """wav2vec2 and its relatives through transformers.

    ``layers`` None keeps all hidden layers (index 0 is the input of the first transformer layer,
    the last index is ``last_hidden_state``); where only lower ones are named, the model is run no
    further. ``untrained`` draws seeded random weights. A recording longer than ``window_s`` is
    encoded in windows that overlap (30 s is what Whisper's encoder takes). ``bfloat16`` and
    ``openvino`` are faster and not bit-equal: tolerances in :mod:`encoders.pretrained.speech`.
    """

    family: Literal["speech"] = "speech"
    checkpoint: str = "facebook/wav2vec2-base"
    revision: str | None = None
    untrained: bool = False
    storage: Storage = "pooled"
    storage_dtype: StorageDtype = "float32"
    time_pool: int = 1
    layers: tuple[int, ...] | None = None
    window_s: float = 30.0
    overlap_s: float = 4.0
    precision: Precision = "float32"
    backend: Backend = "torch"

    kind = "audio"
    statistics = TIME_STATISTICS
    default_pooling = "mean+std"
    after_forward = ("storage", "storage_dtype", "time_pool", "layers")
    sequence: ClassVar[Mapping[str, Any]] = MappingProxyType({"time_pool": 4})
    options: ClassVar[tuple[str, ...]] = (
        *("revision", "layers", "window_s", "overlap_s", "precision", "backend"),
    )


#: A special token at both ends and one of the text.
SHORTEST_TEXT = 3


def _check_max_length(max_length: int | None) -> None:
    if max_length is not None and max_length < SHORTEST_TEXT:
        raise ValueError(
            f"max_length={max_length}: expected {SHORTEST_TEXT} or more (special ones included), "
            "or none for the model's own limit"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BertSpec:
    """BERT, RoBERTa and their relatives through transformers; frames are tokens.

    ``max_length`` are the tokens that are read, special ones included; None is the model's own
    limit (512 for BERT and RoBERTa, 128 for BERTweet). What is cut is counted and told. ``clean``
    "s4" takes away punctuation and everything outside ASCII before.
    """

    family: Literal["bert"] = "bert"
    checkpoint: str = "google-bert/bert-base-uncased"
    revision: str | None = None
    untrained: bool = False
    max_length: int | None = None
    clean: Cleaning = "none"
    storage: Storage = "pooled"
    storage_dtype: StorageDtype = "float32"
    layers: tuple[int, ...] | None = None

    kind = "text"
    time_pool = 1
    statistics = (*TIME_STATISTICS, "cls")
    default_pooling = "mean"
    after_forward = ("storage", "storage_dtype", "layers")
    sequence: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    options: ClassVar[tuple[str, ...]] = ("max_length", "clean")

    def __post_init__(self) -> None:
        _check_max_length(self.max_length)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceSpec:
    """A sentence-transformers model: its own sentence embedding, or its token embeddings.

    ``max_length`` and ``clean`` are those of :class:`BertSpec`; the own limit of a sentence model
    may be lower than that of its transformer (256 of 512 tokens for all-MiniLM-L6-v2).
    """

    family: Literal["sentence"] = "sentence"
    checkpoint: str = "sentence-transformers/all-MiniLM-L6-v2"
    revision: str | None = None
    max_length: int | None = None
    clean: Cleaning = "none"
    storage: Storage = "pooled"
    storage_dtype: StorageDtype = "float32"

    kind = "text"
    time_pool = 1
    layers = None
    statistics = ("sentence",)
    default_pooling = "sentence"
    after_forward = ("storage_dtype",)
    sequence: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    options: ClassVar[tuple[str, ...]] = ("max_length", "clean")

    def __post_init__(self) -> None:
        _check_max_length(self.max_length)


Spec = (
    LogMelSpec
    | MfccSpec
    | EgemapsSpec
    | SpectrogramCnnSpec
    | MfccCnnSpec
    | SpeechSpec
    | BertSpec
    | SentenceSpec
    | SpeechClassifierSpec
    | TextClassifierSpec
)

#: The module of each family. Each has ``NUMERICS_VERSION``, ``weights_sha256(spec)`` and
#: ``load(spec, device)``.
FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "logmel": "encoders.spectra.acoustic",
        "mfcc": "encoders.spectra.acoustic",
        "egemaps": "encoders.spectra.acoustic",
        "speech": "encoders.pretrained.speech",
        "bert": "encoders.pretrained.text",
        "sentence": "encoders.pretrained.text",
        "spectrogram_cnn": "encoders.networks.spectrogram_cnn",
        "mfcc_cnn": "encoders.networks.mfcc_cnn",
        "speech_classifier": "encoders.pretrained.classifiers",
        "text_classifier": "encoders.pretrained.classifiers",
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

    ``layer`` counts from 0 or, negative, from the end; "mix" gives a head all stored layers, which
    it weighs. ``pooling`` joins statistics of the spec with ``+``, and ``sum`` over time where the
    mean is one of them; it is ignored where the spec stores frames.
    """

    name: str
    encoder: Spec
    layer: int | Literal["mix"] = -1
    pooling: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "pooling", self.pooling or self.encoder.default_pooling)
        known = self.encoder.statistics
        if "mean" in known:
            # Not stored: the mean times the number of frames, which lies beside it.
            known = (*known, "sum")
        unknown = [name for name in self.pooling.split("+") if name not in known]
        if unknown:
            said = f"{self.encoder.family} keeps {', '.join(known)}"
            raise ValueError(f"pooling {'+'.join(unknown)!r}: {said}")

    def as_sequence(self) -> "Modality":
        """The same input as a sequence: frames pooled in time by four, or tokens.

        Of a deep model only this layer is kept, because frames of all layers would fill a disk; a
        mix needs all of them.
        """
        changed: dict[str, Any] = {"storage": "frames", **self.encoder.sequence}
        if self.layer == "mix":
            return replace(self, encoder=replace(self.encoder, **changed))
        if "layers" in self.encoder.after_forward:
            changed["layers"] = (self._own_layer(self.layer),)
        frames = replace(self.encoder, **changed)
        return replace(self, encoder=frames, layer=-1)

    def _own_layer(self, layer: int) -> int:
        """Layer of the model itself, where the spec keeps only some and ``layer`` counts those."""
        kept = self.encoder.layers
        return layer if kept is None else kept[layer]
