"""The heads of a saved model that read the same inputs, and what they say together and alone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from encoders.utterance import Task
from fusion.batch import collate
from fusion.evaluation.calibration import tempered
from fusion.model.json import number_of
from fusion.networks.head import Head, Hyperparameters, InputShape
from fusion.networks.heads import restored_head
from fusion.networks.losses import answers
from fusion.training.arms import FittedArm
from fusion.training.windows import WINDOWS


@dataclass(frozen=True, slots=True)
class HeadEnsemble:
    """Heads of one kind that read the same inputs; their probabilities are averaged.

    ``temperature`` is what their mean takes where they speak alone, as that of a model is fitted.
    """

    kind: str
    inputs: tuple[str, ...]
    dims: tuple[int, ...]
    layers: tuple[int, ...]
    hyperparameters: Hyperparameters
    heads: tuple[Head, ...]
    temperature: float = 1.0
    task: Task = "single-label"

    @classmethod
    def of(cls, fitted: FittedArm, temperature: float = 1.0) -> "HeadEnsemble":
        """The heads of a fitted arm."""
        heads = tuple(one.head for one in fitted.heads)
        dims = tuple(heads[0].standardizer(k).mean.numel() for k in range(len(fitted.arm.inputs)))
        layers, hyper = heads[0].layers, fitted.hyperparameters
        kind, inputs, task = fitted.arm.head, fitted.arm.inputs, fitted.heads[0].task
        return cls(kind, inputs, dims, layers, hyper, heads, temperature, task)

    def scores(self, inputs: Mapping[str, Tensor | None]) -> Float[np.ndarray, "1 targets"]:
        """What the heads say of one utterance, mean; an input that is None counts as missing.

        Where they learned from windows it is the mean over those, each heard by itself.
        """
        batches = []
        for name, dim in zip(self.inputs, self.dims, strict=True):
            tensor = inputs.get(name)
            if tensor is not None and name == WINDOWS:
                batches.append(collate(tensor.split(1)))
            else:
                # A second row fixes the width where the modality is missing.
                batch = collate([tensor, torch.zeros(1, dim)])
                batches.append(batch.rows(torch.tensor([0])))
        with torch.inference_mode():
            every = torch.stack([answers(head(batches), self.task) for head in self.heads])
        return every.double().mean(dim=0).mean(dim=0, keepdim=True).numpy()

    def alone(self, inputs: Mapping[str, Tensor | None]) -> Float[np.ndarray, "targets"]:
        """Calibrated probabilities by what these heads read."""
        return tempered(self.scores(inputs)[0], self.temperature)

    def hears(self, inputs: Mapping[str, Tensor | None]) -> bool:
        """Whether any of its inputs is there."""
        return any(inputs.get(name) is not None for name in self.inputs)


@dataclass(frozen=True, slots=True)
class FusedPrediction:
    """Probabilities by everything that is there, and by each input that has heads of its own."""

    fused: Float[np.ndarray, "targets"]
    alone: Mapping[str, Float[np.ndarray, "targets"]]


def part_as_json(part: HeadEnsemble) -> dict[str, Any]:
    """What ``model.json`` says of a part; its weights lie beside it."""
    return {
        "kind": part.kind,
        "inputs": part.inputs,
        "dims": part.dims,
        "layers": part.layers,
        "hyperparameters": asdict(part.hyperparameters),
        "heads": len(part.heads),
        "temperature": part.temperature,
    }


def part_from_json(
    number: int,
    about: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    targets: int,
    task: Task,
) -> HeadEnsemble:
    """The part of a number, with its own of all weights."""
    hyper = Hyperparameters(**about["hyperparameters"])
    inputs, dims = tuple(about["inputs"]), tuple(about["dims"])
    layers = tuple(about.get("layers", [1] * len(inputs)))
    shapes = [InputShape.of(*one) for one in zip(inputs, dims, layers, strict=True)]
    heads = tuple(
        restored_head(about["kind"], shapes, targets, hyper, tensors, prefix=f"{number}.{index}.")
        for index in range(about["heads"])
    )
    temperature = number_of(about, "temperature", above=0.0)
    return HeadEnsemble(about["kind"], inputs, dims, layers, hyper, heads, temperature, task)
