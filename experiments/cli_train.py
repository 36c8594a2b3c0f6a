"""``serfusion train``: one arm on every speaker of a source, as a model for interviews."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli_options import (
    Asr,
    Audio,
    Corpus,
    Device,
    HeadValues,
    Labels,
    Manifest,
    Root,
    Rows,
    Storage,
    Text,
    Transcript,
    Trials,
    listed,
    some,
)
from experiments.config import OptionError
from experiments.terminal import bars, console, leave, tell


def train(
    corpus: Corpus = None,
    manifest: Manifest = None,
    root: Root = None,
    labels: Labels = None,
    audio: Audio = None,
    text: Text = None,
    asr: Asr = None,
    transcript: Transcript = None,
    arm: Annotated[
        str,
        typer.Option(help="One arm that compare takes: audio, text, concat, late, attention …"),
    ] = "late",
    rows: Rows = None,
    trials: Trials = None,
    head: HeadValues = None,
    storage: Storage = None,
    device: Device = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the model; needed.")] = None,
) -> None:
    """Train one arm on every speaker, tuned and stopped on groups of them, and save the model.

    What such a model is worth on speakers that it has not heard, serfusion compare tells.
    """
    from experiments.comparing.training import train as run_training
    from experiments.config import study_from_options

    if out is None:
        raise OptionError("--out is required, for example --out my-model")
    study = study_from_options(
        corpus=some(corpus),
        manifest=some(manifest),
        root=some(root),
        labels=listed(labels),
        audio=audio,
        text=text,
        asr=asr,
        transcript=transcript,
        rows=rows,
        trials=trials,
        head=listed(head),
        arms=(arm,),
        seeds=1,
    )
    with bars() as progress:
        done = run_training(study, out, progress=progress, notify=tell, storage=storage)
    for line in done.told():
        console.print(line, markup=False, soft_wrap=True, highlight=False)
    leave(done.failures)
