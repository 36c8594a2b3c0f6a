"""Which arms are compared with which, and which of them the best ones are chosen from."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from experiments.reporting.results_schema import ArmDifference
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
) -> list[ArmDifference]:
    """The primary comparison, then the exploratory ones with Holm's correction, in one metric.

    ``published`` are published classifiers, each with the arm that reads what it reads.
    """
    pairs = [(arm, other + "_linear" * (arm in LINEAR)) for arm in FUSED for other in KINDS]
    pairs += [("concat_crossfit", "concat_linear"), *published.items()]
    exploratory = [
        ArmDifference.of((arm, other), metric, compare(arm, other))
        for arm, other in pairs
        if arm in arms and other in arms
    ]
    corrected = holm([row.p for row in exploratory])
    exploratory = [replace(row, p_holm=p) for row, p in zip(exploratory, corrected, strict=True)]
    if "best_fused" not in arms or "best_unimodal" not in arms:
        return exploratory
    pair = ("best_fused", "best_unimodal")
    return [ArmDifference.of(pair, metric, compare(*pair), primary=True), *exploratory]
