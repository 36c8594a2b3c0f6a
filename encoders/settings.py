"""How an encoder is trained: the settings, and those that a family starts from."""

from dataclasses import dataclass, field
from typing import Literal

import torch

from encoders.augmentation import Masks, WaveformChanges
from encoders.cnn_spec import SpectrogramCnnSpec
from encoders.specs import Spec

Precision = Literal["float32", "bfloat16"]


class FinetuneError(ValueError):
    """An encoder cannot be trained on these utterances, with these settings, or at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a network is trained; none of it is part of the spec, all of it is in the record.

    AdamW with a rate that rises over a tenth of all steps and falls to nothing at the last (Smith
    2018, arXiv 1708.07120). An epoch shows one random window of every training recording. Training
    ends ``patience`` epochs after the best development UAR. An embedding has ``projection_dim``
    values, 256 as in the recipe for AlexNet; ``bfloat16`` computes forward passes with 8 bits.
    """

    epochs: int = 50
    patience: int = 15
    batch_size: int = 32
    learning_rate: float = 5e-4
    weight_decay: float = 1e-2
    dropout: float = 0.3
    label_smoothing: float = 0.1
    projection_dim: int = 256
    precision: Precision = "float32"
    masks: Masks = field(default_factory=Masks)
    changes: WaveformChanges = field(default_factory=WaveformChanges)

    def __post_init__(self) -> None:
        least = {"epochs": 1, "patience": 1, "batch_size": 2, "projection_dim": 1}
        low = [f"{k} {getattr(self, k)}: expected {v} or more" for k, v in least.items()]
        low = [said for said, k in zip(low, least, strict=True) if getattr(self, k) < least[k]]
        if self.learning_rate <= 0:
            low.append(f"learning_rate {self.learning_rate:g}: expected more than 0")
        if low:
            raise FinetuneError("; ".join(low))


def default_settings(spec: Spec) -> Settings:
    """Settings to train the encoder of a spec with; what a study may change it replaces.

    Their precision is :func:`fast_precision` of this machine, said in so many words and never
    "automatic": settings that are equal train equally, and those of two machines may differ.

    Raises:
        FinetuneError: encoders of this family are not trained here.
    """
    if isinstance(spec, SpectrogramCnnSpec):
        return Settings(precision=fast_precision())
    raise FinetuneError(f"{spec.family}: encoders of this family cannot be trained here")


def fast_precision() -> Precision:
    """bfloat16 where this processor multiplies it in hardware (AMX, AVX-512 BF16), else float32.

    Elsewhere torch emulates it, which is slower than float32 and no more exact.
    """
    asked = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    # Private in torch 2.13, and in no other place: a torch without them is taken for slow.
    found = (getattr(torch.cpu, name, None) for name in asked)
    return "bfloat16" if any(ask is not None and ask() for ask in found) else "float32"
