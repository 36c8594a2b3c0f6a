"""Encoders and recognisers by short name, and their weights on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from encoders.asr.recognisers import ENGINES, parse_recogniser, recogniser_source
from encoders.manifest_rows import did_you_mean
from encoders.messages import cut
from encoders.specs import Spec
from encoders.typed_names import SHORT_NAMES
from encoders.weights.cards import BUNDLED_ALEXNET, CARDS, DESCRIPTORS
from encoders.weights.locate import find, locate
from encoders.weights.sources import (
    GE2E_FILES,
    WHISPER_MODELS,
    HubCheckpoint,
    JoinedFiles,
    LocalPath,
    MissingWeightsError,
    PackageFiles,
    PublishedFile,
    Source,
    checkpoint_source,
    source_of,
)
from fusion.bundled import BUNDLED


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
    "BY-NC-SA 4.0) and EmoDB (for research), its words half on MELD (GPL-3.0); acted voices and "
    "sitcom lines, no interviews",
    "egemaps: openSMILE is free for research and other non-commercial use only; it is installed "
    "with pip install 'serfusion[opensmile]'",
    f"ge2e: tells speakers of interviews apart (--speakers, --voices); {GE2E_FILES.install}",
)
#: The name of the speaker encoder.
GE2E = "ge2e"


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One line of ``models ls``; numbers are None where they mean nothing.

    ``here`` says what holds the weights on this machine, None that nothing does.
    """

    name: str
    kind: str
    checkpoint: str
    dim: int | None
    layers: int | None
    size_mb: int | None
    licence: str
    language: str
    here: str | None

    def cells(self) -> list[str]:
        """Cells of the table."""
        numbers = ["" if n is None else str(n) for n in (self.dim, self.layers, self.size_mb)]
        facts = (self.licence, self.language, self.here or "no")
        return [self.name, self.kind, self.checkpoint, *numbers, *facts]


def known_models() -> list[ModelRow]:
    """Encoders first, recognisers after them, what tells speakers apart, the model that ships."""
    rows = []
    for name, spec in SHORT_NAMES.items():
        card = CARDS.get(spec.checkpoint) if spec.checkpoint else DESCRIPTORS.get(name)
        facts: tuple[int | None, int | None, int | None, str, str] = (None, None, None, "", "")
        # Of a user's own encoder nothing is known but its name.
        if card is not None:
            facts = (card.dim, card.layers, card.size_mb, card.licence, card.language)
        shown = spec.checkpoint or ("opensmile" if name == "egemaps" else "none")
        rows.append(ModelRow(name, spec.kind, shown, *facts, _place(spec)))
    for name, size_mb in WHISPER_MODELS.items():
        language = "en" if name.endswith(".en") else "99 languages"
        facts = (None, None, size_mb, "MIT", language)
        here = _recogniser_place(f"whisper-{name}")
        rows.append(ModelRow(f"whisper-{name}", "asr", f"openai/{name}", *facts, here))
    here = PLACES[PackageFiles] if find(GE2E_FILES) is not None else None
    rows.append(ModelRow(GE2E, "speaker", "resemblyzer", 256, None, 17, "Apache-2.0", "any", here))
    licence = "CC BY-NC-SA 4.0 and GPL-3.0"
    shipped = (None, None, None, licence, "en", "shipped")
    return [*rows, ModelRow(BUNDLED, "interview", "fusion/bundled/demo", *shipped)]


#: What holds weights that are on this machine.
PLACES: Mapping[type[Source], str] = MappingProxyType(
    {
        PackageFiles: "package",
        JoinedFiles: "package",
        HubCheckpoint: "hub's cache",
        PublishedFile: "cache",
        LocalPath: "file",
    }
)


def _place(spec: Spec) -> str | None:
    """What holds the weights of a spec here, or the package that computes descriptors."""
    if spec.checkpoint == BUNDLED_ALEXNET:
        return "shipped"
    try:
        source = source_of(spec)
    except MissingWeightsError:
        return None
    if source is None:
        return "needs none"
    return None if find(source) is None else PLACES[type(source)]


def _recogniser_place(name: str) -> str | None:
    """What holds a recogniser's weights here, whichever engine reads them."""
    engines = (parse_recogniser(f"{name}@engine={engine}") for engine in ENGINES)
    sources = (recogniser_source(spec) for spec in engines)
    here = (PLACES[type(source)] for source in sources if find(source) is not None)
    return ", ".join(dict.fromkeys(here)) or None


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
    engines = ("whisper:", "faster-whisper", "transformers-whisper")
    if name.partition("@")[0] in whisper or name.startswith(engines):
        return recogniser_source(parse_recogniser(name))
    if "/faster-whisper" in name:
        return checkpoint_source(name, layout="ctranslate2")
    if name == GE2E:
        return GE2E_FILES
    _check_known(name)
    spec = SHORT_NAMES.get(name)
    if name == BUNDLED or (spec is not None and spec.checkpoint == BUNDLED_ALEXNET):
        raise ValueError(f"{name} ships with the package: there is nothing to fetch")
    source = checkpoint_source(name) if spec is None else source_of(spec)
    if source is None:
        raise ValueError(f"{name} has no weights to fetch")
    return source


def _check_known(name: str) -> None:
    known = [*SHORT_NAMES, GE2E, BUNDLED, *(f"whisper-{model}" for model in WHISPER_MODELS)]
    if name in known or ("/" in name or name.startswith((".", "~"))):
        return
    raise ValueError(
        f"{cut(name)}: no such model; {did_you_mean(name, known, most=3)} "
        "(a hub name is OWNER/NAME; 'serfusion models ls' lists the short ones)"
    )
