"""What arms, trials and weights are chosen by on development rows: one number for each task.

Nothing here needs torch: a report chooses the best arms again.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float, Int64

from encoders.utterance import Task
from fusion.evaluation import metrics
from fusion.evaluation import thresholds as labels

Scores = Float[np.ndarray, "seeds rows targets"]
Goals = Float[np.ndarray, "rows targets"]

#: The metric of each task that everything is chosen by, and that differences are told in first.
PRIMARY: Mapping[Task, str] = MappingProxyType(
    {
        "single-label": "uar",
        "distribution": "uar",
        "multi-label": "macro_f1",
        "regression": "ccc",
    }
)


def classes_of(goals: Goals) -> Int64[np.ndarray, "rows"]:
    """The class with the largest share; -1 where several have it.

    >>> classes_of(np.array([[0.7, 0.3], [0.5, 0.5]])).tolist()
    [0, -1]
    """
    best = goals.max(axis=1, keepdims=True)
    # Shares are stored as decimals: a tie is one within rounding.
    tied = (goals >= best - 1e-9).sum(axis=1) > 1
    return np.where(tied, -1, goals.argmax(axis=1)).astype(np.int64)


def selection_score(task: Task, goals: Goals, scores: Scores) -> float:
    """The primary metric of a task on development rows, mean over seeds.

    UAR, of shares that of their largest, rows without one left out; macro F1 at each label's best
    threshold on these very rows; the mean over dimensions of CCC.
    """
    if task == "regression":
        return _concordance(goals, scores)
    if task == "multi-label":
        named = labels.named(scores, labels.thresholds(scores, goals > 0.5))
        f1 = [metrics.averages(goals > 0.5, rows, "macro").f1 for rows in named]
        return float(np.mean(f1))
    truth = classes_of(goals)
    known = truth >= 0
    counts = [
        metrics.confusion(truth[known], rows[known].argmax(axis=1), goals.shape[1])
        for rows in scores
    ]
    return float(metrics.uar(np.stack(counts)).mean())


def _concordance(goals: Goals, scores: Scores) -> float:
    """Mean CCC; a dimension in which nothing varies, prediction or truth, counts as 0."""
    values = [
        metrics.ccc(goals[:, k], rows[:, k]) for rows in scores for k in range(goals.shape[1])
    ]
    return float(np.nan_to_num(values).mean())
