"""What the numbers that a model gives mean: probabilities of classes or labels, shares, values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from jaxtyping import Float

from encoders.utterance import Task


@dataclass(frozen=True, slots=True)
class OutputType:
    """The task of a model, and what development and training rows gave its answers.

    ``thresholds`` are the probabilities from which each label of a set is named; ``lowest`` and
    ``highest`` the values that training had of each dimension, in the corpus's own units.
    """

    task: Task = "single-label"
    thresholds: tuple[float, ...] = ()
    lowest: tuple[float, ...] = ()
    highest: tuple[float, ...] = ()

    def named(self, targets: Sequence[str], answers: Mapping[str, float]) -> tuple[str, ...]:
        """Labels whose probability reaches their threshold, in the order of the targets.

        Raises:
            ValueError: the model was not trained on sets of labels.
        """
        if self.task != "multi-label":
            raise ValueError(
                f"this model was trained on {self.task} targets, not on sets of labels"
            )
        pairs = zip(targets, self.thresholds, strict=True)
        return tuple(name for name, least in pairs if answers[name] >= least)

    def meaning(self, targets: Sequence[str]) -> str:
        """What the numbers mean, in a sentence."""
        match self.task:
            case "multi-label":
                pairs = zip(targets, self.thresholds, strict=True)
                listed = ", ".join(f"{name} from {least:.3f}" for name, least in pairs)
                return (
                    "the probability of each label by itself (they need not add up to 1); a label "
                    "is named from a threshold on that was fitted on development speakers: "
                    f"{listed}"
                )
            case "regression":
                spans = zip(targets, self.lowest, self.highest, strict=True)
                listed = ", ".join(f"{name} from {low:g} to {high:g}" for name, low, high in spans)
                return f"values in the units of the corpus, which in training had {listed}"
            case "distribution":
                return "the share of listeners who would name each class; shares add up to 1"
        return "the probability of each class; they add up to 1"

    @classmethod
    def of_values(cls, values: Float[np.ndarray, "rows targets"]) -> "OutputType":
        """Those of a model of values, from its training rows."""
        low, high = (tuple(map(float, end(axis=0))) for end in (values.min, values.max))
        return cls("regression", lowest=low, highest=high)

    @classmethod
    def read(cls, fields: Mapping[str, Any], targets: int) -> "OutputType":
        """What was stored.

        Raises:
            ValueError: no such task, or not one number for each target.
        """
        task = fields["task"]
        if task not in get_args(Task):
            raise ValueError(
                f"task {str(task)[:40]!r}: expected one of {', '.join(get_args(Task))}"
            )
        needed = {"multi-label": ("thresholds",), "regression": ("lowest", "highest")}
        numbers = {name: tuple(map(float, fields[name])) for name in needed.get(task, ())}
        if any(len(values) != targets for values in numbers.values()):
            raise ValueError(f"{', '.join(numbers)}: expected {targets} numbers, one per target")
        return cls(task, **numbers)


#: Of models of one class per utterance.
OF_CLASSES = OutputType()
