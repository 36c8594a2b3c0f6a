"""What users type for encoders: names, the Modality that each becomes, options behind an ``@``."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from encoders.manifest_rows import did_you_mean
from encoders.plugins import Table
from encoders.provenance import PROVENANCE, record_of, trained_spec
from encoders.specs import (
    AllLayers,
    BertSpec,
    EgemapsSpec,
    Kind,
    LogMelSpec,
    MfccArchitecture,
    MfccCnnSpec,
    MfccSpec,
    Modality,
    SentenceSpec,
    Spec,
    SpectrogramCnnSpec,
    SpeechSpec,
    WhisperEncoderSpec,
    Windows,
)
from encoders.weights.cards import BUNDLED_ALEXNET, CARDS, MPNET, MULTILINGUAL_MINILM, SPEECH_CARDS
from encoders.weights.locate import find, locate
from encoders.weights.sources import checkpoint_source
from encoders.weights.whisper import is_whisper

AnySpec = TypeVar("AnySpec", bound=Spec)
#: What every name may be given, beside the fields that its spec class lists as ``options``.
MODALITY_OPTIONS = ("layer", "pooling", "windows", "context", "ahead")
#: Those of them that only texts have: turns before and after.
TURNS = ("context", "ahead")
#: What users call a field, where that is another word.
SYNONYMS: Mapping[str, str] = MappingProxyType({"checkpoint": "weights"})
#: Short names that ``--audio`` and ``--text`` accept, each with its spec; a user's own come behind.
SHORT_NAMES: Table[Spec] = Table(
    {
        "logmel": LogMelSpec(),
        "mfcc": MfccSpec(),
        "mfcc13": MfccSpec(n_mfcc=13),
        "egemaps": EgemapsSpec(),
        # As it was trained; ``encoders/bundled/alexnet/MODEL_CARD.md`` says on what.
        "alexnet": SpectrogramCnnSpec(
            checkpoint=BUNDLED_ALEXNET, window_s=2.0, hop_s=0.5, image_size=128
        ),
        "alexnet-imagenet": SpectrogramCnnSpec(architecture="alexnet"),
        "resnet50": SpectrogramCnnSpec(architecture="resnet50"),
        "resnext50": SpectrogramCnnSpec(architecture="resnext50"),
        "densenet201": SpectrogramCnnSpec(architecture="densenet201"),
        **{
            f"mfcc-{architecture}": MfccCnnSpec(architecture=architecture)
            for architecture in get_args(MfccArchitecture)
        },
        **{
            card.short_name: (
                WhisperEncoderSpec if card.config.get("model_type") == "whisper" else SpeechSpec
            )(checkpoint=checkpoint)
            for checkpoint, card in SPEECH_CARDS.items()
        },
        "minilm": SentenceSpec(),
        "mpnet": SentenceSpec(checkpoint=MPNET),
        "multilingual-minilm": SentenceSpec(checkpoint=MULTILINGUAL_MINILM),
        "bert-base": BertSpec(),
        "bert-large": BertSpec(checkpoint="google-bert/bert-large-uncased"),
        "roberta-base": BertSpec(checkpoint="FacebookAI/roberta-base"),
        "roberta-large": BertSpec(checkpoint="FacebookAI/roberta-large"),
        "xlm-roberta-base": BertSpec(checkpoint="FacebookAI/xlm-roberta-base"),
        "distilroberta": BertSpec(checkpoint="distilbert/distilroberta-base"),
        "bertweet": BertSpec(checkpoint="vinai/bertweet-base"),
    }
)


@dataclass(frozen=True, slots=True)
class EncoderName:
    """What a user typed: ``NAME[:untrained][@layer=9,max_length=64]``, taken apart."""

    name: str
    untrained: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


def parse_modality(typed: str, kind: Kind) -> Modality:
    """Modality that ``--audio`` or ``--text`` names: a short name, a hub name or a local folder.

    Of a folder of fine-tuned weights, whatever its family, their record tells the spec.

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
        if not spec.has("untrained"):
            raise ValueError(f"--{kind} {typed}: {parts.name} has no untrained form")
        flag: dict[str, Any] = {"untrained": True}
        spec = replace(spec, **flag)
    own = {name: text for name, text in parts.options.items() if name not in MODALITY_OPTIONS}
    try:
        spec = with_options(spec, own)
        layer = _layer(parts.options.get("layer", "-1"))
        windows: Windows = parsed("windows", parts.options.get("windows", "pooled"), Windows)
        pooling = parts.options.get("pooling", "")
        context, ahead = (_whole(n, parts.options.get(n, "0")) for n in ("context", "ahead"))
        return Modality(
            name=kind,
            encoder=spec,
            layer=layer,
            pooling=pooling,
            windows=windows,
            context=context,
            ahead=ahead,
        )
    except ValueError as error:
        raise ValueError(f"--{kind} {typed}: {error}") from None


def _layer(typed: str) -> int | AllLayers:
    if typed in get_args(AllLayers):
        return cast(AllLayers, typed)
    layer: int = parsed("layer", typed, int)
    return layer


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
    folder = Path(parts.name).expanduser()
    if (folder / PROVENANCE).is_file() and record_of(folder) is not None:
        # With the preprocessing that it was trained with, whatever its family.
        return trained_spec(folder)
    if "/" not in parts.name and not parts.name.startswith("."):
        names = [name for name, spec in SHORT_NAMES.items() if spec.kind == kind]
        raise ValueError(
            f"--{kind} {parts.name}: no such encoder; {did_you_mean(parts.name, names, most=3)} "
            "(a folder or a hub name contains a '/')"
        )
    if kind == "audio":
        return _speech(parts.name)
    family = SentenceSpec if is_sentence_model(parts.name) else BertSpec
    return family(checkpoint=parts.name)


def _speech(checkpoint: str) -> SpeechSpec:
    """Whisper's encoder where what is on this machine, or else the name, says so."""
    path = Path(checkpoint).expanduser()
    found = path if path.exists() else find(checkpoint_source(checkpoint))
    whisper = "whisper" in checkpoint.lower() if found is None else is_whisper(found)
    return (WhisperEncoderSpec if whisper else SpeechSpec)(checkpoint=checkpoint)


def is_sentence_model(checkpoint: str) -> bool:
    """Whether a checkpoint is a sentence-transformers model (it lists its modules).

    Of a hub name without a card only the files tell, so that they are fetched if need be: taken
    for something else at first, the same name would give two embeddings.

    Raises:
        MissingWeightsError: they are neither here nor to be had.
    """
    if checkpoint.startswith("sentence-transformers/"):
        return True
    if checkpoint in CARDS:
        return False
    return (locate(checkpoint_source(checkpoint)) / "modules.json").is_file()


# ---------------------------------------------------------------- options behind an @


def with_options(spec: AnySpec, options: Mapping[str, str]) -> AnySpec:
    """The spec with the fields that a user named, each read by the type of its field.

    Raises:
        ValueError: no such option (the nearest is offered), or a value that it cannot have.
    """
    words = {SYNONYMS.get(name, name): name for name in spec.options}
    for name in options:
        if name not in words:
            shared = [one for one in MODALITY_OPTIONS if spec.kind == "text" or one not in TURNS]
            hint = did_you_mean(name, (*shared, *words))
            raise ValueError(f"unknown option {name!r}; {hint}")
    hints = get_type_hints(type(spec))
    values = {words[n]: parsed(n, text, hints[words[n]]) for n, text in options.items()}
    return replace(spec, **values)


def parsed(name: str, text: str, hint: Any) -> Any:  # noqa: ANN401 - the hint says the type
    """A value of the type that ``hint`` names; "none" is None where that is allowed."""
    choices = get_args(hint)
    if get_origin(hint) is Literal:
        if text in choices:
            return text
        raise ValueError(_wrong(name, text, f"one of {', '.join(choices)}"))
    if NoneType in choices:
        return None if text == "none" else parsed(name, text, _without_none(choices))
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


def _word(name: str, text: str) -> str:
    if not text:
        raise ValueError(_wrong(name, text, "a word"))
    return text


def _wrong(name: str, text: str, expected: str) -> str:
    return f"{name} {text!r}: expected {expected}"


#: Readers of one value by the type of its field.
_READERS: Mapping[Any, Any] = MappingProxyType(
    {
        **{int: _whole, float: _number, bool: _truth, str: _word},
        tuple[int, ...]: _numbers,
    }
)
