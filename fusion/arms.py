"""The arms of a comparison: what each reads, how it is fitted in one outer fold, what it predicts.

An outer fold is worth one head per inner fold and seed. Development scores are those of the head
that did not see the row; test scores are the mean over the inner folds' heads, so that no head is
ever refitted on rows it was selected on.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int64

from fusion.batch import Dataset
from fusion.buckets import Member, block_width, sizes_of
from fusion.networks.head import DEFAULTS, HeadKind, Hyperparameters, layer_weights
from fusion.pruning import Objective, Tell
from fusion.selection import goodness
from fusion.splitting.splits import Fold, InnerFolds
from fusion.stopping import Answers, Curve
from fusion.studies import StudyPlace
from fusion.train import FittedHead, fit
from fusion.tune import SPACES, Space, Study, Trial, tune


@dataclass(frozen=True, slots=True)
class Arm:
    """One row of the table: a head and the inputs it reads.

    A ``crossfitted`` one has a head per half of the training speakers, see :mod:`fusion.crossfit`.
    """

    name: str
    head: HeadKind | Literal["late", "published"]
    inputs: tuple[str, ...]
    crossfitted: bool = False

    @property
    def fused(self) -> bool:
        """Whether it reads more than one modality."""
        return len(self.inputs) > 1


#: What follows ``late`` in the names of decision-level arms, see :mod:`fusion.late`.
LATE_RULES = ("", "_mean", "_product", "_max", "_per_class")

ARMS: Mapping[str, Arm] = MappingProxyType(
    {
        arm.name: arm
        for arm in (
            Arm("audio", "mlp", ("audio",)),
            Arm("text", "mlp", ("text",)),
            Arm("audio_frames", "attention", ("audio_frames",)),
            Arm("audio_linear", "linear", ("audio",)),
            Arm("text_linear", "linear", ("text",)),
            Arm("concat", "mlp", ("audio", "text")),
            Arm("concat_linear", "linear", ("audio", "text")),
            Arm("concat_crossfit", "linear", ("audio", "text"), crossfitted=True),
            Arm("gated", "gated", ("audio", "text")),
            Arm("lowrank", "lowrank", ("audio", "text")),
            *(Arm(f"late{rule}", "late", ("audio", "text")) for rule in LATE_RULES),
            Arm("attention", "attention", ("audio_frames", "text_tokens")),
        )
    }
)

#: Begins the name of an arm that is a published classifier's own head; its input has its name.
PUBLISHED = "pretrained:"


def arm_of(name: str) -> Arm:
    """An arm by its name; :mod:`fusion.published` scores those that were trained elsewhere.

    Raises:
        KeyError: there is no such arm.
    """
    if name.startswith(PUBLISHED):
        return Arm(name, "published", (name,))
    return ARMS[name]


def whole_of(name: str) -> str:
    """The arm whose heads an arm has: ``concat`` of ``concat/audio``, else itself."""
    return name if name.startswith(PUBLISHED) else name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Budget:
    """What every arm may spend; ``study_seed`` seeds trials and tuned heads.

    ``fixed`` are hyperparameters, by name, that are not tuned in any arm.
    """

    trials: int = 20
    seeds: int = 5
    study_seed: int = 0
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def defaults(self, kind: HeadKind) -> Hyperparameters:
        """Hyperparameters of a head before tuning."""
        return replace(DEFAULTS[kind], **self.fixed)

    def space(self, kind: HeadKind) -> Space:
        """What is tuned of a head."""
        return {name: found for name, found in SPACES[kind].items() if name not in self.fixed}


@dataclass(frozen=True, slots=True)
class FoldScores:
    """Probabilities or values of one arm in one outer fold, ``[seeds, rows, targets]``.

    ``layer_weights`` are by input, the mean over heads, where an input is a mix of layers.
    ``alone`` are test scores by the only input that the heads were shown, of heads that were
    trained to do without the others. ``curves`` are the losses of each head, as ``epochs`` has
    them; ``seconds`` is what training these heads took, when they were trained.
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

    def each_alone(self) -> list["FoldScores"]:
        """The same heads as arms of their own, named ``ARM/INPUT``, where only INPUT is there."""
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

    arm: Arm
    hyperparameters: Hyperparameters
    study: Study
    members: tuple[Member, ...]
    heads: tuple[FittedHead, ...]
    seconds: float = 0.0


def fit_arm(
    arm: Arm, data: Dataset, inner: InnerFolds, budget: Budget, place: StudyPlace | None
) -> FittedArm:
    """Tune on the inner folds, then train one head per seed and inner fold."""
    study = search_arm(arm, data, inner, budget, place)
    return fit_chosen(arm, data, inner, study, budget)


def search_arm(
    arm: Arm, data: Dataset, inner: InnerFolds, budget: Budget, place: StudyPlace | None
) -> Study:
    """Search an arm's hyperparameters; the objective reads development rows of inner folds only."""
    assert arm.head != "late", "late fusion reuses the fold's unimodal heads"
    assert arm.head != "published", "a published classifier is scored as it is"
    kind: HeadKind = arm.head
    defaults = budget.defaults(kind)

    def objective(values: Mapping[str, Any], tell: Tell) -> float:
        def watch(epoch: int, said: Sequence[Answers]) -> None:
            rows = np.concatenate([one.rows for one in said])
            scores = np.concatenate([one.scores for one in said])
            tell(epoch, goodness(data.task, data.goals[rows], scores[None]))

        members = members_of(data, inner, [budget.study_seed])
        heads = fit(kind, data, arm.inputs, members, replace(defaults, **values), watch)
        index, scores = _dev_scores(arm, data, members, heads, seeds=1)
        return goodness(data.task, data.goals[index], scores)

    return search(arm, objective, budget, place)


def search(
    arm: Arm,
    objective: Objective,
    budget: Budget,
    place: StudyPlace | None,
) -> Study:
    """Search hyperparameters of an arm's head, the documented defaults first."""
    assert arm.head != "late"
    assert arm.head != "published"
    space = budget.space(arm.head)
    defaults = asdict(budget.defaults(arm.head))
    first = {name: value for name, value in defaults.items() if name in space}
    return tune(objective, space, first, budget.trials, budget.study_seed, place)


def fit_chosen(
    arm: Arm, data: Dataset, inner: InnerFolds, study: Study, budget: Budget
) -> FittedArm:
    """One head per seed and inner fold, with the hyperparameters that a study chose."""
    assert arm.head != "late"
    assert arm.head != "published"
    begun = time.perf_counter()
    members = members_of(data, inner, range(budget.seeds))
    hyper = replace(budget.defaults(arm.head), **study.best)
    hyper = hyper.for_rows(max(len(member.train) for member in members))
    heads = fit(arm.head, data, arm.inputs, members, hyper)
    seconds = time.perf_counter() - begun
    return FittedArm(arm, hyper, study, tuple(members), tuple(heads), seconds)


def score(fitted: FittedArm, data: Dataset, fold: Fold, seeds: int) -> FoldScores:
    """Scores of a fitted arm on its development rows and on the fold's test rows."""
    dev, dev_scores = _dev_scores(fitted.arm, data, fitted.members, fitted.heads, seeds)
    test = data.index(fold.test)
    hyper, inputs = fitted.hyperparameters, fitted.arm.inputs
    partial = fitted.arm.fused and (hyper.modality_dropout > 0 or hyper.unimodal_loss > 0)
    return FoldScores(
        arm=fitted.arm.name,
        fold=fold.name,
        hyperparameters=asdict(fitted.hyperparameters),
        trials=fitted.study.trials,
        epochs=tuple(head.epoch for head in fitted.heads),
        dev=dev,
        dev_scores=dev_scores,
        test=test,
        test_scores=_mean_scores(fitted, data, test, seeds),
        layer_weights=layer_weights(inputs, [one.head for one in fitted.heads]),
        curves=tuple(head.curve for head in fitted.heads),
        seconds=fitted.seconds,
        alone={n: _mean_scores(fitted, data, test, seeds, n) for n in inputs} if partial else {},
    )


def _mean_scores(
    fitted: FittedArm,
    data: Dataset,
    index: Int64[np.ndarray, "rows"],
    seeds: int,
    only: str | None = None,
) -> Float[np.ndarray, "seeds rows targets"]:
    """Mean over the inner folds' heads, of each seed."""
    every = np.stack([_scores(fitted.arm, data, head, index, only) for head in fitted.heads])
    mean: Float[np.ndarray, "seeds rows targets"]
    mean = every.reshape(seeds, len(every) // seeds, *every.shape[1:]).mean(axis=1)
    return mean


def members_of(data: Dataset, inner: InnerFolds, seeds: Sequence[int]) -> list[Member]:
    """One member per seed and inner fold, in this order."""
    return [
        Member(data.index(fold.train), data.index(fold.dev), seed * len(inner.folds) + number)
        for seed in seeds
        for number, fold in enumerate(inner.folds)
    ]


def _scores(
    arm: Arm,
    data: Dataset,
    head: FittedHead,
    index: Int64[np.ndarray, "rows"],
    only: str | None = None,
) -> Float[np.ndarray, "rows targets"]:
    everything = torch.ones(len(data.ids), dtype=torch.bool)
    inputs = [
        batch if only in (None, name) else batch.hidden(everything)
        for name, batch in zip(arm.inputs, data.of(arm.inputs), strict=True)
    ]
    sequences = arm.head == "attention"
    order = (
        np.argsort(sizes_of(inputs)[index], kind="stable") if sequences else np.arange(len(index))
    )
    blocks = torch.from_numpy(index[order]).split(block_width(inputs))
    parts = [head.scores([batch.rows(rows) for batch in inputs]) for rows in blocks]
    found = np.empty((len(index), len(data.targets)))
    found[order] = torch.cat(parts).double().numpy()
    return found


def _dev_scores(
    arm: Arm, data: Dataset, members: Sequence[Member], heads: Sequence[FittedHead], seeds: int
) -> tuple[Int64[np.ndarray, "dev"], Float[np.ndarray, "seeds dev targets"]]:
    """Rows that were development rows once, and their scores by the head that did not see them."""
    per_seed = len(members) // seeds
    index = np.concatenate([member.dev for member in members[:per_seed]])
    every = [_scores(arm, data, head, m.dev) for m, head in zip(members, heads, strict=True)]
    grouped = [np.concatenate(every[s * per_seed : (s + 1) * per_seed]) for s in range(seeds)]
    return index, np.stack(grouped)
