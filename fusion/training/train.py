"""Fit heads: several at once as one stack, stopped on development loss, deterministic per seed.

Heads of the inner folds and seeds of an arm have the same shapes, so they are trained as one stack
(:mod:`fusion.networks.stacks`): each has its own rows, its own order of batches, its own dropout
and its own end, and the optimiser is element-wise, so they do not touch one another; only the
number of steps in an epoch is that of the member with most rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from encoders.device import chosen_device
from encoders.utterance import Task
from fusion.batch import Dataset, ModalityBatch
from fusion.networks.head import Head, Hyperparameters, Inputs, InputShape
from fusion.networks.heads import HEADS, new_head
from fusion.networks.losses import aim_of, answers
from fusion.networks.stacks import stacked, thinned_out
from fusion.training.early_stopping import BestStates, Curve, DevScores
from fusion.training.gathering import GatherEmbeddings, GatherSequences, mixed_precision, moved
from fusion.training.length_buckets import (
    BatchSampler,
    HeadRows,
    block_width,
    by_size,
    dropout,
    order_of_batches,
    padded,
    side_by_side,
    sizes_of,
    values_per_row,
)

MAX_EPOCHS = 100
PATIENCE = 6
#: Values that one stacked batch may hold; more members are trained in several stacks.
STACK_VALUES = 1 << 24

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class FittedHead:
    """A trained head, the epoch whose state was kept, and its losses in all epochs."""

    head: Head
    epoch: int
    dev_loss: float
    task: Task = "single-label"
    curve: Curve = field(default_factory=Curve)

    def scores(self, batches: Sequence[ModalityBatch]) -> Float[Tensor, "batch targets"]:
        """Probabilities of classes, or of each label, or values, as the task has them."""
        with torch.inference_mode():
            return answers(self.head(batches), self.task)


def stacks_of(
    kind: str,
    data: Dataset,
    inputs: Sequence[str],
    members: Sequence[HeadRows],
    hyper: Hyperparameters,
) -> "Iterator[StackedHeads]":
    """One head per member on the same inputs with the same hyperparameters, yet to be trained.

    They are one stack, or several where one would be too large, each made as it is asked for. They
    are trained where :func:`encoders.device.chosen_device` says, on a GPU in mixed precision
    (matrix products in bfloat16), and come back to the CPU.
    """
    device = torch.device(chosen_device())
    used = torch.from_numpy(np.concatenate([np.r_[m.train, m.dev] for m in members]))
    # Not even the length of a test recording reaches training: padding changes the last bits.
    cut = {name: data.inputs[name].cut_to(used) for name in inputs}
    shapes = [InputShape.of(name, batch.dim, batch.layers) for name, batch in cut.items()]
    rows = hyper.rows_of_batch(max(len(member.train) for member in members))
    size = max(1, STACK_VALUES // (rows * values_per_row(list(cut.values()))))
    hyper = replace(hyper, batch_size=rows)
    for start in range(0, len(members), size):
        yield StackedHeads(kind, shapes, data, cut, members[start : start + size], hyper, device)


class StackedHeads:
    """Heads that are trained together; the leading axis of every tensor is the member."""

    def __init__(
        self,
        kind: str,
        shapes: Sequence[InputShape],
        data: Dataset,
        inputs: Mapping[str, ModalityBatch],
        members: Sequence[HeadRows],
        hyper: Hyperparameters,
        device: torch.device = CPU,
    ) -> None:
        self.device = device
        batches = list(inputs.values())
        self.batches, self.members, self.hyper = batches, members, hyper
        # Heads of utterance-level embeddings read one frame of each row, however many there are.
        self.sizes = sizes_of(batches) if HEADS[kind].sequences else None
        self.goals = torch.from_numpy(data.goals.astype(np.float32))
        fitted = [data.standardizers_of(inputs, member.train) for member in members]
        self.heads = [
            new_head(kind, shapes, len(data.targets), hyper, standardizers, member.seed)
            for standardizers, member in zip(fitted, members, strict=True)
        ]
        self.head = stacked(self.heads).to(device)
        self.head.complete = self._complete()
        plain = not HEADS[kind].sequences and self.head.complete and set(self.head.layers) == {1}
        patches = [shape.patch for shape in shapes]
        self.gather: GatherEmbeddings | GatherSequences = (
            GatherEmbeddings(batches, fitted) if plain else GatherSequences(batches, patches)
        )
        taught = [self.goals[torch.from_numpy(m.train)] for m in members]
        aim = aim_of(data.task, hyper.loss, hyper.focal_gamma, taught)
        self.shift, self.scale = aim.shift, aim.scale
        self.aim = aim.to(device)
        self.dev_rows = [by_size(member.dev, self.sizes) for member in members]
        self.dev, self.dev_counts = padded(self.dev_rows)
        most = max(len(member.train) for member in members)
        # Every member takes the same number of steps.
        self.steps = -(-most // hyper.rows_of_batch(most))
        self.training = [BatchSampler.of(n, member, self.steps) for n, member in enumerate(members)]
        self.best = BestStates(self.parameters, len(members), PATIENCE)

    def _complete(self) -> bool:
        """Whether no row of any member lacks an input, nor will."""
        rows = np.concatenate([np.r_[m.train, m.dev] for m in self.members])
        hiding = self.hyper.modality_dropout > 0 or self.hyper.unimodal_loss > 0
        return all(bool(batch.present[rows].all()) for batch in self.batches) and not hiding

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Those of the members that are still trained, by name."""
        return dict(self.head.named_parameters())

    def epochs(self) -> Iterator[int]:
        """Train every member until its development loss improves no more, an epoch at a time."""
        optimizer = torch.optim.AdamW(
            self.head.parameters(),
            lr=self.hyper.learning_rate,
            weight_decay=self.hyper.weight_decay,
            fused=True,
        )
        for epoch in range(1, MAX_EPOCHS + 1):
            taught = []
            for index, mask in self.rows(epoch):
                keep, losses = self._keep(index.shape[1]), []
                for inputs, counted in self._shown(index, mask.to(self.device)):
                    with mixed_precision(self.device):
                        logits = self.head(inputs, keep)
                    losses.append(self._loss(logits, index, counted))
                self.head.zero_grad()
                self._weighed(losses).backward()
                optimizer.step()
                taught.append(losses[0].detach())
            with torch.no_grad(), mixed_precision(self.device):
                # In blocks, because there may be many rows.
                blocks = self.dev.split(block_width(self.batches, len(self.training)), dim=1)
                parts = [self.head(self._inputs(rows)).float() for rows in blocks]
            logits = torch.cat(parts, dim=1)
            numbers = torch.tensor([sampler.number for sampler in self.training])
            both = torch.stack(taught).mean(dim=0), self._dev_loss(logits)
            hopeful = self.best.update(epoch, numbers, both, logits, self.parameters)
            yield epoch
            if not hopeful.any():
                break
            if not hopeful.all():
                self._go_on_with(hopeful.nonzero()[:, 0], optimizer)

    def answers(self) -> list[DevScores]:
        """What the best states so far say of each member's development rows."""
        scores = []
        for number, rows in enumerate(self.dev_rows):
            logits = self.best.logits[number][: len(rows)]
            values = logits * self.scale[number] + self.shift[number]
            scores.append(DevScores(rows, answers(values, self.aim.task).numpy()))
        return scores

    def fitted(self) -> list[FittedHead]:
        """Every member in its best state."""
        return [self._fitted(number) for number in range(len(self.heads))]

    def rows(self, epoch: int) -> list[tuple[Tensor, Tensor]]:
        """Rows of each step, ``[members, rows]``, and which of them are a member's own."""
        index, mask = side_by_side([sampler.batches(self.sizes) for sampler in self.training])
        by_length = self.sizes is not None
        order = order_of_batches(epoch, self.steps) if by_length else range(self.steps)
        return [(index[:, step], mask[:, step]) for step in order]

    def _go_on_with(self, rows: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Drop members that have ended: what is left of them would only take time."""
        before, self.head = self.head, thinned_out(self.head, rows)
        self.gather.thin_out(rows)
        for old, new in zip(before.parameters(), self.head.parameters(), strict=True):
            # All but the number of steps; a token that no row needs has none of it.
            state = optimizer.state.pop(old, {})
            kept = {key: value[rows] if value.dim() else value for key, value in state.items()}
            optimizer.state[new] = kept
        optimizer.param_groups[0]["params"] = list(self.head.parameters())
        self.aim, self.dev = self.aim.of(rows), self.dev[rows]
        self.dev_counts = self.dev_counts[rows]
        self.training = [self.training[row] for row in rows.tolist()]

    def _keep(self, rows: int) -> Float[Tensor, "members rows width"] | None:
        share, width = 1 - self.hyper.dropout, self.heads[0].width
        return None if share == 1 else dropout(self.training, width, rows, share).to(self.device)

    def _hide(self, index: Tensor) -> Bool[Tensor, "members rows inputs"] | None:
        """Inputs that rows do without in this step; None: all have all."""
        share, inputs = self.hyper.modality_dropout, len(self.batches)
        if share == 0 or inputs == 1:
            return None
        drawn = np.zeros((*index.shape, inputs), np.bool_)
        for member, sampler in zip(drawn, self.training, strict=True):
            member[: sampler.rows] = sampler.hidden(inputs, share)
        present = torch.stack([batch.present for batch in self.batches], dim=1)[index]
        # Of what lacks an input already, no other is taken.
        return (torch.from_numpy(drawn) & present.all(dim=2, keepdim=True)).to(self.device)

    def _shown(self, index: Tensor, mask: Tensor) -> Iterator[tuple[Inputs, Tensor]]:
        """What heads are shown in a step, and the rows that count: all inputs, then each alone."""
        inputs, count = self._inputs(index), len(self.batches)
        yield _without(inputs, self._hide(index)), mask
        if self.hyper.unimodal_loss == 0 or count == 1:
            return
        for number, batch in enumerate(self.batches):
            others = torch.arange(count, device=self.device) != number
            # A row that lacks this very input has nothing to learn from it alone.
            rows = mask & batch.present[index].to(self.device)
            yield _without(inputs, others.expand(*index.shape, count)), rows

    def _inputs(self, index: Tensor) -> Inputs:
        return moved(self.gather.rows(index), self.device)

    def _loss(self, logits: Tensor, index: Tensor, mask: Tensor) -> Float[Tensor, "members"]:
        """The loss of each member over its own rows."""
        goals = self.goals.index_select(0, index.flatten()).unflatten(0, index.shape)
        return self.aim.value(self.aim.sums(logits.float(), goals.to(self.device), mask))

    def _weighed(self, losses: Sequence[Tensor]) -> Float[Tensor, ""]:
        """Losses of all members by all inputs, with the mean of those by one input, weighed."""
        whole, *alone = [loss.sum() for loss in losses]
        return whole + self.hyper.unimodal_loss * sum(alone) / len(self.batches)

    def _dev_loss(self, logits: Float[Tensor, "members dev targets"]) -> Float[Tensor, "members"]:
        mask = torch.arange(self.dev.shape[1]) < self.dev_counts[:, None]
        return self._loss(logits, self.dev, mask.to(self.device))

    def _fitted(self, number: int) -> FittedHead:
        head, best = self.heads[number], self.best
        state = {name: values[number].clone() for name, values in best.parameters.items()}
        head.load_state_dict(state, strict=False)
        if self.aim.task == "regression":
            head.answer_in_units(self.shift[number], self.scale[number])
        epoch, loss = int(best.epochs[number]), float(best.losses[number])
        return FittedHead(head.eval(), epoch, loss, self.aim.task, best.curve(number))


def _without(inputs: Inputs, hide: Bool[Tensor, "members rows inputs"] | None) -> Inputs:
    if hide is None:
        return inputs
    assert not isinstance(inputs, Tensor)
    return [batch.hidden(hide[..., number]) for number, batch in enumerate(inputs)]
