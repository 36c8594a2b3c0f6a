"""Labels and dimensions one by one: a table of the best arms."""

from collections.abc import Sequence
from dataclasses import dataclass

from encoders.messages import printable
from experiments.reporting.arm_names import arm_name
from experiments.reporting.caveats import BEST
from experiments.reporting.numbers import COLUMNS, percent, primary_of
from experiments.reporting.results_schema import Results
from fusion.evaluation.goals import Goal

Rows = list[list[str]]

_OF_LABELS = {"f1": "F1", "precision": "precision", "recall": "recall",
              "weighted_accuracy": "weighted accuracy", "auc": "AUC"}  # fmt: skip
_OF_VALUES = {name: COLUMNS[name].title for name in ("ccc", "pearson", "mse", "mae")}


def per_target_table(results: Results) -> tuple[list[str], Rows] | None:
    """Head and rows; None where targets are single classes or shares of them."""
    names = {"multi-label": _OF_LABELS, "regression": _OF_VALUES}.get(results.task)
    if names is None:
        return None
    arms = [arm for arm in BEST if arm in results.arms] or list(results.arms)[:2]
    labels = results.task == "multi-label"
    tell = percent if labels else COLUMNS["ccc"].tell
    rows = [
        [
            arm_name(arm),
            printable(target),
            *(tell(scores.of(name)) for name in names),
            *([str(scores.support)] if labels else []),
        ]
        for arm in arms
        for target, scores in results.arms[arm].targets.items()
    ]
    first, last = ("label", ["utterances"]) if labels else ("dimension", [])
    return ["arm", first, *names.values(), *last], rows


@dataclass(frozen=True, slots=True)
class Chance:
    """The metric that is told, of a classifier without any knowledge, and how that is said."""

    value: float
    label: str

    @property
    def words(self) -> str:
        """The label without its number."""
        return self.label.removesuffix(f" {percent(self.value)}")


def chance_level(results: Results) -> Chance:
    """What :func:`chance_of` says of the test rows."""
    first = next(iter(results.arms.values())).targets.values()
    rows = results.rows.used - (results.rows.without_majority or 0)
    shares = [(scores.support or 0) / max(rows, 1) for scores in first]
    return chance_of(primary_of(results), shares, sets=results.task == "multi-label")


def chance_of(goal: Goal, shares: Sequence[float], *, sets: bool) -> Chance:
    """What a metric is without any knowledge, from the share of rows that each target has.

    UAR of any constant answer is 1 / classes, AUC one half, CCC 0. Of other metrics of classes it
    is that of always naming the largest class, of ``sets`` of labels that of naming every label.
    """
    if goal == "ccc":
        return Chance(0.0, "no agreement")
    if goal == "auc":
        return Chance(0.5, f"no order {percent(0.5)}")
    if goal == "uar":
        return Chance(1 / len(shares), f"chance {percent(1 / len(shares))}")
    f1 = [2 * share / (1 + share) for share in shares]
    if sets:
        weights = shares if goal == "weighted_f1" else [1.0] * len(shares)
        pairs = zip(weights, f1, strict=True)
        value = sum(weight * one for weight, one in pairs) / sum(weights)
        return Chance(value, f"every label named {percent(value)}")
    largest = max(shares)
    values = {
        "accuracy": largest,
        "macro_f1": max(f1) / len(shares),
        "weighted_f1": largest * max(f1),
    }
    return Chance(values[goal], f"largest class named {percent(values[goal])}")
