"""``serfusion predict`` and ``evaluate``: what a saved model says, and what that is worth."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.commands.options import SOURCE, Channel, Device, takes_study
from experiments.commands.terminal import Json, bars, console, leave, show_run, tell
from experiments.config import OptionError, channel_asked

Model = Annotated[
    str, typer.Argument(help="Folder of a model, as train or a run leaves it; or demo.")
]


@takes_study("transcript")
def predict(
    model: Model,
    files: Annotated[
        list[Path] | None, typer.Argument(help="Audio or video files, an utterance each.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="All audio and video files below a folder.")
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="CSV or JSONL with an utterance per row: files, segments, words."),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="Folder of the manifest's audio [the manifest's own].")
    ] = None,
    channel: Channel = None,
    options: Mapping[str, Any] | None = None,
    asr: Annotated[
        str | None,
        typer.Option(
            help="Recogniser of missing transcripts, as in whisper-small; or none [whisper-base, "
            "or whisper-tiny.en where only that is here]."
        ),
    ] = None,
    sets: Annotated[
        float | None,
        typer.Option(
            help="A column with a set of classes that holds the true one in a share P of rows of "
            "new speakers, as in 0.9."
        ),
    ] = None,
    device: Device = None,
    out: Annotated[Path, typer.Option(help="The table.")] = Path("predictions.csv"),
) -> None:
    """Write a table of what a model says of files, a folder, or the rows of a manifest."""
    from experiments.predicting.predict import predict as run_predict

    with bars() as progress:
        done = run_predict(
            model,
            out,
            files=files or (),
            folder=folder,
            manifest=manifest,
            root=root,
            channel=channel_asked(channel),
            asr=asr,
            sets=sets,
            progress=progress,
            **(options or {}),
        )
    for line in done.lines():
        console.print(line, markup=False, soft_wrap=True, highlight=False)
    leave(done.failures)


@takes_study(*SOURCE, "map", "transcript", "asr")
def evaluate(
    model: Model,
    options: Mapping[str, Any],
    device: Device = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the report; needed.")] = None,
    as_json: Json = False,
) -> None:
    """Score a saved model on a corpus that it has not seen: table, intervals, report."""
    from experiments.predicting.evaluate import evaluate as run_evaluate

    if out is None:
        raise OptionError("--out is required, for example --out runs/elsewhere")
    with bars() as progress:
        outcome = run_evaluate(model, out, **options, progress=progress, notify=tell)
    show_run(outcome.results, outcome.folder, None, as_json=as_json)
    leave(outcome.failures)
