"""Losses of shares, labels and values by their formulas; what is padded weighs nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from torch.nn import functional

from fusion.evaluation import metrics
from fusion.networks.losses import LOSSES, Aim, aim_of, answers, with_loss

TASKS = [(task, loss) for task, losses in LOSSES.items() for loss in losses]


def drawn(task: str, seed: int, rows: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and goals of one member, ``[1, rows, 3]``."""
    rng = np.random.default_rng(seed)
    goals = {
        "single-label": np.eye(3)[np.r_[0, 1, 2, rng.integers(0, 3, rows - 3)]],
        "distribution": rng.dirichlet(np.ones(3), rows),
        "multi-label": (rng.random((rows, 3)) < 0.4).astype(float),
        "regression": 3 + 2 * rng.normal(size=(rows, 3)),
    }[task]
    if task == "multi-label":
        goals[0], goals[1] = 1, 0
    found = rng.normal(size=(1, rows, 3)), goals[None]
    logits, truth = (torch.from_numpy(one.astype(np.float32)) for one in found)
    return logits, truth


def loss_of(aim: Aim, logits: torch.Tensor, goals: torch.Tensor) -> float:
    every = torch.ones(goals.shape[:2], dtype=torch.bool)
    return float(aim.value(aim.sums(logits, goals, every))[0])


@pytest.mark.parametrize(("task", "loss"), TASKS)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 11))
def test_a_row_of_no_weight_changes_nothing_and_blocks_add_up(task, loss, seed, cut):
    logits, goals = drawn(task, seed)
    aim = aim_of(task, loss, 2.0, [goals[0]])
    whole = loss_of(aim, logits, goals)
    own = torch.ones(1, 12, dtype=torch.bool)
    noise = torch.full_like(logits[:, :2], 50.0)
    padded = aim.sums(
        torch.cat([logits, noise], dim=1),
        torch.cat([goals, goals[:, :2]], dim=1),
        torch.cat([own, ~own[:, :2]], dim=1),
    )
    assert float(aim.value(padded)[0]) == pytest.approx(whole, rel=1e-4, abs=1e-5)
    blocks = [aim.sums(logits[:, s], goals[:, s], own[:, s]) for s in (slice(cut), slice(cut, 12))]
    assert float(aim.value(sum(blocks[1:], blocks[0]))[0]) == pytest.approx(
        whole, rel=1e-4, abs=1e-5
    )


@pytest.mark.parametrize(("task", "loss"), TASKS)
def test_the_order_of_targets_changes_no_loss(task, loss):
    logits, goals = drawn(task, 0)
    order = [2, 0, 1]
    turned = goals[..., order]
    one = loss_of(aim_of(task, loss, 2.0, [goals[0]]), logits, goals)
    other = loss_of(aim_of(task, loss, 2.0, [turned[0]]), logits[..., order], turned)
    assert one == pytest.approx(other, rel=1e-5)


def test_classes_have_the_weighted_cross_entropy_of_torch():
    logits, goals = drawn("single-label", 1)
    aim = aim_of("single-label", "cross_entropy", 2.0, [goals[0]])
    weights = aim.positive[0]
    expected = functional.cross_entropy(logits[0], goals[0].argmax(dim=1), weights)
    assert loss_of(aim, logits, goals) == pytest.approx(float(expected), rel=1e-5)
    shares = aim_of("distribution", "cross_entropy", 2.0, [goals[0]])
    assert loss_of(shares, logits, goals) == loss_of(aim, logits, goals)


def test_shares_have_the_gradient_of_the_divergence():
    """Cross-entropy is the divergence of Kullback and Leibler but for the entropy of the truth."""
    logits, goals = drawn("distribution", 2)
    aim = aim_of("distribution", "cross_entropy", 2.0, [goals[0]])
    even = Aim(aim.task, aim.loss, 2.0, torch.ones(1, 3), aim.negative, aim.shift, aim.scale)
    logits.requires_grad_()
    every = torch.ones(1, 12, dtype=torch.bool)
    even.value(even.sums(logits, goals, every)).sum().backward()
    found, logits.grad = logits.grad, None
    functional.kl_div(logits.log_softmax(-1)[0], goals[0], reduction="batchmean").backward()
    torch.testing.assert_close(found, logits.grad)


def test_labels_have_the_binary_cross_entropy_of_torch():
    logits, goals = drawn("multi-label", 3)
    aim = aim_of("multi-label", "cross_entropy", 2.0, [goals[0]])
    positives = goals[0].sum(dim=0)
    weight = (12 - positives) / positives
    each = functional.binary_cross_entropy_with_logits(
        logits[0], goals[0], pos_weight=weight, reduction="none"
    )
    # Presence weighs as absence does in all; torch's weights are 2 (n - p) / n times ours.
    expected = (each * 12 / (2 * (12 - positives))).mean()
    assert loss_of(aim, logits, goals) == pytest.approx(float(expected), rel=1e-5)


def test_values_have_the_concordance_of_the_metric_in_their_units():
    logits, goals = drawn("regression", 4)
    aim = aim_of("regression", "ccc", 2.0, [goals[0]])
    said = (logits * aim.scale + aim.shift)[0].double().numpy()
    expected = [metrics.ccc(goals[0].double().numpy()[:, k], said[:, k]) for k in range(3)]
    assert loss_of(aim, logits, goals) == pytest.approx(1 - np.mean(expected), abs=1e-5)


def test_values_have_the_mean_squared_error_of_what_is_standardised():
    logits, goals = drawn("regression", 5)
    aim = aim_of("regression", "mse", 2.0, [goals[0]])
    truth = (goals - goals.mean(dim=1)) / goals.std(dim=1, correction=0)
    expected = float((logits - truth).square().mean())
    assert loss_of(aim, logits, goals) == pytest.approx(expected, rel=1e-5)


def test_one_row_and_rows_that_are_all_alike_have_a_finite_gradient():
    for rows in (1, 4):
        logits = torch.zeros(1, rows, 2, requires_grad=True)
        aim = aim_of("regression", "ccc", 2.0, [torch.zeros(4, 2)])
        every = torch.ones(1, rows, dtype=torch.bool)
        aim.value(aim.sums(logits, torch.zeros(1, rows, 2), every)).sum().backward()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()


def test_members_that_are_left_keep_their_own_weights():
    sides = [drawn("multi-label", seed)[1][0] for seed in range(3)]
    aim = aim_of("multi-label", "cross_entropy", 2.0, sides)
    kept = aim.of(torch.tensor([2, 0]))
    torch.testing.assert_close(kept.positive, aim.positive[[2, 0]])


def test_answers_are_what_the_task_says():
    logits = torch.tensor([[0.0, 2.0]])
    assert answers(logits, "regression") is logits
    assert float(answers(logits, "multi-label")[0, 0]) == 0.5
    assert float(answers(logits, "single-label").sum()) == pytest.approx(1)


def test_the_default_loss_is_that_of_the_task():
    assert with_loss({"hidden": 3}, "multi-label") == {"hidden": 3}
    assert with_loss({"loss": "mse"}, "regression") == {"loss": "mse"}
    with pytest.raises(ValueError, match="loss of single-label and distribution and multi-label"):
        with_loss({"loss": "cross_entropy"}, "regression")
