"""How what two arms say of a row becomes one answer: the rules of decision-level fusion.

The rules are those of Kittler et al. 1998 (On combining classifiers, IEEE PAMI 20:226-239), with
weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from encoders.messages import number, printable
from encoders.utterance import Task

Rule = Literal["product", "mean", "max"]
Scores = Float[np.ndarray, "*axes targets"]
#: Tasks whose scores add up to 1.
SHARED_OUT: tuple[Task, ...] = ("single-label", "distribution")


@dataclass(frozen=True, slots=True)
class Combination:
    """A rule, and how much audio and text count in it: one weight for all targets, or one for each.

    ``product`` is a product of powers, the weights being the exponents; ``mean`` a weighted sum;
    ``max`` the larger of both for each target, which knows no weights. Where scores of a row add
    up to 1 the result is brought back to that.
    """

    rule: Rule
    audio: tuple[float, ...] = (0.5,)
    text: tuple[float, ...] = (0.5,)

    @classmethod
    def weighted(cls, task: Task, audio: Sequence[float]) -> "Combination":
        """Weights that add up to 1, by the rule that learned weights have in a task.

        Labels of a set do not compete and values have no logarithm, so that both are averaged as
        they are; classes and shares are multiplied.
        """
        rest = tuple(1 - weight for weight in audio)
        return cls("product" if task in SHARED_OUT else "mean", tuple(audio), rest)

    def __call__(self, task: Task, audio: Scores, text: Scores) -> Scores:
        """Scores of both as one."""
        if self.rule == "product":
            return np.asarray(softmax(self._weigh(logs(audio), logs(text)), axis=-1))
        if self.rule == "max":
            largest = np.maximum(audio, text)
            return largest / largest.sum(-1, keepdims=True) if task in SHARED_OUT else largest
        return self._weigh(audio, text)

    def _weigh(self, audio: Scores, text: Scores) -> Scores:
        return np.array(self.audio) * audio + np.array(self.text) * text


def combination_of(fields: object, targets: int) -> Combination:
    """The combination that ``model.json`` has.

    Raises:
        ValueError: it is none, or has other than one weight for all targets or one for each.
    """
    if not isinstance(fields, Mapping) or set(fields) != {"rule", "audio", "text"}:
        got = ", ".join(map(str, fields)) if isinstance(fields, Mapping) else repr(fields)
        raise ValueError(f"combination: expected rule, audio and text, got {printable(got)[:80]}")
    rule = fields["rule"]
    audio, text = (_weights(name, fields[name]) for name in ("audio", "text"))
    if rule not in get_args(Rule) or not {len(audio), len(text)} <= {1, targets}:
        raise ValueError(
            f"combination: expected a rule ({', '.join(get_args(Rule))}) and 1 or {targets} "
            f"weights of audio and of text, got {printable(repr(rule))[:80]}, {len(audio)} and "
            f"{len(text)}"
        )
    return Combination(rule, audio, text)


def _weights(name: str, given: object) -> tuple[float, ...]:
    """Below 0 a side would count for the opposite of what it says: no arm learns that."""
    if not isinstance(given, list | tuple):
        raise ValueError(
            f"combination: {name}: expected weights, got {printable(repr(given))[:80]}"
        )
    weights = tuple(number(value, f"combination: {name}") for value in given)
    if any(weight < 0 for weight in weights):
        raise ValueError(f"combination: {name}: expected weights from 0 on, got {min(weights):g}")
    return weights


def logs(scores: Scores) -> Scores:
    """Logarithms of probabilities, finite where one is 0."""
    logarithms: Scores = np.log(scores + np.finfo(np.float64).tiny)
    return logarithms
