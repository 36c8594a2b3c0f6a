"""Gathering: what members of a stack read are their own rows, and are as heads make them."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, strategies as st

from fusion.batch import ModalityBatch, Standardizer, collate
from fusion.networks.head import InputShape
from fusion.networks.heads import HEADS
from fusion.networks.linear import LinearHead
from fusion.training.gathering import GatherEmbeddings, GatherSequences

SEEDS = st.integers(0, 2**32 - 1)
MANY = st.lists(st.integers(1, 30), min_size=1, max_size=12)


def batch_of(lengths: list[int], dim: int = 3, seed: int = 0) -> ModalityBatch:
    made = torch.Generator().manual_seed(seed)
    return collate([torch.randn(length, dim, generator=made) for length in lengths])


def test_embeddings_are_those_that_each_head_would_make():
    """Bit by bit: a head is stopped by what it will say when it is used."""
    batches = [batch_of([1] * 9), batch_of([1] * 9, dim=5, seed=1)]
    taught = [torch.tensor([0, 1, 2, 3]), torch.tensor([4, 5, 6, 7, 8])]
    fitted = [[Standardizer.fitted(batch, rows) for batch in batches] for rows in taught]
    gather = GatherEmbeddings(batches, fitted)
    index = torch.tensor([[3, 0, 3], [8, 2, 4]])

    def expected(number: int) -> torch.Tensor:
        head = LinearHead([InputShape(3), InputShape(5)], 2, HEADS["linear"].defaults)
        head.standardize_with(fitted[number])
        return head.embeddings([batch.rows(index[number]) for batch in batches])

    for number, found in enumerate(gather.rows(index)):
        assert torch.equal(found, expected(number))
    gather.thin_out(torch.tensor([1]))
    assert torch.equal(gather.rows(index[1:])[0], expected(1))


@given(lengths=MANY, patch=st.integers(1, 4), seed=SEEDS)
def test_what_is_gathered_are_the_rows(lengths, patch, seed):
    rng = np.random.default_rng(seed)
    batches = [batch_of(lengths), batch_of(lengths[::-1], dim=2, seed=1)]
    gather = GatherSequences(batches, [patch, 1])
    for _ in range(3):
        index = torch.from_numpy(rng.integers(0, len(lengths), (2, rng.integers(1, 6))))
        found = gather.rows(index)
        for number, batch in enumerate(batches):
            values, mask, present = found[number].values, found[number].mask, found[number].present
            for own, row in zip(values.flatten(0, 1), index.flatten(), strict=True):
                own_frames = batch.values[row][: own.shape[0]]
                assert torch.equal(own, own_frames)
            longest = int(batch.lengths[index].max())
            assert torch.equal(mask.sum(dim=2), batch.lengths[index])
            assert longest <= mask.shape[2] < longest + (patch, 1)[number]
            assert present.all()


def test_memory_is_used_again():
    gather = GatherSequences([batch_of([3, 9, 5])], [1])
    first = gather.rows(torch.tensor([[1, 0]]))[0].values
    second = gather.rows(torch.tensor([[2]]))[0].values
    assert first.data_ptr() == second.data_ptr()
