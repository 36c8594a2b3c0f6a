"""Embeddings of pieces from a model's own encoders, and what its heads make of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from encoders.audio import Audio
from encoders.extraction import Extractor, HeldSource, SharedEncoder, text_sources
from encoders.specs import Kind, Spec
from encoders.store import Embedding, EmbeddingStore, audio_key
from experiments.config import OptionError
from fusion.model import FusionModel

KINDS: tuple[Kind, ...] = ("audio", "text")


@dataclass(frozen=True, slots=True)
class Sounds:
    """Probabilities of the classes, or values, for one piece, fused and from one modality alone.

    ``voice`` and ``words`` are None where the piece lacks the modality, or the model has no heads
    that read it alone.
    """

    fused: tuple[float, ...]
    voice: tuple[float, ...] | None
    words: tuple[float, ...] | None


def check_suitable(model: FusionModel, abstain: float | None = None) -> None:
    """Refuse a model that cannot say of a recording how each segment sounds, or not so sure.

    Raises:
        OptionError: a probability to abstain below, of a model of values.
        ValueError: it hears nothing, or tells sets of labels.
    """
    if not any(one.name == "audio" for one in model.modalities.values()):
        reads = ", ".join(sorted({one.name for one in model.modalities.values()}))
        raise ValueError(
            f"the model reads {reads or 'precomputed features'}: expected one that hears audio, "
            "trained with --audio"
        )
    if model.task == "multi-label":
        raise ValueError(
            "the model was trained on sets of labels (multi-label): expected one of classes, "
            "shares or values, as a timeline has one per segment; its predict() gives what it says"
        )
    if abstain is not None and model.task == "regression":
        raise OptionError(
            f"--abstain {abstain:g}: the model gives values of {', '.join(model.targets)} and "
            "names no class; leave it out"
        )


class Classifier:
    """A model with its ``encoders``, which are loaded when first needed.

    What it computes is kept in a store: that of the recording at hand.

    Raises:
        ValueError: the model reads precomputed features, or nothing of a recording's sound, or
            tells sets of labels.
    """

    def __init__(
        self, model: FusionModel, encoders: Sequence[SharedEncoder], store: EmbeddingStore
    ) -> None:
        check_suitable(model)
        self.model = model
        self._extractors = {
            kind: Extractor([one for one in encoders if one.kind == kind], store) for kind in KINDS
        }

    def classify(self, heard: Sequence[Audio], words: Sequence[str | None]) -> list[Sounds | str]:
        """What each piece sounds like, or why it could not be encoded."""
        sources: dict[Kind, list[HeldSource]] = {
            "audio": [HeldSource(str(k), audio_key(one), one) for k, one in enumerate(heard)],
            "text": text_sources({str(k): one for k, one in enumerate(words) if one is not None}),
        }
        stored: dict[str, dict[Spec, Embedding]] = {str(k): {} for k in range(len(heard))}
        failed: dict[str, str] = {}
        for kind, extractor in self._extractors.items():
            wanted = [source for source in sources[kind] if source.id not in failed]
            done = extractor.extract(kind, wanted)
            failed |= {failure.utterance: failure.why for failure in done.failures}
            for spec, space in extractor.spaces.items():
                for piece, entry in zip(
                    done.keys, space.read(list(done.keys.values())), strict=True
                ):
                    stored[piece][spec] = entry
        return [
            failed[piece] if piece in failed else self._sounds(entries)
            for piece, entries in stored.items()
        ]

    def _sounds(self, stored: Mapping[Spec, Embedding]) -> Sounds:
        verdict = self.model.verdict(self.model.inputs_of(stored))
        alone = {
            self.model.modalities[name].name: _row(values) for name, values in verdict.alone.items()
        }
        return Sounds(_row(verdict.fused), alone.get("audio"), alone.get("text"))


def _row(scores: Float[np.ndarray, "targets"]) -> tuple[float, ...]:
    return tuple(map(float, scores))
