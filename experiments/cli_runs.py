"""``serfusion report`` and ``serfusion verify``: what a finished run says, and whether it holds."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.terminal import bars, console, tell

Runs = Annotated[list[Path], typer.Argument(help="Folders of finished runs.")]


def report(runs: Runs) -> None:
    """Make the report of a run again from its predictions."""
    from experiments.reporting.report import print_report, rebuild

    for run in runs:
        print_report(rebuild(run), console)
        console.print(f"report: {run / 'report.html'}", soft_wrap=True, markup=False)


def verify(
    runs: Runs,
    again: Annotated[
        bool,
        typer.Option("--retrain", help="Train every head again too, and state the difference."),
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes that train heads [number of cores].")
    ] = None,
) -> None:
    """Recompute every number of a run from its predictions; exit code 1 if something departs."""
    from dataclasses import replace

    from experiments.reporting.verification import departures, told, verify

    sound = True
    for run in runs:
        found = verify(run)
        if again:
            from experiments.comparing.retraining import retrain

            with bars() as progress:
                new = retrain(run, jobs=jobs, progress=progress, notify=tell)
            found = replace(found, departures=departures(found.recomputed, new))
        for line in told(found):
            console.print(line, markup=False, soft_wrap=True, highlight=False)
        sound = sound and found.sound
    if not sound:
        raise typer.Exit(1)
