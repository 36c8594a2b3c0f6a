"""Stacks: several heads computed as one say what each says by itself."""

from __future__ import annotations

import pytest
import torch

from fusion.batch import ModalityBatch, Standardizer
from fusion.networks.head import Head, InputShape
from fusion.networks.heads import HEADS
from fusion.networks.stacks import stacked, thinned_out

pytestmark = pytest.mark.arithmetic

MEMBERS, ROWS, FRAMES = 3, 5, (6, 9)


def heads_of(kind: str, layers: int) -> list[Head]:
    """Heads that differ in everything: weights, tokens, mixes of layers, standardisation."""
    made = []
    for seed in range(MEMBERS):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            shapes = [InputShape(4, patch=4, layers=layers), InputShape(3)]
            head = HEADS[kind].network(shapes, 2, HEADS[kind].defaults)
            for parameter in head.parameters():
                torch.nn.init.normal_(parameter, std=0.5)
            dims = (4 * layers, 3)
            head.standardize_with([Standardizer(torch.randn(d), torch.rand(d) + 0.5) for d in dims])
        made.append(head.eval())
    return made


def batches(layers: int) -> list[ModalityBatch]:
    """Rows of every member, of unequal lengths, some missing."""
    made = torch.Generator().manual_seed(0)
    found = []
    for dim, frames, count in ((4 * layers, FRAMES[0], layers), (3, FRAMES[1], 1)):
        values = torch.randn(MEMBERS, ROWS, frames, dim, generator=made)
        lengths = torch.randint(1, frames + 1, (MEMBERS, ROWS), generator=made)
        batch = ModalityBatch(
            values,
            torch.arange(frames) < lengths[..., None],
            torch.ones(MEMBERS, ROWS, dtype=torch.bool),
            count,
        )
        found.append(batch.hidden(torch.rand(MEMBERS, ROWS, generator=made) < 0.3))
    return found


def of(batch: ModalityBatch, member: int) -> ModalityBatch:
    parts = (batch.values, batch.mask, batch.present)
    return ModalityBatch(*(part[member] for part in parts), batch.layers)


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("layers", [1, 3])
def test_each_head_of_a_stack_says_what_it_says_alone(kind, layers):
    heads, given = heads_of(kind, layers), batches(layers)
    together, keep = stacked(heads), torch.rand(MEMBERS, ROWS, heads[0].width)
    for number, logits in enumerate(together(given, keep)):
        alone = heads[number]([of(batch, number) for batch in given], keep[number])
        torch.testing.assert_close(logits, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", HEADS)
def test_gradients_are_those_of_each_head_alone(kind):
    heads, given = heads_of(kind, 1), batches(1)
    together = stacked(heads)
    together(given).square().sum().backward()
    for number, head in enumerate(heads):
        head([of(batch, number) for batch in given]).square().sum().backward()
    for name, parameter in together.named_parameters():
        alone = torch.stack([head.get_parameter(name).grad for head in heads])
        torch.testing.assert_close(parameter.grad, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", HEADS)
def test_what_is_left_of_a_stack_is_as_before(kind):
    heads, given = heads_of(kind, 1), batches(1)
    together = stacked(heads)
    before = together(given)
    before.sum().backward()
    left = thinned_out(together, torch.tensor([0, 2]))
    some = [
        ModalityBatch(one.values[[0, 2]], one.mask[[0, 2]], one.present[[0, 2]]) for one in given
    ]
    torch.testing.assert_close(left(some), before[[0, 2]], rtol=1e-5, atol=1e-5)
    left(some).sum().backward()
    assert {len(own.grad) for own in left.parameters() if own.grad is not None} == {2}


def test_a_stack_shares_nothing_with_its_heads():
    heads = heads_of("mlp", 1)
    before = heads[0].classify.weight.clone()
    with torch.no_grad():
        stacked(heads).classify.weight.zero_()
    assert torch.equal(heads[0].classify.weight, before)
