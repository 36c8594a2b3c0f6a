"""What arms are called wherever a person reads of them."""

from encoders.messages import printable
from fusion.training.arm_table import ARMS

#: Chosen per fold on development rows among the others.
_BEST = {"best_unimodal": "best single modality", "best_fused": "best fused"}


def arm_name(arm: str) -> str:
    """An arm's name in tables."""
    title = ARMS[arm].title if arm in ARMS else _BEST.get(arm, "")
    return printable(title or arm)
