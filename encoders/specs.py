"""What an encoder is: one frozen dataclass per family, its fingerprint, and the names users type.

A spec holds only what is expensive to change; it is the input of the cache key. What is cheap to
change (layer, pooling, source of the transcript) lives in :class:`Modality`.
"""

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Literal

Kind = Literal["audio", "text"]
Storage = Literal["pooled", "frames"]
StorageDtype = Literal["float32", "float16"]
TranscriptSource = Literal["gold", "asr", "gold_else_asr"]

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


Spec = LogMelSpec | SpeechSpec | BertSpec | SentenceSpec

#: The module of each family. Each has ``NUMERICS_VERSION``, ``weights_sha256(spec)`` and
#: ``load(spec, device)``.
FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "logmel": "encoders.acoustic",
        "speech": "encoders.speech",
        "bert": "encoders.text",
        "sentence": "encoders.text",
    }
)

#: Short names that ``--audio`` and ``--text`` accept, each with its spec.
SHORT_NAMES: Mapping[str, Spec] = MappingProxyType(
    {
        "logmel": LogMelSpec(),
        "wav2vec2-base": SpeechSpec(),
        "wav2vec2-large": SpeechSpec(checkpoint="facebook/wav2vec2-large"),
        "wav2vec2-large-lv60": SpeechSpec(checkpoint="facebook/wav2vec2-large-lv60"),
        "wav2vec2-xls-r-300m": SpeechSpec(checkpoint="facebook/wav2vec2-xls-r-300m"),
        "minilm": SentenceSpec(),
        "bert-base": BertSpec(),
        "roberta-base": BertSpec(checkpoint="FacebookAI/roberta-base"),
    }
)


def fingerprint(spec: Spec, weights_sha256: str, numerics_version: int) -> str:
    """Sha256 over everything that can change an embedding: spec, weights, version of our code."""
    identity = {"spec": asdict(spec), "weights": weights_sha256, "numerics": numerics_version}
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def model_part(spec: Spec) -> Spec:
    """The spec without what is decided after the forward pass; specs with equal parts share it."""
    if isinstance(spec, LogMelSpec):
        return replace(spec, storage="pooled", storage_dtype="float32", time_pool=1)
    if isinstance(spec, SpeechSpec):
        return replace(spec, storage="pooled", storage_dtype="float32", time_pool=1, layers=None)
    if isinstance(spec, BertSpec):
        return replace(spec, storage="pooled", storage_dtype="float32", layers=None)
    return replace(spec, storage_dtype="float32")


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
        spec = self.encoder
        if isinstance(spec, LogMelSpec):
            frames: Spec = replace(spec, storage="frames", deltas=0, time_pool=4)
        elif isinstance(spec, SpeechSpec):
            frames = replace(spec, storage="frames", time_pool=4, layers=(self._own_layer(),))
        elif isinstance(spec, BertSpec):
            frames = replace(spec, storage="frames", layers=(self._own_layer(),))
        else:
            frames = replace(spec, storage="frames")
        return replace(self, encoder=frames, layer=-1)

    def _own_layer(self) -> int:
        """Layer of the model itself, where the spec keeps only some and ``layer`` counts those."""
        kept = self.encoder.layers
        return self.layer if kept is None else kept[self.layer]


@dataclass(frozen=True, slots=True)
class EncoderName:
    """What a user typed: ``NAME[:untrained][@layer=9,pooling=mean]``, taken apart."""

    name: str
    untrained: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


def parse_modality(
    typed: str, kind: Kind, transcript: TranscriptSource = "gold_else_asr"
) -> Modality:
    """Modality that ``--audio`` or ``--text`` names: a short name, a hub name or a local folder.

    Raises:
        ValueError: unknown name (nearest ones are offered), option or kind.
    """
    parts = _take_apart(typed)
    spec = _spec(parts, kind)
    if spec.kind != kind:
        raise ValueError(f"--{kind} {parts.name}: is an encoder of {spec.kind}, not of {kind}")
    if parts.untrained:
        if not isinstance(spec, SpeechSpec | BertSpec):
            raise ValueError(f"--{kind} {typed}: {parts.name} has no untrained form")
        spec = replace(spec, untrained=True)
    unknown = set(parts.options) - {"layer", "pooling"}
    if unknown:
        raise ValueError(
            f"--{kind} {typed}: unknown option {sorted(unknown)}; known: layer, pooling"
        )
    return Modality(
        name=kind,
        encoder=spec,
        layer=_layer(typed, parts.options.get("layer", "-1")),
        pooling=parts.options.get("pooling", ""),
        transcript=transcript,
    )


def _take_apart(typed: str) -> EncoderName:
    head, _, tail = typed.partition("@")
    pairs = [pair.partition("=") for pair in tail.split(",") if pair]
    bare = head.removesuffix(":untrained")
    return EncoderName(bare, bare != head, {name.strip(): value for name, _, value in pairs})


def _spec(parts: EncoderName, kind: Kind) -> Spec:
    if parts.name in SHORT_NAMES:
        return SHORT_NAMES[parts.name]
    if "/" not in parts.name and not parts.name.startswith("."):
        names = [name for name, spec in SHORT_NAMES.items() if spec.kind == kind]
        near = difflib.get_close_matches(parts.name, names, n=3, cutoff=0.4) or names
        raise ValueError(
            f"--{kind} {parts.name}: no such encoder; did you mean {' or '.join(near)}? "
            "(a folder or a hub name contains a '/')"
        )
    if kind == "audio":
        return SpeechSpec(checkpoint=parts.name)
    from encoders.checkpoints import is_sentence_model

    family = SentenceSpec if is_sentence_model(parts.name) else BertSpec
    return family(checkpoint=parts.name)


def _layer(typed: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"{typed}: layer {value!r} is not a whole number") from None
