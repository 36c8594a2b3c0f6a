"""What a model's heads make of pieces that its own encoders have embedded."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float
from torch import Tensor

from encoders.extraction import Extraction, Extractor, SharedEncoder
from encoders.specs import Kind, Spec
from encoders.store import Embedding, EmbeddingStore
from experiments.config import OptionError
from fusion.model.fusion_model import FusionModel, inputs_of
from fusion.training.normalise import Baseline

NO_BASELINES: Mapping[str, Baseline] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class EmotionScores:
    """Probabilities of the classes, or values, for one piece, fused and from one modality alone.

    ``voice`` and ``words`` are None where the piece lacks the modality, or the model has no heads
    that read it alone.
    """

    fused: tuple[float, ...]
    voice: tuple[float, ...] | None
    words: tuple[float, ...] | None


def check_suitable(
    model: FusionModel, abstain: float | None = None, sets: float | None = None
) -> None:
    """Refuse a model that cannot say of a recording how each segment sounds, or not so sure.

    Raises:
        OptionError: a probability to abstain below, of a model of values, or sets that it cannot
            give.
        ValueError: it hears nothing, or tells sets of labels.
    """
    if not any(modality.name == "audio" for modality in model.modalities.values()):
        reads = ", ".join(sorted({modality.name for modality in model.modalities.values()}))
        raise ValueError(
            f"the model reads {reads or 'precomputed features'}: expected one that hears audio, "
            "trained with --audio"
        )
    if model.task == "multi-label":
        raise ValueError(
            "the model was trained on sets of labels (multi-label): expected one of classes, "
            "shares or values, as a timeline has one per segment; its predict() gives what it says"
        )
    if any(modality.ahead for modality in model.modalities.values()):
        raise ValueError(
            "the model reads turns that follow an utterance (ahead), whose words are not known yet "
            "when a recording is read in order: expected one trained with context alone"
        )
    if abstain is not None and model.task == "regression":
        raise OptionError(
            f"--abstain {abstain:g}: the model gives values of {', '.join(model.targets)} and "
            "names no class; leave it out"
        )
    threshold_of_sets(model, sets)


def threshold_of_sets(model: FusionModel, sets: float | None) -> float | None:
    """From which probability a class belongs to the sets that are asked for, None where none are.

    Raises:
        OptionError: the model cannot give such sets.
    """
    if sets is None:
        return None
    if model.task in ("multi-label", "regression"):
        raise OptionError(f"--sets {sets:g}: a model of {model.task} targets; leave it out")
    if model.sets is None:
        raise OptionError(
            f"--sets {sets:g}: the model keeps no thresholds of sets, which development speakers "
            "give; leave it out, or train it again (serfusion train)"
        )
    try:
        return model.sets.threshold(sets)
    except ValueError as error:
        raise OptionError(f"--sets: {error}") from error


def extractors_of(
    encoders: Sequence[SharedEncoder], store: EmbeddingStore
) -> Mapping[Kind, Extractor]:
    """A model's encoders of voice and of words, over the store of a recording."""
    kinds: tuple[Kind, ...] = ("audio", "text")
    return {
        kind: Extractor([encoder for encoder in encoders if encoder.kind == kind], store)
        for kind in kinds
    }


def sounds_of(
    model: FusionModel,
    extractors: Mapping[Kind, Extractor],
    done: Mapping[Kind, Extraction],
    pieces: Sequence[str],
    baselines: Mapping[str, Baseline] = NO_BASELINES,
) -> list[EmotionScores | str]:
    """What each piece sounds like, or why it could not be encoded, by what was extracted.

    ``baselines`` are what standardises pieces beside others of their group, where a model does.
    """
    read = embedded(model, extractors, done, pieces)
    return [
        inputs if isinstance(inputs, str) else _sounds(model, inputs, baselines.get(piece))
        for piece, inputs in zip(pieces, read, strict=True)
    ]


def embedded(
    model: FusionModel,
    extractors: Mapping[Kind, Extractor],
    done: Mapping[Kind, Extraction],
    pieces: Sequence[str],
) -> list[Mapping[str, Tensor | None] | str]:
    """What heads read of each piece, or why it could not be encoded."""
    stored: dict[str, dict[Spec, Embedding]] = {piece: {} for piece in pieces}
    failed: dict[str, str] = {}
    for kind, extractor in extractors.items():
        failed = {f.utterance: f.why for f in done[kind].failures} | failed
        keys = done[kind].keys
        for spec, space in extractor.spaces.items():
            entries = space.read(list(keys.values()))
            for piece, entry in zip(keys, entries, strict=True):
                stored[piece][spec] = entry
    return [
        failed[piece] if piece in failed else inputs_of(model.modalities, entries)
        for piece, entries in stored.items()
    ]


def baselines_of(
    model: FusionModel, pieces: Iterable[tuple[str, Hashable, Mapping[str, Tensor | None] | str]]
) -> Mapping[str, Baseline]:
    """What standardises each piece, by its group and what heads read of it; see :func:`embedded`.

    Nothing where a model standardises by training rows.
    """
    if model.normaliser is None:
        return NO_BASELINES
    groups: dict[Hashable, dict[str, Mapping[str, Tensor | None]]] = {}
    for piece, group, inputs in pieces:
        if not isinstance(inputs, str):
            groups.setdefault(group, {})[piece] = inputs
    return {
        piece: baseline
        for members in groups.values()
        for baseline in [model.normaliser.baseline(list(members.values()))]
        for piece in members
    }


def _sounds(
    model: FusionModel, inputs: Mapping[str, Tensor | None], baseline: Baseline | None
) -> EmotionScores:
    verdict = model.verdict(inputs, baseline)
    alone = {model.modalities[name].name: _row(values) for name, values in verdict.alone.items()}
    return EmotionScores(_row(verdict.fused), alone.get("audio"), alone.get("text"))


def _row(scores: Float[np.ndarray, "targets"]) -> tuple[float, ...]:
    return tuple(map(float, scores))
