"""Which arms are compared with which."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from fusion.statistics import Difference, holm
from fusion.training.arm_table import ARMS

Compare = Callable[[str, str], Difference]


def differences(
    arms: Collection[str], published: Mapping[str, str], metric: str, compare: Compare
) -> list[dict[str, Any]]:
    """The primary comparison, then the exploratory ones with Holm's correction, in one metric.

    ``published`` are published classifiers, each with the arm that reads what it reads.
    """
    pairs = [(arm.name, other) for arm in ARMS.values() for other in arm.against]
    # What tells whether fusing helps stands before what tells how to fuse.
    pairs.sort(key=lambda pair: ARMS[pair[1]].fused)
    pairs += published.items()
    exploratory = [
        _row(arm, other, metric, compare(arm, other), primary=False)
        for arm, other in pairs
        if arm in arms and other in arms
    ]
    for row, corrected in zip(exploratory, holm([r["p"] for r in exploratory]), strict=True):
        row["p_holm"] = corrected
    if "best_fused" not in arms or "best_unimodal" not in arms:
        return exploratory
    best = compare("best_fused", "best_unimodal")
    return [_row("best_fused", "best_unimodal", metric, best, primary=True), *exploratory]


def _row(
    arm: str, against: str, metric: str, found: Difference, *, primary: bool
) -> dict[str, Any]:
    return {
        "arm": arm,
        "against": against,
        "metric": metric,
        "value": found.interval.value,
        "low": found.interval.low,
        "high": found.interval.high,
        "method": found.interval.method,
        "p": found.p,
        "p_holm": None,
        "detectable": found.detectable,
        "equivalent": found.equivalent,
        "primary": primary,
    }
