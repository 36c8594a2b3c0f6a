"""Fit heads: several at once as one stack, stopped on development loss, deterministic per seed.

Heads of the inner folds and seeds of an arm have the same shapes, so they are trained as one
stacked model (``torch.func``): each has its own rows, its own order of batches, its own dropout and
its own end, and the optimiser is element-wise, so they do not touch one another; only the number of
steps in an epoch is that of the member with most rows.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from encoders.utterance import Task
from fusion.batch import Dataset, ModalityBatch, Standardizer
from fusion.buckets import (
    Gather,
    Member,
    Step,
    Training,
    block_width,
    by_size,
    order_of_batches,
    padded,
    sizes_of,
    values_per_row,
)
from fusion.networks.head import Head, HeadKind, Hyperparameters, InputShape
from fusion.networks.heads import HEADS
from fusion.networks.losses import Aim, aim_of, answers
from fusion.stopping import Best, Curve

MAX_EPOCHS = 100
PATIENCE = 6
#: Values that one stacked batch may hold; more members are trained in several stacks.
STACK_VALUES = 1 << 24

#: Attention embeds frames of audio four at a time: one by one they would cost sixteen times.
PATCHES: Mapping[str, int] = {"audio_frames": 4}

State = dict[str, Tensor]


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


def fit(
    kind: HeadKind,
    data: Dataset,
    inputs: Sequence[str],
    members: Sequence[Member],
    hyper: Hyperparameters,
) -> list[FittedHead]:
    """Train one head per member on the same inputs with the same hyperparameters."""
    used = torch.from_numpy(np.concatenate([np.r_[m.train, m.dev] for m in members]))
    # Not even the length of a test recording reaches training: padding changes the last bits.
    cut = {name: data.inputs[name].cut_to(used) for name in inputs}
    shapes = [InputShape(b.dim // b.layers, PATCHES.get(n, 1), b.layers) for n, b in cut.items()]
    size = max(1, STACK_VALUES // (hyper.batch_size * values_per_row(list(cut.values()))))
    fitted: list[FittedHead] = []
    for start in range(0, len(members), size):
        fitted += Stack(kind, shapes, data, cut, members[start : start + size], hyper).fit()
    return fitted


class Stack:
    """Heads that are trained together; the leading axis of every tensor is the member."""

    def __init__(
        self,
        kind: HeadKind,
        shapes: Sequence[InputShape],
        data: Dataset,
        inputs: Mapping[str, ModalityBatch],
        members: Sequence[Member],
        hyper: Hyperparameters,
    ) -> None:
        batches = list(inputs.values())
        self.batches, self.members, self.hyper = batches, members, hyper
        self.gather = Gather(batches, [shape.patch for shape in shapes])
        # Heads of utterance-level embeddings read one frame of each row, however many there are.
        self.sizes = sizes_of(batches) if kind == "attention" else None
        self.goals = torch.from_numpy(data.goals.astype(np.float32))
        self.heads = [
            _new_head(
                lambda: HEADS[kind](shapes, len(data.targets), hyper),
                _standardizers(data, inputs, member),
                member,
            )
            for member in members
        ]
        self.parameters, self.buffers = stack_module_state(self.heads)
        self.form = self._form()
        taught = [self.goals[torch.from_numpy(m.train)] for m in members]
        self.aim: Aim = aim_of(data.task, hyper.loss, hyper.focal_gamma, taught)
        self.shift, self.scale = self.aim.shift, self.aim.scale
        self.dev, self.dev_counts = padded([by_size(m.dev, self.sizes) for m in members])
        self.training = [Training.of(number, member) for number, member in enumerate(members)]
        longest = max(len(member.train) for member in members)
        self.steps = -(-longest // hyper.batch_size)

    def _form(self) -> Head:
        """The head whose computation all members share."""
        form = copy.deepcopy(self.heads[0])
        hyper, rows = self.hyper, np.concatenate([np.r_[m.train, m.dev] for m in self.members])
        hiding = hyper.modality_dropout > 0 or hyper.unimodal_loss > 0
        present = all(bool(batch.present[rows].all()) for batch in self.batches)
        form.complete = present and not hiding
        return form

    def fit(self) -> list[FittedHead]:
        """Train every member until its development loss improves no more."""
        optimizer = torch.optim.AdamW(
            list(self.parameters.values()),
            lr=self.hyper.learning_rate,
            weight_decay=self.hyper.weight_decay,
            fused=True,
        )
        best = Best(self.parameters, len(self.heads), PATIENCE)
        for epoch in range(1, MAX_EPOCHS + 1):
            taught = self._epoch(epoch, optimizer)
            numbers = torch.tensor([one.number for one in self.training])
            losses = taught, self._dev_loss()
            hopeful = best.update(epoch, numbers, losses, self.parameters)
            if not hopeful.any():
                break
            if not hopeful.all():
                self._go_on_with(hopeful.nonzero()[:, 0], optimizer)
        return [self._fitted(number, best) for number in range(len(self.heads))]

    def _epoch(self, epoch: int, optimizer: torch.optim.Optimizer) -> Float[Tensor, "members"]:
        """One step per batch; returns the mean loss of each member's batches."""
        # Every member takes the same number of steps; one with fewer rows than steps repeats them.
        orders = [one.batches(self.steps, self.sizes) for one in self.training]
        steps = list(zip(*orders, strict=True))
        if self.sizes is not None:
            steps = [steps[number] for number in order_of_batches(epoch, self.steps)]
        return torch.stack([self.learn(rows, optimizer) for rows in steps]).mean(dim=0)

    def learn(
        self, rows: Sequence[np.ndarray], optimizer: torch.optim.Optimizer
    ) -> Float[Tensor, "members"]:
        """Take one step, each member on rows of its own; returns the loss of each."""
        index, counts = padded(rows)
        own = torch.arange(index.shape[1]) < counts[:, None]
        step = Step(index, own, self.gather.rows(index))
        keep = self._keep(counts)
        losses = self.aim.value(self._losses(step, keep, self._hide(index, counts)))
        loss = losses.sum() + self._alone(step, keep)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return losses.detach()

    def _go_on_with(self, rows: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Drop members that have ended: what is left of them would only take time."""
        kept = {name: of.detach()[rows].requires_grad_() for name, of in self.parameters.items()}
        for name, parameter in self.parameters.items():
            # A token that no row needs has never had a gradient.
            own = optimizer.state.pop(parameter, {})
            optimizer.state[kept[name]] = {
                key: value[rows] if value.dim() else value for key, value in own.items()
            }
        optimizer.param_groups[0]["params"] = list(kept.values())
        self.parameters = kept
        self.buffers = {name: of[rows] for name, of in self.buffers.items()}
        self.aim, self.dev = self.aim.of(rows), self.dev[rows]
        self.dev_counts = self.dev_counts[rows]
        self.training = [self.training[row] for row in rows.tolist()]

    def _keep(self, counts: Tensor) -> Tensor:
        share, width = 1 - self.hyper.dropout, self.heads[0].width
        # Each draws for its own rows alone: what it draws next must not depend on the others.
        own = zip(counts.tolist(), self.training, strict=True)
        drawn = [torch.rand(rows, width, generator=one.dropping) for rows, one in own]
        return (pad_sequence(drawn, True) < share).float() / share

    def _hide(self, index: Tensor, counts: Tensor) -> Tensor | None:
        """Inputs that rows do without in this step, ``[members, rows, inputs]``; None: none."""
        share, inputs = self.hyper.modality_dropout, len(self.batches)
        if share == 0 or inputs == 1:
            return None
        drawn = []
        for rows, one in zip(counts.tolist(), self.training, strict=True):
            lucky = torch.rand(rows, 1, generator=one.dropping) < share
            which = torch.randint(inputs, (rows,), generator=one.dropping)
            drawn.append(functional.one_hot(which, inputs).bool() & lucky)
        present = torch.stack([batch.present for batch in self.batches], dim=1)[index]
        # Of what lacks an input already, no other is taken.
        return pad_sequence(drawn, True) & present.all(dim=2, keepdim=True)

    def _alone(self, step: Step, keep: Tensor) -> Tensor:
        """Weighted loss of seeing one input only, averaged over the inputs, summed over members."""
        share, inputs = self.hyper.unimodal_loss, len(self.batches)
        total = torch.zeros(())
        for number in range(inputs if share > 0 and inputs > 1 else 0):
            others = torch.arange(inputs) != number
            # A row that lacks this very input has nothing to learn from it alone.
            rows = step.own & step.tensors[3 * number + 2]
            hide = others.expand(*step.index.shape, inputs)
            sums = self._losses(replace(step, own=rows), keep, hide)
            total = total + self.aim.value(sums).sum()
        return share * total / inputs

    def _losses(self, step: Step, keep: Tensor | None, hide: Tensor | None = None) -> Tensor:
        """What a member's own rows add to its loss."""
        logits = self._logits(step.tensors, keep, hide)
        return self.aim.sums(logits, self.goals[step.index], step.own)

    def _logits(self, tensors: list[Tensor], keep: Tensor | None, hide: Tensor | None) -> Tensor:
        """Logits of each member for its own rows, ``[members, rows, targets]``."""
        axes = (0, 0, 0, *(None if part is None else 0 for part in (keep, hide)))
        run = vmap(partial(_member_logits, self.form), in_dims=axes)
        return run(self.parameters, self.buffers, tensors, keep, hide)

    @torch.no_grad()
    def _dev_loss(self) -> Tensor:
        """In blocks, because there may be many rows."""
        own = torch.arange(self.dev.shape[1]) < self.dev_counts[:, None]
        width = block_width(self.batches, len(self.training))
        blocks = zip(self.dev.split(width, 1), own.split(width, 1), strict=True)
        sums = [self._losses(Step(i, mask, self.gather.rows(i)), None) for i, mask in blocks]
        return self.aim.value(torch.stack(sums).sum(dim=0))

    def _fitted(self, number: int, best: Best) -> FittedHead:
        head = self.heads[number]
        state = {name: values[number].clone() for name, values in best.parameters.items()}
        head.load_state_dict(state, strict=False)
        if self.aim.task == "regression":
            head.answer_in_units(self.shift[number], self.scale[number])
        epoch, loss = int(best.epochs[number]), float(best.losses[number])
        return FittedHead(head.eval(), epoch, loss, self.aim.task, best.curve(number))


def _member_logits(
    head: Head,
    parameters: State,
    buffers: State,
    own: list[Tensor],
    keep: Tensor | None,
    hide: Tensor | None,
) -> Tensor:
    """Logits of one member; ``own`` are values, mask and presence of each input in turn."""
    triples = zip(own[::3], own[1::3], own[2::3], strict=True)
    inputs = [ModalityBatch(*triple) for triple in triples]
    if hide is not None:
        inputs = [batch.hidden(hide[:, number]) for number, batch in enumerate(inputs)]
    return functional_call(head, (parameters, buffers), (inputs, keep))


def _new_head(
    build: Callable[[], Head], standardizers: Sequence[Standardizer], member: Member
) -> Head:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(member.seed)
        head = build()
    head.standardize_with(standardizers)
    return head


def _standardizers(
    data: Dataset, inputs: Mapping[str, ModalityBatch], member: Member
) -> list[Standardizer]:
    """Those of a member's training rows, in the order of its inputs, each fitted once."""
    known, rows = data.standardizers, member.train.tobytes()
    # The width belongs to it: sums over blocks of rows round as the blocks are cut.
    keys = {name: (name, batch.mask.shape[1], rows) for name, batch in inputs.items()}
    for name, key in keys.items():
        if key not in known:
            known[key] = Standardizer.fitted(inputs[name], torch.from_numpy(member.train))
    return [known[key] for key in keys.values()]
