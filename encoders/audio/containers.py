"""Audio of the containers that libsndfile does not open (m4a, mp4, webm, ...), through PyAV.

A file is data: no playlist, script or reference makes another file or an address be opened. What
is decoded is held against what the container declares: decoders pass over damage in silence.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from jaxtyping import Float

from encoders.audio.waveform import MAX_DURATION_S, Audio, AudioError, Samples

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
#: Share of a frame that may be missing before it: a lost frame is a whole one.
LOST_SHARE = 0.75
#: What jitter may add up to; the clock of a sound card runs up to 100 ppm off the recorder's.
DRIFT_S, DRIFT_SHARE = 0.1, 1e-4


def read_container(path: Path, end_s: float | None) -> Audio:
    """Mono samples from the start up to ``end_s`` (or a little more), at the file's own rate.

    Audio that starts later than the rest of the file (as in a video) is preceded by silence, so
    that times are times of the file.

    Raises:
        AudioError: no container that we read, no audio, or damaged: a gap, or less than declared.
    """
    wanted_s = MAX_DURATION_S if end_s is None else end_s
    blocks: list[Samples] = []
    rate, decoded = 0, 0
    with closing(container_pieces(path)) as pieces:
        for piece in pieces:
            rate, decoded = piece.sample_rate_hz, decoded + piece.samples.shape[1]
            blocks.append(piece.mono())
            if decoded / rate >= wanted_s:
                break
    return Audio(np.concatenate([np.zeros(0, np.float32), *blocks]), rate)


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive samples in [-1, 1] of all channels, with their rate in Hz."""

    samples: Float[np.ndarray, "channels frames"]
    sample_rate_hz: int

    def mono(self) -> Samples:
        """Mean of the channels; PyAV's own down-mix adds 3 dB."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.samples.mean(axis=0).astype(np.float32)


def container_pieces(path: Path) -> Generator[Piece, None, None]:
    """Audio of a container frame by frame, as :func:`read_container` reads it.

    What it declares is held against what was decoded when the last frame has been taken.

    Raises:
        AudioError: no container that we read, no audio, or damaged: a gap, or less than declared.
    """
    try:
        with path.open("rb") as file, av.open(file, "r", options=OPTIONS) as container:
            if not container.streams.audio:
                raise AudioError(f"{path}: holds no audio stream")
            yield from _decode(path, container)
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

    def join(self, start_s: float, length_s: float) -> None:
        """Take the next frame; an :class:`AudioError` where it does not follow the last one."""
        if self.next_s is None:
            self.ideal_s = start_s
        elif self._apart(start_s, length_s):
            at_s, gap_s = self.next_s - self.origin_s, start_s - self.ideal_s
            raise AudioError(
                f"{self.path}: {abs(gap_s):.3f} s of audio {'missing' if gap_s > 0 else 'doubled'} "
                f"at {at_s:.3f} s: the file is damaged or was recorded with gaps; convert it to "
                "wav, silence in the gaps, if its times are to hold"
            )
        self.next_s = start_s + length_s
        self.ideal_s += length_s

    def _apart(self, start_s: float, length_s: float) -> bool:
        assert self.next_s is not None
        drift_s = DRIFT_S + DRIFT_SHARE * (start_s - self.origin_s)
        step = abs(start_s - self.next_s) > max(JITTER_S, LOST_SHARE * length_s)
        return step or abs(start_s - self.ideal_s) > drift_s


def _decode(path: Path, container: InputContainer) -> Iterator[Piece]:
    stream = container.streams.audio[0]
    if stream.codec_context.name in CHECKED:
        stream.codec_context.options = {"err_detect": "crccheck+explode"}
    rate, decoded = 0, 0
    for frame in _joined(path, container, stream):
        values = channels_of(frame)
        if not rate:
            rate = frame.sample_rate
            late = _frames_before(frame, _origin_s(container))
            if late:
                yield Piece(np.zeros((len(values), late), np.float32), rate)
                decoded += late
        yield Piece(values, rate)
        decoded += frame.samples
    _check_declared(path, container, stream, decoded, rate)


def _origin_s(container: InputContainer) -> float:
    return (container.start_time or 0) / av.time_base


def _joined(
    path: Path, container: InputContainer, stream: av.AudioStream
) -> Iterator[av.AudioFrame]:
    """Decoded frames, each of which starts where the last one ended."""
    joint, rate = Joint(path, _origin_s(container)), 0
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise AudioError(f"{path}: damaged or cut short (a packet of its audio is)")
        for frame in packet.decode():
            rate = rate or frame.sample_rate
            if frame.sample_rate != rate:
                what = f"changes from {rate} to {frame.sample_rate} Hz: convert it to one rate"
                raise AudioError(f"{path}: {what}")
            if frame.pts is not None and frame.time_base is not None:
                joint.join(float(frame.pts * frame.time_base), frame.samples / rate)
            yield frame


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
) -> None:
    declared_s = _declared_s(container, stream)
    if declared_s is None or rate == 0:
        return
    frame_s = stream.codec_context.frame_size / rate
    if decoded / rate < declared_s - max(PADDING_S, PADDING_FRAMES * frame_s):
        raise AudioError(
            f"{path}: {decoded / rate:.2f} s decoded of the {declared_s:.2f} s declared: "
            "the file is damaged or cut short"
        )


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
