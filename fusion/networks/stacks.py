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
    found = copy.deepcopy(heads[0])
    others = zip(*(_tensors(head) for head in heads), strict=True)
    for own, every in zip(_tensors(found), others, strict=True):
        own.data = torch.stack([one.detach() for one in every])
    return found


def thinned_out(stack: Head, kept: Int64[Tensor, "kept"]) -> Head:
    """A stack of some of its heads."""
    found = copy.deepcopy(stack)
    for own in _tensors(found):
        own.data, own.grad = own.data[kept], None
    return found


def _tensors(head: nn.Module) -> Iterator[Tensor]:
    yield from head.parameters()
    yield from head.buffers()
