"""Nested Optuna studies: search spaces as data, equal budgets, resumable, deterministic."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from fusion.networks.head import Space
from fusion.pruning import STARTUP, Objective, telling
from fusion.shared_studies import FINISHED, search_together
from fusion.studies import StudyPlace

#: Of decision-level arms; those of heads stand in :data:`fusion.networks.heads.HEADS`.
SPACES: Mapping[str, Space] = MappingProxyType(
    {
        "late": {"audio_weight": FloatDistribution(0.0, 1.0)},
        "late_per_class": {"shrinkage": FloatDistribution(1e-3, 10.0, log=True)},
    }
)


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial: what was tried, what came of it, and how long it took.

    ``seconds`` differ between runs that are the same in everything else, and are not compared. The
    ``state`` is Optuna's: ``complete``, or ``pruned`` with the value that it had by then
    (:mod:`fusion.pruning`); one that was broken off is done again, and leaves no trace here.
    """

    parameters: Mapping[str, Any]
    value: float
    seconds: float = field(default=0.0, compare=False)
    state: str = "complete"


@dataclass(frozen=True, slots=True)
class Study:
    """The best values found and every finished trial, in order."""

    best: Mapping[str, Any]
    trials: tuple[Trial, ...]

    @property
    def values(self) -> tuple[float, ...]:
        """The objective of every trial."""
        return tuple(trial.value for trial in self.trials)


def tune(
    objective: Objective,
    space: Space,
    first: Mapping[str, Any],
    trials: int,
    seed: int,
    place: StudyPlace | None,
) -> Study:
    """Maximise an objective over a space with TPE; the first trial is ``first``.

    With 0 trials ``first`` is taken as it is. A study that is kept somewhere goes on where it
    stopped, and ends as an undisturbed one would: unfinished trials are told to have failed, and
    the sampler is made anew for every trial from the seed and the number of finished ones.
    """
    if trials == 0:
        return Study(first, ())
    place = place or StudyPlace()
    with place.opened() as study:
        if place.shared:
            sampler = partial(_sampler, seed, shared=True)
            search_together(study, objective, space, first, trials, sampler)
        else:
            _search(study, objective, space, first, trials, seed)
        # Of a study that somebody has searched further the first ones are this budget.
        kept = tuple(map(_kept, _finished(study)[:trials]))
    best = max(kept, key=lambda trial: (trial.state == "complete", trial.value))
    return Study(best.parameters, kept)


def _search(
    study: optuna.Study,
    objective: Objective,
    space: Space,
    first: Mapping[str, Any],
    trials: int,
    seed: int,
) -> None:
    for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(left.number, state=TrialState.FAIL)
    while (done := len(_finished(study))) < trials:
        study.sampler = _sampler(seed, done)
        if done == 0 and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.enqueue_trial(dict(first))
        trial = study.ask(dict(space))
        try:
            value = objective(trial.params, telling(trial, first))
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
            continue
        assert not np.isnan(value), "no value: such a trial would be tried again for ever"
        study.tell(trial, value)


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=FINISHED)


def _kept(trial: FrozenTrial) -> Trial:
    assert trial.value is not None
    seconds = trial.duration.total_seconds() if trial.duration is not None else 0.0
    return Trial(dict(trial.params), float(trial.value), seconds, trial.state.name.lower())


def _sampler(seed: int, done: int, *, shared: bool = False) -> optuna.samplers.TPESampler:
    state = np.random.SeedSequence([seed, done]).generate_state(1)
    # What others are trying just now is not tried again beside them.
    return optuna.samplers.TPESampler(
        seed=int(state[0]), n_startup_trials=STARTUP, constant_liar=shared
    )
