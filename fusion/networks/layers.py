"""Layers of one head, or of a stack: parameters with a leading axis are those of several heads."""

from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class RowLinear(nn.Linear):
    """A linear layer over rows whose gradient comes in the layout of its weights.

    The gradient of ``rows @ weights.T`` is that of the transposed weights, and turning it around
    takes longer than either product; so rows are columns in memory from the first layer to the
    last.
    """

    def forward(
        self, input: Float[Tensor, "*heads batch dim"]
    ) -> Float[Tensor, "*heads batch out"]:
        """Same as ``nn.Linear``, for every head."""
        product = self.weight @ input.mT
        return (product if self.bias is None else product + self.bias[..., None]).mT


class FrameLinear(nn.Linear):
    """A linear layer over the frames of all rows side by side."""

    def forward(
        self, input: Float[Tensor, "*heads batch frames dim"]
    ) -> Float[Tensor, "*heads batch frames out"]:
        """Same as ``nn.Linear``, for every head."""
        product = input.flatten(-3, -2) @ self.weight.mT + self.bias[..., None, :]
        return product.unflatten(-2, input.shape[-3:-1])


class FrameNorm(nn.LayerNorm):
    """A layer norm over the values of every frame."""

    def forward(
        self, input: Float[Tensor, "*heads batch frames dim"]
    ) -> Float[Tensor, "*heads batch frames dim"]:
        """Same as ``nn.LayerNorm``, for every head."""
        even = functional.layer_norm(input, self.normalized_shape, eps=self.eps)
        return even * self.weight[..., None, None, :] + self.bias[..., None, None, :]


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Products in float32, also where others are in bfloat16."""
    mixed = device.type != "meta" and torch.is_autocast_enabled(device.type)
    return torch.autocast(device.type, enabled=False) if mixed else nullcontext()
