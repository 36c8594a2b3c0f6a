"""Late fusion: the probabilities of unimodal heads are combined (decision level).

Where the heads learned from the same rows, weights are learned on them (:func:`fuse_late`). Where
one learned from recordings without free words and the other from words without recordings, no row
tells how far to trust each, and :func:`independent` has nothing to learn.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Float, Int64
from optuna.distributions import FloatDistribution
from scipy.optimize import minimize
from scipy.special import softmax

from encoders.messages import printable
from encoders.utterance import Task
from fusion.batch import Dataset
from fusion.evaluation.goals import Goal
from fusion.evaluation.selection import selection_score
from fusion.networks.head import Space
from fusion.networks.losses import UNWEIGHTED, class_weights
from fusion.splitting.splits import InnerFolds
from fusion.training.arm_table import JOINT
from fusion.training.arms import Budget, FoldScores
from fusion.training.combination import SHARED_OUT, Combination, logs
from fusion.tuning.tune import SPACES, Tuning

Both = tuple[Float[np.ndarray, "seeds rows targets"], Float[np.ndarray, "seeds rows targets"]]
Goals = Float[np.ndarray, "rows targets"]
#: Rows that weights are learned on without the others, where there is one inner fold only.
PARTS = 3


@dataclass(frozen=True, slots=True)
class Pair:
    """Development scores of both arms, the truth, and the inner fold of each row.

    ``goal`` is the metric that combinations are chosen by, None: the task's own; ``weigh`` says
    whether what is learned by likelihood weighs classes alike, as the heads' loss does.
    """

    task: Task
    both: Both
    goals: Goals
    group: Int64[np.ndarray, "rows"]
    goal: Goal | None = None
    weigh: bool = True

    def of_first_seed(self) -> "Pair":
        """Trials look at the first seed alone, as those of other arms do."""
        audio, text = self.both
        return replace(self, both=(audio[:1], text[:1]))

    def rows(self, index: np.ndarray) -> "Pair":
        """Some of the rows."""
        audio, text = (scores[:, index] for scores in self.both)
        return replace(self, both=(audio, text), goals=self.goals[index], group=self.group[index])

    def goodness(self, scores: Float[np.ndarray, "seeds rows targets"]) -> float:
        """The metric that everything is chosen by."""
        return selection_score(self.task, self.goals, scores, self.goal)


#: Learns a combination from rows with values of the arm's search space.
Learn = Callable[[Pair, Mapping[str, Any]], Combination]


@dataclass(frozen=True, slots=True)
class LateArm:
    """How an arm combines, and whether so much is learned that rows must not judge themselves.

    ``defaults`` are what the arm takes without trials; nothing is tuned where they are empty.
    """

    learn: Learn
    defaults: Mapping[str, Any]
    tasks: tuple[Task, ...]
    crossed: bool = False


def fuse_late(
    name: str,
    audio: FoldScores,
    text: FoldScores,
    data: Dataset,
    inner: InnerFolds,
    budget: Budget,
) -> tuple[FoldScores, Combination]:
    """Decision-level fusion as an arm has it; what it has to learn is learned on development rows.

    The trials of such an arm go to the combination; the heads are those of the unimodal arms. An
    arm of ours with one from elsewhere stands in the places of ``audio`` and ``text``.
    """
    arm = LATE.get(name, WITH_OTHERS)
    group = _groups(data, inner, audio.dev)
    both, goals = (audio.dev_scores, text.dev_scores), data.goals[audio.dev]
    weigh = budget.fixed.get("loss") not in UNWEIGHTED
    pair = Pair(data.task, both, goals, group, budget.goal, weigh)
    first = pair.of_first_seed()
    trials = budget.trials if arm.defaults else 0
    tuning = Tuning(space_of(name), arm.defaults, trials, budget.study_seed, None)
    for trial in tuning:
        trial.value = first.goodness(_dev_scores(arm, first, trial.parameters))
    study = tuning.found
    combination = arm.learn(pair, study.best)
    test = combination(data.task, audio.test_scores, text.test_scores)
    chosen = (
        {**study.best, **_weights(combination, data.targets)} if arm.crossed else dict(study.best)
    )
    scores = replace(
        audio,
        arm=name,
        hyperparameters=chosen,
        trials=study.trials,
        epochs=(),
        dev_scores=_dev_scores(arm, pair, study.best),
        test_scores=test,
        layer_weights={},
        alone={},
        curves=(),
        seconds=0.0,
    )
    return scores, combination


def _groups(
    data: Dataset, inner: InnerFolds, dev: Int64[np.ndarray, "rows"]
) -> Int64[np.ndarray, "rows"]:
    """Inner fold of each development row; of a single one, thirds of its rows."""
    if len(inner.folds) == 1:
        return np.arange(len(dev)) % PARTS
    groups = np.full(len(data.ids), -1)
    for number, fold in enumerate(inner.folds):
        groups[data.index(fold.dev)] = number
    assert (groups[dev] >= 0).all()
    return groups[dev]


def _dev_scores(
    arm: LateArm, pair: Pair, values: Mapping[str, Any]
) -> Float[np.ndarray, "seeds rows targets"]:
    """Of development rows, each by a combination that was not learned on its inner fold."""
    if not arm.crossed:
        return arm.learn(pair, values)(pair.task, *pair.both)
    scores = np.empty_like(pair.both[0])
    for group in np.unique(pair.group):
        held_out = pair.group == group
        learned = arm.learn(pair.rows(~held_out), values)
        scores[:, held_out] = learned(pair.task, *pair.rows(held_out).both)
    return scores


def _weights(combination: Combination, targets: Sequence[str]) -> dict[str, float]:
    """Weights by modality and class, as a report names them."""
    pairs = (("audio", combination.audio), ("text", combination.text))
    return {
        f"{name}_{printable(target)}": weight
        for name, weights in pairs
        for target, weight in zip(targets, weights, strict=True)
    }


# ---------------------------------------------------------------- what arms learn


def _one_weight(pair: Pair, values: Mapping[str, Any]) -> Combination:
    return Combination.weighted(pair.task, (values["audio_weight"],))


def _one_share(pair: Pair, values: Mapping[str, Any]) -> Combination:
    """A sum: what another model says is impossible (0 is often written) vetoes nothing."""
    return Combination("mean", (values["our_weight"],), (1 - values["our_weight"],))


def _mean(_: Pair, __: Mapping[str, Any]) -> Combination:
    return Combination("mean")


def _product(_: Pair, __: Mapping[str, Any]) -> Combination:
    return Combination("product", (1.0,), (1.0,))


def _max(_: Pair, __: Mapping[str, Any]) -> Combination:
    return Combination("max")


def weights_per_class(pair: Pair, values: Mapping[str, Any]) -> Combination:
    """A weight of each modality for each class, drawn to one half by ``shrinkage``.

    Of classes and shares: exponents of 0 or more that make the cross-entropy least, classes
    weighing alike unless the heads' loss counts rows alike. Of labels of a set and values: weights
    between 0 and 1 that make the squared error least.
    """
    if pair.task in SHARED_OUT:
        return _exponents(pair, values["shrinkage"])
    audio, text = pair.both
    apart, left = audio - text, pair.goals - text
    squares = np.square(apart).sum(axis=(0, 1))
    drawn = values["shrinkage"] * squares
    solution = ((apart * left).sum(axis=(0, 1)) + drawn / 2) / np.where(
        squares > 0, squares + drawn, 1
    )
    weights = np.where(squares > 0, solution.clip(0, 1), 0.5)
    return Combination.weighted(pair.task, tuple(weights.tolist()))


def _exponents(pair: Pair, shrinkage: float) -> Combination:
    """Convex, so that there is one answer, whatever the start."""
    goals = pair.goals
    classes, seeds = goals.shape[1], len(pair.both[0])
    by_class = class_weights(torch.from_numpy(goals), "cross_entropy" if pair.weigh else "plain")
    weights = goals @ by_class.double().numpy()
    both = np.stack([logs(scores) for scores in pair.both])

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        exponents = flat.reshape(2, classes)
        shares = softmax(np.einsum("mk,msrk->srk", exponents, both), axis=-1)
        # A class without any row has weight 0, and shares of a row are weighed as one.
        surprise = -(goals * np.log(np.maximum(shares, np.finfo(np.float64).tiny))).sum(axis=-1)
        error = (shares - goals) * weights[:, None] / (weights.sum() * seeds)
        value = (weights * surprise).sum() / (weights.sum() * seeds)
        drawn = flat - 0.5
        slope = np.einsum("msrk,srk->mk", both, error).ravel()
        return value + shrinkage / 2 * drawn @ drawn, slope + shrinkage * drawn

    start = np.full(2 * classes, 0.5)
    solution = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start)).x
    audio, text = solution.reshape(2, classes)
    return Combination("product", tuple(audio.tolist()), tuple(text.tolist()))


#: Decision-level arms by name. Kittler et al. 1998 have the three rules that learn nothing.
LATE: Mapping[str, LateArm] = MappingProxyType(
    {
        "late": LateArm(_one_weight, {"audio_weight": 0.5}, get_args(Task)),
        "late_mean": LateArm(_mean, {}, get_args(Task)),
        "late_product": LateArm(_product, {}, SHARED_OUT),
        "late_max": LateArm(_max, {}, (*SHARED_OUT, "multi-label")),
        "late_per_class": LateArm(
            weights_per_class, {"shrinkage": 0.1}, get_args(Task), crossed=True
        ),
    }
)
#: An arm of ours with one from elsewhere.
WITH_OTHERS = LateArm(_one_share, {"our_weight": 0.5}, get_args(Task))


def space_of(name: str) -> Space:
    """What is tuned of a decision-level arm; nothing of others."""
    weight: Space = {"our_weight": FloatDistribution(0.0, 1.0)}
    return weight if name.startswith(JOINT) else SPACES.get(name, {})


def independent(
    parts: Sequence[Float[np.ndarray, "*axes targets"]],
) -> Float[np.ndarray, "*axes targets"]:
    """Classes given several sources of evidence that are independent given the class, by Bayes.

    Each part is the probabilities from one source with every class as likely as any other
    beforehand, and so is the result: the product, brought back to probabilities. A part that knows
    nothing changes nothing, and one that is missing is left out. Whatever the sources share given
    the class (one clear speaker, one noisy line) makes the result surer than it should be.

    >>> both = independent([np.array([0.5, 0.25, 0.25]), np.array([0.5, 0.4, 0.1])])
    >>> both.round(3).tolist()
    [0.667, 0.267, 0.067]
    """
    return np.asarray(softmax(np.sum([logs(part) for part in parts], axis=0), axis=-1))
