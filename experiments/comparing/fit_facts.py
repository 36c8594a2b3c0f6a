"""What a run says of how an arm was fitted in a fold, besides what its predictions say.

Nothing here depends on the clock: seconds are in ``cost.json`` (:mod:`experiments.reporting.cost`).
"""

import math
from collections.abc import Mapping, Sequence

from experiments.reporting.results_schema import FoldResults, MeanCurve, TriedOut
from fusion.training.arm_table import TrainedArm, arm_of
from fusion.training.arms import Budget, FoldScores
from fusion.training.early_stopping import Curve
from fusion.training.late import space_of
from fusion.tuning.importance import importance
from fusion.tuning.tune import Trial

#: Digits of a loss in ``results.json``, and of a tried value: both are looked at, and nothing is
#: computed from them. The values that were chosen have all of theirs.
DIGITS, PRECISE = 4, 6


def fit_facts(scores: FoldScores, budget: Budget) -> FoldResults:
    """Hyperparameters, trials, epochs and learning curve of one arm in one fold.

    ``epochs`` are those that were kept, one per head; a fit without heads has neither.
    """
    shares: Mapping[str, float] = {}
    # An arm with an input left out has no trials, and is none of the table.
    if scores.trials:
        entry = arm_of(scores.arm)
        space = budget.space(entry.head) if isinstance(entry, TrainedArm) else space_of(scores.arm)
        shares = importance(scores.trials, space)
    weights = {name: list(mix) for name, mix in scores.layer_weights.items()}
    return FoldResults(
        fold=scores.fold,
        hyperparameters=dict(scores.hyperparameters),
        trials=tuple(_tried(trial) for trial in scores.trials),
        importance={name: _rounded(share) for name, share in shares.items()} or None,
        layer_weights=weights or None,
        epochs=scores.epochs if scores.curves else (),
        curve=mean_curve(scores.curves) if scores.curves else None,
    )


def _tried(trial: Trial) -> TriedOut:
    values = {
        name: _rounded(value, PRECISE) if isinstance(value, float) else value
        for name, value in trial.parameters.items()
    }
    return TriedOut(trial.value, trial.state, values)


def mean_curve(curves: Sequence[Curve]) -> MeanCurve:
    """Losses epoch by epoch, the mean over the heads that were still trained, and how many."""
    mean = MeanCurve([], [], [], [], [])
    for epoch in range(max(len(curve.dev) for curve in curves)):
        left = [curve for curve in curves if len(curve.dev) > epoch]
        dev = [curve.dev[epoch] for curve in left]
        mean.train.append(_finite(sum(curve.train[epoch] for curve in left) / len(left)))
        mean.dev.append(_finite(sum(dev) / len(left)))
        mean.low.append(_finite(min(dev)))
        mean.high.append(_finite(max(dev)))
        mean.heads.append(len(left))
    return mean


def _finite(value: float) -> float | None:
    """A loss with the digits that are kept; None where it is none."""
    return _rounded(value) if math.isfinite(value) else None


def _rounded(value: float, digits: int = DIGITS) -> float:
    return float(f"{value:.{digits}g}")
