"""How heads were tuned and trained: what a page shows of trials and learning curves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median
from typing import Any

from experiments.reporting.caveats import stamped
from experiments.reporting.figures import kind_of
from experiments.reporting.line_chart import Chart, Line, draw_chart
from experiments.reporting.numbers import column, primary_of
from experiments.reporting.wording import arm_name
from fusion.escaping import counted, plain

#: Below so many trials shares of importance are told with a caution.
ENOUGH = 20
#: A mean is drawn while this share of the heads is still trained: then the slow ones are left.
LEFT = 0.5


@dataclass(frozen=True, slots=True)
class Importance:
    """Shares of the hyperparameters of an arm: mean, least and largest over the folds."""

    arm: str
    folds: int
    shares: Mapping[str, tuple[float, float, float]]


def tuning_figures(results: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """By arm: ``history`` where it had more than one trial, ``learning`` where it has heads."""
    found: dict[str, dict[str, str]] = {}
    for arm in results["arms"]:
        drawn = {"history": _history(results, arm), "learning": _learning(results, arm)}
        kept = {kind: draw_chart(chart) for kind, chart in drawn.items() if chart is not None}
        found |= {arm: kept} if kept else {}
    return found


def importances(results: Mapping[str, Any]) -> list[Importance]:
    """Every arm with two hyperparameters or more, and trials enough to say something."""
    found = []
    for arm, summary in results["arms"].items():
        own = [fold["importance"] for fold in summary["folds"] if fold.get("importance")]
        if own:
            shares = {
                name: (sum(one[name] for one in own) / len(own), *_ends([one[name] for one in own]))
                for name in own[0]
            }
            found.append(Importance(arm, len(own), shares))
    return found


def trials_of(results: Mapping[str, Any]) -> int:
    """The largest number of trials that an arm had in a fold."""
    return max((summary["trials"] for summary in results["arms"].values()), default=0)


def pruned(trials: Sequence[Mapping[str, Any]]) -> int:
    """How many trials were given up before their end (:mod:`fusion.pruning`)."""
    return sum(trial["state"] == "pruned" for trial in trials)


def best_so_far(trials: Sequence[Mapping[str, Any]]) -> list[float]:
    """The best value of trials that ended by themselves; minus infinity before the first one."""
    own = [-math.inf if trial["state"] == "pruned" else trial["value"] for trial in trials]
    return list(accumulate(own, max))


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _history(results: Mapping[str, Any], arm: str) -> Chart | None:
    """The best development value so far over the trials, a line for each fold."""
    told = column(primary_of(results))
    lines = []
    for fold in results["arms"][arm]["folds"]:
        trials = fold.get("trials", ())
        if len(trials) > 1:
            best = best_so_far(trials)
            numbered = enumerate(best, start=1)
            points = tuple((float(n), value) for n, value in numbered if value > -math.inf)
            gained = f"{told.tell(points[0][1])} at first, {told.tell(best[-1])} at last"
            given_up = f", {count} of {len(trials)} pruned" if (count := pruned(trials)) else ""
            name = f"fold {plain(fold['fold'])}: {gained}{given_up}"
            lines.append(Line(points, name, strong=True))
    if not lines:
        return None
    said = "; ".join(one.told for one in lines)
    unit = f"best {told.title} so far{', %' if told.share else ''}"
    title = stamped(f"History of trials, {arm_name(arm)}: {said}", results)
    return Chart(title, kind_of(arm), "trial", unit, tuple(lines), share=told.share)


def _learning(results: Mapping[str, Any], arm: str) -> Chart | None:
    """Losses over epochs: the mean over all heads, and of development rows each fold's."""
    folds = [fold for fold in results["arms"][arm]["folds"] if fold.get("curve")]
    curves = [fold["curve"] for fold in folds]
    means = {kind: _mean(curves, kind) for kind in ("train", "dev")}
    if not means["dev"]:
        return None
    lines = [Line(means["train"], "training, mean over heads", strong=True, dash="5 3")]
    lines.append(Line(means["dev"], "development, mean over heads", strong=True))
    for fold, curve in zip(folds, curves, strict=True):
        lines.append(Line(_mean([curve], "dev"), f"development, fold {plain(fold['fold'])}"))
    kept = [epoch for fold in folds for epoch in fold.get("epochs", ())]
    title = stamped(f"Learning curves, {arm_name(arm)}: {stopped(kept)}", results)
    key = (("training", "5 3"), ("development", "none"))
    shown = tuple(one for one in lines if one.points)
    return Chart(title, kind_of(arm), "epoch", "loss", shown, tuple(sorted(set(kept))), key=key)


def stopped(kept: Sequence[int]) -> str:
    """Which epochs were kept, in words."""
    if not kept:
        return "no head"
    return (
        f"{counted(len(kept), 'head')}, epoch kept {median(kept):g} in the middle, "
        f"{min(kept)} to {max(kept)}"
    )


def _mean(curves: Sequence[Mapping[str, Any]], kind: str) -> tuple[tuple[float, float], ...]:
    """The mean over the heads of several folds, while enough of them are trained."""
    every = sum(curve["heads"][0] for curve in curves if curve["heads"])
    points = []
    for epoch in range(max((len(curve["heads"]) for curve in curves), default=0)):
        left = [curve for curve in curves if len(curve["heads"]) > epoch]
        if sum(curve["heads"][epoch] for curve in left) < max(1, LEFT * every):
            break
        known = [curve for curve in left if curve[kind][epoch] is not None]
        heads = sum(curve["heads"][epoch] for curve in known)
        if heads:
            total = sum(curve["heads"][epoch] * curve[kind][epoch] for curve in known)
            points.append((epoch + 1.0, total / heads))
    return tuple(points)
