"""Nested Optuna studies: search spaces as data, equal budgets, resumable, deterministic.

There is no pruner: the inner folds of a trial are trained as one stack, so that there is no
unfinished trial to stop.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

Space = Mapping[str, BaseDistribution]

#: Of heads with one hidden layer over utterance-level embeddings.
_HIDDEN: Space = {
    "hidden": CategoricalDistribution((32, 64, 128, 256)),
    "dropout": FloatDistribution(0.2, 0.7),
    "learning_rate": FloatDistribution(3e-4, 3e-3, log=True),
    "weight_decay": FloatDistribution(1e-2, 10.0, log=True),
}
SPACES: Mapping[str, Space] = MappingProxyType(
    {
        "linear": {
            "dropout": FloatDistribution(0.0, 0.7),
            "learning_rate": FloatDistribution(3e-4, 3e-3, log=True),
            "weight_decay": FloatDistribution(1e-2, 10.0, log=True),
        },
        **dict.fromkeys(("mlp", "gated", "lowrank"), _HIDDEN),
        "attention": {
            "hidden": CategoricalDistribution((16, 32, 64)),
            "dropout": FloatDistribution(0.2, 0.7),
            "learning_rate": FloatDistribution(1e-3, 4e-3, log=True),
            "weight_decay": FloatDistribution(1e-2, 10.0, log=True),
        },
        "late": {"audio_weight": FloatDistribution(0.0, 1.0)},
        "late_per_class": {"shrinkage": FloatDistribution(1e-3, 10.0, log=True)},
    }
)


@dataclass(frozen=True, slots=True)
class Study:
    """The best values found and the objective of every trial, in order."""

    best: Mapping[str, Any]
    values: tuple[float, ...]


def tune(
    objective: Callable[[Mapping[str, Any]], float],
    space: Space,
    first: Mapping[str, Any],
    trials: int,
    seed: int,
    journal: Path | None,
) -> Study:
    """Maximise an objective over a space with TPE; the first trial is ``first``.

    With 0 trials ``first`` is taken as it is. A study whose journal exists goes on where it
    stopped, and ends as an undisturbed one would: unfinished trials are told to have failed, and
    the sampler is made anew for every trial from the seed and the number of finished ones.
    """
    if trials == 0:
        return Study(first, ())
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=_storage(journal), study_name="study", direction="maximize", load_if_exists=True
    )
    for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(left.number, state=TrialState.FAIL)
    while (done := len(_finished(study))) < trials:
        study.sampler = _sampler(seed, done)
        if done == 0 and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.enqueue_trial(dict(first))
        trial = study.ask(dict(space))
        value = objective(trial.params)
        assert not np.isnan(value), "no value: such a trial would be tried again for ever"
        study.tell(trial, value)
    values = tuple(float(trial.value) for trial in _finished(study) if trial.value is not None)
    return Study(study.best_params, values)


def _finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _sampler(seed: int, done: int) -> optuna.samplers.TPESampler:
    state = np.random.SeedSequence([seed, done]).generate_state(1)
    return optuna.samplers.TPESampler(seed=int(state[0]), n_startup_trials=5)


def _storage(journal: Path | None) -> BaseStorage:
    if journal is None:
        return InMemoryStorage()
    journal.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(journal)))
