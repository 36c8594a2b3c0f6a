"""Rows of every member of a stack in one tensor, as its heads read them.

They come in memory that the next call uses again: of long sequences new memory for every batch
takes longer than copying them.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from math import prod

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from fusion.batch import ModalityBatch, Standardizer
from fusion.networks.head import Inputs

Index = Int64[Tensor, "members rows"]


def moved(inputs: Inputs, device: torch.device) -> Inputs:
    """What heads read, on the device where they compute."""
    if isinstance(inputs, Tensor):
        return inputs.to(device)
    return [batch.to(device) for batch in inputs]


def mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """Matrix products in bfloat16 on a GPU; all else, and all of it on the CPU, in float32."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()


class _Buffer:
    """Memory for rows of a batch, as much as the largest one needed so far."""

    def __init__(self) -> None:
        self.values = torch.empty(0)

    def rows(self, table: Tensor, index: Index) -> Tensor:
        """Rows of a table; leading axes are those of ``index``."""
        shape = (index.numel(), *table.shape[1:])
        if self.values.numel() < prod(shape):
            self.values = torch.empty(prod(shape))
        out = self.values[: prod(shape)].view(shape)
        torch.index_select(table, 0, index.flatten(), out=out)
        return out.unflatten(0, index.shape)


class GatherEmbeddings:
    """Utterance-level embeddings, all inputs side by side, standardised as each member does.

    For rows that have every input. What heads would do for themselves is done in place here.
    """

    def __init__(
        self, batches: Sequence[ModalityBatch], fitted: Sequence[Sequence[Standardizer]]
    ) -> None:
        self.table = torch.cat([batch.values[:, 0] for batch in batches], dim=1)
        means = [torch.cat([standardizer.mean for standardizer in member]) for member in fitted]
        scales = [torch.cat([standardizer.scale for standardizer in member]) for member in fitted]
        self.fitted = Standardizer(torch.stack(means), torch.stack(scales))
        self.room = _Buffer()

    def rows(self, index: Index) -> Float[Tensor, "members rows dims"]:
        """Embeddings of rows, which differ between members."""
        values = self.room.rows(self.table, index)
        return self.fitted(values, out=values)

    def thin_out(self, kept: Int64[Tensor, "kept"]) -> None:
        """Go on with some of the members."""
        self.fitted = Standardizer(self.fitted.mean[kept], self.fitted.scale[kept])


class GatherSequences:
    """Rows of several inputs for every member of a stack, cut to the longest of them."""

    def __init__(self, batches: Sequence[ModalityBatch], patches: Sequence[int]) -> None:
        self.batches, self.patches = batches, patches
        self.lengths = [batch.lengths for batch in batches]
        self.rooms = [_Buffer() for _ in batches]

    def rows(self, index: Index) -> list[ModalityBatch]:
        """Each input; leading axes are those of ``index``."""
        batches = []
        for number, batch in enumerate(self.batches):
            lengths = self.lengths[number][index]
            frames = self._frames(number, int(lengths.max()))
            mask = torch.arange(frames) < lengths[..., None]
            values = self.rooms[number].rows(batch.values[:, :frames], index)
            batches.append(ModalityBatch(values, mask, batch.present[index], batch.layers))
        return batches

    def _frames(self, number: int, longest: int) -> int:
        # Whole patches where there is room, because filling up the last one is a copy of all.
        patch = self.patches[number]
        return min(-(-longest // patch) * patch, self.batches[number].mask.shape[1])

    def thin_out(self, kept: Int64[Tensor, "kept"]) -> None:
        """Go on with some of the members, which read the same."""
