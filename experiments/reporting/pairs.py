"""Which arms are compared with which, and which of them the best ones are chosen from."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from fusion.statistics import Difference, holm

UNIMODAL = ("audio", "text", "audio_frames", "audio_linear", "text_linear")
FUSED = (
    *("concat", "concat_linear", "concat_crossfit", "gated", "lowrank"),
    *("late", "late_mean", "late_product", "late_max", "late_per_class", "attention"),
)
#: Arms of a final layer alone are compared with each other: a hidden layer is another factor.
LINEAR = ("concat_linear", "concat_crossfit")
KINDS = ("audio", "text")

Compare = Callable[[str, str], Difference]


def differences(
    arms: Collection[str], published: Mapping[str, str], metric: str, compare: Compare
) -> list[dict[str, Any]]:
    """The primary comparison, then the exploratory ones with Holm's correction, in one metric.

    ``published`` are published classifiers, each with the arm that reads what it reads.
    """
    pairs = [(arm, other + "_linear" * (arm in LINEAR)) for arm in FUSED for other in KINDS]
    pairs += [("concat_crossfit", "concat_linear"), *published.items()]
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
