"""Several heads as one: a head whose parameters and buffers have the head as their leading axis.

Layers of heads take such parameters as they take those of one (:mod:`fusion.networks.layers`), so
that one matrix product serves all heads; by itself each would be too small to keep a processor
busy.
"""

import copy
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from fusion.networks.head import Head


def stacked(heads: Sequence[Head]) -> Head:
    """Copies of several heads of the same shapes, as one."""
    stack = copy.deepcopy(heads[0])
    others = zip(*(_tensors(head) for head in heads), strict=True)
    for tensor, every in zip(_tensors(stack), others, strict=True):
        tensor.data = torch.stack([member.detach() for member in every])
    return stack


def thinned_out(stack: Head, kept: Int64[Tensor, "kept"]) -> Head:
    """A stack of some of its heads."""
    thinned = copy.deepcopy(stack)
    for tensor in _tensors(thinned):
        tensor.data, tensor.grad = tensor.data[kept], None
    return thinned


def _tensors(head: nn.Module) -> Iterator[Tensor]:
    yield from head.parameters()
    yield from head.buffers()
