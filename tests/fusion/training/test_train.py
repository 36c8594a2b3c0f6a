"""Training: heads of one stack do not touch one another, seeds decide, dev rows only stop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from fusion.batch import Dataset, collate
from fusion.networks.head import Hyperparameters, InputShape
from fusion.networks.heads import HEADS
from fusion.training import train
from fusion.training.train import FittedHead, HeadRows
from tests.fusion.driven import fit

ROWS = np.arange(54)
KINDS = {
    **dict.fromkeys(("linear", "mlp", "gated", "lowrank"), ("audio", "text")),
    "attention": ("audio_frames", "text_tokens"),
}
QUICK = {kind: replace(HEADS[kind].defaults, hidden=16, batch_size=16) for kind in KINDS}


def members(*sizes: int) -> list[HeadRows]:
    """Different training rows for every member, the same number of development rows."""
    made = []
    for seed, size in enumerate(sizes):
        order = np.random.default_rng(seed).permutation(ROWS)
        made.append(HeadRows(order[12 : 12 + size], order[:12], seed))
    return made


def fitted(
    kind: str, data: Dataset, some: list[HeadRows], hyper: Hyperparameters | None = None
) -> list[FittedHead]:
    return fit(kind, data, KINDS[kind], some, hyper or QUICK[kind])


def apart(one: FittedHead, other: FittedHead) -> float:
    """Largest difference of two heads' parameters; 0 means the very same bits."""
    pairs = zip(one.head.state_dict().values(), other.head.state_dict().values(), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


def disagree(kind: str, data: Dataset, one: FittedHead, other: FittedHead) -> float:
    """Largest difference of two heads' probabilities over all rows.

    Not of their parameters: the loss does not depend on some of them (a constant added to every
    score of a softmax), and Adam turns the rounding in their gradients into steps of full size.
    """
    inputs = data.of(KINDS[kind])
    return float((one.scores(inputs) - other.scores(inputs)).abs().max())


@pytest.fixture(autouse=True)
def _few_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "MAX_EPOCHS", 12)
    monkeypatch.setattr(train, "PATIENCE", 3)


# ---------------------------------------------------------------- stacks


@pytest.mark.arithmetic
@pytest.mark.parametrize("kind", KINDS)
def test_a_stack_equals_each_member_alone(kind, make_data, monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 5)
    data, some = make_data(), members(42, 42, 42)
    together = fitted(kind, data, some)
    alone = [fitted(kind, data, [one])[0] for one in some]
    pairs = zip(together, alone, strict=True)
    assert max(disagree(kind, data, a, b) for a, b in pairs) < 1e-5


@pytest.mark.arithmetic
@pytest.mark.parametrize("kind", KINDS)
def test_members_of_different_size_do_not_touch_one_another(kind, make_data, monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 5)
    # 40 and 42 rows both make three batches, of different sizes.
    data, some = make_data(), members(42, 40)
    together = fitted(kind, data, some)
    assert disagree(kind, data, together[1], fitted(kind, data, [some[1]])[0]) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_a_member_stops_for_itself(kind, make_data):
    data, some = make_data(noise=3.0), members(42, 42, 42, 42)
    hasty = replace(QUICK[kind], learning_rate=0.1 if kind in ("linear", "lowrank") else 0.02)
    together = fitted(kind, data, some, hasty)
    alone = [fitted(kind, data, [one], hasty)[0] for one in some]
    assert len({head.epoch for head in together}) > 1
    assert [head.epoch for head in together] == [head.epoch for head in alone]
    pairs = zip(together, alone, strict=True)
    assert max(disagree(kind, data, a, b) for a, b in pairs) < 1e-4


def test_a_member_that_has_ended_is_not_computed_on(make_data, monkeypatch):
    """Rows of the development loss are counted: one per member that is still trained."""
    still: list[int] = []
    losses = train.StackedHeads._dev_loss

    def counted(stack: train.StackedHeads, logits: torch.Tensor) -> torch.Tensor:
        still.append(len(logits))
        return losses(stack, logits)

    monkeypatch.setattr(train.StackedHeads, "_dev_loss", counted)
    monkeypatch.setattr(train, "MAX_EPOCHS", 40)
    hasty = replace(QUICK["mlp"], learning_rate=0.02)
    together = fitted("mlp", make_data(noise=3.0), members(42, 42, 42, 42), hasty)
    ends = [one.epoch + train.PATIENCE for one in together]
    assert len(set(ends)) > 1, "they end at different epochs"
    assert still == [sum(end >= epoch for end in ends) for epoch in range(1, max(ends) + 1)]


def test_a_member_much_smaller_than_the_others_is_trained(make_data):
    small = fitted("mlp", make_data(), members(42, 2))[1]
    assert np.isfinite(small.dev_loss)


def test_a_stack_that_would_be_too_large_is_trained_in_parts(make_data, monkeypatch):
    data, some = make_data(), members(42, 42, 42)
    whole = fitted("mlp", data, some)
    monkeypatch.setattr(train, "STACK_VALUES", 1)
    pairs = zip(whole, fitted("mlp", data, some), strict=True)
    assert max(disagree("mlp", data, a, b) for a, b in pairs) < 1e-5


# ---------------------------------------------------------------- seeds


@pytest.mark.arithmetic
@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_head(kind, make_data):
    data, some = make_data(), members(42, 42)
    pairs = zip(fitted(kind, data, some), fitted(kind, data, some), strict=True)
    assert [apart(a, b) for a, b in pairs] == [0.0, 0.0]


@pytest.mark.parametrize("kind", KINDS)
def test_another_seed_gives_another_head(kind, make_data):
    data, one = make_data(), members(42)[0]
    other = HeadRows(one.train, one.dev, 7)
    first, second = fitted(kind, data, [one, other])
    # Of linear heads only the order of batches is drawn.
    assert apart(first, second) > (1e-4 if kind == "linear" else 0.01)


def test_training_does_not_touch_the_global_generator(make_data):
    before = torch.random.get_rng_state()
    fitted("mlp", make_data(), members(42))
    assert torch.equal(torch.random.get_rng_state(), before)


# ---------------------------------------------------------------- development rows


@pytest.mark.parametrize("kind", KINDS)
def test_development_rows_change_nothing_but_the_epoch(kind, make_data, monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 1)
    data, some = make_data(), members(42)
    first = fitted(kind, data, some)[0]
    poisoned = _poisoned(data, some[0].dev)
    assert apart(fitted(kind, poisoned, some)[0], first) == 0.0


def test_development_rows_are_looked_at(make_data, monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 1)
    data, some = make_data(), members(42)
    poisoned = _poisoned(data, some[0].dev)
    assert fitted("mlp", poisoned, some)[0].dev_loss != fitted("mlp", data, some)[0].dev_loss


def _poisoned(data: Dataset, rows: np.ndarray) -> Dataset:
    truth = data.truth.copy()
    truth[rows] = (truth[rows] + 1) % len(data.targets)
    inputs = {}
    for name, batch in data.inputs.items():
        values = batch.values.clone()
        values[rows] = 100 * torch.randn(values[rows].shape)
        inputs[name] = replace(batch, values=values)
    return replace(data, truth=truth, inputs=inputs)


# ---------------------------------------------------------------- early stopping


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_told_is_that_of_the_head_returned(kind, make_data):
    data, some = make_data(noise=2.0), members(42)
    (head,) = fitted(kind, data, some)
    rows = torch.from_numpy(some[0].dev)
    with torch.inference_mode():
        logits = head.head([batch.rows(rows) for batch in data.of(KINDS[kind])])
    truth = data.truth[some[0].train]
    weights = compute_class_weight("balanced", classes=np.arange(3), y=truth)
    loss = functional.cross_entropy(
        logits, torch.from_numpy(data.truth)[rows], torch.from_numpy(weights).float()
    )
    assert float(loss) == pytest.approx(head.dev_loss, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_returned_is_that_of_the_best_epoch(kind, make_data, monkeypatch):
    data, some = make_data(noise=3.0), members(42)
    (head,) = fitted(kind, data, some, replace(QUICK[kind], learning_rate=1e-2))
    monkeypatch.setattr(train, "MAX_EPOCHS", head.epoch)
    (until,) = fitted(kind, data, some, replace(QUICK[kind], learning_rate=1e-2))
    assert apart(head, until) == 0.0


def test_training_goes_on_past_a_worse_epoch(make_data, monkeypatch):
    data, some = make_data(noise=3.0), members(42)
    found = {}
    for patience in (1, 12):
        monkeypatch.setattr(train, "PATIENCE", patience)
        found[patience] = fitted("mlp", data, some, replace(QUICK["mlp"], learning_rate=1e-2))[0]
    assert found[12].dev_loss <= found[1].dev_loss


def test_training_ends_after_patience(make_data, monkeypatch):
    losses = iter([3.0, 1.0, *[2.0] * 50])
    seen = []

    def loss(self: train.StackedHeads, logits: torch.Tensor) -> torch.Tensor:
        seen.append(next(losses))
        return torch.tensor([seen[-1]])

    monkeypatch.setattr(train.StackedHeads, "_dev_loss", loss)
    fitted("mlp", make_data(), members(42))
    assert len(seen) == 2 + train.PATIENCE


def test_the_first_of_equal_epochs_is_kept(make_data, monkeypatch):
    monkeypatch.setattr(train.StackedHeads, "_dev_loss", lambda *_: torch.ones(1))
    assert fitted("mlp", make_data(), members(42))[0].epoch == 1


# ---------------------------------------------------------------- what is learned


@pytest.mark.parametrize("kind", KINDS)
def test_separable_classes_are_learned(kind, make_data):
    data = make_data(noise=0.2)
    (head,) = fitted(kind, data, members(42), replace(QUICK[kind], learning_rate=1e-2))
    rows = torch.from_numpy(members(42)[0].dev)
    scores = head.scores([batch.rows(rows) for batch in data.of(KINDS[kind])])
    assert (scores.argmax(dim=1).numpy() == data.truth[rows.numpy()]).mean() > 0.9


def test_scores_are_probabilities(make_data):
    data = make_data()
    scores = fitted("mlp", data, members(42))[0].scores(data.of(KINDS["mlp"]))
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(54))


def test_rare_classes_are_not_ignored(make_data):
    data = make_data(noise=0.5)
    dev = ROWS[:12]
    # Training has 12 rows of class a, and 2 each of the others.
    rows = [ROWS[12:][data.truth[12:] == k][:count] for k, count in enumerate((12, 2, 2))]
    some = [HeadRows(np.concatenate(rows), dev, 0)]
    (head,) = fitted("mlp", data, some, replace(QUICK["mlp"], learning_rate=1e-2))
    scores = head.scores([b.rows(torch.from_numpy(dev)) for b in data.of(KINDS["mlp"])])
    assert set(scores.argmax(dim=1).tolist()) == {0, 1, 2}


def test_standardisation_is_fitted_on_training_rows(make_data):
    data, some = make_data(), members(42)
    (head,) = fitted("mlp", data, some)
    expected = data.inputs["text"].values[torch.from_numpy(some[0].train), 0].mean(dim=0)
    torch.testing.assert_close(head.head.standardizer(1).mean, expected, rtol=1e-5, atol=1e-6)


def one_side_tells(rows: int = 400, dim: int = 64) -> Dataset:
    """Words tell the class, among noise; the voice is noise alone."""
    rng = np.random.default_rng(0)
    truth = np.arange(rows) % 3
    telling = 2.0 * rng.standard_normal((3, 4))[truth] @ rng.standard_normal((4, dim)) / 2
    sides = {"audio": np.zeros((rows, dim)), "text": telling}
    inputs = {
        name: collate(
            list(torch.from_numpy(side + 4 * rng.standard_normal(side.shape)).float()[:, None])
        )
        for name, side in sides.items()
    }
    ids = tuple(f"u{row}" for row in range(rows))
    return Dataset(ids=ids, targets=("a", "b", "c"), truth=truth.astype(np.int64), inputs=inputs)


@pytest.mark.parametrize("kind", ["linear", "mlp", "gated", "lowrank"])
def test_a_fused_head_hears_the_only_side_that_tells(kind, monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 40)
    data = one_side_tells()
    member = HeadRows(np.arange(300), np.arange(300, 400), 0)
    (head,) = fit(kind, data, ("audio", "text"), [member], HEADS[kind].defaults)
    told = head.scores(data.of(("audio", "text"))).argmax(dim=1).numpy()
    assert (told == data.truth)[300:].mean() > 0.8


# ---------------------------------------------------------------- missing modalities


def alone(kind: str, data: Dataset, head: FittedHead, shown: int) -> float:
    """Accuracy of a head that is shown one of its inputs only."""
    everything = torch.ones(len(data.ids), dtype=torch.bool)
    inputs = [
        batch if number == shown else batch.hidden(everything)
        for number, batch in enumerate(data.of(KINDS[kind]))
    ]
    return float((head.scores(inputs).argmax(dim=1).numpy() == data.truth).mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("option", ["modality_dropout", "unimodal_loss"])
def test_a_head_learns_to_do_without_either_input(kind, option, make_data, monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 40)
    data = make_data(noise=0.3)
    taught = replace(QUICK[kind], learning_rate=5e-3, **{option: 0.5})
    (head,) = fitted(kind, data, members(42), taught)
    assert min(alone(kind, data, head, shown) for shown in (0, 1)) > 0.8


@pytest.mark.parametrize("option", ["modality_dropout", "unimodal_loss"])
def test_what_one_input_alone_is_taught_changes_nothing_of_a_unimodal_head(option, make_data):
    data, some = make_data(), members(42)
    hypers = [QUICK["mlp"], replace(QUICK["mlp"], **{option: 0.5})]
    one, other = (fit("mlp", data, ("audio",), some, hyper)[0] for hyper in hypers)
    assert apart(one, other) == 0


def test_rows_that_lack_an_input_are_never_left_without_any(make_data, monkeypatch):
    """Each row has one of two inputs: nothing is left to hide."""
    data = make_data()
    half = torch.arange(54) % 2 == 0
    audio, text = data.of(("audio", "text"))
    split = replace(data, inputs={"audio": audio.hidden(half), "text": text.hidden(~half)})
    seen: list[torch.Tensor] = []
    hide = train.StackedHeads._hide

    def watched(stack: train.StackedHeads, index: torch.Tensor) -> object:
        found = hide(stack, index)
        assert found is not None
        seen.append(found)
        return found

    monkeypatch.setattr(train.StackedHeads, "_hide", watched)
    fitted("mlp", split, members(42), replace(QUICK["mlp"], modality_dropout=0.9))
    assert seen
    assert not torch.cat([one.flatten() for one in seen]).any()


# ---------------------------------------------------------------- devices


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("option", [{}, {"modality_dropout": 0.5, "unimodal_loss": 0.5}])
def test_all_of_an_epoch_is_on_the_device(kind, option, make_data, monkeypatch):
    """Without a GPU too: torch refuses to mix tensors of the CPU with those of another device."""
    data, some = make_data(), members(42, 40)
    inputs = {name: data.inputs[name] for name in KINDS[kind]}
    shapes = [InputShape.of(name, 5, 1) for name in inputs]
    elsewhere, seen = torch.device("meta"), []

    class Best:
        """Numbers that are nowhere cannot be compared."""

        def update(self, _: int, __: torch.Tensor, losses: object, *___: object) -> torch.Tensor:
            seen.extend(losses)
            return torch.zeros(2)

    stack = train.StackedHeads(
        kind, shapes, data, inputs, some, replace(QUICK[kind], **option), elsewhere
    )
    stack.best = Best()
    # The fused optimiser knows no such device.
    monkeypatch.setattr(torch.optim, "AdamW", lambda own, **_: torch.optim.SGD(own, lr=0.1))
    assert list(stack.epochs()) == [1]
    assert [losses.device for losses in seen] == [elsewhere, elsewhere]


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
def test_heads_learn_on_a_gpu_and_come_back(kind, make_data, monkeypatch):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    data, some = make_data(noise=0.2), members(42, 40)
    hyper = replace(QUICK[kind], learning_rate=1e-2)
    here = fitted(kind, data, some, hyper)
    monkeypatch.setenv("SERFUSION_DEVICE", "cuda")
    there = fitted(kind, data, some, hyper)
    assert {str(own.device) for one in there for own in one.head.state_dict().values()} == {"cpu"}
    # Products in bfloat16 have three digits, and twelve epochs of them drift apart.
    assert max(disagree(kind, data, a, b) for a, b in zip(here, there, strict=True)) < 0.2
    repeated = fitted(kind, data, some, hyper)
    assert [apart(a, b) for a, b in zip(there, repeated, strict=True)] == [0.0, 0.0]
