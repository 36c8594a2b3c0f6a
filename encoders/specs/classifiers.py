"""What a published classifier is, whose own head is scored: a family of its own per kind of input.

Its logits are kept in the store like an embedding, ``[1, 1, labels]``.
"""

from dataclasses import dataclass, field
from typing import Literal

from encoders.specs.spec import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechClassifierSpec(Spec):
    """A checkpoint of transformers' audio classification: recordings in, logits out."""

    family: Literal["speech_classifier"] = "speech_classifier"
    # Without field() the property of the base would be taken for a default.
    checkpoint: str = field()
    revision: str | None = None

    statistics = ("logits",)
    default_pooling = "logits"
    after_forward = ("storage_dtype",)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextClassifierSpec(Spec):
    """A checkpoint of transformers' sequence classification: transcripts in, logits out."""

    family: Literal["text_classifier"] = "text_classifier"
    # Without field() the property of the base would be taken for a default.
    checkpoint: str = field()
    revision: str | None = None

    kind = "text"
    statistics = ("logits",)
    default_pooling = "logits"
    after_forward = ("storage_dtype",)


ClassifierSpec = SpeechClassifierSpec | TextClassifierSpec
