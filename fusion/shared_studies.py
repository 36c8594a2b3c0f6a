"""A study that several workers search together, on one machine or on many.

Which worker's trial comes first depends on the clock, and each proposes from what has finished by
then: such a study has its budget exactly, but is not repeatable bit for bit. One worker that is not
disturbed finds what it would find with a journal of its own.
"""

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import fail_stale_trials
from optuna.trial import FrozenTrial, Trial, TrialState

from fusion.pruning import Objective, telling

#: Who waits for others looks this often, and takes them for dead after so long without a trial.
LOOK_S, SILENT_S = 1.0, 1800.0

MakeSampler = Callable[[int], optuna.samplers.BaseSampler]
#: Trials that count toward the budget, and those that may yet.
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
ALIVE = (TrialState.RUNNING, *FINISHED)


class _Surplus(Exception):
    """Another worker was faster: the budget is spent without this trial."""


def search_together(
    study: optuna.Study,
    objective: Objective,
    space: Mapping[str, BaseDistribution],
    first: Mapping[str, Any],
    trials: int,
    sampler: MakeSampler,
) -> None:
    """Work at a study until so many of its trials are finished, whoever finishes them.

    ``sampler`` makes one for the number of a trial. A trial of a worker that died is told to have
    failed: on a database once its heartbeat stops, elsewhere after half an hour in which no trial
    was finished.
    """
    waited = 0.0
    while (done := len(_of(study, *FINISHED))) < trials:
        with _quiet():
            # Does nothing where a storage knows no heartbeat.
            fail_stale_trials(study)
        if len(_of(study, *ALIVE)) < trials:
            _one_trial(study, objective, space, first, trials, sampler)
            continue
        time.sleep(LOOK_S)
        waited = waited + LOOK_S if len(_of(study, *FINISHED)) == done else 0.0
        if waited >= SILENT_S:
            _give_up(study)
            waited = 0.0


def _one_trial(
    study: optuna.Study,
    objective: Objective,
    space: Mapping[str, BaseDistribution],
    first: Mapping[str, Any],
    trials: int,
    sampler: MakeSampler,
) -> None:
    def tried(trial: Trial) -> float:
        earlier = [one for one in _of(study, *ALIVE) if one.number < trial.number]
        if len(earlier) >= trials:
            raise _Surplus
        study.sampler = sampler(trial.number)
        values = {name: _suggested(trial, name, found) for name, found in space.items()}
        value = objective(values, telling(trial, first))
        assert not np.isnan(value), "no value: such a trial would be tried again for ever"
        return value

    if not any(_tries(one, first) for one in _of(study, *ALIVE, TrialState.WAITING)):
        study.enqueue_trial(dict(first))
    try:
        with _quiet():
            study.optimize(tried, n_trials=1, catch=(_Surplus,))
    except (UpdateFinishedTrialError, ValueError) as error:
        # Others took this worker for dead, and try again.
        if isinstance(error, ValueError) and not str(error).startswith("Cannot tell a"):
            raise


def _of(study: optuna.Study, *states: TrialState) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=states)


def _tries(trial: FrozenTrial, first: Mapping[str, Any]) -> bool:
    """Whether a trial is, or is about to be, the one of the documented defaults."""
    return dict(first) in (trial.params, trial.system_attrs.get("fixed_params"))


def _suggested(trial: Trial, name: str, found: BaseDistribution) -> Any:  # noqa: ANN401
    if isinstance(found, CategoricalDistribution):
        return trial.suggest_categorical(name, found.choices)
    assert isinstance(found, FloatDistribution)
    return trial.suggest_float(name, found.low, found.high, log=found.log)


def _give_up(study: optuna.Study) -> None:
    """Trials of workers that have not been heard of are done again."""
    for left in _of(study, TrialState.RUNNING):
        try:
            study.tell(left.number, state=TrialState.FAIL)
        except (UpdateFinishedTrialError, ValueError):
            # It has just been finished after all.
            continue


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna tells of trials that fail, and that heartbeats are an experiment of its own."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
