"""Which rows meet in a batch: rows of like length, so that little of a batch is padding.

Where an input is a sequence, a batch is as long as its longest row. Rows are dealt by their length,
anew in every epoch: lengths are blurred at random before rows are put in their order, so that the
same rows do not meet again and again, and batches of all lengths come in a random order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
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
class HeadRows:
    """One head of a stack: the rows it trains on, the rows it is stopped on, its seed."""

    train: Int64[np.ndarray, "train"]
    dev: Int64[np.ndarray, "dev"]
    seed: int


@dataclass(frozen=True, slots=True)
class Batches:
    """Rows of an epoch by batch; one with fewer rows than others repeats its last one."""

    rows: Int64[np.ndarray, "steps rows"]
    counts: Int64[np.ndarray, "steps"]


@dataclass(frozen=True, slots=True)
class BatchSampler:
    """A member that is still trained: its number in the stack and its sources of chance.

    What it draws depends on its own rows alone, so that it learns the same beside any others.
    """

    number: int
    member: HeadRows
    steps: int
    shuffling: np.random.Generator
    dropping: np.random.Generator

    @classmethod
    def of(cls, number: int, member: HeadRows, steps: int) -> "BatchSampler":
        """A member at the start of its training, with so many batches in an epoch."""
        shuffling, dropping = (np.random.default_rng([member.seed, kind]) for kind in (0, 1))
        return cls(number, member, steps, shuffling, dropping)

    @property
    def rows(self) -> int:
        """Rows of its largest batch."""
        return max(1, -(-len(self.member.train) // self.steps))

    def batches(self, sizes: Sizes | None) -> Batches:
        """Rows of an epoch in a new order, with ``sizes`` smallest first."""
        rows = self.shuffling.permutation(self.member.train)
        # A member with fewer rows than steps repeats them.
        rows = np.resize(rows, max(self.steps, len(rows)))
        if sizes is not None:
            blurred = sizes[rows] * self.shuffling.uniform(1 - BLUR, 1 + BLUR, len(rows))
            rows = rows[np.argsort(blurred, kind="stable")]
        counts = len(rows) // self.steps + (np.arange(self.steps) < len(rows) % self.steps)
        within = np.minimum(np.arange(self.rows), counts[:, None] - 1)
        return Batches(rows[(np.cumsum(counts) - counts)[:, None] + within], counts)

    def kept(self, width: int, share: float) -> Bool[np.ndarray, "width rows"]:
        """Which hidden values of a batch are kept."""
        return self.dropping.random((width, self.rows), np.float32) < share

    def hidden(self, inputs: int, share: float) -> Bool[np.ndarray, "rows inputs"]:
        """Which input of a batch's rows is hidden, if any."""
        which = self.dropping.integers(inputs, size=(self.rows, 1)) == np.arange(inputs)
        return which & (self.dropping.random((self.rows, 1)) < share)


def dropout(
    training: Sequence[BatchSampler], width: int, rows: int, share: float
) -> Float[Tensor, "members rows width"]:
    """Dropout of a step: 0 for what is dropped, more than 1 for what is kept."""
    keep = np.zeros((len(training), width, rows), np.float32)
    for member, sampler in zip(keep, training, strict=True):
        member[:, : sampler.rows] = sampler.kept(width, share)
    return torch.from_numpy(keep).div_(share).mT


def side_by_side(
    epochs: Sequence[Batches],
) -> tuple[Int64[Tensor, "members steps rows"], Bool[Tensor, "members steps rows"]]:
    """Rows of all members' batches, and which of them are a batch's own."""
    longest = max(epoch.rows.shape[1] for epoch in epochs)
    more = [((0, 0), (0, longest - epoch.rows.shape[1])) for epoch in epochs]
    pairs = zip(epochs, more, strict=True)
    rows = np.stack([np.pad(epoch.rows, wider, "edge") for epoch, wider in pairs])
    counts = np.stack([epoch.counts for epoch in epochs])
    mask = np.arange(longest) < counts[..., None]
    return torch.from_numpy(rows), torch.from_numpy(mask)


def order_of_batches(epoch: int, steps: int) -> Int64[np.ndarray, "steps"]:
    """The order in which batches of rising size are taken, the same for all members of a stack.

    So batches that meet in one step are of like length, and a member's do not depend on the others.
    """
    return np.random.default_rng([epoch, steps]).permutation(steps)


def sizes_of(batches: Sequence[ModalityBatch]) -> Sizes:
    """Values of every row's own frames over all inputs: what a row costs."""
    sizes: Sizes = np.sum([batch.lengths.numpy() * float(batch.dim) for batch in batches], axis=0)
    return sizes


def by_size(rows: Rows, sizes: Sizes | None) -> Rows:
    """Rows in the order of their size, equal ones as they were."""
    return rows if sizes is None else rows[np.argsort(sizes[rows], kind="stable")]


def padded(rows: Sequence[Rows]) -> tuple[Int64[Tensor, "members rows"], Int64[Tensor, "members"]]:
    """Row numbers of every member, padded with its first one, and how many are its own."""
    counts = [len(numbers) for numbers in rows]
    index = np.empty((len(rows), max(counts)), np.int64)
    for place, numbers, count in zip(index, rows, counts, strict=True):
        place[:count], place[count:] = numbers, numbers[0]
    return torch.from_numpy(index), torch.tensor(counts)


def values_per_row(batches: Sequence[ModalityBatch]) -> int:
    """Values of one padded row over all inputs."""
    return sum(batch.values.shape[1] * batch.values.shape[2] for batch in batches)


def block_width(batches: Sequence[ModalityBatch], members: int = 1) -> int:
    """Rows that are scored at once."""
    return max(BLOCK_ROWS, BLOCK_VALUES // (members * values_per_row(batches)))
