"""Heads: padding and neighbours change nothing, missing modalities have a token, shapes fit."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given, strategies as st

from fusion.batch import ModalityBatch, Standardizer, collate
from fusion.networks.attention import AttentionHead, PatchEmbedding, positions
from fusion.networks.head import Head, Hyperparameters, InputShape, fixed_values
from fusion.networks.heads import HEADS, RANK, GatedHead, LowRankHead, MlpHead

pytestmark = pytest.mark.arithmetic

SHAPES = (InputShape(5, patch=4), InputShape(7))
KINDS = tuple(HEADS)


def sequences(dim: int, *lengths: int | None, seed: int = 0) -> list[torch.Tensor | None]:
    made = torch.Generator().manual_seed(seed)
    return [None if n is None else 3 + 2 * torch.randn(n, dim, generator=made) for n in lengths]


def batches(*lengths: int | None) -> list[ModalityBatch]:
    """Two modalities; the second is the longer one, in reverse order."""
    other = [None if n is None else 2 * n + 1 for n in lengths]
    return [collate(sequences(5, *lengths)), collate(sequences(7, *other[::-1], seed=1))]


def make(kind: str, shapes: tuple[InputShape, ...] = SHAPES) -> MlpHead | AttentionHead:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = HEADS[kind].network(shapes, 3, HEADS[kind].defaults)
        # Tokens start at zero, where a mistake would not show, and so does a linear head.
        for name, parameter in head.named_parameters():
            if "token" in name or (kind == "linear" and "classify" in name):
                torch.nn.init.normal_(parameter)
    fitted = [
        Standardizer(torch.full((s.dim,), 3.0), torch.linspace(0.5, 2, s.dim)) for s in shapes
    ]
    head.standardize_with(fitted)
    return head.eval()


def longer(batch: ModalityBatch, by: int, value: float = 0.0) -> ModalityBatch:
    rows, _, dim = batch.values.shape
    return ModalityBatch(
        torch.cat([batch.values, torch.full((rows, by, dim), value)], dim=1),
        torch.cat([batch.mask, torch.zeros(rows, by, dtype=torch.bool)], dim=1),
        batch.present,
    )


def close(one: torch.Tensor, other: torch.Tensor) -> None:
    one, other = one.detach(), other.detach()
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * float(other.abs().max()))


# ---------------------------------------------------------------- padding


@pytest.mark.parametrize("by", [1, 3, 4, 50])
@pytest.mark.parametrize("modality", [0, 1])
def test_more_padding_changes_no_logit(by, modality):
    head, given = make("attention"), batches(9, 4, 1, 6)
    padded = list(given)
    padded[modality] = longer(given[modality], by)
    close(head(padded), head(given))


def test_more_padding_changes_no_logit_of_a_single_modality():
    head, given = make("attention", SHAPES[:1]), batches(9, 4, 1, 6)[:1]
    close(head([longer(given[0], 13)]), head(given))


@given(
    lengths=st.lists(st.none() | st.integers(1, 40), min_size=1, max_size=6),
    more=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    seed=st.integers(0, 1000),
)
def test_a_row_is_the_same_alone_and_however_long_its_neighbours_are(lengths, more, seed):
    head = make("attention")
    given = [collate([*sequences(dim, *lengths, seed=seed), torch.ones(1, dim)]) for dim in (5, 7)]
    beside = head([longer(one, by) for one, by in zip(given, more, strict=True)])
    for row in range(len(lengths)):
        close(head([one.rows(torch.tensor([row])) for one in given])[0], beside[row])


def test_the_mask_is_what_keeps_padding_out():
    head, given = make("attention"), batches(9, 4, 1, 6)
    padded = longer(given[0], 8)
    unmasked = replace(padded, mask=torch.ones_like(padded.mask))
    assert (head([unmasked, given[1]]) - head(given)).abs().max() > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_one_equals_a_batch_of_many(kind):
    head, given = make(kind), batches(9, 4, None, 1, 6)
    alone = [head([b.rows(torch.tensor([row])) for b in given]) for row in range(5)]
    close(torch.cat(alone), head(given))


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_rows_changes_no_logit(kind):
    head, given = make(kind), batches(9, 4, None, 1, 6)
    back = torch.arange(5).flip(0)
    close(head([b.rows(back) for b in given]), head(given)[back])


def test_marks_of_modalities_tell_frames_from_tokens():
    head, given = make("attention"), batches(9, 4, 1, 6)
    before = head(given)
    with torch.no_grad():
        head.kinds[1] += 1.0
    assert not torch.allclose(head(given), before, atol=1e-3)
    assert "kinds" not in make("attention", SHAPES[:1]).state_dict()


def test_attention_over_all_is_that_of_both_sequences_side_by_side():
    head, seen = make("attention"), []
    hook = head.together.register_forward_hook(lambda _, given, found: seen.append((given, found)))
    head(batches(9, 4, 1, 6))
    hook.remove()
    (((marked, context, mask), found),) = seen
    assert torch.equal(marked, context)
    for row, own in enumerate(mask):
        alone = marked[row : row + 1, own]
        expected = head.together(alone, alone, torch.ones(alone.shape[:2], dtype=torch.bool))
        close(found[row : row + 1, own], expected)


def test_attention_reads_every_frame():
    head, given = make("attention"), batches(9, 4, 1, 6)
    changed = given[0].values.clone()
    changed[0, 8] += 5.0  # last frame of the longest row, alone in its patch
    assert not torch.equal(head([replace(given[0], values=changed), given[1]])[0], head(given)[0])


# ---------------------------------------------------------------- standardisation


@pytest.mark.parametrize("patch", [1, 4])
def test_folded_standardisation_equals_an_explicit_one(patch):
    torch.manual_seed(0)
    embed = PatchEmbedding(InputShape(5, patch), 8)
    batch = collate(sequences(5, 9, 4, 1, 6))
    fitted = Standardizer.fitted(batch)
    explicit = (batch.values - fitted.mean) / fitted.scale * batch.mask[..., None]
    plain = Standardizer(torch.zeros(5), torch.ones(5))
    found = embed(batch, fitted)
    expected = embed(replace(batch, values=explicit), plain)
    torch.testing.assert_close(
        found.values[found.mask], expected.values[expected.mask], rtol=1e-5, atol=1e-5
    )


def test_a_patch_counts_where_one_of_its_frames_does():
    batch = collate(sequences(5, 9, 4, 5))
    embed = PatchEmbedding(InputShape(5, 4), 8)
    found = embed(batch, Standardizer(torch.zeros(5), torch.ones(5)))
    assert found.mask.tolist() == [[True, True, True], [True, False, False], [True, True, False]]


def test_an_mlp_standardises():
    head = make("mlp", SHAPES[:1])
    batch = collate(sequences(5, 1, 1, 1))
    fitted = head.standardizer(0)
    plain = make("mlp", SHAPES[:1])
    plain.standardize_with([Standardizer(torch.zeros(5), torch.ones(5))])
    explicit = replace(batch, values=(batch.values - fitted.mean) / fitted.scale)
    close(head([batch]), plain([explicit]))


# ---------------------------------------------------------------- missing modalities


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("modality", [0, 1])
def test_values_of_a_missing_modality_have_no_influence(kind, modality):
    head, given = make(kind), batches(6, 4, 9)
    absent = torch.tensor([True, False, True])
    one = [*given]
    one[modality] = replace(given[modality], present=absent)
    changed = given[modality].values.clone()
    changed[1] = 1000.0
    other = [*one]
    other[modality] = replace(one[modality], values=changed)
    assert torch.equal(head(one), head(other))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("modality", [0, 1])
def test_a_missing_modality_is_its_token(kind, modality):
    head, given = make(kind), batches(6, 4, 9)
    given[modality] = replace(given[modality], present=torch.tensor([True, False, True]))
    before = head(given)
    with torch.no_grad():
        token = head.embed[modality].token if kind == "attention" else head.tokens[modality]
        token.add_(1.0)
    changed = (head(given) != before).any(dim=1)
    assert changed.tolist() == [False, True, False]


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_any_modality_has_logits(kind):
    assert make(kind)(batches(6, None, 9)).isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_missing_rows_give_finite_gradients(kind):
    head = make(kind)
    head(batches(6, None, 9)).square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in head.parameters())


# ---------------------------------------------------------------- shapes and dropout


@pytest.mark.parametrize(
    ("kind", "count"), [(kind, n) for kind in KINDS for n in (1, 2) if (kind, n) != ("gated", 1)]
)
def test_logits_have_a_row_per_row_and_a_column_per_class(kind, count):
    assert make(kind, SHAPES[:count])(batches(6, 4, 9, 1)[:count]).shape == (4, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_learns(kind):
    head = make(kind)
    head(batches(6, None, 9)).square().sum().backward()
    idle = [n for n, p in head.named_parameters() if p.grad is None or not p.grad.any()]
    # The softmax over keys and over frames does not change with a constant.
    assert [n for n in idle if not n.endswith("score.bias")] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_representation_that_is_dropped_leaves_the_bias(kind):
    head, given = make(kind), batches(6, 4)
    logits = head(given, torch.zeros(2, head.width))
    assert torch.equal(logits, head.classify.bias.expand(2, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_keeping_everything_is_the_same_as_no_dropout(kind):
    head, given = make(kind), batches(6, 4)
    assert torch.equal(head(given, torch.ones(2, head.width)), head(given))


def test_no_two_positions_are_equal():
    found = positions(500, 32)
    assert torch.cdist(found, found).add(torch.eye(500)).min() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_head_is_complete(kind):
    head, given = make(kind), batches(6, 4)
    fresh = HEADS[kind].network(SHAPES, 3, HEADS[kind].defaults)
    fresh.load_state_dict(head.state_dict())
    assert torch.equal(fresh.eval()(given), head(given))


# ---------------------------------------------------------------- formulas


def represented(head: Head, given: list[ModalityBatch]) -> torch.Tensor:
    """What the classifier of a head reads."""
    head.classify = torch.nn.Identity()
    return head(given)


def embedded(head: MlpHead, given: list[ModalityBatch]) -> list[torch.Tensor]:
    return [
        (b.values[:, 0] - head.standardizer(n).mean) / head.standardizer(n).scale
        for n, b in enumerate(given)
    ]


def test_two_gated_modalities_are_weighed_by_a_sigmoid():
    """Equations of Arevalo et al. 2017, section 3.1, for two modalities."""
    head, given = make("gated"), batches(1, 1, 1)
    assert isinstance(head, GatedHead)
    audio, text = embedded(head, given)
    both = torch.cat([audio, text], dim=1)
    gate = torch.sigmoid(both @ head.gate.weight.T)
    voice, words = (torch.tanh(head.hidden[n](x)) for n, x in enumerate((audio, text)))
    close(represented(head, given), gate * voice + (1 - gate) * words)


def test_heads_with_two_gates_are_read_as_before():
    """They had a softmax over the gates of both modalities."""
    head, given = make("gated"), batches(1, 1, 1)
    audio, text = embedded(head, given)
    gates = torch.randn(2 * head.width, 12, generator=torch.Generator().manual_seed(0))
    weights = (torch.cat([audio, text], dim=1) @ gates.T).unflatten(1, (2, -1)).softmax(dim=1)
    head.load_state_dict({**head.state_dict(), "gate.weight": gates})
    hidden = [torch.tanh(head.hidden[n](x)) for n, x in enumerate((audio, text))]
    close(represented(head, given), (weights * torch.stack(hidden, dim=1)).sum(dim=1))


@pytest.mark.parametrize("kind", KINDS)
def test_large_means_cost_no_digits_in_mixed_precision(kind):
    """Deviations of 1 about a mean of 300: bfloat16 by itself tells numbers from 256 on by twos."""
    head = make(kind)
    shift, given = 300.0, batches(6, 4, 9)
    fitted = [Standardizer(torch.full((dim,), 3 + shift), torch.ones(dim)) for dim in (5, 7)]
    head.standardize_with(fitted)
    given = [
        ModalityBatch((b.values + shift) * b.mask[..., None], b.mask, b.present) for b in given
    ]
    expected = head(given)
    with torch.autocast("cpu", torch.bfloat16):
        found = head(given).float()
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.05)


def test_low_rank_fusion_is_a_bilinear_map_of_both_with_ones():
    """Liu et al. 2018: the weights, written out in full, times the outer product."""
    head, given = make("lowrank"), batches(1, 1, 1)
    assert isinstance(head, LowRankHead)
    ones = [torch.cat([x, torch.ones(3, 1)], dim=1) for x in embedded(head, given)]
    outer = torch.einsum("bi,bj->bij", *ones)
    factors = [torch.cat([f.weight, f.bias[:, None]], dim=1) for f in head.factors]
    by_rank = [f.unflatten(0, (RANK, -1)) for f in factors]
    whole = torch.einsum("rhi,rhj->hij", *by_rank) / RANK
    close(represented(head, given), torch.einsum("hij,bij->bh", whole, outer))


# ---------------------------------------------------------------- fixed hyperparameters


def test_fixed_values_have_the_types_of_their_fields():
    found = fixed_values(("loss=focal", "hidden=32", "modality_dropout=0.25"))
    assert found == {"loss": "focal", "hidden": 32, "modality_dropout": 0.25}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("hiden=3", "--head hiden: no such hyperparameter; did you mean hidden"),
        ("loss=hinge", "loss 'hinge': expected one of cross_entropy, class_balanced, focal"),
        ("modality_dropout=1", "modality_dropout=1.0: expected 0 or more and below 1"),
        ("hidden=-1", "hidden=-1: expected 1 or more"),
        ("hidden=0", "hidden=0: expected 1 or more"),
        ("batch_size=0", "batch_size=0: expected 1 or more"),
        ("learning_rate=0", "learning_rate=0.0: expected more than 0"),
        ("hidden", "hidden '' is not a whole number"),
    ],
)
def test_values_that_cannot_be_are_refused(typed, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        fixed_values((typed,))


def test_a_value_that_is_set_twice_is_refused():
    with pytest.raises(ValueError, match="set twice"):
        fixed_values(("hidden=3", "hidden=4"))


@pytest.mark.parametrize(
    ("rows", "size"), [(1, 64), (1100, 64), (1200, 128), (2300, 192), (2950, 256), (10**6, 256)]
)
def test_a_batch_grows_with_the_rows_of_training(rows, size):
    assert Hyperparameters().for_rows(rows).batch_size == size


@pytest.mark.parametrize("rows", [1, 10**6])
def test_a_batch_size_that_is_set_stays(rows):
    assert Hyperparameters(batch_size=7).for_rows(rows) == Hyperparameters(batch_size=7)


def test_a_batch_size_of_none_is_the_default():
    assert Hyperparameters(**fixed_values(["batch_size=none"])) == Hyperparameters()
