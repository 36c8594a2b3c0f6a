"""Collating pads, marks what is missing, and rows depend on nothing but themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fusion.batch import Dataset, Standardizer, collate

pytestmark = pytest.mark.arithmetic


def frames(*values: float) -> torch.Tensor:
    return torch.tensor([[float(value), 10.0 * value] for value in values])


def test_sequences_are_padded_with_zeros():
    batch = collate([frames(1, 2, 3), frames(4)])
    assert batch.values[1].tolist() == [[4, 40], [0, 0], [0, 0]]


def test_the_mask_marks_own_frames():
    batch = collate([frames(1, 2, 3), frames(4)])
    assert batch.mask.tolist() == [[True, True, True], [True, False, False]]


def test_a_missing_row_has_one_frame_of_zeros():
    batch = collate([None, frames(1, 2)])
    assert (batch.mask[0].tolist(), batch.values[0].tolist()) == ([True, False], [[0, 0], [0, 0]])


def test_a_missing_row_is_marked():
    assert collate([None, frames(1, 2)]).present.tolist() == [False, True]


def test_rows_of_different_widths_are_refused():
    with pytest.raises(ValueError, match="one width, found 2, 3"):
        collate([torch.zeros(1, 2), torch.zeros(1, 3)])


def test_nothing_at_all_is_refused():
    with pytest.raises(ValueError, match="no embedding at all"):
        collate([None, None])


def test_rows_are_picked_in_the_order_asked_for():
    batch = collate([frames(1), None, frames(3)]).rows(torch.tensor([2, 1]))
    assert (batch.values[0].tolist(), batch.present.tolist()) == ([[3, 30]], [True, False])


def test_rows_are_as_long_as_the_longest_of_them():
    batch = collate([frames(1, 2, 3, 4), frames(1, 2), frames(1)])
    assert batch.rows(torch.tensor([1, 2])).values.shape == (2, 2, 2)


def test_no_rows_can_be_picked():
    batch = collate([frames(1, 2), frames(1)])
    assert batch.rows(torch.tensor([], dtype=torch.long)).values.shape[0] == 0


def test_positions_of_ids():
    data = Dataset(("x", "y", "z"), ("a",), np.zeros(3, np.int64), {})
    assert data.index(["z", "x"]).tolist() == [2, 0]


# ---------------------------------------------------------------- standardisation


def test_a_standardizer_equals_numpy():
    rows = [torch.randn(n, 4, generator=torch.Generator().manual_seed(n)) for n in (3, 7, 2)]
    fitted = Standardizer.fitted(collate(rows))
    everything = torch.cat(rows).double().numpy()
    np.testing.assert_allclose(fitted.mean.numpy(), everything.mean(axis=0), rtol=1e-5)


def test_the_scale_of_a_standardizer_equals_numpy():
    rows = [torch.randn(n, 4, generator=torch.Generator().manual_seed(n)) for n in (3, 7, 2)]
    fitted = Standardizer.fitted(collate(rows))
    everything = torch.cat(rows).double().numpy()
    np.testing.assert_allclose(fitted.scale.numpy(), everything.std(axis=0), rtol=1e-5)


def test_padding_does_not_reach_a_standardizer():
    one = Standardizer.fitted(collate([frames(1, 2), frames(3)]))
    other = Standardizer.fitted(
        collate([frames(1, 2), frames(3), None]).rows(torch.tensor([0, 1, 2]))
    )
    assert torch.equal(one.mean, other.mean)


def test_a_dimension_that_never_varies_keeps_its_scale():
    assert Standardizer.fitted(collate([torch.full((5, 2), 0.1)] * 3)).scale.tolist() == [1, 1]


def test_a_dimension_that_never_varies_becomes_exactly_0():
    batch = collate([torch.full((1, 2), 0.1)] * 3)
    fitted = Standardizer.fitted(batch)
    assert ((batch.values - fitted.mean) / fitted.scale).abs().max() == 0


def test_a_dimension_that_varies_by_rounding_alone_is_not_made_loud():
    """As three of MiniLM's dimensions: around 0, 1e-7 of the others and less."""
    rows = torch.randn(30, 5, generator=torch.Generator().manual_seed(0))
    rows[:, 1] *= 1e-8
    rows[:, 3] *= 1e-33
    batch = collate(list(rows[:, None]))
    fitted = Standardizer.fitted(batch)
    assert fitted.scale[[1, 3]].tolist() == [1, 1]
    assert ((batch.values - fitted.mean) / fitted.scale)[..., [1, 3]].abs().max() < 1e-6


@pytest.mark.parametrize("ratio", [1e-4, 1e4])
def test_dimensions_of_other_units_are_scaled_by_their_own(ratio):
    rows = torch.randn(30, 5, generator=torch.Generator().manual_seed(0))
    rows[:, 1] *= ratio
    fitted = Standardizer.fitted(collate(list(rows[:, None])))
    assert float(fitted.scale[1]) == pytest.approx(float(rows[:, 1].std(correction=0)), rel=1e-5)


def test_some_rows_are_fitted_as_if_there_were_no_others():
    rows = [torch.randn(n, 4, generator=torch.Generator().manual_seed(n)) for n in (3, 7, 2, 50)]
    some = Standardizer.fitted(collate([*rows, None]), torch.tensor([2, 0, 4]))
    alone = Standardizer.fitted(collate([rows[2], rows[0]]))
    assert torch.equal(some.mean, alone.mean)
    assert torch.equal(some.scale, alone.scale)


def test_small_dimensions_are_scaled_too():
    fitted = Standardizer.fitted(collate([frames(1e-5), frames(2e-5), frames(4e-5)]))
    assert fitted.scale.max() < 1e-3


def test_a_modality_missing_everywhere_is_left_as_it_is():
    batch = collate([None, None, frames(5)]).rows(torch.tensor([0, 1]))
    fitted = Standardizer.fitted(batch)
    assert (fitted.mean.tolist(), fitted.scale.tolist()) == ([0, 0], [1, 1])
