"""The names that users type for encoders, and the Modality that each becomes."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from encoders.options import parse_options
from encoders.specs import (
    BertSpec,
    Kind,
    LogMelSpec,
    Modality,
    SentenceSpec,
    Spec,
    SpectrogramCnnSpec,
    SpeechSpec,
    TranscriptSource,
)

#: Short names that ``--audio`` and ``--text`` accept, each with its spec.
SHORT_NAMES: Mapping[str, Spec] = MappingProxyType(
    {
        "logmel": LogMelSpec(),
        "wav2vec2-base": SpeechSpec(),
        "wav2vec2-large": SpeechSpec(checkpoint="facebook/wav2vec2-large"),
        "wav2vec2-large-lv60": SpeechSpec(checkpoint="facebook/wav2vec2-large-lv60"),
        "wav2vec2-xls-r-300m": SpeechSpec(checkpoint="facebook/wav2vec2-xls-r-300m"),
        "alexnet": SpectrogramCnnSpec(architecture="alexnet"),
        "resnet50": SpectrogramCnnSpec(architecture="resnet50"),
        "resnext50": SpectrogramCnnSpec(architecture="resnext50"),
        "densenet201": SpectrogramCnnSpec(architecture="densenet201"),
        "minilm": SentenceSpec(),
        "bert-base": BertSpec(),
        "roberta-base": BertSpec(checkpoint="FacebookAI/roberta-base"),
    }
)


@dataclass(frozen=True, slots=True)
class EncoderName:
    """What a user typed: ``NAME[:untrained][@layer=9,pooling=mean,...]``, taken apart."""

    name: str
    untrained: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


def parse_modality(
    typed: str, kind: Kind, transcript: TranscriptSource = "gold_else_asr"
) -> Modality:
    """Modality that ``--audio`` or ``--text`` names: a short name, a hub name or a local folder.

    Behind an ``@``, ``layer`` and ``pooling`` set the modality, other options the fields of the
    spec that its class names as ``options``.

    Raises:
        ValueError: unknown name or option (nearest ones are offered), a value that the field of
            the spec cannot have, or an encoder of the other kind.
    """
    parts = _take_apart(typed)
    spec = _spec(parts, kind)
    if spec.kind != kind:
        raise ValueError(f"--{kind} {parts.name}: is an encoder of {spec.kind}, not of {kind}")
    if parts.untrained:
        if not isinstance(spec, SpeechSpec | BertSpec | SpectrogramCnnSpec):
            raise ValueError(f"--{kind} {typed}: {parts.name} has no untrained form")
        spec = replace(spec, untrained=True)
    own = {name: v for name, v in parts.options.items() if name not in ("layer", "pooling")}
    spec = parse_options(f"--{kind} {typed}", spec, own, also=("layer", "pooling"))
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
    names = [name.strip() for name, _, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{typed}: option {', '.join(twice)} is given twice")
    bare = head.removesuffix(":untrained")
    values = (value for _, _, value in pairs)
    return EncoderName(bare, bare != head, dict(zip(names, values, strict=True)))


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
