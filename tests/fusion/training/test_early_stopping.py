"""Learning curves: what a head lost in each epoch, whatever is trained beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fusion.networks.heads import HEADS
from fusion.networks.losses import Aim
from fusion.training import train
from fusion.training.train import FittedHead, HeadRows
from tests.fusion.driven import fit

ROWS = np.arange(54)
QUICK = replace(HEADS["mlp"].defaults, hidden=16, batch_size=16)


def members(*sizes: int) -> list[HeadRows]:
    """Members with training rows of their own, in three steps an epoch."""
    orders = [np.random.default_rng(seed).permutation(ROWS) for seed in range(len(sizes))]
    return [
        HeadRows(order[12 : 12 + size], order[:12], seed)
        for seed, (order, size) in enumerate(zip(orders, sizes, strict=True))
    ]


def fitted(data, some: list[HeadRows], **changes: object) -> list[FittedHead]:
    return fit("mlp", data, ("audio", "text"), some, replace(QUICK, **changes))


def test_a_curve_has_every_epoch_up_to_the_end_of_patience(make_data):
    (head,) = fitted(make_data(noise=3.0), members(42), learning_rate=1e-2)
    assert head.epoch < train.MAX_EPOCHS - train.PATIENCE
    assert len(head.curve.train) == len(head.curve.dev) == head.epoch + train.PATIENCE


def test_the_kept_epoch_is_the_least_of_the_development_curve(make_data):
    for head in fitted(make_data(noise=3.0), members(42, 30), learning_rate=1e-2):
        assert head.curve.dev[head.epoch - 1] == head.dev_loss == min(head.curve.dev)


def test_members_that_end_apart_have_curves_of_their_own(make_data):
    data, some = make_data(noise=3.0), members(42, 42, 42)
    together = fitted(data, some, learning_rate=1e-2)
    assert len({len(head.curve.dev) for head in together}) > 1
    for member, head in zip(some, together, strict=True):
        (alone,) = fitted(data, [member], learning_rate=1e-2)
        np.testing.assert_allclose(alone.curve.train, head.curve.train, rtol=1e-4)
        np.testing.assert_allclose(alone.curve.dev, head.curve.dev, rtol=1e-4)


def test_the_training_loss_is_the_mean_over_the_batches_of_an_epoch(make_data, monkeypatch):
    seen, value = [], Aim.value

    def recorded(self: Aim, sums: torch.Tensor) -> torch.Tensor:
        found = value(self, sums)
        if found.requires_grad:
            seen.append(found.detach())
        return found

    monkeypatch.setattr(train, "MAX_EPOCHS", 2)
    monkeypatch.setattr(Aim, "value", recorded)
    (head,) = fitted(make_data(), members(42))
    assert len(seen) == 2 * 3
    expected = torch.stack(seen).reshape(2, 3).mean(dim=1)
    assert head.curve.train == pytest.approx(expected.tolist())
