"""Batches of like length: every row once an epoch, little padding, nothing of rows left out."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, strategies as st

from fusion.batch import ModalityBatch, collate
from fusion.training.length_buckets import (
    BatchSampler,
    HeadRows,
    by_size,
    order_of_batches,
    side_by_side,
    sizes_of,
)

LENGTHS = np.random.default_rng(0).lognormal(4, 0.6, 600)
SEEDS = st.integers(0, 2**32 - 1)
MANY = st.lists(st.integers(1, 30), min_size=1, max_size=12)


def member(steps: int, rows: int = 400, seed: int = 0) -> BatchSampler:
    return BatchSampler.of(0, HeadRows(np.arange(rows), np.arange(0), seed), steps)


def batches(one: BatchSampler, sizes: np.ndarray | None = LENGTHS) -> list[np.ndarray]:
    """Each batch's own rows."""
    found = one.batches(sizes)
    return [rows[:count] for rows, count in zip(found.rows, found.counts, strict=True)]


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
        found = batches(member(steps, rows, seed), sizes)
        assert len(found) == steps
        counts = np.bincount(np.concatenate(found), minlength=rows)
        # A member with fewer rows than steps repeats them.
        assert counts.min() >= 1
        assert counts.sum() == max(rows, steps)


def test_batches_are_hardly_padded():
    sorted_ones, random_ones = (batches(member(25), sizes) for sizes in (LENGTHS, None))
    assert waste(sorted_ones) < 1.25
    assert waste(random_ones) > 2 * waste(sorted_ones)


def test_rows_meet_others_in_every_epoch():
    one = member(8)
    epochs = [batches(one) for _ in range(3)]
    assert len({frozenset(rows) for epoch in epochs for rows in epoch}) == 24


def test_seeds_decide_who_meets():
    alike = [batches(member(8, seed=seed)) for seed in (3, 3, 4)]
    assert all(map(np.array_equal, alike[0], alike[1]))
    assert not all(map(np.array_equal, alike[0], alike[2]))


def test_lengths_of_other_rows_change_nothing():
    poisoned = np.where(np.arange(600) < 400, LENGTHS, 1e6)
    assert all(map(np.array_equal, batches(member(8)), batches(member(8), poisoned)))


@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=4), steps=st.integers(1, 9))
def test_members_side_by_side_have_their_own_batches(sizes, steps):
    def epochs() -> list[BatchSampler]:
        return [member(steps, rows, seed) for seed, rows in enumerate(sizes)]

    index, own = side_by_side([one.batches(None) for one in epochs()])
    for number, one in enumerate(epochs()):
        for step, rows in enumerate(batches(one, None)):
            assert index[number, step][own[number, step]].tolist() == rows.tolist()
            # What fills up a batch is a row of it.
            assert set(index[number, step].tolist()) == set(rows.tolist())


@given(rows=st.integers(1, 60), steps=st.integers(1, 9), inputs=st.integers(2, 3))
def test_one_input_of_a_row_is_hidden_at_most(rows, steps, inputs):
    hidden = member(steps, rows).hidden(inputs, 0.5)
    assert hidden.shape == (member(steps, rows).rows, inputs)
    assert hidden.sum(axis=1).max() <= 1


def test_shares_are_those_that_were_asked_for():
    one = member(2)
    assert abs(one.kept(500, 0.3).mean() - 0.3) < 0.01
    hidden = np.stack([one.hidden(2, 0.3) for _ in range(100)]).mean(axis=(0, 1))
    np.testing.assert_allclose(hidden, [0.15, 0.15], atol=0.01)


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
