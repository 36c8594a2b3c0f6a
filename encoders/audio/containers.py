"""Audio of the containers that libsndfile does not open (m4a, mp4, webm, ...), through PyAV.

A file is data: no playlist, script or reference makes another file or an address be opened. What
is decoded is held against what the container declares: decoders pass over damage in silence.
"""

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from jaxtyping import Float

from encoders.audio import mpeg
from encoders.audio.waveform import (
    END_TOLERANCE_S,
    LONGER,
    MAX_DURATION_S,
    MAX_UTTERANCE_S,
    Audio,
    AudioError,
    Mono,
    Samples,
    check_utterance_length,
    joined,
)

#: Demuxers of FFmpeg that read one file and nothing else; hls, concat, dash, sdp open others.
FORMATS = (
    *("mov", "matroska", "webm", "mp3", "aac", "ac3", "eac3", "ogg", "wav", "w64", "flac", "aiff"),
    *("au", "caf", "avi", "flv", "asf", "amr", "amrnb", "amrwb", "mpeg", "mpegts", "ape", "tta"),
    *("wv", "dts", "rm", "nut", "mxf", "nistsphere", "voc", "dv"),
)
#: A Python file is read, so that FFmpeg needs no protocol; a name that is none allows none.
OPTIONS = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "none"}
#: Demuxers whose durations are written in the file, not guessed from its size and bit rate.
DECLARING = frozenset(("mov", "matroska", "webm", "wav", "w64", "flac", "aiff", "caf", "asf"))
#: Codecs whose frames carry a checksum that FFmpeg looks at only when asked.
CHECKED = frozenset(("flac", "tta", "wavpack"))
#: AAC pads with up to two frames of 1024 samples: 47 ms at 44.1 kHz (ISO/IEC 14496-3).
PADDING_FRAMES, PADDING_S = 2, 0.05
#: Timestamps of Matroska are whole milliseconds, and browsers stamp frames as they come.
JITTER_S = 0.010
#: What containers write between packets at most, where nothing is damaged.
OVERHEAD_BYTES = 128
#: Share of a frame that may be missing before it: a lost frame is a whole one.
LOST_SHARE = 0.75
#: What jitter may add up to; the clock of a sound card runs up to 100 ppm off the recorder's.
DRIFT_S, DRIFT_SHARE = 0.1, 1e-4


def read_container(
    path: Path, start_s: float, end_s: float | None, mono: Mono
) -> tuple[int, Audio]:
    """Mono samples from ``start_s`` (or a little before) up to ``end_s`` (or a little more).

    They have the file's own rate; with them comes how many frames lie before them.

    Audio that starts later than the rest of the file (as in a video) is preceded by silence, and
    silence stands for what was not recorded in between, so that times are times of the file.
    ``mono`` makes one channel of all; PyAV's own down-mix adds 3 dB.

    Raises:
        AudioError: no container that we read, no audio, or damaged: a gap, or less than declared;
            or longer than an utterance.
    """
    wanted_s = math.inf if end_s is None else end_s
    if wanted_s - start_s > MAX_UTTERANCE_S:
        # What ends behind the end of the file is told so, further on.
        check_utterance_length(path, min(declared_seconds(path) or 0.0, wanted_s) - start_s)
    blocks: list[Samples] = []
    notes: tuple[str, ...] = ()
    rate, decoded, held = 0, 0, 0
    with closing(container_pieces(path)) as pieces:
        for piece in pieces:
            rate, decoded = piece.sample_rate_hz, decoded + piece.samples.shape[1]
            block = mono.of(piece.samples)
            if decoded > round(start_s * rate):
                blocks.append(block)
                held += len(block)
                check_utterance_length(path, (held - len(block)) / rate)
            notes += piece.notes
            if decoded / rate >= wanted_s:
                break
    return decoded - held, Audio(joined(blocks), rate, (*notes, *mono.notes()))


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive samples in [-1, 1] of all channels, their rate in Hz, what is told of them."""

    samples: Float[np.ndarray, "channels frames"]
    sample_rate_hz: int
    notes: tuple[str, ...] = ()


def container_pieces(path: Path, keep_damaged: bool = False) -> Generator[Piece, None, None]:
    """Audio of a container frame by frame, as :func:`read_container` reads it.

    With ``keep_damaged`` silence stands for what is damaged, and is told. What it declares is held
    against what was decoded when the last frame has been taken.

    Raises:
        AudioError: no container that we read, no audio, or damaged: a gap, or less than declared.
    """
    try:
        with path.open("rb") as file, av.open(file, "r", options=OPTIONS) as container:
            if not container.streams.audio:
                raise AudioError(f"{path}: holds no audio stream")
            yield from _decode(path, container, keep_damaged)
    except AudioError:
        raise
    # PyAV raises nine kinds of exception on damaged files; to a user they are one.
    except Exception as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise AudioError(
            f"{path}: not a recording we can read ({why}): expected one audio or video file "
            "(no playlist), whole"
        ) from error


def declared_seconds(path: Path) -> float | None:
    """Length of the audio that a container declares; None where it cannot be read or guesses."""
    try:
        with path.open("rb") as file, av.open(file, "r", options=OPTIONS) as container:
            streams = container.streams.audio
            return _declared_s(container, streams[0]) if streams else None
    # Nine kinds of exception on damaged files, which are refused when they are read.
    except Exception:
        return None


def channels_of(frame: av.AudioFrame) -> Float[np.ndarray, "channels frames"]:
    """Samples of one decoded frame in [-1, 1]."""
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, frame.layout.nb_channels).T
    if np.issubdtype(values.dtype, np.integer):
        # Unsigned 8-bit audio rests at 128, signed formats at 0.
        offset = 128.0 if values.dtype == np.uint8 else 0.0
        full = 2.0 ** (8 * values.dtype.itemsize - 1)
        values = (values.astype(np.float64) - offset) / full
    return values


@dataclass(slots=True)
class Joint:
    """Where the next frame has to start, in seconds of the file; None before the first."""

    path: Path
    origin_s: float
    next_s: float | None = None
    ideal_s: float = 0.0

    def join(self, start_s: float, length_s: float) -> float:
        """Take the next frame; seconds that are missing before it, 0 where it follows the last.

        Raises:
            AudioError: it begins before the last one has ended.
        """
        gap_s = 0.0
        if self.next_s is None:
            self.ideal_s = start_s
        elif self._apart(start_s, length_s):
            at_s, gap_s = self.next_s - self.origin_s, start_s - self.ideal_s
            if gap_s <= 0.0:
                raise AudioError(
                    f"{self.path}: {-gap_s:.3f} s of audio doubled at {at_s:.3f} s: the file is "
                    "damaged; convert it to wav if its times are to hold"
                )
            self.ideal_s = start_s
        self.next_s = start_s + length_s
        self.ideal_s += length_s
        return gap_s

    def _apart(self, start_s: float, length_s: float) -> bool:
        assert self.next_s is not None
        drift_s = DRIFT_S + DRIFT_SHARE * (start_s - self.origin_s)
        step = abs(start_s - self.next_s) > max(JITTER_S, LOST_SHARE * length_s)
        return step or abs(start_s - self.ideal_s) > drift_s


@dataclass(slots=True)
class Bytes:
    """Whether bytes of a file lie between two packets that belong to none: damage, not a pause."""

    stop: int = 0
    lost: int = 0

    def take(self, packet: "av.Packet[Any]") -> None:
        """The next packet of the file, of any stream."""
        if packet.pos is None or packet.size == 0:
            return
        if self.stop:
            self.lost = max(self.lost, packet.pos - self.stop)
        self.stop = max(self.stop, packet.pos + packet.size)


def _decode(path: Path, container: InputContainer, keep_damaged: bool) -> Iterator[Piece]:
    stream = container.streams.audio[0]
    if stream.codec_context.name in CHECKED:
        stream.codec_context.options = {"err_detect": "crccheck+explode"}
    rate, decoded = 0, 0
    values = np.zeros((0, 0))
    for frame, gap_s in _joined(path, container, stream, keep_damaged):
        values = channels_of(frame)
        if not rate:
            rate = frame.sample_rate
            late = _frames_before(frame, _origin_s(container))
            for silence in _silence(len(values), late, rate):
                yield Piece(silence, rate)
            decoded += late
        if gap_s:
            at_s = decoded / rate
            note = f"{gap_s:.2f} s of sound are missing at {at_s:.2f} s: silence stands for them"
            for silence in _silence(len(values), round(gap_s * rate), rate):
                yield Piece(silence, rate, (note,) if at_s == decoded / rate else ())
                decoded += silence.shape[1]
        yield Piece(values, rate)
        decoded += frame.samples
    if _check_declared(path, container, stream, decoded, rate):
        yield Piece(np.zeros((len(values), 0), np.float32), rate, (LONGER,))


def _silence(
    channels: int, frames: int, rate: int
) -> Iterator[Float[np.ndarray, "channels frames"]]:
    """Silence in blocks of a second: a forged time must not fill the memory at once."""
    while frames > 0:
        yield np.zeros((channels, min(frames, rate)), np.float32)
        frames -= rate


def _origin_s(container: InputContainer) -> float:
    return (container.start_time or 0) / av.time_base


def _joined(
    path: Path, container: InputContainer, stream: av.AudioStream, keep_damaged: bool
) -> Iterator[tuple[av.AudioFrame, float]]:
    """Decoded frames, each with the seconds that are missing before it.

    A pause in the times is one of the recording; where bytes of the file are missing too, it is
    damaged, which ``keep_damaged`` takes for a pause too.
    """
    joint, rate, between = Joint(path, _origin_s(container)), 0, Bytes()
    for packet in container.demux():
        between.take(packet)
        if packet.stream_index != stream.index:
            continue
        if packet.is_corrupt and not keep_damaged:
            raise AudioError(f"{path}: damaged or cut short (a packet of its audio is)")
        for frame in _frames_of(packet, keep_damaged):
            assert isinstance(frame, av.AudioFrame)
            rate = rate or frame.sample_rate
            if frame.sample_rate != rate:
                what = f"changes from {rate} to {frame.sample_rate} Hz: convert it to one rate"
                raise AudioError(f"{path}: {what}")
            gap_s = 0.0
            if frame.pts is not None and frame.time_base is not None:
                gap_s = joint.join(float(frame.pts * frame.time_base), frame.samples / rate)
            if gap_s and between.lost > OVERHEAD_BYTES and not keep_damaged:
                raise AudioError(
                    f"{path}: {gap_s:.3f} s of audio missing at {joint.next_s or 0.0:.3f} s, and "
                    f"{between.lost} bytes that belong to nothing: the file is damaged"
                )
            yield frame, gap_s


def _frames_of(packet: "av.Packet[Any]", keep_damaged: bool) -> Sequence[Any]:
    """What a packet holds; nothing where it is damaged and that is no reason to stop."""
    try:
        return [] if packet.is_corrupt else packet.decode()
    except av.FFmpegError:
        if not keep_damaged:
            raise
        return []


def _frames_before(first: av.AudioFrame, origin_s: float) -> int:
    """Frames of silence before audio that starts late."""
    if first.pts is None or first.time_base is None:
        return 0
    late_s = float(first.pts * first.time_base) - origin_s
    # Encoders start a frame late or early; only what no padding explains is a late start.
    if not PADDING_S < late_s < MAX_DURATION_S:
        return 0
    return round(late_s * first.sample_rate)


def _check_declared(
    path: Path, container: InputContainer, stream: av.AudioStream, decoded: int, rate: int
) -> bool:
    """Whether more was decoded than is declared; an :class:`AudioError` where less was."""
    declared_s = _declared_s(container, stream)
    if rate == 0:
        return False
    apart_s = max(PADDING_S, PADDING_FRAMES * stream.codec_context.frame_size / rate)
    if container.format.name == "mp3":
        # None of layer II, whose frames are not counted.
        declared_s, apart_s = mpeg.seconds_of(path) or None, apart_s + mpeg.GAPLESS / rate
    if declared_s is None:
        return False
    if decoded / rate < declared_s - apart_s:
        raise AudioError(
            f"{path}: {decoded / rate:.2f} s decoded of the {declared_s:.2f} s declared: "
            "the file is damaged or cut short"
        )
    return decoded / rate > declared_s + apart_s + END_TOLERANCE_S


def _declared_s(container: InputContainer, stream: av.AudioStream) -> float | None:
    """Length of the audio by its container; None where that only guesses or does not know."""
    if not DECLARING & set(container.format.name.split(",")):
        return None
    if stream.duration and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    written = stream.metadata.get("DURATION", "")
    if written.count(":") == 2:
        hours, minutes, seconds = written.split(":")
        return 3600 * float(hours) + 60 * float(minutes) + float(seconds)
    # The whole file's length is that of its only stream.
    if len(container.streams) > 1 or container.duration is None:
        return None
    return container.duration / av.time_base
