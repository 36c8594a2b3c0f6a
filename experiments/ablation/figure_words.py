"""Words of an ablation's figures: what they show, their line of comparison, and their scores."""

from collections.abc import Sequence

from encoders.messages import printable
from experiments.ablation.findings import metric_of
from experiments.ablation.result import Ablation
from experiments.ablation.scores import Summary
from experiments.reporting.numbers import percent
from experiments.reporting.target_table import Chance

#: Arms that a figure shows where there are more.
SHOWN = 4
PREFERRED = ("audio", "text", "late", "concat", "attention")


def title_of(ablation: Ablation) -> str:
    """What the figure shows."""
    factors = " and ".join(printable(factor.label) for factor in ablation.grid.factors)
    return f"{metric_of(ablation).title} over {factors}"


def blind_of(whole: Sequence[Summary]) -> Chance:
    """What a classifier without any knowledge has; of several sets of classes the most."""
    most = max((summary.blind for summary in whole), key=lambda chance: chance.value)
    if len({summary.blind.value for summary in whole}) == 1:
        return most
    if whole[0].metric == "uar":
        return Chance(most.value, "chance of the fewest classes")
    return Chance(most.value, f"{most.words}, at most {percent(most.value)}")


def shown_arms(whole: Sequence[Summary]) -> list[str]:
    """Arms that a figure shows: all, or the usual ones."""
    arms = list(dict.fromkeys(summary.arm for summary in whole))
    if len(arms) <= SHOWN:
        return arms
    wanted = [arm for arm in arms if arm in PREFERRED]
    return sorted(wanted, key=PREFERRED.index)[:SHOWN] or arms[:SHOWN]
