"""One option of an encoder, in the text that a user types for it: ``wavlm-large@layer=9``."""

from typing import Any

from encoders.specs import Kind, Modality
from encoders.typed_names import MODALITY_OPTIONS, SYNONYMS, parse_modality
from encoders.weights.cards import CARDS
from experiments.comparing.inputs import FEATURES
from experiments.comparing.trainable import is_finetuned
from experiments.config import ConfigError


def with_option(typed: str, name: str, value: str) -> str:
    """The text with one option set.

    >>> with_option("alexnet@window_s=2,hop_s=1", "window_s", "0.5")
    'alexnet@hop_s=1,window_s=0.5'
    """
    head, _, tail = typed.partition("@")
    others = [one for one in tail.split(",") if one and one.partition("=")[0].strip() != name]
    return f"{head}@{','.join([*others, f'{name}={value}'])}"


def check_has_options(typed: str, kind: Kind, factor: str) -> None:
    """Refuse an option of what has none.

    Raises:
        ConfigError: the encoder is a file of features.
    """
    if typed.startswith(FEATURES):
        raise ConfigError(
            f"--over {factor}: --{kind} {typed} was computed elsewhere and has no options; name an "
            "encoder, or ablate several files with "
            f"--over {kind} --values '{FEATURES}ONE.npz;{FEATURES}OTHER.npz'"
        )


def option_value(typed: str, kind: Kind, name: str) -> str:
    """An option's value as an encoder has it, written in one way; as typed where that is trained.

    Raises:
        ValueError: as :func:`encoders.typed_names.parse_modality`.
    """
    if is_finetuned(typed):
        _, _, tail = typed.partition("@")
        found = dict(one.partition("=")[::2] for one in tail.split(",") if one)
        return found.get(name, "default").strip()
    modality = parse_modality(typed, kind)
    if name in MODALITY_OPTIONS:
        return _layer(modality) if name == "layer" else str(getattr(modality, name))
    words = {word: own for own, word in SYNONYMS.items()}
    return _text(getattr(modality.encoder, words.get(name, name)))


def _layer(modality: Modality) -> str:
    """A layer counted from 0 where the number of layers is known."""
    count = layer_count(modality)
    if isinstance(modality.layer, str) or count is None or modality.layer >= 0:
        return str(modality.layer)
    return str(count + modality.layer)


def layer_count(modality: Modality) -> int | None:
    """Hidden layers that are stored, the input of the first counted; None where nobody says."""
    spec = modality.encoder
    kept = spec.layers
    if kept is not None:
        return len(kept)
    if not spec.has("layers"):
        return 1
    card = CARDS.get(spec.checkpoint or "")
    return None if card is None else card.layers


def _text(value: Any) -> str:  # noqa: ANN401 - a field of a spec
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return "+".join(map(str, value))
    return "none" if value is None else str(value)
