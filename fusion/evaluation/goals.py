"""Metrics that trials, weights and arms can be chosen by, of each task; light, for options.

Of everything that is chosen on development rows one metric decides, and the same one is told first
in a report.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from encoders.messages import printable
from encoders.utterance import Task

#: What ``--select`` may name.
Goal = Literal["uar", "accuracy", "macro_f1", "weighted_f1", "auc", "ccc"]
#: Metrics that a task can be chosen by, its own first. Of shares they are those of the largest one.
GOALS: Mapping[Task, tuple[Goal, ...]] = MappingProxyType(
    {
        "single-label": ("uar", "accuracy", "macro_f1", "weighted_f1", "auc"),
        "distribution": ("uar", "accuracy", "macro_f1", "weighted_f1", "auc"),
        "multi-label": ("macro_f1", "weighted_f1", "auc"),
        "regression": ("ccc",),
    }
)
#: The metric of each task that everything is chosen by where none is named, and that differences
#: are told in first.
PRIMARY: Mapping[Task, Goal] = MappingProxyType({task: goals[0] for task, goals in GOALS.items()})


def goal_of(task: Task, select: object) -> Goal:
    """The metric that a task is chosen by: the one named, or its own where that is None.

    >>> goal_of("single-label", None), goal_of("single-label", "weighted_f1")
    ('uar', 'weighted_f1')

    Raises:
        ValueError: it is none of those that fit the task.
    """
    if select is None:
        return PRIMARY[task]
    for goal in GOALS[task]:
        if goal == select:
            return goal
    raise ValueError(
        f"--select {printable(select)}: not for {task} targets; expected "
        f"{' or '.join(GOALS[task])}, or none ({PRIMARY[task]})"
    )
