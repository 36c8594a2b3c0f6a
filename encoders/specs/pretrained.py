"""Specs of transformers as published: speech, text, and sentences."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal

from encoders.specs.spec import TIME_STATISTICS, Spec

Cleaning = Literal["none", "s4"]
Precision = Literal["float32", "bfloat16"]
Backend = Literal["torch", "openvino"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechSpec(Spec):
    """wav2vec2 and its relatives through transformers; Whisper's encoder below.

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
    time_pool: int = 1
    layers: tuple[int, ...] | None = None
    window_s: float = 30.0
    overlap_s: float = 4.0
    precision: Precision = "float32"
    backend: Backend = "torch"

    after_forward = ("storage", "storage_dtype", "time_pool", "layers")
    sequence = MappingProxyType({"time_pool": 4})
    options: ClassVar[tuple[str, ...]] = (
        *("revision", "layers", "window_s", "overlap_s", "precision", "backend"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WhisperEncoderSpec(SpeechSpec):
    """The encoder half of Whisper, from a package, a file of openai-whisper, a folder or the hub.

    ``window`` "own" gives the encoder an utterance as long as it is; "30" lets 30 s of sound and
    silence through it, as Whisper itself does, at five to eight times the cost for short ones.
    Where the weights lie is not in the key: equal tensors make equal embeddings.
    """

    family: Literal["whisper_encoder"] = "whisper_encoder"  # type: ignore[assignment]
    checkpoint: str = "openai/whisper-base"
    window: Literal["own", "30"] = "own"

    options: ClassVar[tuple[str, ...]] = (*SpeechSpec.options, "window")


#: A special token at both ends and one of the text.
SHORTEST_TEXT = 3


def _check_max_length(max_length: int | None) -> None:
    if max_length is not None and max_length < SHORTEST_TEXT:
        raise ValueError(
            f"max_length={max_length}: expected {SHORTEST_TEXT} or more (special ones included), "
            "or none for the model's own limit"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BertSpec(Spec):
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
    layers: tuple[int, ...] | None = None

    kind = "text"
    contextual = True
    statistics = (*TIME_STATISTICS, "cls")
    default_pooling = "mean"
    after_forward = ("storage", "storage_dtype", "layers")
    options = ("max_length", "clean")

    def __post_init__(self) -> None:
        _check_max_length(self.max_length)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceSpec(Spec):
    """A sentence-transformers model: its own sentence embedding, or its token embeddings.

    ``max_length`` and ``clean`` are those of :class:`BertSpec`; the own limit of a sentence model
    may be lower than that of its transformer (256 of 512 tokens for all-MiniLM-L6-v2).
    """

    family: Literal["sentence"] = "sentence"
    checkpoint: str = "sentence-transformers/all-MiniLM-L6-v2"
    revision: str | None = None
    max_length: int | None = None
    clean: Cleaning = "none"

    kind = "text"
    contextual = True
    statistics = ("sentence",)
    default_pooling = "sentence"
    after_forward = ("storage_dtype",)
    options = ("max_length", "clean")

    def __post_init__(self) -> None:
        _check_max_length(self.max_length)
