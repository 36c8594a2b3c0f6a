"""What the commands print: results as tables or JSON, progress, and media files that failed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from encoders.extraction import Failure, Progress
    from experiments.reporting.cost import Cost
    from experiments.reporting.results_schema import Results

#: Of every command that prints a table.
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs, in place of tables.")]


class SafeConsole(Console):
    """A console that shows no text from outside which a terminal would obey.

    Ids and file names may hold escapes and marks that turn the direction of writing.
    """

    def print(self, *objects: Any, **how: Any) -> None:  # noqa: ANN401 - as rich has it
        """Print; texts keep their line ends, and what else is not printable is replaced."""
        super().print(*(_shown(o) if isinstance(o, str) else o for o in objects), **how)


def _shown(text: str) -> str:
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )


console = SafeConsole(emoji=False)
errors = SafeConsole(stderr=True, highlight=False, emoji=False)


def tell(line: str) -> None:
    """Say on standard error what is going on."""
    errors.print(line, markup=False, soft_wrap=True)


def print_json(content: object) -> None:
    """What a command found as JSON: dataclasses by their fields, paths as texts, NaN as null."""
    from pydantic_core import to_json

    # Escaped, so that no text from outside reaches the terminal as more than text.
    text = to_json(content, indent=1, inf_nan_mode="null", fallback=dict, ensure_ascii=True)
    typer.echo(text.decode())


def show_run(results: "Results", folder: Path, cost: "Cost | None", *, as_json: bool) -> None:
    """A finished run: its table and where its report lies, or all of ``results.json``."""
    from experiments.reporting.report import print_report
    from experiments.reporting.results_schema import as_json as content_of

    if as_json:
        print_json({"folder": folder, **content_of(results)})
        return
    print_report(results, console, cost)
    console.print(f"report: {folder / 'report.html'}", soft_wrap=True, markup=False)


@contextmanager
def bars() -> "Iterator[Progress]":
    """Progress on standard error, one bar per kind of work; lines where that is no terminal."""
    if not errors.is_terminal:
        yield _lines()
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=errors, transient=True) as shown:
        tasks: dict[str, Any] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = shown.add_task(what, total=total)
            shown.update(tasks[what], completed=done, total=total)

        yield progress


def _lines() -> "Progress":
    """Progress for logs: a line at every tenth of each kind of work that is not done at once."""
    tenths: dict[str, int] = {}

    def progress(what: str, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth > tenths.get(what, 0) and not (what not in tenths and done == total):
            errors.print(f"{what}: {done} of {total}", markup=False)
        tenths[what] = max(tenth, tenths.get(what, 0))

    return progress


def leave(failures: "Sequence[Failure]") -> None:
    """List the media files that could not be used; exit code 1 if there are any."""
    if not failures:
        return
    errors.print(f"{len(failures)} could not be used:", markup=False)
    for failure in failures[:20]:
        errors.print(f"  {failure.utterance}: {failure.why}", markup=False, soft_wrap=True)
    raise typer.Exit(1)
