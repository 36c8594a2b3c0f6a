"""What ``results.json`` holds of how an arm was fitted in a fold."""

from collections.abc import Mapping
from typing import Any

#: What of a fit no prediction gives, so that it is carried over.
FIT = ("fold", "hyperparameters", "trials", "importance", "layer_weights", "epochs", "curve")
#: What stands with the arm alone, and not again with a best arm that it was chosen for.
OWN = ("trials", "importance", "epochs", "curve")


def carried(fit: Mapping[str, Any]) -> dict[str, Any]:
    """A fit as it stands in its fold's entry, which has the fold's name already."""
    left = {"fold", *(OWN if "chosen" in fit else ())}
    return {key: value for key, value in fit.items() if key not in left}
