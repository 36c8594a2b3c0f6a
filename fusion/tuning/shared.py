"""A study that several workers search together, on one machine or on many.

Which worker's trial comes first depends on the clock, and each proposes from what has finished by
then: such a study has its budget exactly, but is not repeatable bit for bit. One worker that is not
disturbed finds what it would find with a journal of its own.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import fail_stale_trials
from optuna.storages._heartbeat import get_heartbeat_thread
from optuna.trial import FrozenTrial, Trial, TrialState

from encoders.locks import LOG, TOLD_S
from encoders.messages import with_count
from fusion.tuning.pruning import OpenTrial
from fusion.tuning.storage import GRACE_S

#: Who waits for others looks this often, and takes them for dead after so long without a trial.
LOOK_S, SILENT_S = 1.0, 1800.0

MakeSampler = Callable[[int], optuna.samplers.BaseSampler]
#: Trials that count toward the budget, and those that may yet.
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
ALIVE = (TrialState.RUNNING, *FINISHED)


def trials_together(
    study: optuna.Study,
    space: Mapping[str, BaseDistribution],
    first: Mapping[str, Any],
    trials: int,
    sampler: MakeSampler,
) -> Iterator[OpenTrial]:
    """Trials to work at until so many of a study are finished, whoever finishes them.

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
            yield from _one_trial(study, space, first, trials, sampler)
            continue
        time.sleep(LOOK_S)
        waited = waited + LOOK_S if len(_of(study, *FINISHED)) == done else 0.0
        if waited - LOOK_S < TOLD_S <= waited:
            LOG.warning(
                "waiting for %s of %s at other workers; without a sign of life for %d minutes "
                "(a database: %d) they are taken for dead",
                with_count(len(_of(study, TrialState.RUNNING)), "trial"),
                study.study_name, SILENT_S // 60, GRACE_S // 60,
            )  # fmt: skip
        if waited >= SILENT_S:
            for left in _of(study, TrialState.RUNNING):
                _fail(study, left.number)
            waited = 0.0


def _one_trial(
    study: optuna.Study,
    space: Mapping[str, BaseDistribution],
    first: Mapping[str, Any],
    trials: int,
    sampler: MakeSampler,
) -> Iterator[OpenTrial]:
    """A trial, or none where another worker was faster: then the budget is spent without it."""
    if not any(_tries(frozen, first) for frozen in _of(study, *ALIVE, TrialState.WAITING)):
        study.enqueue_trial(dict(first))
    with _quiet():
        asked = study.ask()
    # Optuna's own heart beats in ``study.optimize`` alone, which would call us back.
    with get_heartbeat_thread(asked._trial_id, study._storage):
        earlier = [frozen for frozen in _of(study, *ALIVE) if frozen.number < asked.number]
        if len(earlier) >= trials:
            _fail(study, asked.number)
            return
        study.sampler = sampler(asked.number)
        try:
            for name, values in space.items():
                _suggest(asked, name, values)
        except UpdateFinishedTrialError:
            # Others took this worker for dead, and try again.
            return
        trial = OpenTrial(asked, first)
        try:
            yield trial
        except GeneratorExit:
            # Given up: others need not wait for it.
            _fail(study, asked.number)
            raise
    try:
        trial.tell(study)
    except (UpdateFinishedTrialError, ValueError) as error:
        # Others took this worker for dead, and try again.
        if isinstance(error, ValueError) and not str(error).startswith("Cannot tell a"):
            raise


def _of(study: optuna.Study, *states: TrialState) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=states)


def _tries(trial: FrozenTrial, first: Mapping[str, Any]) -> bool:
    """Whether a trial is, or is about to be, the one of the documented defaults."""
    return dict(first) in (trial.params, trial.system_attrs.get("fixed_params"))


def _suggest(trial: Trial, name: str, values: BaseDistribution) -> None:
    if isinstance(values, CategoricalDistribution):
        trial.suggest_categorical(name, values.choices)
        return
    assert isinstance(values, FloatDistribution)
    trial.suggest_float(name, values.low, values.high, log=values.log)


def _fail(study: optuna.Study, number: int) -> None:
    """A trial that nobody works at any more is done again."""
    # Where it is a ValueError it has just been finished after all.
    with suppress(UpdateFinishedTrialError, ValueError):
        study.tell(number, state=TrialState.FAIL)


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna tells that heartbeats are an experiment, and meant for ``study.optimize``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        warnings.filterwarnings("ignore", "Heartbeat of storage", UserWarning)
        yield
