"""Heads, training and evaluation on cached embeddings. Runs no encoder, ``model.predict`` apart.

Files and rooms, each importing only from lines above its own:

    batch, bundled, evaluation, splitting
    leakage, networks
    tuning
    training
    estimator, model
"""

from importlib import import_module
from typing import Any

_HOME = {
    "FusionClassifier": "fusion.estimator",
    "FusionModel": "fusion.model.fusion_model",
}

__all__ = ["FusionClassifier", "FusionModel"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the type is the one of the name asked for
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'fusion' has no attribute {name!r}; it has {', '.join(__all__)}")
