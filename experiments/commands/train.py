"""``serfusion train``: one arm on every speaker of a source, as a model for interviews."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.commands.options import SOURCE, Device, Jobs, Storage, takes_study
from experiments.commands.terminal import bars, console, leave, tell
from experiments.config import OptionError, study_from_options

#: Folds are of no use to a model of every speaker, which has one arm.
STUDY = (
    *SOURCE,
    "audio",
    "text",
    "asr",
    "transcript",
    "rows",
    "trials",
    "head",
    "select",
    "normalise",
    "allow_contaminated",
)


@takes_study(*STUDY)
def train(
    options: Mapping[str, Any],
    arm: Annotated[
        str,
        typer.Option(help="One arm that compare takes: audio, text, concat, late, attention …"),
    ] = "late",
    seeds: Annotated[
        int,
        typer.Option(min=1, help="Heads with different seeds that each answer is the mean of."),
    ] = 1,
    jobs: Jobs = None,
    storage: Storage = None,
    device: Device = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the model; needed.")] = None,
) -> None:
    """Train one arm on every speaker, tuned and stopped on groups of them, and save the model.

    What such a model is worth on speakers that it has not heard, serfusion compare tells.
    """
    from experiments.comparing.training import train as run_training

    if out is None:
        raise OptionError("--out is required, for example --out my-model")
    study = study_from_options(**options, arms=(arm,), seeds=seeds)
    with bars() as progress:
        done = run_training(study, out, jobs=jobs, progress=progress, notify=tell, storage=storage)
    for line in done.lines():
        console.print(line, markup=False, soft_wrap=True, highlight=False)
    leave(done.failures)
