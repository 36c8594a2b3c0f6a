"""Encoders and recognisers by short name, and their weights on this machine."""

import difflib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from encoders.asr.ct2_files import fetch_ct2
from encoders.asr.recognisers import (
    HUBS,
    WHISPER_MODELS,
    PocketsphinxSpec,
    fetch_whisper,
    parse_recogniser,
    whisper_path,
)
from encoders.cards import BUNDLED_ALEXNET, CARDS, DESCRIPTORS
from encoders.checkpoints import MissingWeightsError, find_local, locate
from encoders.networks.cnn_weights import fetch_file, locate_file
from encoders.rows import cut
from encoders.specs import EgemapsSpec, Spec, WindowSpec
from encoders.typed_names import SHORT_NAMES, parse_modality
from fusion.bundled import BUNDLED, DEMO

#: What the column of licences is too narrow to say.
NOTES = (
    "alexnet: its weights were trained on RAVDESS and share its licence, CC BY-NC-SA 4.0 (not for "
    "commercial use); RAVDESS is not scored with it. alexnet-imagenet is torchvision's",
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
        here = whisper_path(name).is_file()
        row = ModelRow(
            f"whisper-{name}", "asr", f"openai/{name}", None, None, size_mb, "MIT", language, here
        )
        rows.append(row)
    licence = "CC BY-NC-SA 4.0 and GPL-3.0"
    shipped = (None, None, None, licence, "en", (DEMO / "heads.safetensors").is_file())
    return [*rows, ModelRow(BUNDLED, "interview", "fusion/bundled/demo", *shipped)]


def _is_here(spec: Spec) -> bool:
    """Whether the weights are on this machine; of descriptors, the package that computes them."""
    if isinstance(spec, WindowSpec):
        try:
            return locate_file(spec).is_file()
        except MissingWeightsError:
            return False
    if spec.checkpoint is None:
        return not isinstance(spec, EgemapsSpec) or find_spec("opensmile") is not None
    return find_local(spec.checkpoint) is not None


def fetch_model(name: str) -> Path:
    """Download a model by its short or hub name; returns the folder or file.

    Raises:
        MissingWeightsError: no hub can be reached, or a package has to be installed instead.
        ValueError: no short name (the nearest are offered), and no hub name or folder either.
    """
    from encoders.encoder import fingerprint_of

    if name == BUNDLED:
        raise ValueError(f"{name} ships with the package: there is nothing to fetch")
    if name.startswith(tuple(f"{family}-" for family in HUBS)):
        spec_of_hub = parse_recogniser(name)
        assert not isinstance(spec_of_hub, PocketsphinxSpec)
        name = spec_of_hub.checkpoint
    if "/faster-whisper" in name:
        return fetch_ct2(name)
    _check_known(name)
    if name.startswith("whisper-"):
        return fetch_whisper(name.removeprefix("whisper-"))
    spec = SHORT_NAMES.get(name)
    checkpoint = spec.checkpoint if spec is not None else name
    if checkpoint is None:
        # Says what installs the package, where a descriptor needs one.
        fingerprint_of(parse_modality(name, "audio").encoder)
        raise ValueError(f"{name} has no weights to fetch")
    if checkpoint == BUNDLED_ALEXNET:
        raise ValueError(f"{name} ships with the package: there is nothing to fetch")
    if isinstance(spec, WindowSpec):
        return fetch_file(checkpoint)
    return locate(checkpoint)


def _check_known(name: str) -> None:
    known = [*SHORT_NAMES, BUNDLED, *(f"whisper-{one}" for one in WHISPER_MODELS)]
    if name in known or ("/" in name or name.startswith((".", "~"))):
        return
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if not near and name.startswith("whisper-"):
        near = [one for one in known if one.startswith("whisper-")]
    offered = " or ".join(near or known)
    raise ValueError(
        f"{cut(name)}: no such model; did you mean {offered}? "
        "(a hub name is OWNER/NAME; 'serfusion models ls' lists the short ones)"
    )
