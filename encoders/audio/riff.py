"""What the header of a wav says wrongly: recorders that were stopped hard leave a length too small.

The sound is followed by nothing, or by further chunks up to the end of the file. Where something
else follows, the length that its chunk declares is not true, and the sound goes on.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from encoders.messages import with_count

#: A chunk begins with four characters and its length.
CHUNK_BYTES, RIFF_BYTES = 8, 12
#: Form, channels, rate, bytes of a second and of a sample of all channels, bits of one of them.
FORM = struct.Struct("<HHIIHH")
#: Forms whose bits are samples: whole numbers, floats, and either with more said behind.
SAMPLES = (1, 3, 0xFFFE)
NAME = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_ ]{3}")
#: Seconds of what may follow the sound without being chunks: programs append tags of their own.
STRAY_S = 0.1
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Mended:
    """A header with true lengths, and the byte from which the file goes on behind it."""

    header: bytes
    start: int


def contradiction(path: Path) -> str | None:
    """What a header says of rate and channels that cannot all be true, where that is so."""
    with path.open("rb") as file:
        for name, _, _ in _chunks(file):
            if name != b"fmt " or len(said := file.read(FORM.size)) < FORM.size:
                continue
            form, channels, rate, second, frame, bits = FORM.unpack(said)
            whole = rate * frame == second and channels * -(-bits // 8) == frame
            if whole or form not in SAMPLES or 0 in (second, frame, bits):
                return None
            return (
                f"its header contradicts itself ({rate} Hz, {with_count(channels, 'channel')} of "
                f"{bits} bits, {frame} bytes a sample, {second} a second): it is heard at that "
                "rate, and may be shorter, longer or of another pitch than it was"
            )
    return None


def mended(path: Path) -> Mended | None:
    """A header for a wav that holds more sound than its own declares; None where it is right."""
    with path.open("rb") as file:
        rate_bytes, size = 0, path.stat().st_size
        for name, start, length in _chunks(file):
            if name == b"data":
                if not _is_short(file, start + length, size, rate_bytes, empty=length == 0):
                    return None
                file.seek(0)
                return _with_lengths(file.read(start), size - start)
            if name == b"fmt ":
                rate_bytes = int.from_bytes(file.read(12)[8:], "little")
    return None


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte and declared length of each chunk of a wav; none of what is no wav."""
    head = file.read(RIFF_BYTES)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return
    while len(chunk := file.read(CHUNK_BYTES)) == CHUNK_BYTES:
        length, start = int.from_bytes(chunk[4:], "little"), file.tell()
        yield chunk[:4], start, length
        file.seek(start + length + length % 2)


def _with_lengths(header: bytes, data: int) -> Mended:
    """A header whose lengths are those of the file; of more than 4 GB the largest there is."""
    most = 0xFFFFFFFF
    lengths = [min(n, most).to_bytes(4, "little") for n in (len(header) - 8 + data, data)]
    return Mended(header[:4] + lengths[0] + header[8:-4] + lengths[1], len(header))


def _is_short(file: BinaryIO, end: int, size: int, rate_bytes: int, *, empty: bool) -> bool:
    """Whether sound goes on where a chunk of it ends by its length."""
    if size - end <= STRAY_S * rate_bytes:
        return False
    if any(_are_chunks(file, end + pad, size) for pad in (0, end % 2)):
        return False
    file.seek(end)
    # A recorder fills the file up to a sector; nothing is lost of it.
    return empty or any(any(block) for block in iter(lambda: file.read(BLOCK_BYTES), b""))


def _are_chunks(file: BinaryIO, at: int, size: int) -> bool:
    """Whether chunks follow each other from a byte to the end of the file."""
    while at < size - 1:
        file.seek(at)
        chunk = file.read(CHUNK_BYTES)
        if len(chunk) < CHUNK_BYTES or NAME.fullmatch(chunk[:4]) is None:
            return False
        length = int.from_bytes(chunk[4:], "little")
        at += CHUNK_BYTES + length + length % 2
    return at <= size + 1
