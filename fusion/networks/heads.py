"""Heads over utterance-level embeddings, and the table of all heads."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution
from torch import Tensor, nn
from torch.nn import functional

from encoders.messages import printable
from encoders.plugins import Table
from fusion.batch import Standardizer
from fusion.networks.attention import AttentionHead
from fusion.networks.head import (
    Head,
    Hyperparameters,
    Inputs,
    InputShape,
    Keep,
    Logits,
    Space,
    dropped_out,
)
from fusion.networks.layers import RowLinear
from fusion.networks.linear import LinearHead

#: Rank of the bilinear head's weights; Liu et al. search 1 to 16 and find little between them.
RANK = 4


class MlpHead(LinearHead):
    """The same with one hidden layer."""

    def __init__(self, shapes: Sequence[InputShape], classes: int, hyper: Hyperparameters) -> None:
        super().__init__(shapes, classes, hyper, hyper.hidden)
        self.hidden = RowLinear(sum(shape.dim for shape in shapes), hyper.hidden)

    def forward(self, inputs: Inputs, keep: Keep = None) -> Logits:
        """Hidden layer over the concatenated embeddings."""
        hidden = functional.relu(self.hidden(self.embeddings(inputs)))
        return self.classify(dropped_out(hidden, keep))


class GatedHead(LinearHead):
    """A gated multimodal unit of two modalities (Arevalo et al. 2017, arXiv 1702.01992, 3.1).

    Each modality has a hidden layer with tanh; a gate that reads both has a sigmoid per hidden
    value, which is the weight of the first modality, and one minus it that of the second.
    """

    def __init__(self, shapes: Sequence[InputShape], classes: int, hyper: Hyperparameters) -> None:
        assert len(shapes) == 2
        super().__init__(shapes, classes, hyper, hyper.hidden)
        dims = [shape.dim for shape in shapes]
        self.hidden = nn.ModuleList(RowLinear(dim, hyper.hidden) for dim in dims)
        self.gate = RowLinear(sum(dims), hyper.hidden, bias=False)
        self.register_load_state_dict_pre_hook(_one_gate)  # type: ignore[no-untyped-call]

    def forward(self, inputs: Inputs, keep: Keep = None) -> Logits:
        """Hidden values of the modalities, weighed by the gate."""
        embeddings = self.embeddings(inputs)
        pairs = zip(self.hidden, self.each(embeddings), strict=True)
        first, second = (torch.tanh(layer(values)) for layer, values in pairs)
        hidden = second + self.gate(embeddings).sigmoid() * (first - second)
        return self.classify(dropped_out(hidden, keep))


def _one_gate(_head: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Heads that were saved with two gates under a softmax have the sigmoid of their difference."""
    gate, wide = state[f"{prefix}gate.weight"], state[f"{prefix}classify.weight"].shape[-1]
    if len(gate) == 2 * wide:
        state[f"{prefix}gate.weight"] = gate[:wide] - gate[wide:]


class LowRankHead(LinearHead):
    """Low-rank multimodal fusion (Liu et al. 2018, arXiv 1806.00064, section 3.3).

    The outer product of all modalities, each with a 1 appended, under weights of rank ``RANK``: for
    every rank a product of linear maps, then their mean, so that the rank is no matter of size.
    """

    def __init__(self, shapes: Sequence[InputShape], classes: int, hyper: Hyperparameters) -> None:
        super().__init__(shapes, classes, hyper, hyper.hidden)
        wide = RANK * hyper.hidden
        factors = [RowLinear(shape.dim, wide) for shape in shapes]
        # The appended 1 weighs 1 at first, so that each modality is heard by itself too: with the
        # small weights of a linear layer only products are, and little is learned.
        for factor in factors:
            nn.init.ones_(factor.bias)
        self.factors = nn.ModuleList(factors)

    def forward(self, inputs: Inputs, keep: Keep = None) -> Logits:
        """Mean over ranks of the product over modalities."""
        pairs = zip(self.factors, self.each(self.embeddings(inputs)), strict=True)
        product = reduce(torch.mul, (factor(values) for factor, values in pairs))
        hidden = product.unflatten(-1, (RANK, -1)).mean(dim=-2)
        return self.classify(dropped_out(hidden, keep))


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """One kind of head: its module, what it is trained with, and what of that is tuned.

    ``network`` is made of an :class:`InputShape` per input, the number of targets, and
    hyperparameters. ``defaults`` are those of ``--trials 0``, and of the first trial of every
    study. One that reads ``sequences`` gets all frames and tokens, others one vector per input.
    """

    network: Callable[[Sequence[InputShape], int, Hyperparameters], Head]
    defaults: Hyperparameters
    space: Space
    sequences: bool = False


#: Of heads with one hidden layer over utterance-level embeddings.
_HIDDEN: Space = {
    "hidden": CategoricalDistribution((32, 64, 128, 256)),
    "dropout": FloatDistribution(0.2, 0.7),
    "learning_rate": FloatDistribution(3e-4, 3e-3, log=True),
    "weight_decay": FloatDistribution(1e-2, 10.0, log=True),
}
#: By the kind that arms name (:mod:`fusion.training.arm_table`) and that saved models have.
HEADS: Table[HeadSpec] = Table(
    {
        "linear": HeadSpec(
            LinearHead,
            Hyperparameters(hidden=0, dropout=0.0, learning_rate=3e-4),
            {
                "dropout": FloatDistribution(0.0, 0.7),
                "learning_rate": FloatDistribution(1e-4, 3e-3, log=True),
                "weight_decay": FloatDistribution(1e-2, 10.0, log=True),
            },
        ),
        "mlp": HeadSpec(MlpHead, Hyperparameters(), _HIDDEN),
        # Per hidden value these have two and four times the weights.
        "gated": HeadSpec(
            GatedHead,
            Hyperparameters(),
            {**_HIDDEN, "hidden": CategoricalDistribution((16, 32, 64, 128))},
        ),
        "lowrank": HeadSpec(
            LowRankHead,
            Hyperparameters(),
            {**_HIDDEN, "hidden": CategoricalDistribution((8, 16, 32, 64))},
        ),
        "attention": HeadSpec(
            AttentionHead,
            # A batch of sequences is as large in memory as its longest row makes it.
            Hyperparameters(hidden=32, learning_rate=2e-3, batch_size=64),
            {
                "hidden": CategoricalDistribution((16, 32, 64)),
                "dropout": FloatDistribution(0.2, 0.7),
                "learning_rate": FloatDistribution(1e-3, 4e-3, log=True),
                "weight_decay": FloatDistribution(1e-2, 10.0, log=True),
            },
            sequences=True,
        ),
    }
)


def new_head(
    kind: str,
    shapes: Sequence[InputShape],
    targets: int,
    hyper: Hyperparameters,
    standardizers: Sequence[Standardizer],
    seed: int,
) -> Head:
    """A head with first weights of its seed, for inputs standardised so."""
    with torch.random.fork_rng(devices=[]):
        # That of this processor: torch.manual_seed notes the whole stack for a GPU not yet begun.
        torch.default_generator.manual_seed(seed)
        head = HEADS[kind].network(shapes, targets, hyper)
    head.standardize_with(standardizers)
    return head


def restored_head(
    kind: str,
    shapes: Sequence[InputShape],
    targets: int,
    hyper: Hyperparameters,
    tensors: Mapping[str, Tensor],
    prefix: str,
) -> Head:
    """A trained head from those of some tensors whose names begin with ``prefix``.

    Raises:
        ValueError: there is no such kind of head.
    """
    if kind not in HEADS:
        known = ", ".join(HEADS)
        raise ValueError(f"head {printable(kind)}: expected one of {known}, or its --plugin")
    head = HEADS[kind].network(shapes, targets, hyper)
    state = {
        n.removeprefix(prefix): values for n, values in tensors.items() if n.startswith(prefix)
    }
    head.load_state_dict(state)
    return head.eval()
