"""Training and tuning driven to their end, as arms drive them: with a watcher, or an objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import optuna

from fusion.batch import Dataset
from fusion.networks.head import Hyperparameters
from fusion.training.early_stopping import DevScores
from fusion.training.length_buckets import HeadRows
from fusion.training.train import FittedHead, stacks_of
from fusion.tuning.storage import StudyStorage
from fusion.tuning.tune import Space, Tuning, TuningResult

Watch = Callable[[int, Sequence[DevScores]], None]
Tell = Callable[[int, float], None]
Objective = Callable[[Mapping[str, Any], Tell], float]


def fit(
    kind: str,
    data: Dataset,
    inputs: Sequence[str],
    members: Sequence[HeadRows],
    hyper: Hyperparameters,
    watch: Watch = lambda *_: None,
) -> list[FittedHead]:
    """One trained head per member; ``watch`` is told after every epoch what they would all say."""
    stacks = list(stacks_of(kind, data, inputs, members, hyper))
    for epoch, _ in enumerate(zip_longest(*(stack.epochs() for stack in stacks)), start=1):
        watch(epoch, [one for stack in stacks for one in stack.answers()])
    return [head for stack in stacks for head in stack.fitted()]


def tune(
    objective: Objective,
    space: Space,
    first: Mapping[str, Any],
    trials: int,
    seed: int,
    place: StudyStorage | None,
) -> TuningResult:
    """What a search finds whose trials report what an objective tells, and end where it is told."""
    tuning = Tuning(space, first, trials, seed, place)
    for trial in tuning:

        def tell(epoch: int, value: float, trial: Any = trial) -> None:
            trial.report(epoch, value)
            if trial.pruned:
                raise optuna.TrialPruned

        try:
            trial.value = objective(trial.parameters, tell)
        except optuna.TrialPruned:
            continue
    return tuning.found
