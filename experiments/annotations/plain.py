"""Text from outside as annotations hold it, and faults that say where they are."""

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote_to_bytes

from encoders.messages import composed
from encoders.utterance import Fault

#: An hour of speech is 0.1 MB as a transcript and 2 MB as a TextGrid of single sounds.
LARGEST_MB = 32
#: Control characters but tab and line feed, halves of surrogate pairs, and what XML forbids.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig"))


class AnnotationError(ValueError):
    """An annotation cannot be used as it is; carries every fault found, not only the first."""

    SHOWN = 20
    PLACES = 3

    def __init__(self, source: Path | str, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        places: dict[str, list[str]] = {}
        for fault in self.faults:
            places.setdefault(fault.what, []).append(fault.where)
        lines = [f"  {self._where(spots)}: {what}" for what, spots in places.items()]
        if len(lines) > self.SHOWN:
            lines[self.SHOWN :] = [f"  ... and {len(lines) - self.SHOWN} more"]
        count = f"{len(self.faults)} fault" + ("s" if len(self.faults) != 1 else "")
        super().__init__("\n".join([f"{source}: {count}", *lines]))

    def _where(self, places: list[str]) -> str:
        more = f" and {len(places) - self.PLACES} more" if len(places) > self.PLACES else ""
        return ", ".join(places[: self.PLACES]) + more


def tidy(text: str | None) -> str | None:
    r"""Words as every format can hold them: blanks at the ends cut off, lines end in ``\n``.

    What XML cannot hold (control characters but tab and line feed, halves of surrogate pairs)
    becomes U+FFFD. None where nothing is left: an empty text would stand for a silent one.

    >>> tidy(" no\r\nway "), tidy("\t")
    ('no\nway', None)
    """
    if text is None:
        return None
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", lines).strip() or None


def tidy_name(name: str | None) -> str | None:
    r"""A speaker's name on one line, in Unicode's composed form: equal to the eye is equal.

    >>> tidy_name("Anna\n Maria "), tidy_name(" ")
    ('Anna  Maria', None)
    """
    text = tidy(name)
    return None if text is None else composed(re.sub("[\n\t]", " ", text))


def read_text(path: Path) -> str:
    r"""The text of a file in UTF-8 or, with a byte order mark, UTF-16; lines end in ``\n``.

    Raises:
        AnnotationError: no file, more than 32 MB, or none of these encodings.
    """
    content = read_content(path)
    encoding = next(name for mark, name in _MARKS if content.startswith(mark))
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"not {encoding.upper().removesuffix('-SIG')} (byte {error.start}): save as UTF-8"
        raise AnnotationError(path, [Fault(f"line {line}", what)]) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_content(path: Path) -> bytes:
    """The bytes of a file of a bounded size.

    Raises:
        AnnotationError: there is no such file, or it holds more than 32 MB.
    """
    if not path.is_file():
        raise AnnotationError(path, [Fault("file", "there is none: expected a file of turns")])
    size = path.stat().st_size
    if size > LARGEST_MB * 2**20:
        what = f"{size >> 20} MB: expected at most {LARGEST_MB} MB, the turns of one recording"
        raise AnnotationError(path, [Fault("file", what)])
    return path.read_bytes()


#: What stands between several reasons or classes in a cell of ours.
BETWEEN = " | "


def escape_reason(text: str) -> str:
    r"""Text that holds no :data:`BETWEEN`.

    >>> escape_reason("a | b"), unescape_reason(escape_reason("a\\|p"))
    ('a \\p b', 'a\\|p')
    """
    return text.replace("\\", "\\\\").replace("|", "\\p")


def unescape_reason(cell: str) -> str:
    """The text that a part of a cell holds."""
    return re.sub(r"\\(.)", lambda match: "|" if match[1] == "p" else match[1], cell)


# ---------------------------------------------------------------- names in formats without quotes


def escape_name(name: str, unfit: str) -> str:
    r"""A name without the characters of ``unfit`` (a regular expression), as addresses write them.

    A percent sign is only escaped where it would be taken for an escape; so most names stay as
    they are. :func:`unescape_name` gives the name back.

    >>> escape_name("Anna Maria", r"\s"), escape_name("100%", r"\s"), escape_name("%41", r"\s")
    ('Anna%20Maria', '100%', '%2541')
    """
    return re.sub(rf"{unfit}|%(?=[0-9A-Fa-f]{{2}})", _percent, name)


def unescape_name(field: str) -> str:
    """The name that a field holds; what is no UTF-8 stays as it is."""
    return re.sub("(?:%[0-9A-Fa-f]{2})+", _plain, field)


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode())


def _plain(match: re.Match[str]) -> str:
    try:
        return unquote_to_bytes(match[0]).decode()
    except UnicodeDecodeError:
        return match[0]
