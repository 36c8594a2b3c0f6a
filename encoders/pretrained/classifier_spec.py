"""What a published classifier is, whose own head is scored: a family of its own per kind of input.

Its logits are kept in the store like an embedding, ``[1, 1, labels]``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from encoders.storage import Storage, StorageDtype


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechClassifierSpec:
    """A checkpoint of transformers' audio classification: recordings in, logits out."""

    family: Literal["speech_classifier"] = "speech_classifier"
    checkpoint: str
    revision: str | None = None
    storage: Storage = "pooled"
    storage_dtype: StorageDtype = "float32"

    kind: ClassVar[Literal["audio"]] = "audio"
    time_pool = 1
    layers = None
    statistics = ("logits",)
    default_pooling = "logits"
    after_forward = ("storage_dtype",)
    sequence: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    options: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextClassifierSpec:
    """A checkpoint of transformers' sequence classification: transcripts in, logits out."""

    family: Literal["text_classifier"] = "text_classifier"
    checkpoint: str
    revision: str | None = None
    storage: Storage = "pooled"
    storage_dtype: StorageDtype = "float32"

    kind: ClassVar[Literal["text"]] = "text"
    time_pool = 1
    layers = None
    statistics = ("logits",)
    default_pooling = "logits"
    after_forward = ("storage_dtype",)
    sequence: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    options: ClassVar[tuple[str, ...]] = ()


ClassifierSpec = SpeechClassifierSpec | TextClassifierSpec
