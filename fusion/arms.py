"""The arms of a comparison: what each reads, how it is fitted in one outer fold, what it predicts.

An outer fold is worth one head per inner fold and seed. Development scores are those of the head
that did not see the row; test scores are the mean over the inner folds' heads, so that no head is
ever refitted on rows it was selected on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int64

from fusion import metrics
from fusion.batch import Dataset
from fusion.heads import DEFAULTS, HeadKind, Hyperparameters
from fusion.splits import Fold, InnerFolds
from fusion.train import STACK_VALUES, FittedHead, Member, fit, values_per_row
from fusion.tune import SPACES, Study, tune


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
            Arm("late", "late", ("audio", "text")),
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


@dataclass(frozen=True, slots=True)
class Budget:
    """What every arm may spend; ``study_seed`` seeds trials and tuned heads."""

    trials: int = 20
    seeds: int = 5
    study_seed: int = 0


@dataclass(frozen=True, slots=True)
class FoldScores:
    """Class probabilities of one arm in one outer fold, ``[seeds, rows, targets]``.

    ``layer_weights`` are by input, the mean over heads, where an input is a mix of layers.
    """

    arm: str
    fold: str
    hyperparameters: Mapping[str, Any]
    trials: tuple[float, ...]
    epochs: tuple[int, ...]
    dev: Int64[np.ndarray, "dev"]
    dev_scores: Float[np.ndarray, "seeds dev targets"]
    test: Int64[np.ndarray, "test"]
    test_scores: Float[np.ndarray, "seeds test targets"]
    layer_weights: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FittedArm:
    """Heads of one arm by seed and inner fold, with the study that chose their hyperparameters."""

    arm: Arm
    hyperparameters: Hyperparameters
    study: Study
    members: tuple[Member, ...]
    heads: tuple[FittedHead, ...]


def fit_arm(
    arm: Arm, data: Dataset, inner: InnerFolds, budget: Budget, journal: Path | None
) -> FittedArm:
    """Tune on the inner folds, then train one head per seed and inner fold.

    The objective reads development rows of the inner folds only.
    """
    assert arm.head != "late", "late fusion reuses the fold's unimodal heads"
    assert arm.head != "published", "a published classifier is scored as it is"
    kind: HeadKind = arm.head
    defaults = DEFAULTS[kind]

    def objective(values: Mapping[str, Any]) -> float:
        members = _members(data, inner, [budget.study_seed])
        heads = fit(kind, data, arm.inputs, members, replace(defaults, **values))
        index, scores = _dev_scores(arm, data, members, heads, seeds=1)
        return uar_of(data, index, scores)

    study = search(arm, objective, budget, journal)
    return fit_chosen(arm, data, inner, study, budget.seeds)


def search(
    arm: Arm, objective: Callable[[Mapping[str, Any]], float], budget: Budget, journal: Path | None
) -> Study:
    """Search hyperparameters of an arm's head, the documented defaults first."""
    assert arm.head != "late"
    assert arm.head != "published"
    space = SPACES[arm.head]
    defaults = asdict(DEFAULTS[arm.head])
    first = {name: value for name, value in defaults.items() if name in space}
    return tune(objective, space, first, budget.trials, budget.study_seed, journal)


def fit_chosen(arm: Arm, data: Dataset, inner: InnerFolds, study: Study, seeds: int) -> FittedArm:
    """One head per seed and inner fold, with the hyperparameters that a study chose."""
    assert arm.head != "late"
    assert arm.head != "published"
    hyper = replace(DEFAULTS[arm.head], **study.best)
    members = _members(data, inner, range(seeds))
    heads = fit(arm.head, data, arm.inputs, members, hyper)
    return FittedArm(arm, hyper, study, tuple(members), tuple(heads))


def score(fitted: FittedArm, data: Dataset, fold: Fold, seeds: int) -> FoldScores:
    """Scores of a fitted arm on its development rows and on the fold's test rows."""
    dev, dev_scores = _dev_scores(fitted.arm, data, fitted.members, fitted.heads, seeds)
    test = data.index(fold.test)
    every = np.stack([_scores(fitted.arm, data, head, test) for head in fitted.heads])
    return FoldScores(
        arm=fitted.arm.name,
        fold=fold.name,
        hyperparameters=asdict(fitted.hyperparameters),
        trials=fitted.study.values,
        epochs=tuple(head.epoch for head in fitted.heads),
        dev=dev,
        dev_scores=dev_scores,
        test=test,
        test_scores=every.reshape(seeds, len(every) // seeds, *every.shape[1:]).mean(axis=1),
        layer_weights=_layer_weights(fitted),
    )


def _layer_weights(fitted: FittedArm) -> dict[str, list[float]]:
    """Weights of the layers of each mix, by input, mean over inner folds and seeds."""
    found: dict[str, list[float]] = {}
    for number, name in enumerate(fitted.arm.inputs):
        weights = [one.head.layer_weights(number) for one in fitted.heads]
        known = [own.detach().double() for own in weights if own is not None]
        if known:
            found[name] = torch.stack(known).mean(dim=0).tolist()
    return found


def fuse_late(
    audio: FoldScores, text: FoldScores, data: Dataset, budget: Budget, journal: Path | None
) -> FoldScores:
    """Decision-level fusion: weighted sum of log-probabilities, the weight tuned on development.

    The trials of this arm go to the weight; the heads are those of the unimodal arms.
    """

    def objective(values: Mapping[str, Any]) -> float:
        first = slice(0, 1)
        scores = combine(audio.dev_scores[first], text.dev_scores[first], values["audio_weight"])
        return uar_of(data, audio.dev, scores)

    default = {"audio_weight": 0.5}
    study = tune(objective, SPACES["late"], default, budget.trials, budget.study_seed, journal)
    weight = study.best["audio_weight"]
    return replace(
        audio,
        arm="late",
        hyperparameters=dict(study.best),
        trials=study.values,
        epochs=(),
        dev_scores=combine(audio.dev_scores, text.dev_scores, weight),
        test_scores=combine(audio.test_scores, text.test_scores, weight),
        layer_weights={},
    )


def uar_of(
    data: Dataset,
    index: Int64[np.ndarray, "rows"],
    scores: Float[np.ndarray, "seeds rows targets"],
) -> float:
    """Mean over seeds of UAR on some rows."""
    truth, classes = data.truth[index], len(data.targets)
    counts = [metrics.confusion(truth, one.argmax(axis=1), classes) for one in scores]
    return float(metrics.uar(np.stack(counts)).mean())


def combine(
    audio: Float[np.ndarray, "seeds rows targets"],
    text: Float[np.ndarray, "seeds rows targets"],
    audio_weight: float,
) -> Float[np.ndarray, "seeds rows targets"]:
    """Weighted sum of log-probabilities, brought back to probabilities."""
    tiny = np.finfo(np.float64).tiny
    logits = audio_weight * np.log(audio + tiny) + (1 - audio_weight) * np.log(text + tiny)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _members(data: Dataset, inner: InnerFolds, seeds: Sequence[int]) -> list[Member]:
    return [
        Member(data.index(fold.train), data.index(fold.dev), seed * len(inner.folds) + number)
        for seed in seeds
        for number, fold in enumerate(inner.folds)
    ]


def _scores(
    arm: Arm, data: Dataset, head: FittedHead, index: Int64[np.ndarray, "rows"]
) -> Float[np.ndarray, "rows targets"]:
    inputs = data.of(arm.inputs)
    width = max(1, STACK_VALUES // values_per_row(inputs))
    blocks = torch.from_numpy(index).split(width)
    parts = [head.scores([batch.rows(rows) for batch in inputs]) for rows in blocks]
    return torch.cat(parts).double().numpy()


def _dev_scores(
    arm: Arm, data: Dataset, members: Sequence[Member], heads: Sequence[FittedHead], seeds: int
) -> tuple[Int64[np.ndarray, "dev"], Float[np.ndarray, "seeds dev targets"]]:
    """Rows that were development rows once, and their scores by the head that did not see them."""
    per_seed = len(members) // seeds
    index = np.concatenate([member.dev for member in members[:per_seed]])
    every = [_scores(arm, data, head, m.dev) for m, head in zip(members, heads, strict=True)]
    grouped = [np.concatenate(every[s * per_seed : (s + 1) * per_seed]) for s in range(seeds)]
    return index, np.stack(grouped)
