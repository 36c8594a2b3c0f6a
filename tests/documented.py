"""Commands that a page of the documentation prints, to be parsed and run."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

import typer

from experiments.commands.main import app

DOCS = Path(__file__).resolve().parents[1] / "docs"
#: What pages call the folders of corpora, and what they are below the folder with real data.
FOLDERS = {
    **{name: name.lower() for name in ("RAVDESS", "EMODB", "MELD", "MOSI", "MOSEI", "POSTERIORS")},
    "CREMA-D": "cremad",
    "INTERVIEW": "interview",
}


def lines_of(page: str) -> list[str]:
    """Commands in blocks and in `code` of a page, a continued line joined, without comments."""
    text = (DOCS / page).read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.S)
    inline = re.findall(r"`(serfusion [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    return [line for block in [*blocks, *inline] for line in block.splitlines() if line.strip()]


def block_under(page: str, heading: str) -> list[str]:
    """Lines of the first block under a heading, continued ones joined."""
    text = (DOCS / page).read_text(encoding="utf-8").replace("\\\n", " ")
    section = re.split(r"^## ", text.split(f"## {heading}", 1)[1], maxsplit=1, flags=re.M)[0]
    return re.search(r"```\w*\n(.*?)```", section, re.S)[1].splitlines()


def placed(line: str, data: Path) -> str:
    """A command with the folders of corpora that are there in place of their names."""
    names = "|".join(map(re.escape, FOLDERS))
    return re.sub(rf"(?<![\w-])({names})(?![\w-])", lambda m: str(data / FOLDERS[m[1]]), line)


@cache
def parsed(line: str) -> tuple[str, dict[str, object]]:
    """The command and the options that the command line makes of a line, which is not run.

    Raises:
        UsageError: there is no such command or option, or an option has no such value.
    """
    command, words = typer.main.get_command(app), shlex.split(line)[1:]
    context = command.make_context("serfusion", words)
    names: list[str] = []
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        names.append(name)
        context = command.make_context(name, rest, parent=context)
    return " ".join(names), context.params
