"""Text of tables in whatever encoding people save them, and what was taken for it.

UTF-8 and marked UTF-16 are certain; the rest is told apart by what each encoding leaves behind,
and by charset-normalizer (https://charset-normalizer.readthedocs.io).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from encoders.messages import with_count

#: Marks at the start of a file; the longer first.
MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
)
WINDOWS = "cp1252"
#: A no-break space is no letter of any script.
WORD = re.compile(rb"[A-Za-z\x80-\x9f\xa1-\xff]+")
#: Codes that are no letters but control a terminal: what Windows-1252 read as Latin-1 leaves.
_CONTROLS = {
    code: bytes([code]).decode(WINDOWS)
    for code in range(0x80, 0xA0)
    if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, the encoding that it had, and how many of its characters were mended."""

    text: str
    encoding: str
    mended: int = 0

    def note(self, name: str) -> str | None:
        """What is told of a file of that name; None of plain UTF-8."""
        told = [] if self.encoding == "utf-8" else [f"read as {self.encoding}"]
        told += (
            [f"{with_count(self.mended, 'character')} of a wrong decoding mended"]
            if self.mended
            else []
        )
        return f"{name}: {', '.join(told)}" if told else None


def decoded(content: bytes, likely: Sequence[str] = ()) -> Decoded:
    """Text of a file; ``likely`` encodings of its language are tried before any guess.

    >>> decoded("déjà".encode("utf-16")).encoding, decoded("déjà".encode("cp1252")).text
    ('utf-16', 'déjà')
    """
    for encoding in _encodings(content, likely):
        try:
            text = content.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
        return Decoded(text, "utf-8" if encoding == "utf-8-sig" else encoding)
    # Latin-1 reads the five bytes that Windows-1252 leaves open.
    return Decoded(content.decode("latin-1"), "latin-1")


def _encodings(content: bytes, likely: Sequence[str]) -> Iterator[str]:
    yield from _certain(content)
    yield from likely
    # All words of a file are looked at for it: only where it must be guessed at.
    yield from _guessed(content)
    yield WINDOWS


def mended(given: Decoded) -> Decoded:
    r"""A text with the letters that Windows-1252 read as Latin-1 has made control codes of.

    >>> mended(Decoded("it\x92s", "utf-8")).text
    'it’s'
    """
    text = given.text.translate(_CONTROLS)
    changed = sum(a != b for a, b in zip(given.text, text, strict=True))
    return Decoded(text, given.encoding, changed)


def _certain(content: bytes) -> list[str]:
    marked = [name for mark, name in MARKS if content.startswith(mark)]
    # Letters of ASCII are half zeros in UTF-16, and no other table holds zeros.
    even, odd = content[::2].count(0), content[1::2].count(0)
    wide = [("utf-16-le" if odd > even else "utf-16-be")] * (max(even, odd) * 8 > len(content))
    return [*marked[:1], *wide, "utf-8"]


def _guessed(content: bytes) -> list[str]:
    """Bytes above ASCII among as many letters of it are accents, words of them another script."""
    accents = others = 0
    for word in WORD.findall(content):
        high = sum(byte > 127 for byte in word)
        if 2 * high <= len(word) or len(word) == 1:
            accents += high
        else:
            others += high
    if accents >= others:
        return [WINDOWS]
    from charset_normalizer import from_bytes

    best = from_bytes(content).best()
    return [best.encoding] if best is not None else []
