"""What a finished run says, whether it holds, and a copy of it for a tracker."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from experiments.commands.options import Device
from experiments.commands.terminal import Json, bars, console, print_json, show_run, tell
from experiments.config import OptionError

Runs = Annotated[list[Path], typer.Argument(help="Folders of finished runs.")]


def report(
    runs: Runs,
    out: Annotated[
        Path | None, typer.Option(help="Several runs: folder for runs.html and runs.md.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the report of a run again from its predictions; several runs side by side."""
    from experiments.comparing.verification import rebuild
    from experiments.reporting.cost import read_cost

    if len(runs) > 1:
        if out is not None:
            from experiments.comparing.comparison import check_writable

            check_writable(out)
        _beside(runs, out, as_json)
        return
    if out is not None:
        raise OptionError("--out is for several runs; the report of one lies in its own folder")
    show_run(rebuild(runs[0]), runs[0], read_cost(runs[0]), as_json=as_json)


def _beside(runs: list[Path], out: Path | None, as_json: bool) -> None:
    from experiments.reporting.side_by_side import side_by_side
    from experiments.reporting.side_page import content_of, print_beside, write_beside

    comparison = side_by_side(runs)
    if as_json:
        print_json(content_of(comparison))
    else:
        print_beside(comparison, console)
    if out is not None:
        write_beside(comparison, out)
        tell(f"written: {out / 'runs.html'}")


def predictions(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    csv: Annotated[Path, typer.Option(help="File to write, a line for each prediction.")],
    split: Annotated[
        Literal["dev", "test"] | None,
        typer.Option(help="Only rows that a fold was developed on, or tested on [both]."),
    ] = None,
) -> None:
    """Write the predictions of a run as a table: every score of every row, arm, fold and seed."""
    from experiments.reporting.predictions_table import write_table

    count = write_table(run, csv, split)
    console.print(f"written: {csv} ({count} predictions)", soft_wrap=True, markup=False)


def verify(
    runs: Runs,
    again: Annotated[
        bool,
        typer.Option("--retrain", help="Train every head again too, and state the difference."),
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes that train heads [number of cores].")
    ] = None,
    device: Device = None,
) -> None:
    """Recompute every number of a run, or of an ablation, from its predictions.

    The exit code is 1 if something departs.
    """
    from dataclasses import replace

    from experiments.comparing.verification import departures, lines, verify
    from experiments.reporting.results_file import is_ablation

    sound = True
    for run in runs:
        if is_ablation(run):
            sound = _ablation_holds(run, again) and sound
            continue
        verification = verify(run)
        if again:
            from experiments.comparing.comparison import retrain

            with bars() as progress:
                new = retrain(run, jobs=jobs, progress=progress, notify=tell)
            verification = replace(
                verification, departures=departures(verification.recomputed, new)
            )
        for line in lines(verification):
            console.print(line, markup=False, soft_wrap=True, highlight=False)
        sound = sound and verification.sound
    if not sound:
        raise typer.Exit(1)


def _ablation_holds(folder: Path, again: bool) -> bool:
    from experiments.ablation.checking import lines, verify_ablation

    if again:
        raise OptionError(
            f"{folder}: an ablation; --retrain is of single runs: run the same serfusion ablate "
            "into another folder to train it again"
        )
    verification = verify_ablation(folder)
    for line in lines(verification):
        console.print(line, markup=False, soft_wrap=True, highlight=False)
    return verification.sound


def track(
    runs: Runs,
    to: Annotated[str, typer.Option(help="tensorboard, mlflow or wandb.")],
    at: Annotated[
        str | None, typer.Option(help="Folder or address [what the tracker itself is set to].")
    ] = None,
) -> None:
    """Log finished runs in a tracker: settings, scores with their intervals, the report."""
    from experiments.tracking import track

    for run in runs:
        where = track(run, to, at)
        console.print(f"{run}: {where}", markup=False, soft_wrap=True, highlight=False)
