"""Whether an Ogg file (Vorbis, Opus, Speex) is whole, and how many streams it holds, by its pages.

libsndfile and FFmpeg drop a page whose checksum is wrong and join what is left, so that everything
after it lies too early. RFC 3533, section 6, has the layout of a page.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

MAGIC = b"OggS"
#: Bytes of a page before its segment table, where its checksum and its flags stand (RFC 3533, 6).
HEADER_BYTES = 27
CHECKSUM = slice(22, 26)
FLAGS, BEGINS_STREAM, ENDS_STREAM = 5, 2, 4
#: Every byte with its bits the other way round.
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def damage_of(path: Path) -> str | None:
    """What is wrong with the first damaged page; None for a whole file and for another format."""
    status = path.stat()
    return _pages(path, status.st_size, status.st_mtime_ns).damage


def whole_until(path: Path) -> int:
    """Bytes before the first damaged page; those of the file where there is none."""
    status = path.stat()
    return _pages(path, status.st_size, status.st_mtime_ns).whole


def streams_of(path: Path) -> tuple[int, ...]:
    """Bytes at which streams begin that follow each other, as of files joined end to end."""
    status = path.stat()
    return _pages(path, status.st_size, status.st_mtime_ns).starts


@dataclass(slots=True)
class Pages:
    """What a walk over all pages found."""

    damage: str | None
    starts: tuple[int, ...]
    whole: int


def page_checksum(page: bytes) -> int:
    """CRC-32 with polynomial 0x04c11db7, start 0, most significant bit first (RFC 3533).

    >>> page_checksum(b"123456789") == 0x89A1897F
    True
    """
    # zlib's is the mirror image of it, and inverts the register before and after.
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


# Once per file: a recording of an hour may be read in a thousand segments.
@lru_cache(maxsize=256)
def _pages(path: Path, size: int, _changed_ns: int) -> Pages:
    starts: list[int] = []
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return Pages(None, (), size)
        file.seek(0)
        whole, damage = next(_faults(file, size, starts), (size, None))
    return Pages(damage, tuple(starts), whole)


def _faults(file: BinaryIO, size: int, starts: list[int]) -> Iterator[tuple[int, str]]:
    ended, begins = False, False
    while (start := file.tell()) < size:
        header = file.read(HEADER_BYTES)
        if not header.startswith(MAGIC):
            # Behind the page that ends a stream other programs append tags.
            if not ended:
                yield start, f"no page of Ogg at byte {start}"
            return
        sizes = file.read(header[-1])
        body = file.read(sum(sizes))
        if file.tell() < start + HEADER_BYTES + header[-1] + sum(sizes):
            yield start, f"the page at byte {start} is cut short by the end of the file"
        page = header[: CHECKSUM.start] + bytes(4) + header[CHECKSUM.stop :] + sizes + body
        if page_checksum(page) != int.from_bytes(header[CHECKSUM], "little"):
            yield start, f"the checksum of the page at byte {start} is wrong"
        # Streams side by side begin with a page each before any goes on.
        if header[FLAGS] & BEGINS_STREAM and not begins:
            starts.append(start)
        begins = bool(header[FLAGS] & BEGINS_STREAM)
        ended = bool(header[FLAGS] & ENDS_STREAM)
