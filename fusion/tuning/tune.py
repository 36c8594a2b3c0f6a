"""Nested Optuna studies: search spaces as data, equal budgets, resumable, deterministic."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState

from fusion.networks.head import Space
from fusion.tuning.pruning import STARTUP, OpenTrial
from fusion.tuning.shared import FINISHED, trials_together
from fusion.tuning.storage import StudyStorage

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
    (:mod:`fusion.tuning.pruning`); one that was broken off is done again, and leaves no trace here.
    """

    parameters: Mapping[str, Any]
    value: float
    seconds: float = field(default=0.0, compare=False)
    state: str = "complete"


@dataclass(frozen=True, slots=True)
class TuningResult:
    """The best values found and every finished trial, in order."""

    best: Mapping[str, Any]
    trials: tuple[Trial, ...]

    @property
    def values(self) -> tuple[float, ...]:
        """The objective of every trial."""
        return tuple(trial.value for trial in self.trials)


class Tuning:
    """A search for the values that are worth most, with TPE: iterate over it, then take ``found``.

    Who iterates gives each trial its value, as :class:`fusion.tuning.pruning.OpenTrial` says. The
    first trial is ``first``; with 0 trials ``first`` is taken as it is. A study that is kept
    somewhere goes on where it stopped, and ends as an undisturbed one would: unfinished trials are
    told to have failed, and the sampler is made anew for every trial from the seed and the number
    of finished ones.
    """

    def __init__(
        self,
        space: Space,
        first: Mapping[str, Any],
        trials: int,
        seed: int,
        place: StudyStorage | None,
    ) -> None:
        self.space, self.first, self.trials, self.seed = space, first, trials, seed
        self.place = place or StudyStorage()
        #: What was found, once the last trial is over.
        self.found = TuningResult(first, ())

    def __iter__(self) -> Iterator[OpenTrial]:
        """Trials until so many are finished, whoever finishes them."""
        if self.trials == 0:
            return
        with self.place.opened() as study:
            if self.place.shared:
                sampler = partial(_sampler, self.seed, shared=True)
                yield from trials_together(study, self.space, self.first, self.trials, sampler)
            else:
                yield from self._alone(study)
            # Of a study that somebody has searched further the first ones are this budget.
            kept = tuple(map(_kept, _finished(study)[: self.trials]))
        best = max(kept, key=lambda trial: (trial.state == "complete", trial.value))
        self.found = TuningResult(best.parameters, kept)

    def _alone(self, study: optuna.Study) -> Iterator[OpenTrial]:
        for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(left.number, state=TrialState.FAIL)
        while (done := len(_finished(study))) < self.trials:
            study.sampler = _sampler(self.seed, done)
            if done == 0 and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                study.enqueue_trial(dict(self.first))
            trial = OpenTrial(study.ask(dict(self.space)), self.first)
            yield trial
            trial.tell(study)


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
