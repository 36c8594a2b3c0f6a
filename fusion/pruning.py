"""When a trial is pruned: it does worse than half of those before it did after as many epochs.

After every epoch a trial tells what it would be worth if it ended now, the metric that trials are
chosen by. Losses of development rows order trials otherwise (DECISIONS.md has the numbers).
"""

from collections.abc import Callable, Mapping
from typing import Any

import optuna

#: So many trials, complete ones, must have told their worth after an epoch before it is judged by;
#: the sampler draws as many at random.
STARTUP = 5
#: A trial tells nothing, and is not pruned, before it has seen its rows so many times.
EPOCHS = 2

#: Takes the number of an epoch and what a trial would be worth; raises where it is pruned.
Tell = Callable[[int, float], None]
Objective = Callable[[Mapping[str, Any], Tell], float]


def pruner() -> optuna.pruners.BasePruner:
    """The rule, as Optuna has it: the best value so far below the median of complete trials."""
    return optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_min_trials=STARTUP)


def telling(trial: optuna.Trial, first: Mapping[str, Any]) -> Tell:
    """How an objective tells what becomes of a trial; that of the defaults is never pruned."""
    defaults = trial.params == dict(first)

    def tell(epoch: int, value: float) -> None:
        if epoch >= EPOCHS:
            trial.report(value, epoch)
            if trial.should_prune() and not defaults:
                raise optuna.TrialPruned

    return tell
