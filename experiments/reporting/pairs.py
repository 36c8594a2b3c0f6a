"""Which arms are compared with which."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from experiments.reporting.results_schema import ArmDifference
from fusion.evaluation.statistics import Difference, corrected
from fusion.training.arm_table import ARMS, JOINT, LISTENERS, SCORES, arm_of

Compare = Callable[[str, str], Difference]


def differences(
    arms: Collection[str], elsewhere: Iterable[tuple[str, str]], metric: str, compare: Compare
) -> list[ArmDifference]:
    """The primary comparison, then the exploratory ones with Holm's correction, in one metric.

    ``elsewhere`` are the pairs of :func:`pairs_elsewhere`.
    """
    pairs = [(arm.name, other) for arm in ARMS.values() for other in arm.against]
    # What tells whether fusing helps stands before what tells how to fuse.
    pairs.sort(key=lambda pair: ARMS[pair[1]].fused)
    pairs += elsewhere
    there = [(arm, other) for arm, other in pairs if arm in arms and other in arms]
    compared = [compare(arm, other) for arm, other in there]
    exploratory = [
        ArmDifference.of(pair, metric, difference, among=among)
        for pair, difference, among in zip(there, compared, corrected(compared), strict=True)
    ]
    if "best_fused" not in arms or "best_unimodal" not in arms:
        return exploratory
    pair = ("best_fused", "best_unimodal")
    return [ArmDifference.of(pair, metric, compare(*pair), primary=True), *exploratory]


def pairs_elsewhere(arms: Iterable[str], published: Mapping[str, str]) -> list[tuple[str, str]]:
    """What arms that were trained elsewhere are compared with.

    A published classifier with the arm that reads what it reads (``published``); scores of a file
    and listeners with our best arms, with published classifiers and with the files before them; a
    joint arm with both its sides.
    """
    pairs, before = list(published.items()), list(published)
    for arm in arms:
        if arm.startswith(SCORES) or arm == LISTENERS:
            pairs += [(arm, other) for other in ("best_unimodal", "best_fused", *before)]
            before.append(arm)
        elif arm.startswith(JOINT):
            pairs += [(arm, side) for side in arm_of(arm).against]
    return pairs


def gated(rows: Sequence[ArmDifference]) -> list[ArmDifference]:
    """The primary comparison in a further metric counts only where it is shown in all before it.

    Its p is the largest so far, so that there is one chance of a false claim and not two (a fixed
    sequence; Maurer, Hothorn & Lehmacher 1995). After a metric without a test nothing is shown.
    """
    made, before = [], None
    for row in rows:
        if row.primary:
            own = 1.0 if row.p is None else row.p
            if before is not None and row.p is not None:
                row = replace(row, p_holm=max(before, own))
            before = max(before or 0.0, own)
        made.append(row)
    return made
