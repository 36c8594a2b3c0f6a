"""``serfusion models``: what is known by a short name, what is on this machine, fetch it."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

app = typer.Typer(help="List encoders and recognisers, and fetch their weights.")
console = Console()
HEADER = ["name", "kind", "checkpoint", "dim", "layers", "MB", "licence", "language", "here"]
#: Columns of a terminal from which names of checkpoints fit beside the rest.
WIDE = 140


@app.command("ls")
def ls() -> None:
    """List short names with dimension, layers, size, licence, and whether the weights are here."""
    from experiments.models import NOTES, known_models

    rows = [row.cells() for row in known_models()]
    if console.is_terminal:
        _table(rows)
    else:
        # For programs: nothing is cut, folded or framed.
        for row in (HEADER, *rows):
            typer.echo("\t".join(row))  # rich would make spaces of tabs.
    for note in NOTES:
        say(note)


def _table(rows: list[list[str]]) -> None:
    """A table as wide as the terminal: what does not fit is folded, names of checkpoints go."""
    from rich.table import Table

    shown = [k for k, name in enumerate(HEADER) if name != "checkpoint" or console.width >= WIDE]
    table = Table()
    for k in shown:
        table.add_column(HEADER[k], overflow="fold", no_wrap=HEADER[k] == "name")
    for row in rows:
        table.add_row(*(escape(row[k]) for k in shown))
    console.print(table)


def say(line: str) -> None:
    """Print a line as it is, unbroken."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Short name, hub name, or whisper-NAME.")],
) -> None:
    """Download weights now, for machines that will be offline later."""
    from experiments.models import fetch_model

    say(f"{name}: {fetch_model(name)}")
