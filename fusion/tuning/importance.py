"""Which hyperparameters decided, told from the trials of one study."""

import warnings
from collections.abc import Sequence

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from fusion.networks.head import Space
from fusion.tuning.storage import StudyStorage
from fusion.tuning.tune import Trial

#: The trials that count as good: with a tenth of them, two of twenty would decide.
GOOD = 0.25
#: Fewer trials have no good quarter to speak of.
LEAST = 5


def importance(trials: Sequence[Trial], space: Space) -> dict[str, float]:
    """Shares of hyperparameters in what sets the best quarter of the trials apart, summing to 1.

    PED-ANOVA (Watanabe, Bansal and Hutter 2023): how far the values of good trials are from those
    of all. No chance is involved. Pruned trials are there with what they were worth. Empty where
    nothing can be said: few trials, one hyperparameter, or trials that are all as good.
    """
    if len(trials) < LEAST or len(space) < 2 or len({trial.value for trial in trials}) < 2:
        return {}
    with StudyStorage().opened() as study:
        study.add_trials(
            optuna.create_trial(
                params=dict(trial.parameters), distributions=dict(space), value=trial.value
            )
            for trial in trials
        )
    evaluator = PedAnovaImportanceEvaluator(target_quantile=GOOD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        # Of many equal trials all may be among the best: then nothing sets them apart.
        warnings.simplefilter("error", UserWarning)
        try:
            shares = get_param_importances(study, evaluator=evaluator)
        except UserWarning:
            return {}
    return {name: float(shares[name]) for name in space}
