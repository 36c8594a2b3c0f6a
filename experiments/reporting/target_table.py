"""Labels and dimensions one by one: a table of the best arms."""

from dataclasses import dataclass

from encoders.messages import printable
from experiments.reporting.arm_names import arm_name
from experiments.reporting.caveats import BEST
from experiments.reporting.numbers import ABSENT, COLUMNS, decimals, percent
from experiments.reporting.results_schema import Results

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
    tell = percent if labels else _number
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
    """The primary metric of a classifier without any knowledge, and how that is said."""

    value: float
    label: str


def chance_level(results: Results) -> Chance:
    """Chance of a class; of labels the macro F1 of naming every label; of values a CCC of 0."""
    if results.task == "regression":
        return Chance(0.0, "no agreement")
    if results.task == "multi-label":
        first = next(iter(results.arms.values())).targets.values()
        shares = [(scores.support or 0) / results.rows.used for scores in first]
        value = sum(2 * share / (1 + share) for share in shares) / len(shares)
        return Chance(value, f"every label named {percent(value)}")
    chance = 1 / len(results.targets)
    return Chance(chance, f"chance {percent(chance)}")


def _number(value: float | None) -> str:
    return ABSENT if value is None else decimals(value, 3)
