"""Late fusion: the probabilities of unimodal heads are combined (decision level).

Where the heads learned from the same rows, a weight is learned on them (:func:`fuse_late`). Where
one learned from recordings without free words and the other from words without recordings, no row
tells how far to trust each, and :func:`independent` has nothing to learn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from encoders.utterance import Task
from fusion.arms import Budget, FoldScores
from fusion.batch import Dataset
from fusion.selection import goodness
from fusion.studies import StudyPlace
from fusion.tune import SPACES, tune


def fuse_late(
    audio: FoldScores, text: FoldScores, data: Dataset, budget: Budget, place: StudyPlace | None
) -> FoldScores:
    """Decision-level fusion, its weight tuned on development rows; 0.5 without trials.

    The trials of this arm go to the weight; the heads are those of the unimodal arms.
    """

    def objective(values: Mapping[str, Any]) -> float:
        first = slice(0, 1)
        weight = values["audio_weight"]
        scores = combine_for(data.task, audio.dev_scores[first], text.dev_scores[first], weight)
        return goodness(data.task, data.goals[audio.dev], scores)

    default = {"audio_weight": 0.5}
    study = tune(objective, SPACES["late"], default, budget.trials, budget.study_seed, place)
    weight = study.best["audio_weight"]
    return replace(
        audio,
        arm="late",
        hyperparameters=dict(study.best),
        trials=study.trials,
        epochs=(),
        dev_scores=combine_for(data.task, audio.dev_scores, text.dev_scores, weight),
        test_scores=combine_for(data.task, audio.test_scores, text.test_scores, weight),
        layer_weights={},
        curves=(),
        seconds=0.0,
    )


def combine_for(
    task: Task,
    audio: Float[np.ndarray, "seeds rows targets"],
    text: Float[np.ndarray, "seeds rows targets"],
    audio_weight: float,
) -> Float[np.ndarray, "seeds rows targets"]:
    """Decisions of two arms as one: of classes and shares :func:`combine`, else a weighted mean.

    Labels of a set do not compete and values have no logarithm, so that both are averaged as they
    are.
    """
    if task in ("multi-label", "regression"):
        return audio_weight * audio + (1 - audio_weight) * text
    return combine(audio, text, audio_weight)


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
    tiny = np.finfo(np.float64).tiny
    logits = np.sum([np.log(part + tiny) for part in parts], axis=0)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
