"""What arms are called wherever a person reads of them."""

from fusion.escaping import plain

_NAMES = {
    "best_unimodal": "best single modality",
    "best_fused": "best fused",
    "audio_frames": "audio frames",
    "audio_linear": "audio, final layer only",
    "text_linear": "text, final layer only",
    "concat_linear": "concat, final layer only",
    "concat_crossfit": "concat, cross-fitted",
    "late_mean": "late mean",
    "late_product": "late product",
    "late_max": "late max",
    "late_per_class": "late per class",
}


def arm_name(arm: str) -> str:
    """An arm's name in tables."""
    return plain(_NAMES.get(arm, arm))
