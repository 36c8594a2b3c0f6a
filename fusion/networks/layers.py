"""Linear layers for heads that are trained as one stack."""

from jaxtyping import Float
from torch import Tensor, nn


class RowLinear(nn.Linear):
    """A linear layer over rows whose gradient comes in the layout of its weights.

    In a stack of heads the gradient of ``rows @ weights.T`` is that of the transposed weights, and
    turning it around takes longer than either product.
    """

    def forward(self, input: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch out"]:
        """Same as ``nn.Linear``."""
        product = (self.weight @ input.T).T
        return product if self.bias is None else product + self.bias


class FlatLinear(nn.Linear):
    """A linear layer that sees one row per frame.

    In a stack of heads a layer over ``[batch, frames, dim]`` would copy its weights for every row.
    """

    def forward(
        self, input: Float[Tensor, "batch frames dim"]
    ) -> Float[Tensor, "batch frames out"]:
        """Same as ``nn.Linear``."""
        return super().forward(input.flatten(0, 1)).unflatten(0, input.shape[:2])
