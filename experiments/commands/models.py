"""``serfusion models``: what is known by a short name, what is on this machine, fetch it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from experiments.commands.terminal import Json, print_json
from experiments.config import OptionError

app = typer.Typer(help="List encoders and recognisers, and fetch their weights.")
console = Console(emoji=False)
HEADER = ["name", "kind", "checkpoint", "dim", "layers", "MB", "licence", "language", "here"]
#: Columns of a terminal from which names of checkpoints fit beside the rest.
WIDE = 140


@app.command("ls")
def ls(as_json: Json = False) -> None:
    """List short names with dimension, layers, size, licence, and whether the weights are here."""
    from experiments.models import NOTES, known_models

    known = known_models()
    if as_json:
        print_json({"models": known, "notes": NOTES})
        return
    rows = [row.cells() for row in known]
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


@app.command()
def onnx(
    model: Annotated[str, typer.Argument(help="Folder of a model, or demo.")],
    out: Annotated[Path, typer.Argument(help="File to write.")],
) -> None:
    """Write the heads of a model as one ONNX graph, after comparing it with torch."""
    from fusion.model.fusion_model import FusionModel
    from fusion.model.onnx_export import export_onnx

    if out.is_dir():
        raise OptionError(f"{out}: is a folder; give a file, as in {out / 'model.onnx'}")
    export_onnx(FusionModel.load(model), out)
    say(f"{out}: embeddings in, answers out; its metadata says what they mean")


@app.command()
def push(
    model: Annotated[str, typer.Argument(help="Folder of a model.")],
    repository: Annotated[str, typer.Argument(help="Repository on the hub, as in me/my-model.")],
    public: Annotated[bool, typer.Option(help="Let everybody see it.")] = False,
) -> None:
    """Upload a model to the Hugging Face hub, into a private repository unless --public is said."""
    from fusion.model.hub import push as upload

    say(upload(model, repository, private=not public))
