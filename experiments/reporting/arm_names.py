"""What arms are called wherever a person reads of them."""

from collections.abc import Iterable

from encoders.messages import printable
from fusion.training.arm_table import ARMS, JOINT, LISTENERS, SCORES, arm_of

#: Chosen per fold on development rows among the others.
_BEST = {"best_unimodal": "best single modality", "best_fused": "best fused"}


def arm_name(arm: str) -> str:
    """An arm's name in tables; of scores the name of the file, without its folder."""
    if arm.startswith(SCORES):
        return printable(f"{SCORES}{arm.removeprefix(SCORES).rpartition('/')[2]}")
    if arm.startswith(JOINT):
        return printable(" + ".join(map(arm_name, arm_of(arm).against)))
    title = ARMS[arm].title if arm in ARMS else _BEST.get(arm, "")
    return printable(title or arm)


def row_name(arm: str) -> str:
    """An arm's name where rows are of arms: listeners are what the others are held against."""
    return f"ceiling: {arm_name(arm)}" if arm == LISTENERS else arm_name(arm)


def in_rows(arms: Iterable[str]) -> list[str]:
    """Arms in the order of a table's rows: listeners, who are no classifier, come last."""
    return sorted(arms, key=lambda arm: arm == LISTENERS)
