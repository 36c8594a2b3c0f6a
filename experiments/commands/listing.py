"""The lists of corpora and of protocols, of which no terminal crops a letter."""

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.corpora.common_sets import COMMON, PREFIX
from experiments.corpora.entry import Entry
from experiments.corpora.registry import CORPORA, UNREAD
from fusion.splitting.protocols import PROTOCOLS

if TYPE_CHECKING:
    from rich.console import Console

#: Widest line, and how far the continuation of a field is indented.
WIDTH, INDENT = 79, 13
NOT_TRIED = "not tried on the original, only on a miniature of its layout"
OTHER = (
    "Any other corpus: write a manifest, a CSV file with the columns",
    "id, audio, transcript, speaker, label; see README.md.",
)
WITHOUT = (
    "Known, without a reader: write a manifest with one row per recording, label",
    "and speaker in columns of their own.",
)


def corpora_lines() -> list[str]:
    """A block of lines per corpus: what it holds, its terms, its layout, its sets of labels."""
    lines = []
    for name, entry in CORPORA.items():
        lines += [name, *_block(entry), *_layout(entry), ""]
    lines += [*WITHOUT, ""]
    for name, entry in UNREAD.items():
        lines += [name, *_block(entry), *_field("manifest", entry.manifest), ""]
    lines += ["Labels that all corpora share:"]
    for name, labels in COMMON.items():
        text = f"{', '.join(labels.classes)} ({labels.source})"
        lines += [f"  {PREFIX}{name}", *_wrapped(text, " " * 4)]
    return [*lines, "", *OTHER]


def corpora_content() -> Mapping[str, Any]:
    """The same for programs."""
    corpora = [*CORPORA.values(), *UNREAD.values()]
    return {"corpora": corpora, "common": COMMON, "manifest": " ".join(OTHER)}


def _block(entry: Entry) -> list[str]:
    size = f"; {entry.size}" if entry.size else ""
    return [
        *_wrapped(entry.title, "  "),
        *_field("language", f"{entry.language}{size}"),
        *_field("speakers", entry.speakers),
        *_field("emotions", entry.emotions),
        *_field("setting", f"{entry.truth}; {entry.setup}"),
        *_field("licence", entry.licence),
        *_field("from", entry.where),
    ]


def _layout(entry: Entry) -> list[str]:
    first, *others = entry.layout
    lines = [f"  {'layout':{INDENT - 2}}{first}", *(f"{' ' * INDENT}{line}" for line in others)]
    sets = ", ".join(labels.name for labels in entry.labels)
    lines += _field("--labels", sets) if sets else []
    return lines if entry.tried else [*lines, *_field("reader", NOT_TRIED)]


def _field(name: str, text: str) -> list[str]:
    return _wrapped(text, " " * INDENT, f"  {name:{INDENT - 2}}")


def _wrapped(text: str, indent: str, first: str | None = None) -> list[str]:
    """Lines of a text; an address is longer than a line rather than broken."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


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
