"""What a run says of how an arm was fitted in a fold, besides what its predictions say.

Nothing here depends on the clock: seconds are in ``cost.json`` (:mod:`experiments.reporting.cost`).
"""

import math
from collections.abc import Sequence
from typing import Any

from fusion.arms import Budget, FoldScores
from fusion.importance import importance
from fusion.networks.head import Space
from fusion.stopping import Curve
from fusion.training.arm_table import TrainedArm, arm_of
from fusion.tune import SPACES, Trial

#: Digits of a loss in ``results.json``, and of a tried value: both are looked at, and nothing is
#: computed from them. The values that were chosen have all of theirs.
DIGITS, PRECISE = 4, 6


def fit_facts(scores: FoldScores, budget: Budget) -> dict[str, Any]:
    """Hyperparameters, trials, epochs and learning curve of one arm in one fold.

    ``epochs`` are those that were kept, one per head; a fit without heads has neither.
    """
    found: dict[str, Any] = {
        "fold": scores.fold,
        "hyperparameters": dict(scores.hyperparameters),
        "trials": [_told(trial) for trial in scores.trials],
    }
    if scores.trials and (shares := importance(scores.trials, _space(scores.arm, budget))):
        found["importance"] = {name: _rounded(share) for name, share in shares.items()}
    if scores.layer_weights:
        found["layer_weights"] = dict(scores.layer_weights)
    if scores.curves:
        found |= {"epochs": list(scores.epochs), "curve": mean_curve(scores.curves)}
    return found


def _told(trial: Trial) -> dict[str, Any]:
    values = {
        name: _rounded(value, PRECISE) if isinstance(value, float) else value
        for name, value in trial.parameters.items()
    }
    return {"value": trial.value, "state": trial.state, "parameters": values}


def _space(arm: str, budget: Budget) -> Space:
    found = arm_of(arm)
    return budget.space(found.head) if isinstance(found, TrainedArm) else SPACES.get(arm, {})


def mean_curve(curves: Sequence[Curve]) -> dict[str, list[Any]]:
    """Losses epoch by epoch, the mean over the heads that were still trained, and how many.

    ``low`` and ``high`` are the least and the largest development loss of these heads.
    """
    longest = max(len(curve.dev) for curve in curves)
    found: dict[str, list[Any]] = {key: [] for key in ("train", "dev", "low", "high", "heads")}
    for epoch in range(longest):
        left = [curve for curve in curves if len(curve.dev) > epoch]
        dev = [curve.dev[epoch] for curve in left]
        found["train"].append(_rounded(sum(curve.train[epoch] for curve in left) / len(left)))
        found["dev"].append(_rounded(sum(dev) / len(left)))
        found["low"].append(_rounded(min(dev)))
        found["high"].append(_rounded(max(dev)))
        found["heads"].append(len(left))
    return found


def _rounded(value: float, digits: int = DIGITS) -> float | None:
    """A number with the digits that are kept; None where it is none."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
