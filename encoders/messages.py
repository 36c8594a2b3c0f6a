"""Text from outside, made fit to be read: one line, nothing that a terminal or Markdown obeys."""

import math
import re
import unicodedata


def printable(text: object) -> str:
    """One line of printable characters: no line break, control code or change of direction.

    >>> printable("a" + chr(10) + "b"), printable("c" + chr(0x202E)) == "c" + chr(0xFFFD)
    ('a b', True)
    """
    line = " ".join(str(text).split())
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line
    )


def escape_markdown(text: object) -> str:
    r"""Text that Markdown shows as it is, in a cell of a table too.

    >>> print(escape_markdown("a|b_c*<d>"))
    a\|b\_c\*&lt;d&gt;
    """
    line = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~$!#])", r"\\\1", line)


def with_count(number: int, noun: str) -> str:
    """A number with its noun, which takes an s unless the number is one.

    >>> with_count(1, "utterance"), with_count(0, "utterance"), with_count(2, "fold")
    ('1 utterance', '0 utterances', '2 folds')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


#: Characters of a value that a message shows.
SHOWN = 80


def cut(value: object) -> str:
    """A value as messages show it, at most 80 characters long.

    >>> cut("x" * 100) == "x" * 80 + "... (100 characters)"
    True
    """
    try:
        text = str(value)
    except RecursionError:
        return "(nested too deep to be shown)"
    # Terminals obey what does not print.
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[:SHOWN])
    return shown if len(text) <= SHOWN else f"{shown}... ({len(text)} characters)"


def quoted(value: str) -> str:
    """Like :func:`cut`, in quotation marks and with what does not print escaped."""
    return repr(value) if len(value) <= SHOWN else f"{value[:SHOWN]!r}... ({len(value)} characters)"


def composed(text: str) -> str:
    """Text in NFC: a letter and its accent are one character, however they were typed."""
    return unicodedata.normalize("NFC", text)


def number(given: object, name: str, above: float = -math.inf) -> float:
    """What was given, as a finite number; ``name`` is for the message.

    >>> number(2, "temperature")
    2.0

    Raises:
        ValueError: it is another thing, or not above ``above``.
    """
    if isinstance(given, int | float) and not isinstance(given, bool):
        if math.isfinite(given) and given > above:
            return float(given)
    least = f" above {above:g}" if math.isfinite(above) else ""
    raise ValueError(f"{name}: expected a finite number{least}, got {printable(repr(given))[:80]}")
