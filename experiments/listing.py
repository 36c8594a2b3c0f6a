"""The lists of corpora and of protocols, of which no terminal crops a letter."""

from typing import TYPE_CHECKING

from experiments.corpora import CORPORA
from fusion.protocols import PROTOCOLS

if TYPE_CHECKING:
    from rich.console import Console

OTHER = (
    "Any other corpus: write a manifest, a CSV file with the columns",
    "id, audio, transcript, speaker, label.",
)


def corpora_lines() -> list[str]:
    """A block of lines per corpus: its name, what it holds, where it is to be had, its layout."""
    lines = []
    for name, entry in CORPORA.items():
        lines += [
            name,
            f"  {entry.language}, {entry.size}",
            f"  licence  {entry.licence}",
            f"  from     {entry.where}",
            f"  layout   {entry.layout}",
            "",
        ]
    return [*lines, *OTHER]


def print_corpora(console: "Console") -> None:
    """Print :func:`corpora_lines` line by line; nothing is cropped or broken on the way."""
    from rich.text import Text

    for line in corpora_lines():
        # An address that we break in two cannot be copied; the terminal's own fold can.
        console.print(Text(line), soft_wrap=True)


def protocol_lines() -> list[str]:
    """Two lines per way to make folds: how it is typed, what it does."""
    lines = []
    for protocol in PROTOCOLS:
        leaky = "LEAKY, for replication only: " if protocol.leaky else ""
        lines += [protocol.usage, f"  {leaky}{protocol.about}"]
    return lines


def print_protocols(console: "Console") -> None:
    """Print :func:`protocol_lines`."""
    from rich.text import Text

    for line in protocol_lines():
        console.print(Text(line), soft_wrap=True)
