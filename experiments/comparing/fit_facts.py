"""What a run says of how an arm was fitted in a fold, besides what its predictions say."""

import math
from collections.abc import Sequence
from typing import Any

from fusion.arms import FoldScores
from fusion.stopping import Curve

#: Digits of a loss in ``results.json``: a curve is looked at, nothing is computed from it.
DIGITS = 4


def fit_facts(scores: FoldScores) -> dict[str, Any]:
    """Hyperparameters, trials, epochs and learning curve of one arm in one fold.

    ``epochs`` are those that were kept, one per head; a fit without heads has neither.
    """
    found: dict[str, Any] = {
        "fold": scores.fold,
        "hyperparameters": dict(scores.hyperparameters),
        "trials": list(scores.trials),
    }
    if scores.layer_weights:
        found["layer_weights"] = dict(scores.layer_weights)
    if scores.curves:
        found |= {"epochs": list(scores.epochs), "curve": mean_curve(scores.curves)}
    return found


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


def _rounded(value: float) -> float | None:
    """A loss with the digits that are kept; None where it is no number."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
