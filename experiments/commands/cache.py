"""``serfusion cache``: what is stored, is it intact, move it, clean it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from encoders.messages import with_count
from experiments.commands.terminal import Json, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.cache import SpaceRow

app = typer.Typer(help="Look at, check, clean, export and import the embedding cache.")
console = Console(emoji=False)


@app.command("ls")
def ls(as_json: Json = False) -> None:
    """List the encoders in the cache with their number of embeddings and size on disk."""
    from experiments.cache import describe, kept_fits, kept_transcripts, size_mb, trained_encoders

    spaces, kept = describe(), (kept_fits(), trained_encoders(), kept_transcripts())
    if as_json:
        names = ("fits", "encoders", "transcripts")
        sizes = {n: {"count": len(c), "mb": size_mb(c)} for n, c in zip(names, kept, strict=True)}
        print_json({"spaces": spaces, **sizes})
        return
    _table(spaces)
    fits, tuned, words = kept
    count = with_count(len(fits), "file")
    say(f"trained heads and scores: {count}, {size_mb(fits):.1f} MB (gc --fits removes)")
    count = with_count(len(tuned), "fine-tuned encoder")
    say(f"{count}, {size_mb(tuned):.1f} MB (gc --encoders removes)")
    count = with_count(len(words), "transcript")
    say(f"{count}, {size_mb(words):.1f} MB (gc --transcripts removes)")


def _table(spaces: "Sequence[SpaceRow]") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("space", "encoder", "embeddings", "shards", "MB")
    for row in spaces:
        # Text, because names of folders and checkpoints are no markup.
        names = (Text(row.space, overflow="fold"), Text(row.encoder, overflow="fold"))
        table.add_row(*names, str(row.embeddings), str(row.shards), f"{row.mb:.1f}")
    console.print(table)


@app.command()
def verify() -> None:
    """Check every file of the cache against its checksum; exit code 1 if some are damaged."""
    from experiments.cache import damaged

    bad = list(damaged())
    for path, what in bad:
        say(f"{path}: {what}")
    say("all files are intact" if not bad else f"{with_count(len(bad), 'damaged file')}")
    if bad:
        raise typer.Exit(1)


@app.command()
def gc(
    fits: Annotated[bool, typer.Option("--fits", help="Remove kept trained heads too.")] = False,
    encoders: Annotated[
        bool, typer.Option("--encoders", help="Remove encoders that were fine-tuned in folds too.")
    ] = False,
    transcripts: Annotated[
        bool, typer.Option("--transcripts", help="Remove all recognised words too.")
    ] = False,
    embeddings: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPACE",
            help="Remove all embeddings of an encoder too, by its space in ls; or all.",
        ),
    ] = None,
) -> None:
    """Remove damaged files, leftovers of killed writers, and shards that others cover."""
    from experiments.cache import (
        collect_garbage,
        forget_embeddings,
        forget_encoders,
        forget_fits,
        forget_transcripts,
    )

    removed = collect_garbage()
    for path in removed:
        say(f"removed {path}")
    say(f"{with_count(len(removed), 'file')} removed")
    if fits:
        say(f"{with_count(forget_fits(), 'file')} of trained heads and scores removed")
    if encoders:
        say(f"{with_count(forget_encoders(), 'fine-tuned encoder')} removed")
    if transcripts:
        say(f"{with_count(forget_transcripts(), 'transcript')} removed")
    if embeddings:
        say(f"{with_count(forget_embeddings(embeddings), 'shard')} of embeddings removed")


@app.command()
def export(folder: Annotated[Path, typer.Argument(help="Folder to copy the cache to.")]) -> None:
    """Copy what another place does not have yet; nothing is overwritten."""
    from encoders.extraction import default_store
    from experiments.cache import copy_shards

    copied = copy_shards(default_store().root, folder)
    say(f"{with_count(copied, 'file')} copied to {folder}")


@app.command("import")
def import_(folder: Annotated[Path, typer.Argument(help="Folder made by cache export.")]) -> None:
    """Copy shards from another place into the cache, each checked first."""
    from encoders.extraction import default_store
    from experiments.cache import copy_shards

    copied = copy_shards(folder, default_store().root, imported=True)
    say(f"{with_count(copied, 'file')} copied from {folder}")


def say(line: str) -> None:
    """Print a line as it is: brackets in names are no markup, and paths are not broken."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)
