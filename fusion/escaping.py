"""Text from outside, made fit to be read: one line, nothing that a terminal or Markdown obeys."""

import re


def plain(text: object) -> str:
    """One line of printable characters: no line break, control code or change of direction.

    >>> plain("a" + chr(10) + "b"), plain("c" + chr(0x202E)) == "c" + chr(0xFFFD)
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
    line = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|~$!#])", r"\\\1", line)


def counted(number: int, noun: str) -> str:
    """A number with its noun, which takes an s unless the number is one.

    >>> counted(1, "utterance"), counted(0, "utterance"), counted(2, "fold")
    ('1 utterance', '0 utterances', '2 folds')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
