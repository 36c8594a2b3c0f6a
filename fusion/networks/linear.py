"""What heads over utterance-level embeddings share: one vector of all inputs, and a final layer."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusion.networks.head import (
    Embeddings,
    Head,
    Hyperparameters,
    Inputs,
    InputShape,
    Keep,
    Logits,
    dropped_out,
)


class LinearHead(Head):
    """Unimodal with one input, feature-level concatenation with several: the final layer alone."""

    def __init__(
        self,
        shapes: Sequence[InputShape],
        classes: int,
        hyper: Hyperparameters,
        width: int | None = None,
    ) -> None:
        if width == 0:
            raise ValueError("hidden=0: expected 1 or more of a head with a hidden layer")
        dims = [shape.dim for shape in shapes]
        super().__init__(shapes, sum(dims) if width is None else width, classes)
        if width is None:
            # A convex problem: stopped early on its way from zero the layer is as if penalised,
            # while first weights at random would stay in it as noise.
            nn.init.zeros_(self.classify.weight)
            nn.init.zeros_(self.classify.bias)
        self.tokens = nn.ParameterList(torch.zeros(dim) for dim in dims)

    def forward(self, inputs: Inputs, keep: Keep = None) -> Logits:
        """The classifier reads the embeddings."""
        return self.classify(dropped_out(self.embeddings(inputs), keep))

    def embeddings(self, inputs: Inputs) -> Embeddings:
        """All inputs side by side, standardised, their layers mixed; tokens of missing ones."""
        if isinstance(inputs, Tensor):
            return inputs
        parts = []
        for number, batch in enumerate(inputs):
            values = self.standardizer(number)(batch.values[..., 0, :])
            mix = self.layer_weights(number)
            if mix is not None:
                layers = values.unflatten(-1, (mix.shape[-1], -1))
                values = (layers * mix[..., None, :, None]).sum(dim=-2)
            if not self.complete:
                token = self.tokens[number][..., None, :]
                values = torch.where(batch.present[..., None], values, token)
            parts.append(values)
        return torch.cat(parts, dim=-1)

    def each(self, embeddings: Embeddings) -> list[Float[Tensor, "*heads batch _dim"]]:
        """The embeddings of each input."""
        return list(embeddings.split([token.shape[-1] for token in self.tokens], dim=-1))
