"""When heads of a stack stop: the best state of each so far, and its losses epoch by epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Curve:
    """Losses of one head in every epoch that it was trained, also those after the one kept.

    Of training the mean over the batches of the epoch, each before its step and with dropout; of
    development rows the loss at the end of the epoch, without dropout.
    """

    train: tuple[float, ...] = ()
    dev: tuple[float, ...] = ()

    @classmethod
    def of(cls, fields: Mapping[str, Sequence[float]]) -> "Curve":
        """A curve from what :func:`dataclasses.asdict` made of it."""
        return cls(tuple(fields["train"]), tuple(fields["dev"]))


@dataclass(frozen=True, slots=True)
class DevScores:
    """What a head would say of its development rows if its training ended now."""

    rows: Int64[np.ndarray, "dev"]
    scores: Float[np.ndarray, "dev targets"]


class BestStates:
    """The best state of each member so far, its epoch, what it said of its rows, all losses."""

    def __init__(self, parameters: Mapping[str, Tensor], members: int, patience: int) -> None:
        self.parameters = {name: values.detach().clone() for name, values in parameters.items()}
        self.losses = torch.full((members,), torch.inf)
        self.epochs = torch.zeros(members, dtype=torch.long)
        self.logits: dict[int, Float[Tensor, "dev targets"]] = {}
        self.patience = patience
        self._seen: list[list[tuple[float, float]]] = [[] for _ in range(members)]

    def update(
        self,
        epoch: int,
        numbers: Int64[Tensor, "some"],
        losses: tuple[Float[Tensor, "some"], Float[Tensor, "some"]],
        logits: Float[Tensor, "some dev targets"],
        parameters: Mapping[str, Tensor],
    ) -> Bool[Tensor, "some"]:
        """Keep the states of some members that improved; whether each has patience left.

        ``losses`` are those of training and of development rows, ``logits`` those of the latter.
        """
        train, dev = (loss.cpu() for loss in losses)
        for number, pair in zip(numbers.tolist(), zip(train, dev, strict=True), strict=True):
            self._seen[number].append((float(pair[0]), float(pair[1])))
        improved = dev < self.losses[numbers]
        better = numbers[improved]
        self.losses[better] = dev[improved]
        self.epochs[better] = epoch
        for row, number in enumerate(numbers.tolist()):
            if improved[row] or number not in self.logits:
                self.logits[number] = logits[row].cpu()
        for name, values in self.parameters.items():
            values[better] = parameters[name].detach()[improved]
        return epoch - self.epochs[numbers] < self.patience

    def curve(self, number: int) -> Curve:
        """The losses of one member."""
        return Curve(*zip(*self._seen[number], strict=True))
