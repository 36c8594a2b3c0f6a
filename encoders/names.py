"""The names that users type for encoders, and the Modality that each becomes."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType, NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from encoders.cards import MPNET, SPEECH_CARDS
from encoders.descriptors import EgemapsSpec, MfccSpec
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
        "mfcc": MfccSpec(),
        "mfcc13": MfccSpec(n_mfcc=13),
        "egemaps": EgemapsSpec(),
        **{
            card.short_name: SpeechSpec(checkpoint=checkpoint)
            for checkpoint, card in SPEECH_CARDS.items()
        },
        "minilm": SentenceSpec(),
        "mpnet": SentenceSpec(checkpoint=MPNET),
        "bert-base": BertSpec(),
        "bert-large": BertSpec(checkpoint="google-bert/bert-large-uncased"),
        "roberta-base": BertSpec(checkpoint="FacebookAI/roberta-base"),
        "roberta-large": BertSpec(checkpoint="FacebookAI/roberta-large"),
        "distilroberta": BertSpec(checkpoint="distilbert/distilroberta-base"),
        "bertweet": BertSpec(checkpoint="vinai/bertweet-base"),
    }
)
#: What every name may be given, beside the fields that its spec class lists as ``options``.
MODALITY_OPTIONS = ("layer", "pooling")

AnySpec = TypeVar("AnySpec", bound=Spec)


@dataclass(frozen=True, slots=True)
class EncoderName:
    """What a user typed: ``NAME[:untrained][@layer=9,max_length=64]``, taken apart."""

    name: str
    untrained: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


def parse_modality(
    typed: str, kind: Kind, transcript: TranscriptSource = "gold_else_asr"
) -> Modality:
    """Modality that ``--audio`` or ``--text`` names: a short name, a hub name or a local folder.

    Raises:
        ValueError: unknown name or option (nearest ones are offered), kind, or a value that the
            option cannot have.
        MissingWeightsError: of a hub name the files, which tell its family, are not to be had.
    """
    parts = _take_apart(typed)
    spec = _spec(parts, kind)
    if spec.kind != kind:
        raise ValueError(f"--{kind} {parts.name}: is an encoder of {spec.kind}, not of {kind}")
    if parts.untrained:
        if not isinstance(spec, SpeechSpec | BertSpec):
            raise ValueError(f"--{kind} {typed}: {parts.name} has no untrained form")
        spec = replace(spec, untrained=True)
    own = {name: text for name, text in parts.options.items() if name not in MODALITY_OPTIONS}
    try:
        spec = _with_options(spec, own)
        layer = _parsed("layer", parts.options.get("layer", "-1"), int)
    except ValueError as error:
        raise ValueError(f"--{kind} {typed}: {error}") from None
    pooling = parts.options.get("pooling", "")
    return Modality(name=kind, encoder=spec, layer=layer, pooling=pooling, transcript=transcript)


def _take_apart(typed: str) -> EncoderName:
    head, _, tail = typed.partition("@")
    pairs = [pair.partition("=") for pair in tail.split(",") if pair]
    options = {name.strip(): value.strip() for name, _, value in pairs}
    if len(options) < len(pairs):
        raise ValueError(f"{typed}: an option is set twice")
    bare = head.removesuffix(":untrained")
    return EncoderName(bare, bare != head, options)


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


# ---------------------------------------------------------------- options


def _with_options(spec: AnySpec, options: Mapping[str, str]) -> AnySpec:
    """The spec with the fields that a user named, each read by the type of its field.

    Raises:
        ValueError: no such option (the nearest is offered), or a value that it cannot have.
    """
    for name in options:
        if name not in spec.options:
            raise ValueError(_unknown(name, (*MODALITY_OPTIONS, *spec.options)))
    hints = get_type_hints(type(spec))
    values = {name: _parsed(name, text, hints[name]) for name, text in options.items()}
    return replace(spec, **values)


def _unknown(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ";"
    return f"unknown option {name!r}{hint} known: {', '.join(known)}"


def _parsed(name: str, text: str, hint: Any) -> Any:  # noqa: ANN401 - the hint says the type
    """A value of the type that ``hint`` names; "none" is None where that is allowed."""
    choices = get_args(hint)
    if get_origin(hint) is Literal:
        if text in choices:
            return text
        raise ValueError(_wrong(name, text, f"one of {', '.join(choices)}"))
    if NoneType in choices:
        return None if text == "none" else _parsed(name, text, _without_none(choices))
    return _READERS[hint](name, text)


def _without_none(choices: tuple[Any, ...]) -> Any:  # noqa: ANN401 - a type
    (only,) = [choice for choice in choices if choice is not NoneType]
    return only


def _whole(name: str, text: str) -> int:
    # int() would take "1_0" and digits of other scripts as well.
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ValueError(f"{name} {text!r} is not a whole number")
    return int(text)


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} {text!r} is not a number")
    return value


def _truth(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(_wrong(name, text, "true or false"))
    return text == "true"


def _numbers(name: str, text: str) -> tuple[int, ...]:
    """Whole numbers joined by +, or a stretch of them as in 0-6."""
    found: list[int] = []
    for part in text.split("+"):
        first, dash, last = part.partition("-")
        if dash and first:
            found += range(_whole(name, first), _whole(name, last) + 1)
        else:
            found.append(_whole(name, part))
    if not found:
        raise ValueError(_wrong(name, text, "numbers as in 3+6 or 0-6"))
    return tuple(found)


def _wrong(name: str, text: str, expected: str) -> str:
    return f"{name} {text!r}: expected {expected}"


#: Readers of one value by the type of its field.
_READERS: Mapping[Any, Any] = MappingProxyType(
    {
        **{int: _whole, float: _number, bool: _truth, str: lambda _name, text: text},
        tuple[int, ...]: _numbers,
    }
)
