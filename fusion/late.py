"""Late fusion: the probabilities of unimodal heads are combined (decision level)."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from encoders.utterance import Task
from fusion.arms import Budget, FoldScores
from fusion.batch import Dataset
from fusion.selection import goodness
from fusion.tune import SPACES, tune


def fuse_late(
    audio: FoldScores, text: FoldScores, data: Dataset, budget: Budget, journal: Path | None
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
    study = tune(objective, SPACES["late"], default, budget.trials, budget.study_seed, journal)
    weight = study.best["audio_weight"]
    return replace(
        audio,
        arm="late",
        hyperparameters=dict(study.best),
        trials=study.values,
        epochs=(),
        dev_scores=combine_for(data.task, audio.dev_scores, text.dev_scores, weight),
        test_scores=combine_for(data.task, audio.test_scores, text.test_scores, weight),
        layer_weights={},
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
