"""Files that libsndfile reads, opened so that all their sound is read, whatever headers declare.

Lengths that a header leaves out or has too small are found by walking over the file; libsndfile is
given the file with a true header. Streams that were joined end to end are read one after the other.
"""

import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from jaxtyping import Float32

from encoders.audio import flac, mpeg, ogg, riff
from encoders.audio.waveform import LONGER, AudioError

#: Bytes that a header announces from here on stand for "not known": the writer could not go back.
STREAMED_BYTES = 0x7FFF0000
#: Frames that libsndfile gives for a length that is not known.
UNKNOWN_FRAMES = 2**62
#: What is told of a recording.
JOINED = "several recordings joined end to end: all of them are read"


class Spliced:
    """A file made of bytes and of stretches of another one, as far as soundfile asks for one."""

    def __init__(self, path: Path, pieces: Sequence[bytes | range]) -> None:
        self._file = path.open("rb")
        self._pieces = pieces
        self._at = 0

    def tell(self) -> int:
        """Bytes before the next one that is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte, as of any file."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: sum(map(len, self._pieces))}
        self._at = base[whence] + offset
        return self._at

    def read(self, size: int) -> bytes:
        """The next bytes, fewer at the end."""
        start, content = 0, b""
        for piece in self._pieces:
            within = self._at - start
            if 0 <= within < len(piece) and len(content) < size:
                more = self._content(piece, within, size - len(content))
                content, self._at = content + more, self._at + len(more)
            start += len(piece)
        return content

    def _content(self, piece: bytes | range, within: int, size: int) -> bytes:
        if isinstance(piece, bytes):
            return piece[within : within + size]
        self._file.seek(piece.start + within)
        return self._file.read(min(size, len(piece) - within))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what C libraries print, as libmpg123 does of tags and damage, off the terminal.

    What is wrong with a file is told by the errors and notes of whoever reads it.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """An mp3: soundfile seeks to where it is after every reading, and the decoder falls silent.

    What a frame needs of those before it is lost then, for up to a tenth of a second.
    """

    def seekable(self) -> bool:
        return False

    def read(self, frames: int, **how: Any) -> Any:  # noqa: ANN401 - as soundfile has it
        with quiet_stderr():
            return super().read(frames, **how)


class SoundFile:
    """Streams of one file, read as one; ``notes`` are what is told of it.

    ``damage`` is what is wrong with a file that was opened all the same.
    """

    def __init__(
        self,
        files: Sequence[soundfile.SoundFile],
        spliced: Sequence[Spliced] = (),
        notes: tuple[str, ...] = (),
    ) -> None:
        self._files = files
        self._spliced = spliced
        self._place = 0
        self.notes = notes
        self.damage: str | None = None

    @property
    def samplerate(self) -> int:
        """Samples a second."""
        return int(self._files[0].samplerate)

    @property
    def frames(self) -> int:
        """Samples of a channel, by the headers."""
        return sum(file.frames for file in self._files)

    @property
    def format(self) -> str:
        """Format by libsndfile's name."""
        return str(self._files[0].format)

    @property
    def subtype(self) -> str:
        """Encoding by libsndfile's name."""
        return str(self._files[0].subtype)

    @property
    def announced_frames(self) -> int:
        """Frames by the header; libsndfile mends that of a file cut short, and its log tells."""
        log = self._files[0].extra_info
        said = re.search(r"(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", log)
        announced, actual = (int(number) for number in said.groups()) if said else (0, 0)
        if actual == 0 or announced >= STREAMED_BYTES:
            return self.frames
        return round(self.frames * announced / actual)

    def seekable(self) -> bool:
        """Whether reading can begin elsewhere than at the start."""
        return len(self._files) == 1 and bool(self._files[0].seekable())

    def seek(self, frame: int) -> None:
        """Go to a frame of a file that is seekable."""
        self._files[0].seek(frame)

    def read(self, frames: int) -> Float32[np.ndarray, "frames channels"]:
        """The next frames, fewer at the end or before a hole."""
        block = self._files[self._place].read(frames, dtype="float32", always_2d=True)
        while len(block) < frames and self._place + 1 < len(self._files):
            self._place += 1
            more = self._files[self._place].read(
                frames - len(block), dtype="float32", always_2d=True
            )
            block = np.concatenate([block, more])
        return np.asarray(block, np.float32)

    def __enter__(self) -> "SoundFile":
        return self

    def __exit__(self, *_exception: object) -> None:
        for file in (*self._files, *self._spliced):
            file.close()


def open_sound(path: Path, keep_damaged: bool = False) -> SoundFile | None:
    """A file that libsndfile reads; None where :mod:`encoders.audio.containers` must.

    With ``keep_damaged`` an Ogg file is opened up to its first damaged page, and an mp3 with holes.

    Raises:
        AudioError: it is an Ogg file that is not whole, or streams that were joined do not fit.
    """
    if (damage := ogg.damage_of(path)) is not None:
        return _up_to(path, damage, keep_damaged)
    try:
        with quiet_stderr():
            file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError:
        return None
    pieces, notes = _mended(path, file, keep_damaged)
    # A flac that was written to a pipe does not say how long it is.
    if file.frames >= UNKNOWN_FRAMES or (notes and not pieces):
        file.close()
        return None
    if not pieces and file.format != "MP3":
        return SoundFile([file])
    file.close()
    if not pieces:
        with quiet_stderr():
            sound = SoundFile([_Forward(path)])
        sound.damage = _holes(path) if keep_damaged else None
        return sound
    return _of_pieces(path, pieces, notes, forward=file.format == "MP3")


#: Parts of each stream of a file, and what is told of it; notes without parts: libsndfile must not.
Mend = tuple[Sequence[Sequence[bytes | range]], tuple[str, ...]]


def _up_to(path: Path, damage: str, keep_damaged: bool) -> SoundFile:
    """The pages of an Ogg file before the first that is damaged, if they are asked for."""
    whole = ogg.whole_until(path)
    if not keep_damaged or whole == 0:
        raise AudioError(f"{path}: {damage}: the file is damaged or cut short")
    streams, notes = _ranges((*(start for start in ogg.streams_of(path) if start < whole), whole))
    sound = _of_pieces(path, streams, notes if len(streams) > 1 else (), forward=False)
    sound.damage = damage
    return sound


def _mended(path: Path, file: soundfile.SoundFile, keep_damaged: bool) -> Mend:
    mend = {"WAV": _wav, "WAVEX": _wav, "MP3": _mp3, "FLAC": _flac, "OGG": _ogg}.get(file.format)
    try:
        return mend(path, file) if mend is not None else ([], ())
    except AudioError:
        # libmpg123 goes on behind a hole by itself.
        if not keep_damaged:
            raise
        return [], ()


def _holes(path: Path) -> str | None:
    lost = sum(stream.lost for stream in mpeg.streams_of(path))
    what = "bytes between its frames are none: what lies behind them comes too early"
    return f"{lost} {what}" if lost else None


def _of_pieces(
    path: Path,
    streams: Sequence[Sequence[bytes | range]],
    notes: tuple[str, ...],
    *,
    forward: bool,
) -> SoundFile:
    spliced = [Spliced(path, pieces) for pieces in streams]
    try:
        with quiet_stderr():
            files = [(_Forward if forward else soundfile.SoundFile)(file) for file in spliced]
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: the file is damaged ({error.error_string})") from error
    sound = SoundFile(files, spliced, notes)
    forms = {(file.samplerate, file.channels) for file in files}
    if len(forms) > 1:
        sound.__exit__()
        said = ", ".join(f"{rate} Hz with {channels}" for rate, channels in sorted(forms))
        raise AudioError(
            f"{path}: holds recordings of several kinds, one after the other ({said} channels): "
            "convert them to one"
        )
    return sound


def _wav(path: Path, _file: soundfile.SoundFile) -> Mend:
    mended, size = riff.mended(path), path.stat().st_size
    said = riff.contradiction(path)
    notes = (said,) if said is not None else ()
    if mended is None:
        return ([[range(size)]], notes) if notes else ([], ())
    return [[mended.header, range(mended.start, size)]], (LONGER, *notes)


def _ogg(path: Path, _file: soundfile.SoundFile) -> Mend:
    starts = ogg.streams_of(path)
    return _ranges((*starts, path.stat().st_size)) if len(starts) > 1 else ([], ())


def _flac(path: Path, file: soundfile.SoundFile) -> Mend:
    held = flac.held_by(path)
    if held is None:
        return [], ()
    if len(held.starts) > 1:
        return _ranges((*held.starts, path.stat().st_size))
    # libsndfile stops where the header says; FFmpeg reads on.
    return [], (LONGER,) if held.reached > held.declared > 0 else ()


def _ranges(starts: Sequence[int]) -> Mend:
    return [[range(first, last)] for first, last in pairwise(starts)], (JOINED,)


def _mp3(path: Path, file: soundfile.SoundFile) -> Mend:
    streams = mpeg.streams_of(path)
    if not streams or (len(streams) == 1 and _is_declared(streams[0], file.frames)):
        return [], ()
    lost = sum(stream.lost for stream in streams)
    if lost:
        raise AudioError(
            f"{path}: {lost} bytes between its frames are none, and its length is not declared: "
            "the file is damaged"
        )
    joined = len(streams) > 1
    return [_stream(stream, believed=joined) for stream in streams], (JOINED if joined else LONGER,)


def _is_declared(stream: mpeg.Stream, frames: int) -> bool:
    """Whether libsndfile's length is that of all frames, or longer by what is written in it.

    It passes over a damaged Xing frame, and guesses then by the size of the file and a bit rate.
    """
    there = stream.frames * stream.header.samples
    if stream.declared:
        return stream.declared + 1 >= stream.frames and frames + mpeg.GAPLESS >= there
    return abs(frames - there) <= stream.header.samples


def _stream(stream: mpeg.Stream, *, believed: bool) -> Sequence[bytes | range]:
    if believed and stream.declared and stream.declared + 1 >= stream.frames:
        return [range(stream.start, stream.stop)]
    return [stream.declaring(), range(stream.begin, stream.stop)]
