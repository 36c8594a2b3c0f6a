"""Which rows meet in a batch: rows of like length, so that little of a batch is padding.

Where an input is a sequence, a batch is as long as its longest row. Rows are dealt by their length,
anew in every epoch: lengths are blurred at random before rows are put in their order, so that the
same rows do not meet again and again, and batches of all lengths come in a random order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from fusion.batch import ModalityBatch

#: Lengths are blurred by up to this share of themselves, either way.
BLUR = 0.1

#: Values of a block of rows that are scored at once, and the least rows of one: larger blocks take
#: longer, because they leave the processor's cache.
BLOCK_VALUES, BLOCK_ROWS = 1 << 20, 64

Rows = Int64[np.ndarray, "_rows"]
#: Values of a row's own frames, over all inputs; 0 for rows that no member has.
Sizes = Float64[np.ndarray, "everyone"]


@dataclass(frozen=True, slots=True)
class Member:
    """One head of a stack: the rows it trains on, the rows it is stopped on, its seed."""

    train: Int64[np.ndarray, "train"]
    dev: Int64[np.ndarray, "dev"]
    seed: int


@dataclass(frozen=True, slots=True)
class Training:
    """A member that is still trained: its number in the stack and its sources of chance."""

    number: int
    member: Member
    shuffling: np.random.Generator
    dropping: torch.Generator

    @classmethod
    def of(cls, number: int, member: Member) -> "Training":
        """A member at the start of its training."""
        drops = torch.Generator().manual_seed(member.seed)
        return cls(number, member, np.random.default_rng([member.seed, 0]), drops)

    def batches(self, steps: int, sizes: Sizes | None) -> list[Rows]:
        """Rows of an epoch in a new order, in so many batches, with ``sizes`` smallest first."""
        rows = self.shuffling.permutation(self.member.train)
        rows = np.resize(rows, max(steps, len(rows)))
        if sizes is not None:
            blurred = sizes[rows] * self.shuffling.uniform(1 - BLUR, 1 + BLUR, len(rows))
            rows = rows[np.argsort(blurred, kind="stable")]
        return np.array_split(rows, steps)


def order_of_batches(epoch: int, steps: int) -> Int64[np.ndarray, "steps"]:
    """The order in which batches of rising size are taken, the same for all members of a stack.

    So batches that meet in one step are of like length, and a member's do not depend on the others.
    """
    return np.random.default_rng([epoch, steps]).permutation(steps)


def sizes_of(batches: Sequence[ModalityBatch]) -> Sizes:
    """Values of every row's own frames over all inputs: what a row costs."""
    found: Sizes = np.sum([batch.lengths.numpy() * float(batch.dim) for batch in batches], axis=0)
    return found


def by_size(rows: Rows, sizes: Sizes | None) -> Rows:
    """Rows in the order of their size, equal ones as they were."""
    return rows if sizes is None else rows[np.argsort(sizes[rows], kind="stable")]


def padded(rows: Sequence[Rows]) -> tuple[Int64[Tensor, "members rows"], Int64[Tensor, "members"]]:
    """Row numbers of every member, padded with its first one, and how many are its own."""
    longest = max(map(len, rows))
    index = np.stack([np.r_[own, np.full(longest - len(own), own[0])] for own in rows])
    return torch.from_numpy(index), torch.tensor([len(own) for own in rows])


def values_per_row(batches: Sequence[ModalityBatch]) -> int:
    """Values of one padded row over all inputs."""
    return sum(batch.values.shape[1] * batch.values.shape[2] for batch in batches)


def block_width(batches: Sequence[ModalityBatch], members: int = 1) -> int:
    """Rows that are scored at once."""
    return max(BLOCK_ROWS, BLOCK_VALUES // (members * values_per_row(batches)))


@dataclass(frozen=True, slots=True)
class Step:
    """Rows of every member, which of them are its own, and their inputs."""

    index: Int64[Tensor, "members rows"]
    own: Bool[Tensor, "members rows"]
    tensors: list[Tensor]


class Gather:
    """Rows of several inputs for every member of a stack, cut to the longest of them.

    They come in memory that the next call uses again: of long sequences new memory for every batch
    takes longer than copying them.
    """

    def __init__(self, batches: Sequence[ModalityBatch], patches: Sequence[int]) -> None:
        self.batches, self.patches = batches, patches
        self.lengths = [batch.lengths for batch in batches]
        self.room = [torch.empty(0) for _ in batches]

    def rows(self, index: Int64[Tensor, "members rows"]) -> list[Tensor]:
        """Values, mask and presence of each input in turn; leading axes are those of ``index``."""
        found = []
        for number, batch in enumerate(self.batches):
            lengths = self.lengths[number][index]
            frames = self._frames(number, int(lengths.max()))
            mask = torch.arange(frames) < lengths[..., None]
            found += [self._values(number, index, frames), mask, batch.present[index]]
        return found

    def _frames(self, number: int, longest: int) -> int:
        # Whole patches where there is room, because filling up the last one is a copy of all.
        patch = self.patches[number]
        return min(-(-longest // patch) * patch, self.batches[number].mask.shape[1])

    def _values(self, number: int, index: Tensor, frames: int) -> Tensor:
        batch = self.batches[number]
        needed = index.numel() * frames * batch.dim
        if self.room[number].numel() < needed:
            self.room[number] = torch.empty(needed)
        out = self.room[number][:needed].view(index.numel(), frames, batch.dim)
        torch.index_select(batch.values[:, :frames], 0, index.flatten(), out=out)
        return out.unflatten(0, index.shape)
