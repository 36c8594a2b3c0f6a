"""Encoders and recognisers by short name, and their weights on this machine."""

from dataclasses import dataclass
from pathlib import Path

from encoders.asr.recognisers import (
    HUBS,
    parse_recogniser,
    recogniser_source,
)
from encoders.manifest_rows import did_you_mean
from encoders.messages import cut
from encoders.specs import Spec
from encoders.typed_names import SHORT_NAMES
from encoders.weights.cards import BUNDLED_ALEXNET, CARDS, DESCRIPTORS
from encoders.weights.locate import find, locate
from encoders.weights.sources import (
    WHISPER_MODELS,
    MissingWeightsError,
    Source,
    checkpoint_source,
    source_of,
    whisper_source,
)
from fusion.bundled import BUNDLED, DEMO


def _trained_on() -> str:
    """Public checkpoints that have heard corpora of emotions, with their names."""
    cards = [card for card in CARDS.values() if card.heard]
    return ", ".join(f"{card.short_name} (on {' and '.join(card.heard)})" for card in cards)


#: What the column of licences is too narrow to say.
NOTES = (
    "alexnet: its weights were trained on RAVDESS and share its licence, CC BY-NC-SA 4.0 (not for "
    "commercial use); RAVDESS is not scored with it. alexnet-imagenet is torchvision's",
    f"trained on emotions, and refused where those are scored: {_trained_on()}",
    "demo: the model of 'serfusion interview demo'; its voice half was trained on RAVDESS (CC "
    "BY-NC-SA 4.0), its words half on MELD (GPL-3.0); acted voices and sitcom lines, no interviews",
    "egemaps: openSMILE is free for research and other non-commercial use only; it is installed "
    "with pip install 'serfusion[opensmile]'",
)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One line of ``models ls``; numbers are None where they mean nothing."""

    name: str
    kind: str
    checkpoint: str
    dim: int | None
    layers: int | None
    size_mb: int | None
    licence: str
    language: str
    here: bool

    def cells(self) -> list[str]:
        """Cells of the table."""
        numbers = ["" if n is None else str(n) for n in (self.dim, self.layers, self.size_mb)]
        here = "yes" if self.here else "no"
        return [self.name, self.kind, self.checkpoint, *numbers, self.licence, self.language, here]


def known_models() -> list[ModelRow]:
    """Encoders first, recognisers after them, the model that ships last."""
    rows = []
    for name, spec in SHORT_NAMES.items():
        card = CARDS.get(spec.checkpoint) if spec.checkpoint else DESCRIPTORS.get(name)
        facts: tuple[int | None, int | None, int | None, str, str] = (None, None, None, "", "")
        # Of a user's own encoder nothing is known but its name.
        if card is not None:
            facts = (card.dim, card.layers, card.size_mb, card.licence, card.language)
        shown = spec.checkpoint or ("opensmile" if name == "egemaps" else "none")
        rows.append(ModelRow(name, spec.kind, shown, *facts, _is_here(spec)))
    for name, size_mb in WHISPER_MODELS.items():
        language = "en" if name.endswith(".en") else "99 languages"
        here = find(whisper_source(name)) is not None
        row = ModelRow(
            f"whisper-{name}", "asr", f"openai/{name}", None, None, size_mb, "MIT", language, here
        )
        rows.append(row)
    licence = "CC BY-NC-SA 4.0 and GPL-3.0"
    shipped = (None, None, None, licence, "en", (DEMO / "heads.safetensors").is_file())
    return [*rows, ModelRow(BUNDLED, "interview", "fusion/bundled/demo", *shipped)]


def _is_here(spec: Spec) -> bool:
    """Whether the weights are on this machine; of descriptors, the package that computes them."""
    try:
        source = source_of(spec)
    except MissingWeightsError:
        return False
    return source is None or find(source) is not None


def fetch_model(name: str) -> Path:
    """Download a model by its short or hub name; returns the folder or file.

    Raises:
        MissingWeightsError: no server can be reached, or a package has to be installed instead.
        ValueError: no short name (the nearest are offered), and no hub name or folder either; or
            there is nothing to fetch.
    """
    return locate(_source(name))


def _source(name: str) -> Source:
    whisper = [f"whisper-{model}" for model in WHISPER_MODELS]
    if name in whisper or name.startswith(tuple(f"{hub}{mark}" for hub in HUBS for mark in "-:")):
        return recogniser_source(parse_recogniser(name))
    if "/faster-whisper" in name:
        return checkpoint_source(name, layout="ctranslate2")
    _check_known(name)
    spec = SHORT_NAMES.get(name)
    if name == BUNDLED or (spec is not None and spec.checkpoint == BUNDLED_ALEXNET):
        raise ValueError(f"{name} ships with the package: there is nothing to fetch")
    source = checkpoint_source(name) if spec is None else source_of(spec)
    if source is None:
        raise ValueError(f"{name} has no weights to fetch")
    return source


def _check_known(name: str) -> None:
    known = [*SHORT_NAMES, BUNDLED, *(f"whisper-{model}" for model in WHISPER_MODELS)]
    if name in known or ("/" in name or name.startswith((".", "~"))):
        return
    raise ValueError(
        f"{cut(name)}: no such model; {did_you_mean(name, known, most=3)} "
        "(a hub name is OWNER/NAME; 'serfusion models ls' lists the short ones)"
    )
