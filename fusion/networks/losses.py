"""What heads are trained to make small, for classes, shares, sets of labels, and values.

Losses are sums over rows that are put together at the end, so that one of many development rows is
that of its blocks, and heads are stacked along the leading axis.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from encoders.messages import printable
from encoders.utterance import Task

Loss = Literal["cross_entropy", "class_balanced", "focal", "plain", "focal_plain", "ccc", "mse"]
#: What each task can be trained with, its default first. Cross-entropy is that of shares where
#: targets are shares (the divergence of Kullback and Leibler but for a constant), and binary, per
#: label, where they are sets of labels. ``plain`` is the same with every row counting alike.
LOSSES: Mapping[Task, tuple[Loss, ...]] = MappingProxyType(
    {
        "single-label": ("cross_entropy", "class_balanced", "focal", "plain", "focal_plain"),
        "distribution": ("cross_entropy", "plain"),
        "multi-label": ("cross_entropy", "plain"),
        "regression": ("ccc", "mse"),
    }
)
#: Losses of which every row counts alike: they serve accuracy and weighted F1, which weigh classes
#: by their rows, as weighted ones serve UAR.
UNWEIGHTED: tuple[Loss, ...] = ("plain", "focal_plain")
#: Of the class-balanced loss; Cui et al. 2019 (arXiv 1901.05555, table 2) use .9 to .9999.
BALANCE = 0.999
#: Keeps the concordance of rows that are all alike, prediction and truth, from being 0 / 0.
TINY = 1e-8

Goals = Float[Tensor, "*members rows targets"]


def with_loss(fixed: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """Hyperparameters that a user fixed, with the loss of the task where none is named.

    >>> with_loss({}, "regression")
    {'loss': 'ccc'}

    Raises:
        ValueError: the loss is one of another task.
    """
    known = LOSSES[task]
    asked = fixed.get("loss")
    if asked is not None and asked not in known:
        raise ValueError(
            f"--head loss={printable(asked)}: {_whose(asked)}, and these targets are {task}; "
            f"expected loss={' or loss='.join(known)}{', or none' if len(known) == 1 else ''}"
        )
    # Left out where it is the default of every head, so that such studies stay as they were.
    return dict(fixed) if asked or known[0] == "cross_entropy" else {**fixed, "loss": known[0]}


def _whose(loss: str) -> str:
    tasks = [task for task, known in LOSSES.items() if loss in known]
    return f"is a loss of {' and '.join(tasks)} targets" if tasks else "is no loss"


def answers(logits: Float[Tensor, "*axes targets"], task: Task) -> Float[Tensor, "*axes targets"]:
    """What a head says: probabilities that add up to 1, one probability per label, or values."""
    if task == "regression":
        return logits
    return logits.sigmoid() if task == "multi-label" else logits.softmax(dim=-1)


def class_weights(goals: Goals, loss: Loss) -> Float[Tensor, "*members targets"]:
    """Weight of each class, 1 on average over rows; 0 for a class that training lacks.

    Inverse frequencies, because UAR weighs classes equally; shares of a row count as such.
    ``class_balanced`` counts a class of n rows as (1 - B ** n) / (1 - B) effective ones (Cui et al.
    2019, section 3.3). Of losses in :data:`UNWEIGHTED` it is 1 for every class.
    """
    if loss in UNWEIGHTED:
        return torch.ones(*goals.shape[:-2], goals.shape[-1])
    counts = goals.double().sum(dim=-2)
    known = counts > 0
    rows, classes = counts.sum(dim=-1, keepdim=True), counts.shape[-1]
    if loss == "class_balanced":
        inverse = (1 - BALANCE) / (1 - BALANCE ** counts.clamp_min(1))
        inverse = inverse * rows / (inverse * counts).sum(dim=-1, keepdim=True)
    else:
        inverse = rows / (classes * torch.where(known, counts, 1.0))
    return torch.where(known, inverse, 0.0).float()


def entropies(logits: Goals, goals: Goals, loss: Loss, gamma: float) -> Goals:
    """Cross-entropy of each class's share, ``-p log q``; they add up to that of the row.

    The focal ones times ``(1 - q) ** gamma``: Lin et al. 2017 (arXiv 1708.02002, equation 4) use 2.
    """
    logs = functional.log_softmax(logits, dim=-1)
    if not loss.startswith("focal"):
        return -goals * logs
    # Not exp(logs) to the power gamma of 1 minus it: at q = 1 its gradient would be NaN.
    missing = -torch.expm1(logs)
    return -goals * missing.clamp_min(torch.finfo(missing.dtype).tiny) ** gamma * logs


@dataclass(frozen=True, slots=True)
class Aim:
    """What a stack of heads is to make small; the leading axis of its tensors is the head.

    ``positive`` and ``negative`` weigh the presence and the absence of each target; of classes and
    shares there is no absence. Values are standardised by ``shift`` and ``scale`` of training rows.
    """

    task: Task
    loss: Loss
    gamma: float
    positive: Float[Tensor, "members targets"]
    negative: Float[Tensor, "members targets"]
    shift: Float[Tensor, "members targets"]
    scale: Float[Tensor, "members targets"]

    def of(self, rows: Tensor) -> "Aim":
        """That of some of the heads."""
        return self._with(lambda tensor: tensor[rows])

    def to(self, device: torch.device) -> "Aim":
        """The same on a device."""
        return self._with(lambda tensor: tensor.to(device))

    def _with(self, change: Callable[[Tensor], Tensor]) -> "Aim":
        tensors = (self.positive, self.negative, self.shift, self.scale)
        return Aim(self.task, self.loss, self.gamma, *map(change, tensors))

    def sums(
        self, logits: Goals, goals: Goals, rows: Bool[Tensor, "members rows"]
    ) -> Float[Tensor, "members sums"]:
        """What each head's own rows add to its loss; such sums add up over blocks of rows."""
        if self.task == "regression":
            return self._sums_of_values(logits, goals, rows)
        mask = rows[..., None]
        weights = self.positive[:, None] * mask * goals
        if self.task == "multi-label":
            softplus = functional.softplus
            absent = self.negative[:, None] * mask * (1 - goals)
            losses = weights * softplus(-logits) + absent * softplus(logits)
            weights = weights + absent
        else:
            losses = entropies(logits, weights, self.loss, self.gamma)
        return torch.stack([losses.sum(dim=(1, 2)), weights.sum(dim=(1, 2))], dim=-1)

    def value(self, sums: Float[Tensor, "members sums"]) -> Float[Tensor, "members"]:
        """The loss of each head: a weighted mean, or 1 minus the concordance."""
        if self.loss != "ccc":
            return sums[:, 0] / sums[:, 1].clamp_min(1e-6)
        parts = sums.unflatten(1, (6, -1))
        rows = parts[:, 0].clamp_min(1)
        means = parts[:, 1:] / rows[:, None]
        x, y, xx, yy, xy = means.unbind(dim=1)
        apart = (xx - x.square()) + (yy - y.square()) + (x - y).square()
        return (1 - 2 * (xy - x * y) / (apart + TINY)).mean(dim=1)

    def _sums_of_values(self, logits: Goals, goals: Goals, rows: Tensor) -> Tensor:
        mask = rows[..., None].to(logits.dtype)
        truth = (goals - self.shift[:, None]) / self.scale[:, None]
        if self.loss == "mse":
            squares = (logits - truth).square().mean(dim=-1, keepdim=True)
            return torch.cat([squares * mask, mask], dim=-1).sum(dim=1)
        ones = torch.ones_like(truth)
        parts = (ones, logits, truth, logits.square(), truth.square(), logits * truth)
        return (torch.cat(parts, dim=-1) * mask).sum(dim=1)


def aim_of(
    task: Task, loss: Loss, gamma: float, train: list[Float[Tensor, "_rows targets"]]
) -> Aim:
    """The aim of heads with these training rows, one tensor of targets for each head.

    Raises:
        ValueError: the loss is one of another task.
    """
    loss = with_loss({"loss": loss}, task)["loss"]
    made = [_WEIGHTS[task](rows, loss) for rows in train]
    return Aim(task, loss, gamma, *(torch.stack(tensors) for tensors in zip(*made, strict=True)))


def _of_classes(rows: Tensor, loss: Loss) -> tuple[Tensor, ...]:
    zeros, ones = torch.zeros(rows.shape[1]), torch.ones(rows.shape[1])
    return class_weights(rows, loss), zeros, zeros, ones


def _of_labels(rows: Tensor, loss: Loss) -> tuple[Tensor, ...]:
    """Presence and absence weigh the same in all, each label being two classes, but for plain."""
    sides = class_weights(torch.stack([rows, 1 - rows]).permute(2, 1, 0), loss)
    zeros, ones = torch.zeros(rows.shape[1]), torch.ones(rows.shape[1])
    return sides[:, 0], sides[:, 1], zeros, ones


def _of_values(rows: Tensor, _: Loss) -> tuple[Tensor, ...]:
    """Mean and deviation over training rows; a dimension that never varies keeps its scale."""
    exact, ones = rows.double(), torch.ones(rows.shape[1])
    mean, scale = exact.mean(dim=0), exact.std(dim=0, correction=0)
    scale = torch.where(scale > 1e-6 * mean.abs().clamp_min(1e-6), scale, 1.0)
    return ones, ones, mean.float(), scale.float()


_WEIGHTS: Mapping[Task, Callable[[Tensor, Loss], tuple[Tensor, ...]]] = MappingProxyType(
    {
        "single-label": _of_classes,
        "distribution": _of_classes,
        "multi-label": _of_labels,
        "regression": _of_values,
    }
)
