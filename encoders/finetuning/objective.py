"""What training makes small and is stopped by, for classes, shares, sets of labels and values.

Losses of labels and values are those of heads (:mod:`fusion.networks.losses`), which this package
knows nothing of; a test holds the two against each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from encoders.finetuning.settings import FinetuneError, Settings, ValueLoss, default_settings
from encoders.specs import Spec
from encoders.utterance import Task

#: What development speakers stop training by, as records and reports name it.
STOPPED_BY: Mapping[Task, str] = MappingProxyType(
    {
        "single-label": "UAR",
        "distribution": "UAR",
        "multi-label": "weighted accuracy",
        "regression": "CCC",
    }
)
#: Keeps the concordance of rows that are all alike from being 0 / 0.
TINY = 1e-8

Logits = Float[Tensor, "rows targets"]
PerTarget = Float[Tensor, "targets"]


def check_task(spec: Spec, settings: Settings, task: Task) -> None:
    """Compare settings with the kind of targets.

    Raises:
        FinetuneError: one is asked for that means nothing to these targets.
    """
    smoothing, values = settings.label_smoothing, task == "regression"
    if settings.loss is not None and not values:
        raise FinetuneError(
            f"train.loss={settings.loss}: is a loss of values, and these targets are {task}; leave "
            "it out"
        )
    if values and smoothing != default_settings(spec).label_smoothing:
        raise FinetuneError(
            f"train.label_smoothing={smoothing:g}: is of classes and labels, and these targets are "
            "values; leave it out"
        )


@dataclass(frozen=True, slots=True)
class Objective:
    """The loss of a batch, and what recordings' answers are worth.

    Values are standardised by ``shift`` and ``scale``, the mean and deviation of training rows;
    presence and absence of a label are weighted by ``positive`` and ``negative`` so that both weigh
    the same over training rows.
    """

    task: Task
    value_loss: ValueLoss
    smoothing: float
    shift: PerTarget
    scale: PerTarget
    positive: PerTarget
    negative: PerTarget

    def loss(self, logits: Logits, truth: Logits) -> Float[Tensor, ""]:
        """Cross-entropy of classes or shares, binary per label, or 1 - CCC or squares of values."""
        if self.task == "regression":
            return self._of_values(logits, (truth - self.shift) / self.scale)
        if self.task == "multi-label":
            return self._of_labels(logits, truth)
        goal = truth.argmax(dim=1) if self.task == "single-label" else truth
        return functional.cross_entropy(logits, goal, label_smoothing=self.smoothing)

    def answers(self, logits: Logits) -> Logits:
        """What windows of a recording are averaged as: log shares, probabilities, or values."""
        if self.task == "regression":
            return logits * self.scale + self.shift
        return logits.sigmoid() if self.task == "multi-label" else logits.log_softmax(dim=1)

    def score(self, answers: Logits, truth: Logits) -> float:
        """What :data:`STOPPED_BY` names: more is better.

        UAR of the largest share, rows without one left out; of labels the mean recall of presence
        and absence at .5; CCC averaged over dimensions, 0 where nothing varies.
        """
        if self.task == "regression":
            return float((1 - _discordance(answers.double(), truth.double())).nan_to_num().mean())
        if self.task == "multi-label":
            return _weighted_accuracy(answers > 0.5, truth > 0.5)
        # Shares are stored as decimals: a tie is one within rounding.
        known = (truth >= truth.amax(dim=1, keepdim=True) - 1e-6).sum(dim=1) == 1
        labels = truth.argmax(dim=1)
        right = (answers.argmax(dim=1) == labels).double()
        recalls = [right[known & (labels == label)].mean() for label in labels[known].unique()]
        return float(torch.stack(recalls).mean())

    def _of_values(self, logits: Logits, truth: Logits) -> Tensor:
        if self.value_loss == "mse":
            return functional.mse_loss(logits, truth)
        return _discordance(logits, truth).mean()

    def _of_labels(self, logits: Logits, truth: Logits) -> Tensor:
        weights = torch.where(truth > 0.5, self.positive, self.negative)
        goal = truth * (1 - self.smoothing) + self.smoothing / 2
        losses = functional.binary_cross_entropy_with_logits(logits, goal, reduction="none")
        return (weights * losses).sum() / weights.sum()


def objective_of(task: Task, settings: Settings, truth: Logits) -> Objective:
    """The objective with these training rows; a dimension that never varies keeps its scale."""
    rows = truth.double()
    mean, scale = rows.mean(dim=0), rows.std(dim=0, correction=0)
    scale = torch.where(scale > 1e-6 * mean.abs().clamp_min(1e-6), scale, 1.0)
    present = rows.clamp(0, 1).mean(dim=0)
    sides = [torch.where(side > 0, 0.5 / side, 0.0).float() for side in (present, 1 - present)]
    loss = settings.loss or "ccc"
    return Objective(task, loss, settings.label_smoothing, mean.float(), scale.float(), *sides)


def _discordance(x: Logits, y: Logits) -> PerTarget:
    """1 - CCC per dimension (Lin 1989)."""
    x_mean, y_mean = x.mean(dim=0), y.mean(dim=0)
    shared = ((x - x_mean) * (y - y_mean)).mean(dim=0)
    spread = x.var(dim=0, correction=0) + y.var(dim=0, correction=0)
    return 1 - 2 * shared / (spread + (x_mean - y_mean).square() + TINY)


def _weighted_accuracy(named: Tensor, truth: Tensor) -> float:
    """Mean recall of presence and absence of every label; a side without rows is left out."""
    right = (named == truth).double()
    recalls = [(right * side).sum(dim=0) / side.sum(dim=0) for side in (truth, ~truth)]
    return float(torch.stack(recalls).nanmean(dim=0).nanmean())
