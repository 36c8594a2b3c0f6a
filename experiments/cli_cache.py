"""``serfusion cache``: what is stored, is it intact, move it, clean it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(help="Look at, check, clean, export and import the embedding cache.")
console = Console()


@app.command("ls")
def ls() -> None:
    """List the encoders in the cache with their number of embeddings and size on disk."""
    from rich.table import Table

    from experiments.cache import describe, kept_fits, size_mb

    table = Table("space", "encoder", "embeddings", "shards", "MB")
    for row in describe():
        table.add_row(row.space, row.encoder, str(row.embeddings), str(row.shards), f"{row.mb:.1f}")
    console.print(table)
    fits = kept_fits()
    console.print(f"trained heads of {len(fits)} runs, {size_mb(fits):.1f} MB (gc --fits removes)")


@app.command()
def verify() -> None:
    """Check every stored embedding against its checksum; exit code 1 if some are damaged."""
    from experiments.cache import damaged

    bad = list(damaged())
    for path, what in bad:
        console.print(f"{path}: {what}", markup=False, soft_wrap=True)
    console.print("all shards are intact" if not bad else f"{len(bad)} shards are damaged")
    if bad:
        raise typer.Exit(1)


@app.command()
def gc(
    fits: Annotated[bool, typer.Option("--fits", help="Remove kept trained heads too.")] = False,
) -> None:
    """Remove damaged shards, leftovers of killed writers, and shards that others cover."""
    from experiments.cache import collect_garbage, forget_fits

    removed = collect_garbage()
    for path in removed:
        console.print(f"removed {path}", markup=False, soft_wrap=True)
    console.print(f"{len(removed)} files removed")
    if fits:
        console.print(f"trained heads of {forget_fits()} runs removed")


@app.command()
def export(folder: Annotated[Path, typer.Argument(help="Folder to copy the cache to.")]) -> None:
    """Copy what another place does not have yet; nothing is overwritten."""
    from encoders.extraction import default_store
    from experiments.cache import copy_shards

    console.print(f"{copy_shards(default_store().root, folder)} files copied to {folder}")


@app.command("import")
def import_(folder: Annotated[Path, typer.Argument(help="Folder made by cache export.")]) -> None:
    """Copy shards from another place into the cache, each checked first."""
    from encoders.extraction import default_store
    from experiments.cache import copy_shards

    console.print(f"{copy_shards(folder, default_store().root)} files copied from {folder}")
