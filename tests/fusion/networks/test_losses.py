"""Losses: weights of classes and focal terms by their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from fusion.networks.losses import BALANCE, aim_of, class_weights, entropies

TRUTH = torch.tensor([0, 0, 0, 0, 1, 1, 2])
GOALS = functional.one_hot(TRUTH).float()


def test_classes_weigh_by_their_inverse_frequency():
    expected = compute_class_weight("balanced", classes=np.arange(3), y=TRUTH.numpy())
    found = class_weights(GOALS, "cross_entropy").numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_balanced_classes_weigh_by_their_effective_number():
    """Cui et al. 2019, equation 2, scaled so that rows weigh 1 on average."""
    effective = np.array([sum(BALANCE**k for k in range(n)) for n in (4, 2, 1)])
    found = class_weights(GOALS, "class_balanced").double().numpy()
    np.testing.assert_allclose(found / found[0], effective[0] / effective, rtol=1e-6)
    assert found[TRUTH.numpy()].mean() == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("loss", ["cross_entropy", "class_balanced"])
def test_a_class_that_training_lacks_weighs_nothing(loss):
    assert class_weights(torch.eye(3)[[0, 0, 1]], loss)[2] == 0


def test_focal_terms_leave_easy_rows_out():
    logits = torch.tensor([[2.0, 0.0], [-1.0, 0.0]])
    goals = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    share = logits.softmax(dim=1)[:, 0]
    expected = (1 - share) ** 2 * -share.log()
    torch.testing.assert_close(entropies(logits, goals, "focal", 2.0).sum(dim=1), expected)
    plain = entropies(logits, goals, "cross_entropy", 2.0)
    torch.testing.assert_close(entropies(logits, goals, "focal", 0.0), plain)


def test_a_row_that_is_certain_has_a_focal_gradient_that_is_finite():
    logits = torch.tensor([[200.0, 0.0], [-200.0, 0.0]], requires_grad=True)
    entropies(logits, torch.eye(2)[[0, 0]], "focal", 0.5).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


LOGITS = torch.tensor([[0.5, -1.0, 0.2]]).repeat(7, 1) * torch.arange(1, 8)[:, None]
EVERY = torch.ones(1, 7, dtype=torch.bool)


def loss_of(task, loss, goals):
    aim = aim_of(task, loss, 2.0, [goals])
    return aim.value(aim.sums(LOGITS[None], goals[None], EVERY))[0]


def test_plain_losses_are_means_over_rows():
    torch.testing.assert_close(
        loss_of("single-label", "plain", GOALS), functional.cross_entropy(LOGITS, TRUTH)
    )
    share = LOGITS.softmax(dim=1)[range(7), TRUTH]
    expected = ((1 - share) ** 2 * -share.log()).mean()
    torch.testing.assert_close(loss_of("single-label", "focal_plain", GOALS), expected)
    shares = torch.tensor([[0.6, 0.3, 0.1]]).repeat(7, 1)
    torch.testing.assert_close(
        loss_of("distribution", "plain", shares), functional.cross_entropy(LOGITS, shares)
    )
    torch.testing.assert_close(
        loss_of("multi-label", "plain", GOALS),
        functional.binary_cross_entropy_with_logits(LOGITS, GOALS),
    )


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_a_weighted_loss_is_another(task):
    assert not torch.isclose(
        loss_of(task, "plain", GOALS), loss_of(task, "cross_entropy", GOALS), rtol=0.01
    )
