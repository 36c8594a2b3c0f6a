"""The arms of a comparison: what each reads, how it is fitted in one outer fold, what it predicts.

An outer fold is worth one head per inner fold and seed. Development scores are those of the head
that did not see the row; test scores are the mean over the inner folds' heads, so that no head is
ever refitted on rows it was selected on.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import zip_longest
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64

from fusion.batch import Dataset, collate
from fusion.evaluation.goals import Goal
from fusion.evaluation.selection import selection_score
from fusion.networks.head import Hyperparameters, Space, layer_weights
from fusion.networks.heads import HEADS
from fusion.splitting.splits import Fold, InnerFolds
from fusion.training.arm_table import TrainedArm, arm_of
from fusion.training.early_stopping import Curve
from fusion.training.length_buckets import HeadRows, block_width, sizes_of
from fusion.training.train import FittedHead, stacks_of
from fusion.tuning.storage import StudyStorage
from fusion.tuning.tune import Trial, Tuning, TuningResult


@dataclass(frozen=True, slots=True)
class Budget:
    """What every arm may spend; ``study_seed`` seeds trials and tuned heads.

    ``fixed`` are hyperparameters, by name, that are not tuned in any arm; ``goal`` is the metric
    that trials, weights and arms are chosen by, None: the task's own.
    """

    trials: int = 20
    seeds: int = 5
    study_seed: int = 0
    fixed: Mapping[str, Any] = field(default_factory=dict)
    goal: Goal | None = None

    def defaults(self, kind: str) -> Hyperparameters:
        """Hyperparameters of a head before tuning."""
        return replace(HEADS[kind].defaults, **self.fixed)

    def space(self, kind: str) -> Space:
        """What is tuned of a head."""
        return {name: found for name, found in HEADS[kind].space.items() if name not in self.fixed}


@dataclass(frozen=True, slots=True)
class FoldScores:
    """Probabilities or values of one arm in one outer fold, ``[seeds, rows, targets]``.

    ``layer_weights`` are by input, the mean over heads, where an input is a mix of layers.
    ``alone`` are test scores by the only input that the heads were shown, of heads that were
    trained to do without the others. ``curves`` are the losses of each head, as ``epochs`` has
    them; ``seconds`` is what training these heads took, when they were trained. ``dev`` and
    ``test`` are numbers of utterances; where windows are scored they repeat, and ``dev_windows``
    and ``test_windows`` are the numbers of the windows.
    """

    arm: str
    fold: str
    hyperparameters: Mapping[str, Any]
    trials: tuple[Trial, ...]
    epochs: tuple[int, ...]
    dev: Int64[np.ndarray, "dev"]
    dev_scores: Float[np.ndarray, "seeds dev targets"]
    test: Int64[np.ndarray, "test"]
    test_scores: Float[np.ndarray, "seeds test targets"]
    layer_weights: Mapping[str, Sequence[float]] = field(default_factory=dict)
    curves: tuple[Curve, ...] = ()
    seconds: float = 0.0
    alone: Mapping[str, Float[np.ndarray, "seeds test targets"]] = field(default_factory=dict)
    dev_windows: Int64[np.ndarray, "dev"] | None = None
    test_windows: Int64[np.ndarray, "test"] | None = None

    def each_alone(self) -> list["FoldScores"]:
        """The same heads as arms of their own, named ``ARM/INPUT``, where only INPUT is there."""
        if not self.alone:
            return []
        none, classes = np.zeros(0, np.int64), self.test_scores.shape[2]
        empty = np.zeros((len(self.test_scores), 0, classes))
        kept = replace(
            self, dev=none, dev_scores=empty, trials=(), layer_weights={}, curves=(), alone={}
        )
        return [
            replace(kept, arm=f"{self.arm}/{name}", test_scores=scores, curves=())
            for name, scores in self.alone.items()
        ]


@dataclass(frozen=True, slots=True)
class FittedArm:
    """Heads of one arm by seed and inner fold, with the study that chose their hyperparameters.

    ``seconds`` is what the training of these heads took; trials have their own.
    """

    arm: TrainedArm
    hyperparameters: Hyperparameters
    study: TuningResult
    members: tuple[HeadRows, ...]
    heads: tuple[FittedHead, ...]
    seconds: float = 0.0


def fit_arm(
    arm: TrainedArm, data: Dataset, inner: InnerFolds, budget: Budget, place: StudyStorage | None
) -> FittedArm:
    """Tune on the inner folds, then train one head per seed and inner fold."""
    study = search_arm(arm, data, inner, budget, place)
    return fit_chosen(arm, data, inner, study, budget)


def search_arm(
    arm: TrainedArm, data: Dataset, inner: InnerFolds, budget: Budget, place: StudyStorage | None
) -> TuningResult:
    """Search an arm's hyperparameters; trials are judged on development rows of inner folds only.

    After every epoch a trial reports what its heads would be worth if they all ended now; stacks of
    them are trained side by side for that.
    """
    tuning, defaults = tuning_of(arm, budget, place), budget.defaults(arm.head)
    members = members_of(data, inner, [budget.study_seed])
    rows = [member.dev for member in members]
    dev = np.concatenate(rows)
    for trial in tuning:
        hyper = replace(defaults, **trial.parameters)
        stacks = list(stacks_of(arm.head, data, arm.inputs, members, hyper))
        for epoch, _ in enumerate(zip_longest(*(stack.epochs() for stack in stacks)), start=1):
            answers = [one for stack in stacks for one in stack.answers()]
            index = np.concatenate([one.rows for one in answers])
            scores = np.concatenate([one.scores for one in answers])
            goals = data.goals[index]
            trial.report(epoch, selection_score(data.task, goals, scores[None], budget.goal))
            if trial.pruned:
                break
        else:
            heads = [head for stack in stacks for head in stack.fitted()]
            scores = np.concatenate(scores_of(arm, data, heads, rows))
            goals = data.goals[dev]
            trial.value = selection_score(data.task, goals, scores[None], budget.goal)
    return tuning.found


def tuning_of(arm: TrainedArm, budget: Budget, place: StudyStorage | None) -> Tuning:
    """The search of an arm's hyperparameters, the documented defaults first."""
    space, defaults = budget.space(arm.head), asdict(budget.defaults(arm.head))
    first = {name: value for name, value in defaults.items() if name in space}
    return Tuning(space, first, budget.trials, budget.study_seed, place)


def fit_chosen(
    arm: TrainedArm, data: Dataset, inner: InnerFolds, study: TuningResult, budget: Budget
) -> FittedArm:
    """One head per seed and inner fold, with the hyperparameters that a study chose."""
    begun = time.perf_counter()
    members = members_of(data, inner, range(budget.seeds))
    hyper = replace(budget.defaults(arm.head), **study.best)
    hyper = hyper.for_rows(max(len(member.train) for member in members))
    heads: list[FittedHead] = []
    for stack in stacks_of(arm.head, data, arm.inputs, members, hyper):
        for _ in stack.epochs():
            pass
        heads += stack.fitted()
        # Before the next one is made, so that only one is in memory.
        del stack
    seconds = time.perf_counter() - begun
    return FittedArm(arm, hyper, study, tuple(members), tuple(heads), seconds)


def score(fitted: FittedArm, data: Dataset, fold: Fold, seeds: int) -> FoldScores:
    """Scores of a fitted arm on its development rows and on the fold's test rows.

    Development rows were that once, for the head that did not see them; test scores are the mean
    over the inner folds' heads.
    """
    arm, heads, hyper = fitted.arm, fitted.heads, fitted.hyperparameters
    dev, test = [member.dev for member in fitted.members], data.index(fold.test)
    dev_scores = np.concatenate(scores_of(arm, data, heads, dev))
    once = np.concatenate(dev[: len(heads) // seeds])
    utterances, windows = data.utterances, data.windows
    tests = [test] * len(heads)
    partial = arm.fused and (hyper.modality_dropout > 0 or hyper.unimodal_loss > 0)
    alone = {name: scores_of(arm, data, heads, tests, name) for name in arm.inputs if partial}
    return FoldScores(
        arm=arm.name,
        fold=fold.name,
        hyperparameters=asdict(hyper),
        trials=fitted.study.trials,
        epochs=tuple(head.epoch for head in heads),
        dev=utterances[once],
        dev_scores=dev_scores.reshape(seeds, -1, len(data.targets)),
        test=utterances[test],
        test_scores=_means(scores_of(arm, data, heads, tests), seeds),
        layer_weights=layer_weights(arm.inputs, [one.head for one in heads]),
        curves=tuple(head.curve for head in heads),
        seconds=fitted.seconds,
        alone={name: _means(scores, seeds) for name, scores in alone.items()},
        dev_windows=None if windows is None else windows[once],
        test_windows=None if windows is None else windows[test],
    )


def _means(
    scores: Sequence[Float[np.ndarray, "_rows targets"]], seeds: int
) -> Float[np.ndarray, "seeds rows targets"]:
    """Means over the inner folds' heads, which come seed by seed."""
    every = np.stack(scores)
    means: Float[np.ndarray, "seeds rows targets"]
    means = every.reshape(seeds, len(every) // seeds, *every.shape[1:]).mean(axis=1)
    return means


def members_of(data: Dataset, inner: InnerFolds, seeds: Sequence[int]) -> list[HeadRows]:
    """One member per seed and inner fold, in this order."""
    return [
        HeadRows(data.index(fold.train), data.index(fold.dev), seed * len(inner.folds) + number)
        for seed in seeds
        for number, fold in enumerate(inner.folds)
    ]


def scores_of(
    arm: TrainedArm,
    data: Dataset,
    heads: Sequence[FittedHead],
    rows: Sequence[Int64[np.ndarray, "_rows"]],
    only: str | None = None,
) -> list[Float[np.ndarray, "_rows targets"]]:
    """What each head says of rows of its own, with all inputs or ``only`` one of them."""
    everything = torch.ones(len(data.ids), dtype=torch.bool)
    inputs = [
        batch if only in (None, name) else batch.hidden(everything)
        for name, batch in zip(arm.inputs, data.of(arm.inputs), strict=True)
    ]
    found = []
    for head, index in zip(heads, rows, strict=True):
        lengths = sizes_of(inputs)[index] if HEADS[arm.head].sequences else np.zeros(len(index))
        order = np.argsort(lengths, kind="stable")
        blocks = torch.from_numpy(index[order]).split(block_width(inputs))
        parts = [head.scores([batch.rows(block) for batch in inputs]) for block in blocks]
        scores = np.empty((len(index), len(data.targets)))
        scores[order] = torch.cat(parts).double().numpy()
        if not np.isfinite(scores).all():
            raise ValueError(
                f"arm {arm.name}: its head ({arm.head}) gives values that are not finite"
            )
        found.append(scores)
    return found


# ---------------------------------------------------------------- heads of plugins


def try_own_heads(names: Iterable[str]) -> None:
    """Train heads of plugins for an epoch on a few random rows, before there is anything to lose.

    Raises:
        ValueError: one fails, gives another shape than ``[rows, targets]``, or says something else
            of a row that has others beside it.
    """
    for arm in map(arm_of, names):
        if not isinstance(arm, TrainedArm):
            continue
        network = HEADS[arm.head].network
        if network.__module__.startswith("fusion."):
            continue
        try:
            fault = _head_fault(arm)
        # Whatever somebody's code raises.
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
        if fault:
            raise ValueError(
                f"head {arm.head} ({network.__module__}.{network.__qualname__}), tried on random "
                f"rows: {fault}; docs/adding.md says which shapes a head is given"
            )


def _head_fault(arm: TrainedArm) -> str:
    rng, rows, targets = np.random.default_rng(0), 12, ("a", "b", "c")
    inputs = {
        name: collate(list(torch.from_numpy(rng.standard_normal((rows, 4, 5 + k))).float()))
        for k, name in enumerate(arm.inputs)
    }
    ids = tuple(map(str, range(rows)))
    data = Dataset(ids, targets, np.arange(rows) % len(targets), inputs)
    members = [HeadRows(np.arange(8), np.arange(8, rows), seed) for seed in range(2)]
    (stack,) = stacks_of(arm.head, data, arm.inputs, members, HEADS[arm.head].defaults)
    batches = data.of(arm.inputs)
    with torch.inference_mode():
        logits = stack.heads[0](batches)
    if logits.shape != (rows, len(targets)):
        return (
            f"expected logits [{rows}, {len(targets)}] of rows and targets, got {[*logits.shape]}"
        )
    next(stack.epochs())
    head = stack.fitted()[0]
    said = head.scores(batches)
    alone = torch.cat(
        [head.scores([b.rows(torch.tensor([k])) for b in batches]) for k in range(rows)]
    )
    if not torch.allclose(said, alone, atol=1e-4):
        return "what it says of a row depends on the rows beside it, or is not finite"
    return ""
