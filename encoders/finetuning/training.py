"""How a network is trained: what it must be able to do, its steps, and the end of training."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from encoders.finetuning.augmentation import WaveformChanges
from encoders.finetuning.labelled_audio import Recordings
from encoders.finetuning.objective import Objective
from encoders.finetuning.settings import Settings
from encoders.specs import Spec
from encoders.utterance import Utterance

#: Windows of one pass without gradients.
SCORED_AT_ONCE = 64
#: Largest norm of the gradient: AlexNet has no norms of its own that would bound a step.
LARGEST_GRADIENT = 1.0

Notify = Callable[[int, float], None]
State = dict[str, Tensor]
#: Windows as some network takes them: pixels, samples, tokens.
Inputs = Any


class TrainableEncoder(nn.Module, ABC):
    """A network in training, which knows its inputs and how its weights are kept.

    ``network`` is what it is around; ``dim`` is the length of an embedding; ``rectified`` says
    whether its classifier sees a rectified one.
    """

    network: Any
    dim: int
    rectified = True

    @abstractmethod
    def prepare(
        self, utterances: Sequence[Utterance], changes: WaveformChanges, random: np.random.Generator
    ) -> Recordings:
        """Utterances as this network is trained on them, and changed copies of each."""

    @abstractmethod
    def forward(self, inputs: Inputs) -> Float[Tensor, "windows dim"]:
        """Embedding of every window."""

    @abstractmethod
    def save(self, folder: Path, dtype: torch.dtype) -> None:
        """Write the weights, and whatever else is needed to load them."""

    @abstractmethod
    def saved_spec(self, folder: str) -> Spec:
        """The spec that loads what was written to a folder."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device


class EncoderWithClassifier(nn.Module):
    """A pupil and the classifier that is thrown away after training."""

    def __init__(self, pupil: TrainableEncoder, classes: int, settings: Settings) -> None:
        super().__init__()
        self.pupil = pupil
        self.classifier = nn.Sequential(
            nn.ReLU() if pupil.rectified else nn.Identity(),
            nn.Dropout(settings.dropout),
            nn.Linear(pupil.dim, classes),
        )
        self.reduced = settings.precision == "bfloat16"

    def forward(self, inputs: Inputs) -> Float[Tensor, "windows classes"]:
        """Logits in float32, on the CPU."""
        with torch.autocast(self.pupil.device.type, torch.bfloat16, enabled=self.reduced):
            logits: Tensor = self.classifier(self.pupil(inputs))
        return logits.float().cpu()


def train_stopped(
    trainee: EncoderWithClassifier,
    heard: Recordings,
    held: Recordings,
    objective: Objective,
    settings: Settings,
    notify: Notify,
) -> list[float]:
    """Train in place, leave the best epoch's weights; returns development scores per epoch."""
    random = torch.Generator().manual_seed(torch.initial_seed())
    steps = settings.epochs * _batches(heard, settings)
    weights = [parameter for parameter in trainee.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(
        weights, settings.learning_rate, weight_decay=settings.weight_decay
    )
    rates = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=steps, pct_start=0.1
    )
    course: list[float] = []
    best: State = {}
    for epoch in range(settings.epochs):
        for inputs, truth in _epoch(heard, settings, random):
            _step(trainee, inputs, truth, objective, optimiser)
            rates.step()
        course.append(score_of(trainee, held, objective))
        notify(epoch, course[-1])
        if course[-1] > max(course[:-1], default=-math.inf):
            best = {name: value.clone() for name, value in trainee.state_dict().items()}
        if epoch - int(np.argmax(course)) >= settings.patience:
            break
    trainee.load_state_dict(best)
    return course


def _batches(heard: Recordings, settings: Settings) -> int:
    # Never a batch of one, of which a norm over the batch can tell nothing.
    return max(1, len(heard) // settings.batch_size)


def _epoch(
    heard: Recordings, settings: Settings, random: torch.Generator
) -> Iterator[tuple[Inputs, Float[Tensor, "batch targets"]]]:
    """Masked inputs and their targets: one window of every recording."""
    order = torch.randperm(len(heard), generator=random)
    for chosen in order.tensor_split(_batches(heard, settings)):
        rows = heard.one_window_each(chosen, random)
        yield heard.masked(rows, settings.masks, random), heard.truth[chosen]


def _step(
    trainee: EncoderWithClassifier,
    inputs: Inputs,
    truth: Float[Tensor, "windows targets"],
    objective: Objective,
    optimiser: torch.optim.Optimizer,
) -> None:
    trainee.train()
    loss = objective.loss(trainee(inputs), truth)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(trainee.parameters(), LARGEST_GRADIENT)
    optimiser.step()


@torch.no_grad()
def score_of(trainee: nn.Module, held: Recordings, objective: Objective) -> float:
    """The objective's score of recordings, each by the mean over its windows."""
    trainee.eval()
    rows = torch.arange(int(held.count.sum()))
    logits = torch.cat([trainee(held.inputs(some)) for some in rows.split(SCORED_AT_ONCE)])
    answers = torch.zeros_like(held.truth)
    answers = answers.index_add_(0, held.owners(), objective.answers(logits))
    return objective.score(answers / held.count[:, None], held.truth)
