"""The names that users type for encoders, and the Modality that each becomes."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from encoders.cards import SPEECH_CARDS
from encoders.specs import (
    BertSpec,
    Kind,
    LogMelSpec,
    Modality,
    SentenceSpec,
    Spec,
    SpeechSpec,
    TranscriptSource,
)

#: Short names that ``--audio`` and ``--text`` accept, each with its spec.
SHORT_NAMES: Mapping[str, Spec] = MappingProxyType(
    {
        "logmel": LogMelSpec(),
        **{
            card.short_name: SpeechSpec(checkpoint=checkpoint)
            for checkpoint, card in SPEECH_CARDS.items()
        },
        "minilm": SentenceSpec(),
        "bert-base": BertSpec(),
        "roberta-base": BertSpec(checkpoint="FacebookAI/roberta-base"),
    }
)


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
