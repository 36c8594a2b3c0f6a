"""Who watches training is told after every epoch what heads would say if they were done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fusion.networks.heads import HEADS
from fusion.training import train
from fusion.training.early_stopping import DevScores
from fusion.training.length_buckets import HeadRows
from tests.fusion.driven import fit

ROWS = np.arange(54)
KINDS = {
    **dict.fromkeys(("linear", "mlp", "gated", "lowrank"), ("audio", "text")),
    "attention": ("audio_frames", "text_tokens"),
}
QUICK = {kind: replace(HEADS[kind].defaults, hidden=16, batch_size=16) for kind in KINDS}


@pytest.fixture(autouse=True)
def _few_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "MAX_EPOCHS", 12)
    monkeypatch.setattr(train, "PATIENCE", 3)


def members(*sizes: int) -> list[HeadRows]:
    """Members with rows of their own."""
    orders = [np.random.default_rng(seed).permutation(ROWS) for seed in range(len(sizes))]
    return [
        HeadRows(order[12 : 12 + size], order[:12], seed)
        for seed, (order, size) in enumerate(zip(orders, sizes, strict=True))
    ]


def watched(kind, data, some, hyper) -> tuple[list[train.FittedHead], dict[int, list[DevScores]]]:
    seen: dict[int, list[DevScores]] = {}
    heads = fit(
        kind, data, KINDS[kind], some, hyper, lambda epoch, said: seen.update({epoch: said})
    )
    return heads, seen


@pytest.mark.parametrize("kind", KINDS)
def test_at_last_a_watcher_has_seen_what_the_heads_say(kind, make_data):
    data, some = make_data(noise=3.0), members(42, 40)
    heads, seen = watched(kind, data, some, replace(QUICK[kind], learning_rate=1e-2))
    for head, member, last in zip(heads, some, seen[max(seen)], strict=True):
        assert sorted(last.rows) == sorted(member.dev)
        said = head.scores([one.rows(torch.from_numpy(last.rows)) for one in data.of(KINDS[kind])])
        np.testing.assert_allclose(last.scores, said, atol=1e-5)


def test_a_watcher_sees_what_a_head_would_be_if_it_ended_now(make_data, monkeypatch):
    data, some = make_data(noise=3.0), members(42)
    _, seen = watched("mlp", data, some, QUICK["mlp"])
    monkeypatch.setattr(train, "MAX_EPOCHS", 4)
    _, short = watched("mlp", data, some, QUICK["mlp"])
    assert list(short) == [1, 2, 3, 4]
    assert (short[4][0].scores == seen[4][0].scores).all()
    assert (seen[1][0].scores != seen[4][0].scores).any()


def test_of_several_stacks_a_watcher_sees_all_members_after_every_epoch(make_data, monkeypatch):
    data, some = make_data(noise=3.0), members(42, 42, 42)
    monkeypatch.setattr(train, "MAX_EPOCHS", 40)
    hasty = replace(QUICK["mlp"], learning_rate=0.02)
    whole, one = watched("mlp", data, some, hasty)
    monkeypatch.setattr(train, "STACK_VALUES", 1)
    parts, several = watched("mlp", data, some, hasty)
    assert len({len(head.curve.dev) for head in whole}) > 1, "they end at different epochs"
    assert [head.epoch for head in parts] == [head.epoch for head in whole]
    assert list(several) == list(one) == list(range(1, max(one) + 1))
    for epoch, said in several.items():
        for own, other in zip(said, one[epoch], strict=True):
            assert (own.rows == other.rows).all()
            np.testing.assert_allclose(own.scores, other.scores, atol=1e-4)
