"""What all heads share: embeddings in, logits out. Each is an ordinary module of one model.

Standardisation and the token of a missing modality are part of the head, so that a saved head is
complete. Dropout acts once, on the representation before the classifier, through ``keep``: the
training loop draws it, because several heads are trained as one stack: a head whose parameters and
buffers have a leading axis, and whose inputs have it too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_type_hints

import torch
from jaxtyping import Float
from optuna.distributions import BaseDistribution
from torch import Tensor, nn

from encoders.manifest_rows import did_you_mean
from encoders.typed_names import parsed
from fusion.batch import ModalityBatch, Standardizer
from fusion.networks.layers import RowLinear
from fusion.networks.losses import Loss

#: What Optuna may choose of a head, by the name of the hyperparameter.
Space = Mapping[str, BaseDistribution]
Logits = Float[Tensor, "*heads batch targets"]
#: What a head classifies, and what dropout scales it by.
Hidden = Float[Tensor, "*heads batch width"]
Keep = Float[Tensor, "*heads batch width"] | None
#: Embeddings of all inputs side by side, standardised.
Embeddings = Float[Tensor, "*heads batch dims"]
#: What a head reads: a batch of each input, or what it would make of them first.
Inputs = Sequence[ModalityBatch] | Embeddings

#: Where no batch size is fixed: rows of a batch, and how many times as many it may have where an
#: epoch would take more than so many steps.
BATCH, LARGEST, STEPS = 64, 4, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """How a head is made and trained; the defaults are what ``--trials 0`` uses.

    Optuna tunes those of its head's search space that a study does not fix. The
    others are fixed: the ``loss`` (:mod:`fusion.networks.losses`); ``modality_dropout``, the share
    of training rows with several inputs of which one, chosen at random, is hidden, so that a head
    learns what to do where a modality is missing; and ``unimodal_loss``, the weight of the loss
    that a head with several inputs has when it sees each input alone, averaged over them. Without a
    ``batch_size`` a batch has 64 rows, and up to 256 where an epoch has more than a dozen batches.

    Raises:
        ValueError: values that cannot be, all of them at once.
    """

    hidden: int = 64
    dropout: float = 0.5
    learning_rate: float = 1e-3
    weight_decay: float = 1.0
    batch_size: int | None = None
    loss: Loss = "cross_entropy"
    focal_gamma: float = 2.0
    modality_dropout: float = 0.0
    unimodal_loss: float = 0.0

    def __post_init__(self) -> None:
        faults = [
            f"{name}={getattr(self, name)}: expected 0 or more and below 1"
            for name in ("dropout", "modality_dropout")
            if not 0 <= getattr(self, name) < 1
        ]
        least = {"hidden": 0, "weight_decay": 0, "focal_gamma": 0, "unimodal_loss": 0}
        if self.batch_size is not None:
            least["batch_size"] = 1
        for name, lowest in least.items():
            if not getattr(self, name) >= lowest:
                faults.append(f"{name}={getattr(self, name)}: expected {lowest} or more")
        if not self.learning_rate > 0:
            faults.append(f"learning_rate={self.learning_rate}: expected more than 0")
        if faults:
            raise ValueError("; ".join(faults))

    def rows_of_batch(self, rows: int) -> int:
        """Rows of a batch, with so many rows of training."""
        times = min(max(round(rows / STEPS / BATCH), 1), LARGEST)
        return self.batch_size or times * BATCH

    def for_rows(self, rows: int) -> "Hyperparameters":
        """The same with the batch size that so many rows of training have."""
        return replace(self, batch_size=self.rows_of_batch(rows))


#: Layer weights learn this much faster than matrices, because a head takes only hundreds of steps:
#: where one layer of four tells (162 rows, the data of the tests), its weight becomes .35, .87 or
#: .98 and UAR .82, 1.00 or 1.00 at 1, 10 or 30 times the rate; alone it gives 1.00.
MIX_RATE = 10.0


#: Attention embeds frames of audio four at a time: one by one they would cost sixteen times.
PATCHES: Mapping[str, int] = {"audio_frames": 4}


@dataclass(frozen=True, slots=True)
class InputShape:
    """Width of an input's frames, and how many of them attention embeds as one patch.

    With several ``layers`` a frame has that many hidden layers side by side, each ``dim`` wide.
    """

    dim: int
    patch: int = 1
    layers: int = 1

    @classmethod
    def of(cls, name: str, width: int, layers: int) -> "InputShape":
        """The shape of an input by its name, the width of its frames and their layers."""
        return cls(width // layers, PATCHES.get(name, 1), layers)


class Head(nn.Module):
    """What all heads share: standardisation, the mix of layers, dropout before the classifier.

    Where an input has several hidden layers, each is standardised and their softmax-weighted sum is
    taken before all else, as in SUPERB (Yang et al. 2021, arXiv 2105.01051); it starts even.
    ``complete`` is set where no row lacks an input: tokens of missing ones then cost nothing.
    """

    complete = False

    def __init__(self, shapes: Sequence[InputShape], width: int, classes: int) -> None:
        super().__init__()
        self.width = width
        self.layers = tuple(shape.layers for shape in shapes)
        for number, shape in enumerate(shapes):
            self.register_buffer(f"mean_{number}", torch.zeros(shape.layers * shape.dim))
            self.register_buffer(f"scale_{number}", torch.ones(shape.layers * shape.dim))
            if shape.layers > 1:
                self.register_parameter(f"mix_{number}", nn.Parameter(torch.zeros(shape.layers)))
        self.classify = RowLinear(width, classes)

    def standardize_with(self, standardizers: Sequence[Standardizer]) -> None:
        """Take over copies of what was fitted on training rows: other heads have the same ones."""
        for number, fitted in enumerate(standardizers):
            self.register_buffer(f"mean_{number}", fitted.mean.clone())
            self.register_buffer(f"scale_{number}", fitted.scale.clone())

    def standardizer(self, number: int) -> Standardizer:
        """What was fitted for one input."""
        return Standardizer(getattr(self, f"mean_{number}"), getattr(self, f"scale_{number}"))

    @torch.no_grad()
    def answer_in_units(
        self, shift: Float[Tensor, "targets"], scale: Float[Tensor, "targets"]
    ) -> None:
        """Fold a scale into the final layer, so that standardised values come out in their own."""
        self.classify.weight.mul_(scale[:, None])
        self.classify.bias.mul_(scale).add_(shift)

    def layer_weights(self, number: int) -> Float[Tensor, "*heads layers"] | None:
        """Weights of one input's layers, which add up to 1; None where it has one layer."""
        if self.layers[number] == 1:
            return None
        return (MIX_RATE * getattr(self, f"mix_{number}")).softmax(dim=-1)

    def forward(self, inputs: Inputs, keep: Keep = None) -> Logits:
        """Logits: the classifier's, of a representation that each kind of head makes its own way.

        It is :func:`dropped_out` by ``keep`` before it is classified.
        """
        raise NotImplementedError


def dropped_out(hidden: Hidden, keep: Keep) -> Hidden:
    """A representation scaled by what dropout keeps of it, None: as it is."""
    return hidden if keep is None else hidden * keep


def fixed_values(typed: Sequence[str] | None) -> dict[str, Any]:
    """Hyperparameters that a user fixes, from ``name=value`` pairs.

    Raises:
        ValueError: no such hyperparameter (the nearest is offered), one set twice, or a value that
            it cannot have.
    """
    pairs = [pair.partition("=") for pair in typed or ()]
    hints, values = get_type_hints(Hyperparameters), dict[str, Any]()
    for name, _, text in pairs:
        if name not in hints:
            hint = did_you_mean(name, hints)
            raise ValueError(f"--head {name}: no such hyperparameter; {hint}")
        if name in values:
            raise ValueError(f"--head {name}: is set twice")
        values[name] = parsed(name, text, hints[name])
    if values.get("hidden", 1) < 1:
        raise ValueError(
            f"hidden={values['hidden']}: expected 1 or more; arms without a hidden layer are those "
            "that end with linear"
        )
    # Raises where a value is out of range.
    Hyperparameters(**values)
    return values


def layer_weights(inputs: Sequence[str], heads: Sequence[Head]) -> dict[str, list[float]]:
    """Weights of the layers of each input that is a mix, the mean over heads."""
    means: dict[str, list[float]] = {}
    for number, name in enumerate(inputs):
        weights = [head.layer_weights(number) for head in heads]
        known = [mix.detach().double() for mix in weights if mix is not None]
        if known:
            means[name] = torch.stack(known).mean(dim=0).tolist()
    return means
