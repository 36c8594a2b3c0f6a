"""Frames of an mp3, counted: what its header declares of them may be less, or only a guess.

ISO/IEC 11172-3 and 13818-3 have the header of a frame, the Xing and Info frames are LAME's and
Xing's (http://gabriel.mp3-tech.org/mp3infotag.html). A file may hold several streams one after the
other, each with a frame of its own that declares its length.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

#: kbit/s by index, of layer III of version 1 and of versions 2 and 2.5.
BIT_RATES = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
SAMPLE_RATES = (44_100, 48_000, 32_000)
#: Bits of the version: 3 is 1, 2 is 2, 0 is 2.5.
VERSION_1 = 3
HALVED = {3: 1, 2: 2, 0: 4}
HEADER_BYTES, ID3V1_BYTES, ID3V2_BYTES, APE_BYTES = 4, 128, 10, 32
LAYER_III, MONO = 1, 3
#: Index of 64 kbit/s in both tables: a frame of it has room for a Xing header.
ROOMY = (5, 8)
FRAMES_GIVEN = 1
#: Samples that LAME's tag may take away at both ends: encoders write up to about 1160 before the
#: sound and less than two frames of 1152 behind it.
GAPLESS = 3 * 1152


@dataclass(frozen=True, slots=True)
class Header:
    """Four bytes that begin a frame of layer III."""

    content: bytes

    @property
    def version(self) -> int:
        """Bits of the version, see :data:`HALVED`."""
        return self.content[1] >> 3 & 3

    @property
    def sample_rate_hz(self) -> int:
        """Samples a second."""
        return SAMPLE_RATES[self.content[2] >> 2 & 3] // HALVED[self.version]

    @property
    def samples(self) -> int:
        """Samples of a frame."""
        return 1152 if self.version == VERSION_1 else 576

    @property
    def mono(self) -> bool:
        """Whether there is one channel."""
        return self.content[3] >> 6 == MONO

    @property
    def size(self) -> int:
        """Bytes of the frame."""
        rates = BIT_RATES[self.version != VERSION_1]
        bits = rates[self.content[2] >> 4] * 1000 * self.samples // 8
        return bits // self.sample_rate_hz + (self.content[2] >> 1 & 1)

    @property
    def declares_at(self) -> int:
        """Where in the frame a Xing or Info header stands: behind the side information."""
        side = (17, 32) if self.version == VERSION_1 else (9, 17)
        return HEADER_BYTES + side[not self.mono]

    def like(self, other: "Header") -> bool:
        """Whether frames with both belong to one stream."""
        mine, its = (self.version, self.sample_rate_hz), (other.version, other.sample_rate_hz)
        return mine == its and self.mono == other.mono


@dataclass(frozen=True, slots=True)
class Stream:
    """Frames that follow each other: from byte ``start`` to ``stop``.

    ``declared`` is the number of frames by its Xing or Info frame, which ``frames`` does not count
    and which ends at ``begin``; ``lost`` are bytes between the frames that are none.
    """

    header: Header
    start: int
    begin: int
    stop: int
    frames: int = 0
    declared: int | None = None
    lost: int = 0

    def declaring(self) -> bytes:
        """A Xing frame that declares as many frames as there are."""
        own, second = self.header.content, self.header.version != VERSION_1
        rate = ROOMY[second] << 4 | own[2] & 0b1100
        # The lowest bit of the second byte set: no checksum.
        header = Header(bytes((own[0], own[1] | 1, rate, own[3])))
        said = b"Xing" + FRAMES_GIVEN.to_bytes(4, "big") + self.frames.to_bytes(4, "big")
        frame = header.content.ljust(header.declares_at, b"\0") + said
        return frame.ljust(header.size, b"\0")


def seconds_of(path: Path) -> float:
    """Seconds of the frames that an mp3 holds, or that its Xing frames say it should hold."""
    return sum(
        max(stream.frames, stream.declared or 0)
        * (stream.header.samples / stream.header.sample_rate_hz)
        for stream in streams_of(path)
    )


def streams_of(path: Path) -> tuple[Stream, ...]:
    """Streams of an mp3 in their order; none of a file that has no two frames of layer III."""
    status = path.stat()
    return _streams(path, status.st_size, status.st_mtime_ns)


# Once per file: a recording of an hour may be read in a thousand segments.
@lru_cache(maxsize=256)
def _streams(path: Path, _size: int, _changed_ns: int) -> tuple[Stream, ...]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return tuple(stream for stream in _walk(content) if stream.frames)


def _walk(content: mmap.mmap) -> Iterator[Stream]:
    at, lost, stream = 0, 0, None
    while at < len(content):
        header = _header(content, at)
        doubtful = stream is None or lost > 0 or header is None or not header.like(stream.header)
        # A pattern by chance is not followed by another frame.
        if header is None or (doubtful and _header(content, at + header.size) is None):
            skipped = _tag(content, at)
            # Zeros fill files up at their ends; between two frames they stand for what was there.
            distance = skipped or _distance(content, at)
            lost += 0 if skipped else distance
            at += distance
            continue
        after = at + header.size
        if after > len(content):
            break
        declared = _declared(content, at, header)
        if stream is None or declared is not None or not header.like(stream.header):
            if stream is not None:
                yield stream
            begin = at if declared is None else after
            stream = Stream(header, at, begin, after, int(declared is None), declared)
        else:
            more = stream.lost + lost
            stream = replace(stream, stop=after, frames=stream.frames + 1, lost=more)
        at, lost = after, 0
    if stream is not None:
        yield stream


def _header(content: mmap.mmap, at: int) -> Header | None:
    four = content[at : at + HEADER_BYTES]
    if len(four) < HEADER_BYTES or four[0] != 0xFF or four[1] & 0xE0 != 0xE0:
        return None
    version, layer = four[1] >> 3 & 3, four[1] >> 1 & 3
    if version == 1 or layer != LAYER_III or four[2] >> 4 in (0, 15) or four[2] >> 2 & 3 == 3:
        return None
    return Header(four)


def _distance(content: mmap.mmap, at: int) -> int:
    """Bytes to where a frame or a tag may begin next."""
    if content[at] != 0:
        return 1
    end = at
    while end < len(content) and content[end : end + 4096].count(0) == len(
        content[end : end + 4096]
    ):
        end += 4096
    return max(1, min(end, len(content)) - at)


def _tag(content: mmap.mmap, at: int) -> int:
    """Bytes of a tag (ID3, APE) that begins here, or 0."""
    mark = content[at : at + ID3V2_BYTES]
    if mark.startswith(b"ID3") and len(mark) == ID3V2_BYTES:
        return ID3V2_BYTES + sum((byte & 127) << 7 * (3 - k) for k, byte in enumerate(mark[6:10]))
    if mark.startswith(b"TAG"):
        return ID3V1_BYTES
    if mark.startswith(b"APETAGEX"):
        return APE_BYTES + int.from_bytes(content[at + 12 : at + 16], "little")
    return 0


def _declared(content: mmap.mmap, at: int, header: Header) -> int | None:
    """Frames by a Xing or Info header; None of a frame of sound, and where it does not say."""
    place = at + header.declares_at
    if content[place : place + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(content[place + 4 : place + 8], "big")
    return int.from_bytes(content[place + 8 : place + 12], "big") if flags & FRAMES_GIVEN else 0
