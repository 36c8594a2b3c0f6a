"""Batches of like length: every row once an epoch, little padding, nothing of rows left out."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from fusion.batch import ModalityBatch, collate
from fusion.buckets import Gather, Member, Training, by_size, order_of_batches, sizes_of

LENGTHS = np.random.default_rng(0).lognormal(4, 0.6, 600)
SEEDS = st.integers(0, 2**32 - 1)
MANY = st.lists(st.integers(1, 30), min_size=1, max_size=12)


def member(rows: int = 400, seed: int = 0) -> Training:
    return Training.of(0, Member(np.arange(rows), np.arange(0), seed))


def batch_of(lengths: list[int], dim: int = 3, seed: int = 0) -> ModalityBatch:
    made = torch.Generator().manual_seed(seed)
    return collate([torch.randn(length, dim, generator=made) for length in lengths])


def waste(batches: list[np.ndarray]) -> float:
    """Values of padded batches to those of their own rows."""
    padded = sum(len(rows) * LENGTHS[rows].max() for rows in batches)
    return float(padded / sum(LENGTHS[rows].sum() for rows in batches))


# ---------------------------------------------------------------- rows of an epoch


@given(rows=st.integers(1, 200), steps=st.integers(1, 9), seed=SEEDS)
def test_an_epoch_has_every_row_once(rows, steps, seed):
    for sizes in (None, LENGTHS):
        found = member(rows, seed).batches(steps, sizes)
        assert len(found) == steps
        counts = np.bincount(np.concatenate(found), minlength=rows)
        # A member with fewer rows than steps repeats them.
        assert counts.min() >= 1
        assert counts.sum() == max(rows, steps)


def test_batches_are_hardly_padded():
    sorted_ones, random_ones = (member().batches(25, sizes) for sizes in (LENGTHS, None))
    assert waste(sorted_ones) < 1.25
    assert waste(random_ones) > 2 * waste(sorted_ones)


def test_rows_meet_others_in_every_epoch():
    one = member()
    epochs = [one.batches(8, LENGTHS) for _ in range(3)]
    assert len({frozenset(rows) for epoch in epochs for rows in epoch}) == 24


def test_seeds_decide_who_meets():
    alike = [member(seed=seed).batches(8, LENGTHS) for seed in (3, 3, 4)]
    assert all(map(np.array_equal, alike[0], alike[1]))
    assert not all(map(np.array_equal, alike[0], alike[2]))


def test_lengths_of_other_rows_change_nothing():
    poisoned = np.where(np.arange(600) < 400, LENGTHS, 1e6)
    assert all(map(np.array_equal, member().batches(8, LENGTHS), member().batches(8, poisoned)))


@given(epoch=st.integers(1, 100), steps=st.integers(1, 50))
def test_batches_of_a_stack_come_in_one_order(epoch, steps):
    order = order_of_batches(epoch, steps)
    assert sorted(order) == list(range(steps))
    np.testing.assert_array_equal(order, order_of_batches(epoch, steps))


def test_epochs_have_other_orders():
    assert len({tuple(order_of_batches(epoch, 20)) for epoch in range(1, 11)}) == 10


def test_development_rows_come_by_size():
    sizes = np.array([3.0, 1.0, 2.0, 1.0])
    rows = np.array([0, 3, 2, 1])
    assert by_size(rows, sizes).tolist() == [3, 1, 2, 0]
    assert by_size(rows, None).tolist() == [0, 3, 2, 1]


def test_the_size_of_a_row_is_what_its_own_frames_hold():
    assert sizes_of([batch_of([2, 5]), batch_of([4, 1], dim=7)]).tolist() == [34, 22]


# ---------------------------------------------------------------- gathering


@given(lengths=MANY, patch=st.integers(1, 4), seed=SEEDS)
def test_what_is_gathered_are_the_rows(lengths, patch, seed):
    rng = np.random.default_rng(seed)
    batches = [batch_of(lengths), batch_of(lengths[::-1], dim=2, seed=1)]
    gather = Gather(batches, [patch, 1])
    for _ in range(3):
        index = torch.from_numpy(rng.integers(0, len(lengths), (2, rng.integers(1, 6))))
        found = gather.rows(index)
        for number, batch in enumerate(batches):
            values, mask, present = found[3 * number : 3 * number + 3]
            for own, row in zip(values.flatten(0, 1), index.flatten(), strict=True):
                own_frames = batch.values[row][: own.shape[0]]
                assert torch.equal(own, own_frames)
            longest = int(batch.lengths[index].max())
            assert torch.equal(mask.sum(dim=2), batch.lengths[index])
            assert longest <= mask.shape[2] < longest + (patch, 1)[number]
            assert present.all()


def test_memory_is_used_again():
    gather = Gather([batch_of([3, 9, 5])], [1])
    first = gather.rows(torch.tensor([[1, 0]]))[0]
    second = gather.rows(torch.tensor([[2]]))[0]
    assert first.data_ptr() == second.data_ptr()
