"""Which arms are compared with which."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from experiments.reporting.results_schema import ArmDifference
from fusion.evaluation.statistics import Difference, holm
from fusion.training.arm_table import ARMS

Compare = Callable[[str, str], Difference]


def differences(
    arms: Collection[str], published: Mapping[str, str], metric: str, compare: Compare
) -> list[ArmDifference]:
    """The primary comparison, then the exploratory ones with Holm's correction, in one metric.

    ``published`` are published classifiers, each with the arm that reads what it reads.
    """
    pairs = [(arm.name, other) for arm in ARMS.values() for other in arm.against]
    # What tells whether fusing helps stands before what tells how to fuse.
    pairs.sort(key=lambda pair: ARMS[pair[1]].fused)
    pairs += published.items()
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
