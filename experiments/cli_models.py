"""``serfusion models``: what is known by a short name, what is on this machine, fetch it."""

from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(help="List encoders and recognisers, and fetch their weights.")
console = Console()


@app.command("ls")
def ls() -> None:
    """List short names with dimension, layers, size, licence, and whether the weights are here."""
    from rich.table import Table

    from experiments.models import NOTES, known_models

    table = Table(
        "name", "kind", "checkpoint", "dim", "layers", "MB", "licence", "language", "here"
    )
    for row in known_models():
        table.add_row(*row.cells())
    console.print(table)
    for note in NOTES:
        console.print(note, markup=False, soft_wrap=True)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Short name, hub name, or whisper-NAME.")],
) -> None:
    """Download weights now, for machines that will be offline later."""
    from experiments.models import fetch_model

    console.print(f"{name}: {fetch_model(name)}", markup=False, soft_wrap=True)
