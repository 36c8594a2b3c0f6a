"""When a trial is given up: it does worse than half of those before it did after as many epochs.

After every epoch a trial tells what it would be worth if it ended now, the metric that trials are
chosen by. Losses of development rows order trials otherwise (DECISIONS.md has the numbers).
"""

from collections.abc import Callable, Mapping
from typing import Any

import optuna

#: Trials that end by themselves before one is given up, as many as the sampler draws at random.
STARTUP = 5
#: No trial is given up before it has seen its rows so many times.
EPOCHS = 2

#: Takes the number of an epoch and what a trial would be worth; raises where it is given up.
Tell = Callable[[int, float], None]
Objective = Callable[[Mapping[str, Any], Tell], float]


def pruner() -> optuna.pruners.BasePruner:
    """The rule, as Optuna has it: the best value so far below the median of finished trials."""
    return optuna.pruners.MedianPruner(
        n_startup_trials=STARTUP, n_warmup_steps=EPOCHS, n_min_trials=STARTUP
    )


def telling(trial: optuna.Trial) -> Tell:
    """How an objective tells what becomes of a trial."""

    def tell(epoch: int, value: float) -> None:
        trial.report(value, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    return tell
