"""Batches: each input once, in order, never above the budget."""

from __future__ import annotations

from hypothesis import given, strategies as st

from encoders.packing import LEAST, in_batches, in_equal_batches

LENGTHS = st.lists(st.floats(0.01, 50.0), max_size=40)


def batches(lengths: list[float], budget: float) -> tuple[list[list[float]], list[float]]:
    seen: list[list[float]] = []

    def encode(batch: list[float]) -> list[float]:
        seen.append(batch)
        return [-length for length in batch]

    return seen, in_batches(lengths, float, budget, encode)


@given(LENGTHS, st.floats(0.5, 100.0))
def test_outputs_come_in_the_order_of_the_inputs(lengths, budget):
    assert batches(lengths, budget)[1] == [-length for length in lengths]


@given(LENGTHS, st.floats(0.5, 100.0))
def test_only_a_single_input_exceeds_the_budget(lengths, budget):
    for batch in batches(lengths, budget)[0]:
        assert len(batch) == 1 or max(batch) * len(batch) <= budget


@given(LENGTHS, st.floats(0.5, 100.0))
def test_every_input_is_encoded_once(lengths, budget):
    assert sorted(length for batch in batches(lengths, budget)[0] for length in batch) == sorted(
        lengths
    )


def test_neighbours_in_length_go_together():
    assert batches([9.0, 1.0, 8.0, 2.0], 18.0)[0] == [[1.0, 2.0], [8.0, 9.0]]


def test_nothing_gives_nothing():
    assert batches([], 1.0) == ([], [])


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 30))
def test_equal_batches_hold_one_length_and_are_never_small(lengths, budget):
    seen = []

    def encode(batch):
        seen.append(batch)
        return [-length for length in batch]

    assert in_equal_batches(lengths, int, budget, encode) == [-length for length in lengths]
    assert all(len(set(batch)) == 1 < len(batch) for batch in seen)
    for batch in seen:
        length = max(1, batch[0])
        assert LEAST <= len(batch) * length
        assert len(batch) <= max(2, budget // length, -(-LEAST // length))
