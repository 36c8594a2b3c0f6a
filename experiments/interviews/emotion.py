"""Embeddings of pieces from a model's own encoders, and what its heads make of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from encoders.audio import Audio
from encoders.extraction import SharedModel
from encoders.pooling import for_head
from encoders.specs import Modality, model_part
from encoders.store import EmbeddingStore, audio_key, text_key
from experiments.config import OptionError
from fusion.model import FusionModel


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
    """A model with its encoders, loaded when first needed; what it computed is kept in a store.

    Raises:
        ValueError: the model reads precomputed features, or nothing of a recording's sound, or
            tells sets of labels.
    """

    def __init__(self, model: FusionModel, store: EmbeddingStore, device: str = "cpu") -> None:
        check_suitable(model)
        self.model = model
        self._shared: dict[str, list[SharedModel]] = {"audio": [], "text": []}
        for kind, group in self._shared.items():
            specs = [one.encoder for one in model.modalities.values() if one.name == kind]
            ordered = sorted(dict.fromkeys(specs), key=lambda spec: repr(model_part(spec)))
            for _, same in groupby(ordered, key=model_part):
                group.append(SharedModel(list(same), store, device))

    @property
    def reads_words(self) -> bool:
        """Whether some input of the model is text."""
        return bool(self._shared["text"])

    def classify(self, heard: Sequence[Audio], words: Sequence[str | None]) -> list[Sounds | str]:
        """What each piece sounds like, or why it could not be encoded."""
        contents: dict[str, list[tuple[str, Audio | str] | None]] = {
            "audio": [(audio_key(one), one) for one in heard],
            "text": [None if one is None else (text_key(one), one) for one in words],
        }
        failed: dict[str, str] = {}
        for kind, shared in self._shared.items():
            inputs = {str(k): pair for k, pair in enumerate(contents[kind]) if pair is not None}
            for model in shared:
                failed |= model.add({k: v for k, v in inputs.items() if k not in failed})
        return [
            failed[str(number)]
            if str(number) in failed
            else self._sounds({kind: own[number] for kind, own in contents.items()})
            for number in range(len(heard))
        ]

    def _sounds(self, content: Mapping[str, tuple[str, Audio | str] | None]) -> Sounds:
        inputs = {
            name: self._embedding(modality, content[modality.name])
            for name, modality in self.model.modalities.items()
        }
        verdict = self.model.verdict(inputs)
        alone = {
            self.model.modalities[name].name: _row(values) for name, values in verdict.alone.items()
        }
        return Sounds(_row(verdict.fused), alone.get("audio"), alone.get("text"))

    def _embedding(
        self, modality: Modality, content: tuple[str, Audio | str] | None
    ) -> Tensor | None:
        if content is None:
            return None
        spaces = (one.spaces for one in self._shared[modality.name])
        space = next(own[modality.encoder] for own in spaces if modality.encoder in own)
        stored = space.read([content[0]])[0]
        return for_head(torch.from_numpy(stored.values), modality)


def _row(scores: Float[np.ndarray, "targets"]) -> tuple[float, ...]:
    return tuple(map(float, scores))
