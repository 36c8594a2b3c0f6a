"""The names that users type for encoders, and the Modality that each becomes."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from encoders.cards import BUNDLED_ALEXNET, MPNET, SPEECH_CARDS
from encoders.networks.cnn_spec import SpectrogramCnnSpec
from encoders.networks.mfcc_cnn_spec import MfccArchitecture, MfccCnnSpec
from encoders.options import MODALITY_OPTIONS, parsed, with_options
from encoders.provenance import PROVENANCE, record_of, trained_spec
from encoders.specs import (
    BertSpec,
    Kind,
    LogMelSpec,
    Modality,
    SentenceSpec,
    Spec,
    SpeechSpec,
)
from encoders.spectra.descriptors import EgemapsSpec, MfccSpec

#: Short names that ``--audio`` and ``--text`` accept, each with its spec.
SHORT_NAMES: Mapping[str, Spec] = MappingProxyType(
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
        if not hasattr(spec, "untrained"):
            raise ValueError(f"--{kind} {typed}: {parts.name} has no untrained form")
        flag: dict[str, Any] = {"untrained": True}
        spec = replace(spec, **flag)
    own = {name: text for name, text in parts.options.items() if name not in MODALITY_OPTIONS}
    try:
        spec = with_options(spec, own)
        layer = _layer(parts.options.get("layer", "-1"))
    except ValueError as error:
        raise ValueError(f"--{kind} {typed}: {error}") from None
    pooling = parts.options.get("pooling", "")
    return Modality(name=kind, encoder=spec, layer=layer, pooling=pooling)


def _layer(typed: str) -> int | Literal["mix"]:
    if typed == "mix":
        return "mix"
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
