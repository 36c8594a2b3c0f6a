"""When a trial is pruned: it does worse than half of those before it did after as many epochs.

After every epoch a trial reports what it would be worth if it ended now, the metric that trials are
chosen by. Losses of development rows order trials otherwise (DECISIONS.md has the numbers).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

#: So many trials, complete ones, must have reported their worth after an epoch before it is judged
#: by; the sampler draws as many at random.
STARTUP = 5
#: A trial reports nothing, and is not pruned, before it has seen its rows so many times.
EPOCHS = 2


def pruner() -> optuna.pruners.BasePruner:
    """The rule, as Optuna has it: the best value so far below the median of complete trials."""
    return optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_min_trials=STARTUP)


class OpenTrial:
    """A trial under way: the values to try, and what comes of it.

    Who tries them gives it a ``value``, unless it was ``pruned``; that of the defaults never is.
    """

    def __init__(self, trial: optuna.Trial, first: Mapping[str, Any]) -> None:
        self.parameters: Mapping[str, Any] = trial.params
        self.value = float("nan")
        self.pruned = False
        self._trial, self._defaults = trial, trial.params == dict(first)

    def report(self, epoch: int, value: float) -> None:
        """Report what it would be worth if it ended with this epoch, as they count from 1."""
        if epoch < EPOCHS:
            return
        try:
            self._trial.report(value, epoch)
        except UpdateFinishedTrialError:
            # Other workers took this one for dead, and try again: what comes of it is not wanted.
            self.pruned = True
            return
        self.pruned = self._trial.should_prune() and not self._defaults

    def tell(self, study: optuna.Study) -> None:
        """Tell a study what has become of it."""
        if self.pruned:
            study.tell(self._trial, state=TrialState.PRUNED)
            return
        assert not np.isnan(self.value), "no value: such a trial would be tried again for ever"
        study.tell(self._trial, self.value)
