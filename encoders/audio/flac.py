"""Whether a flac holds more than its STREAMINFO declares (RFC 9639, sections 8.2 and 9.1)."""

import mmap
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

#: A stream begins so: its mark, then a block of metadata of kind 0 and 34 bytes.
MARK, INFO = b"fLaC", (0, 34)
#: Largest frame that is looked for at the end of a file.
REACH = 1 << 18


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes at which streams begin, and the samples that the frames of the first one reach."""

    starts: tuple[int, ...]
    declared: int
    reached: int


def held_by(path: Path) -> Held | None:
    """What a flac holds; None where it does not begin as one."""
    status = path.stat()
    return _held(path, status.st_size, status.st_mtime_ns)


# Once per file: a recording of an hour may be read in a thousand segments.
@lru_cache(maxsize=256)
def _held(path: Path, size: int, _changed_ns: int) -> Held | None:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        starts = tuple(_starts(content))
        if not starts or starts[0] != 0:
            return None
        end = starts[1] if len(starts) > 1 else size
        info = content[8 : 8 + INFO[1]]
        declared = int.from_bytes(info[13:18], "big") & (1 << 36) - 1
        return Held(starts, declared, _reached(content, end, int.from_bytes(info[:2], "big")))


def _starts(content: mmap.mmap) -> list[int]:
    starts, at = [], content.find(MARK)
    while at >= 0:
        block = content[at + 4 : at + 8]
        if len(block) == 4 and (block[0] & 127, int.from_bytes(block[1:], "big")) == INFO:
            starts.append(at)
        at = content.find(MARK, at + 4)
    return starts


def _reached(content: mmap.mmap, end: int, block: int) -> int:
    """Samples up to the end of the last frame whose header is whole."""
    at, first = end, max(0, end - REACH)
    while (at := content.rfind(b"\xff", first, at)) >= 0:
        header = content[at : min(at + 16, end)]
        if len(header) > 6 and header[1] in (0xF8, 0xF9) and (reach := _frame(header, block)):
            return reach
    return 0


def _frame(header: bytes, block: int) -> int:
    """The sample after a frame, by its header; 0 where that is none by its checksum."""
    number, used = _coded_number(header[4:])
    sizes = {6: 1, 7: 2}.get(header[2] >> 4, 0)
    rates = {12: 1, 13: 2, 14: 2}.get(header[2] & 15, 0)
    end = 4 + used + sizes + rates
    if not used or len(header) <= end or _crc8(header[:end]) != header[end]:
        return 0
    kind = header[2] >> 4
    table = {1: 192, **{k: 576 << k - 2 for k in (2, 3, 4, 5)}, **{k: 1 << k for k in range(8, 16)}}
    said = int.from_bytes(header[4 + used : 4 + used + sizes], "big") + 1
    samples = said if sizes else table.get(kind, 0)
    return (number if header[1] == 0xF9 else number * block) + samples if samples else 0


def _coded_number(content: bytes) -> tuple[int, int]:
    """A number in the extended UTF-8 of frame headers, and its bytes; (0, 0) where it is none."""
    lead = content[0]
    ones = next((k for k in range(8) if not lead & 0x80 >> k), 8)
    used = max(1, ones)
    if ones in (1, 8) or len(content) < used or any(b >> 6 != 2 for b in content[1:used]):
        return 0, 0
    number = lead & 0x7F >> ones
    for byte in content[1:used]:
        number = number << 6 | byte & 63
    return number, used


def _crc8(content: bytes) -> int:
    """CRC-8 with polynomial 0x07, start 0 (RFC 9639, section 9.1.8)."""
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc
