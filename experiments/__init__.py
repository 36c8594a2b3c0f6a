"""Commands, corpora, comparisons and reports.

Files and rooms, each importing only from lines above its own:

    annotations, cache, config, demo, locks, models, templates
    cluster, corpora, doctor, reporting
    comparing, tracking
    ablation, checking, embed, interviews
    predicting
    commands
"""

from importlib import import_module
from typing import Any

_HOME = {
    "FactorSpec": "experiments.ablation.grid",
    "InterviewOptions": "experiments.interviews.options",
    "Study": "experiments.config",
    "ablate": "experiments.ablation.ablate",
    "arrays_of": "experiments.comparing.arrays",
    "compare": "experiments.comparing.comparison",
    "evaluate": "experiments.predicting.evaluate",
    "interview": "experiments.interviews.interview",
    "predict": "experiments.predicting.predict",
    "predictions_frame": "experiments.reporting.predictions_table",
    "train": "experiments.comparing.training",
    "verify": "experiments.comparing.verification",
}

__all__ = [
    "FactorSpec",
    "InterviewOptions",
    "Study",
    "ablate",
    "arrays_of",
    "compare",
    "evaluate",
    "interview",
    "predict",
    "predictions_frame",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the type is the one of the name asked for
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(
        f"module 'experiments' has no attribute {name!r}; it has {', '.join(__all__)}"
    )
