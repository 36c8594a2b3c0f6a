"""Heads that learn from every window of a recording, and what they say of the whole one."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int64

from fusion.batch import Dataset, ModalityBatch
from fusion.training.arm_table import Arm
from fusion.training.arms import FoldScores

#: Input whose frames are windows, each a row of its own for arms that read the voice alone.
WINDOWS = "audio_windows"
#: Inputs of arms that have a row for every window: a window has no words of its own.
VOICE_ALONE = ("audio",)


def reads_windows(arm: Arm, data: Dataset) -> bool:
    """Whether an arm has a row for every window."""
    return WINDOWS in data.inputs and arm.inputs == VOICE_ALONE


def each_window(data: Dataset) -> Dataset:
    """A row for each window, with its utterance's id and target; without a recording there is one.

    Every window counts alike, so that long recordings weigh more than short ones.
    """
    batch = data.inputs[WINDOWS]
    rows, windows = batch.mask.nonzero(as_tuple=True)
    alone = torch.ones(len(rows), 1, dtype=torch.bool)
    audio = ModalityBatch(
        batch.values[rows, windows][:, None], alone, batch.present[rows], batch.layers
    )
    of = rows.numpy()
    return replace(
        data,
        ids=tuple(data.ids[row] for row in of),
        truth=data.truth[of],
        values=None if data.values is None else data.values[of],
        inputs={"audio": audio},
        windows=windows.numpy(),
        groups=None if data.groups is None else data.groups[of],
    )


def of_utterances(scores: FoldScores) -> FoldScores:
    """Scores of windows as those of utterances, the mean of each; others as they are."""
    if scores.dev_windows is None:
        return scores
    dev, dev_scores = _means(scores.dev, scores.dev_scores)
    test, test_scores = _means(scores.test, scores.test_scores)
    return replace(
        scores,
        dev=dev,
        dev_scores=dev_scores,
        test=test,
        test_scores=test_scores,
        dev_windows=None,
        test_windows=None,
    )


def _means(
    rows: Int64[np.ndarray, "windows"], scores: Float[np.ndarray, "seeds windows targets"]
) -> tuple[Int64[np.ndarray, "rows"], Float[np.ndarray, "seeds rows targets"]]:
    """Rows in the order in which they come, and the mean over the windows of each."""
    if not len(rows):
        return rows, scores
    starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
    counts = np.diff(np.r_[starts, len(rows)])
    return rows[starts], np.add.reduceat(scores, starts, axis=1) / counts[:, None]
