"""What arms, trials and weights are worth on development rows: one number.

Nothing here needs torch: a report chooses the best arms again.
"""

import numpy as np
from jaxtyping import Float, Int64

from encoders.utterance import Task
from fusion.evaluation import metrics
from fusion.evaluation.goals import PRIMARY, Goal
from fusion.evaluation.measures import CLASSES, LABELS
from fusion.evaluation.speaker_sums import tally_labels
from fusion.evaluation.thresholds import thresholds

Scores = Float[np.ndarray, "seeds rows targets"]
Goals = Float[np.ndarray, "rows targets"]


def classes_of(goals: Goals) -> Int64[np.ndarray, "rows"]:
    """The class with the largest share; -1 where several have it.

    >>> classes_of(np.array([[0.7, 0.3], [0.5, 0.5]])).tolist()
    [0, -1]
    """
    best = goals.max(axis=1, keepdims=True)
    # Shares are stored as decimals: a tie is one within rounding.
    tied = (goals >= best - 1e-9).sum(axis=1) > 1
    return np.where(tied, -1, goals.argmax(axis=1)).astype(np.int64)


def selection_score(task: Task, goals: Goals, scores: Scores, goal: Goal | None = None) -> float:
    """The metric that a task is chosen by, on development rows, mean over seeds; None: its own.

    Of classes and of the largest shares, rows without one left out; F1 of labels at each label's
    best threshold on these very rows, AUC at none; the mean over dimensions of CCC.
    """
    goal = goal or PRIMARY[task]
    if task == "regression":
        return _concordance(goals, scores)
    if task == "multi-label":
        truth = goals > 0.5
        if goal == "auc":
            return float(np.mean([metrics.macro_auc(truth, rows) for rows in scores]))
        named = scores >= thresholds(scores, truth)
        sums = tally_labels(truth, named, [""] * len(truth)).sums.sum(axis=0)
        return float(LABELS[goal].of(sums).mean())
    classes = classes_of(goals)
    known = classes >= 0
    classes, scores = classes[known], scores[:, known]
    if goal == "auc":
        truth = np.eye(goals.shape[1], dtype=bool)[classes]
        return float(np.mean([metrics.macro_auc(truth, rows) for rows in scores]))
    counts = [metrics.confusion(classes, rows.argmax(axis=1), goals.shape[1]) for rows in scores]
    return float(CLASSES[goal].of(np.stack(counts)).mean())


def _concordance(goals: Goals, scores: Scores) -> float:
    """Mean CCC; a dimension in which nothing varies, prediction or truth, counts as 0."""
    values = [
        metrics.ccc(goals[:, k], rows[:, k]) for rows in scores for k in range(goals.shape[1])
    ]
    return float(np.nan_to_num(values).mean())
