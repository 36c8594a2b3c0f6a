"""``finetuned:NAME``: an encoder that is trained on the training speakers of every fold."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from encoders.encoder import locate_weights
from encoders.finetuning.settings import FinetuneError, Settings, check_fit, default_settings
from encoders.manifest_rows import did_you_mean
from encoders.provenance import provenance_of
from encoders.specs import Kind, Modality
from encoders.typed_names import parse_modality, parsed
from encoders.weights.cards import BUNDLED_ALEXNET
from encoders.weights.sources import MissingWeightsError
from experiments.config import FINETUNED, ConfigError

#: Begins an option that is none of the encoder but of its training, as in ``train.epochs=20``.
OF_TRAINING = "train."


@dataclass(frozen=True, slots=True)
class FinetuneRequest:
    """An encoder before it is trained, as a user typed it, and how it will be."""

    kind: Kind
    typed: str
    modality: Modality
    settings: Settings


def is_finetuned(typed: str) -> bool:
    """Whether an encoder is to be trained in every fold."""
    return typed.startswith(FINETUNED)


def parse_trainable(typed: str, kind: Kind) -> FinetuneRequest:
    """The encoder that ``finetuned:NAME[:untrained][@OPTIONS]`` starts from.

    Networks without published weights, and ``alexnet``, start from random ones.

    Options named ``train.…`` are settings of its training, all others those of the encoder.

    Raises:
        ConfigError: an option of the training is unknown or cannot be, or encoders of this family
            cannot be trained; ValueError: as :func:`encoders.typed_names.parse_modality`.
    """
    head, _, tail = typed.removeprefix(FINETUNED).partition("@")
    options = [option.strip() for option in tail.split(",") if option.strip()]
    of_encoder = [option for option in options if not option.startswith(OF_TRAINING)]
    name = "@".join(part for part in (head, ",".join(of_encoder)) if part)
    modality = _start(parse_modality(name, kind))
    if modality.in_dialogue:
        raise ConfigError(
            f"--{kind} {typed}: encoders are trained on utterances alone, without the turns "
            f"around them; leave context and ahead out, or {FINETUNED}, which reads them frozen"
        )
    of_training = [
        option.removeprefix(OF_TRAINING) for option in options if option not in of_encoder
    ]
    try:
        settings = _with_options(default_settings(modality.encoder), of_training)
        check_fit(modality.encoder, settings)
    except ValueError as error:
        raise ConfigError(f"--{kind} {typed}: {error}") from error
    return FinetuneRequest(kind, typed, modality, settings)


def _start(modality: Modality) -> Modality:
    """Random weights where nobody has published any to start from.

    The bundled AlexNet is fine-tuned already: its network starts anew, prepared as it was.
    """
    spec = modality.encoder
    published = spec.checkpoint not in (None, "", BUNDLED_ALEXNET)
    if published or not spec.has("untrained"):
        return modality
    anew: dict[str, Any] = {"untrained": True}
    return replace(modality, encoder=replace(spec, **anew))


def check_trainable(trainable: FinetuneRequest) -> None:
    """Find before any work whether training can start.

    Raises:
        MissingWeightsError: the weights to start from are not to be had.
        ConfigError: they were fine-tuned before.
    """
    spec = trainable.modality.encoder
    try:
        locate_weights(spec)
    except MissingWeightsError as error:
        if not spec.has("untrained"):
            raise
        name, _, _ = trainable.typed.partition("@")
        again = f"{name}:untrained starts from random weights instead"
        raise MissingWeightsError(f"{error}; {again}") from error
    if provenance_of(spec) is not None:
        raise ConfigError(
            f"--{trainable.kind} {trainable.typed}: these weights were fine-tuned before, on "
            "speakers that may be tested here; start from published weights or untrained ones"
        )


def _with_options(settings: Settings, options: list[str]) -> Settings:
    """Settings with those that a user typed; what lies in masks and changes is typed alike."""
    own, masks, changes = map(_plain, (settings, settings.masks, settings.changes))
    hints = {**own, **masks, **changes}
    values: dict[str, Any] = {}
    for option in options:
        name, _, text = option.partition("=")
        if name in values:
            raise FinetuneError(f"{OF_TRAINING}{name} is set twice")
        if name not in hints:
            raise FinetuneError(_unknown(name, hints))
        values[name] = parsed(f"{OF_TRAINING}{name}", text.strip(), hints[name])

    def asked(part: Mapping[str, object]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name in part}

    changed = replace(
        settings,
        masks=replace(settings.masks, **asked(masks)),
        changes=replace(settings.changes, **asked(changes)),
        **asked(own),
    )
    _check_read(values, asked(changes), changed)
    return changed


def _plain(part: object) -> dict[str, object]:
    """Fields of settings that can be typed, with their types."""
    return {name: hint for name, hint in get_type_hints(type(part)).items() if _is_plain(hint)}


def _check_read(values: Mapping[str, Any], changes: Mapping[str, Any], settings: Settings) -> None:
    """Refuse augmentation that is described and not asked for: nothing would read it."""
    masks = settings.masks
    unread = {
        "most_bands": None if masks.frequency_masks else "frequency_masks",
        "most_frames": None if masks.time_masks else "time_masks",
        **dict.fromkeys(changes, None if settings.changes.copies else "copies"),
    }
    for name in values:
        if (number := unread.get(name)) and name != number:
            raise FinetuneError(
                f"{OF_TRAINING}{name} changes nothing without {OF_TRAINING}{number}: add "
                f"{OF_TRAINING}{number}=1 or more"
            )


def _is_plain(hint: object) -> bool:
    """Whether a setting can be typed: a number, a word, one of some words, or none of these."""
    if hint in (int, float, bool, str) or get_origin(hint) is Literal:
        return True
    choices = [choice for choice in get_args(hint) if choice is not NoneType]
    return len(choices) == 1 and _is_plain(choices[0])


def _unknown(name: str, known: Mapping[str, object]) -> str:
    typed, names = OF_TRAINING + name, [f"{OF_TRAINING}{field}" for field in known]
    return f"unknown option {typed!r}; {did_you_mean(typed, names)}"
