"""Landmarks: pairs of spectral peaks by which a part of a recording is found in another one.

After Wang 2003 ("An industrial-strength audio search algorithm"): peaks of a spectrogram of 7.8 Hz
and 16 ms that are the greatest of their surroundings, the most outstanding fifteen a second; each
with up to four that follow within 0.75 s and 490 Hz. Two frequencies and the time between them make
a number of 22 bits. A part, a noisy, a filtered copy of a recording keeps many of its numbers at
one distance in time; another take of the same words by the same speaker does not. A copy at another
speed keeps none, and is found by its fingerprint (:mod:`encoders.analysis.fingerprints`).
``python -m benchmarks copies`` measures both.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.fft
from jaxtyping import Float32, Int32, Int64
from scipy.ndimage import uniform_filter1d

from encoders.analysis.fingerprints import FRAMES_HELD, by_frames
from encoders.audio.waveform import Audio, resample

RATE_HZ, WINDOW, HOP = 8000, 1024, 128
#: Bins of the spectrum from 195 to 3400 Hz, and those over which it is made flat.
LOWEST, HIGHEST, FLAT = 25, 435, 64
#: Frames and bins in which a peak is the greatest, and how far below the loudest one may lie.
AROUND_FRAMES, AROUND_BINS, BELOW_DB = 7, 15, 45.0
PER_S, LEAST_PEAKS = 15, 8
#: How many peaks follow one, how far in frames and in bins.
FOLLOWERS, NEXT, LAST, ASIDE = 4, 2, 47, 63
#: Of landmarks that are kept in a record: one in so many, frames up to 16 s and then from 0 again,
#: and what stands behind each recording (no number is so great).
KEPT, AROUND_CLOCK, END = 8, 1 << 10, 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Numbers of pairs of peaks below 2**22, and the frame of the first of each."""

    numbers: Int32[np.ndarray, "pairs"]
    frames: Int32[np.ndarray, "pairs"]

    def __len__(self) -> int:
        return len(self.numbers)


def thinned(landmarks: Landmarks) -> Landmarks:
    """One in eight, the same ones of every recording: numbers are kept by themselves."""
    spread = landmarks.numbers.astype(np.uint64) * np.uint64(2_654_435_761) >> np.uint64(12)
    kept = spread % np.uint64(KEPT) == 0
    return Landmarks(landmarks.numbers[kept], landmarks.frames[kept] % AROUND_CLOCK)


def packed(recordings: Iterable[Landmarks]) -> str:
    """Landmarks of many recordings, thinned, as base64 of four bytes for each."""
    rows = []
    for landmarks in recordings:
        few = thinned(landmarks)
        both = (few.numbers.astype(np.uint32) << np.uint32(10)) | few.frames.astype(np.uint32)
        rows.append(np.append(both, END).astype("<u4").tobytes())
    return b64encode(b"".join(sorted(set(rows)))).decode()


def unpacked(text: str) -> list[Landmarks]:
    """The thinned landmarks that :func:`packed` made a text of.

    Raises:
        ValueError: the text is none of those.
    """
    content = b64decode(text, validate=True)
    if len(content) % 4:
        raise ValueError(f"expected landmarks of four bytes in base64, got {len(content)} bytes")
    both = np.frombuffer(content, "<u4")
    parts = np.split(both, np.flatnonzero(both == END) + 1)[:-1]
    return [
        Landmarks((part[:-1] >> 10).astype(np.int32), (part[:-1] % AROUND_CLOCK).astype(np.int32))
        for part in parts
    ]


def landmarks_of(audio: Audio) -> Landmarks:
    """The landmarks of a recording; none of one that is silent or shorter than a window."""
    frames, bins = _peaks(resample(audio, RATE_HZ).samples)
    first, second = _pairs(frames, bins)
    apart = frames[second] - frames[first]
    aside = bins[second] - bins[first] + ASIDE + 1
    numbers = (bins[first] << 13) | (aside << 6) | apart
    return Landmarks(numbers.astype(np.int32), frames[first].astype(np.int32))


def _peaks(
    samples: Float32[np.ndarray, "samples"],
) -> tuple[Int64[np.ndarray, "peaks"], Int64[np.ndarray, "peaks"]]:
    """Frames and bins of the peaks that stand out most, in the order of time."""
    if len(samples) < WINDOW or not samples.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    level = _level(samples)
    floor = level.max() - BELOW_DB
    parts = [_peaks_from(start, level, floor) for start in range(0, len(level), FRAMES_HELD)]
    frames, bins, height = map(np.concatenate, zip(*parts, strict=True))
    count = max(LEAST_PEAKS, int(PER_S * len(samples) / RATE_HZ))
    highest = np.sort(np.argsort(-height, kind="stable")[:count])
    return frames[highest], bins[highest]


def _peaks_from(
    start: int, level: Float32[np.ndarray, "frames bins"], floor: np.float32
) -> tuple[Int64[np.ndarray, "some"], Int64[np.ndarray, "some"], Float32[np.ndarray, "some"]]:
    """Frames, bins and heights of the peaks of so many frames as are in memory at once."""
    part = level[start : start + FRAMES_HELD]
    before = min(start, AROUND_FRAMES // 2)
    around = level[start - before : start + len(part) + AROUND_FRAMES // 2]
    greatest = _greatest(_greatest(around, AROUND_BINS).T, AROUND_FRAMES).T
    highest = np.maximum(greatest[before : before + len(part)], floor)
    frames, bins = np.nonzero(part == highest)
    # Against the spectrum around it, so that a filter or a microphone changes little.
    ground = uniform_filter1d(part, FLAT, axis=1, mode="nearest")
    return frames + start, bins, (part - ground)[frames, bins]


def _greatest(
    level: Float32[np.ndarray, "rows columns"], around: int
) -> Float32[np.ndarray, "rows columns"]:
    """The greatest of so many neighbours in a row, an odd number (maxima of maxima: a fast filter).

    :func:`scipy.ndimage.maximum_filter1d` gives the same in five times the time.
    """
    side = around // 2
    widest = np.pad(level, ((0, 0), (side, side)), constant_values=-np.inf)
    width = 1
    while width < around:
        step = min(width, around - width)
        widest = np.maximum(widest[:, :-step], widest[:, step:])
        width += step
    return widest


def _level(samples: Float32[np.ndarray, "samples"]) -> Float32[np.ndarray, "frames bins"]:
    """Decibels of all frames."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    return by_frames(frames, _decibels)


def _decibels(frames: Float32[np.ndarray, "frames window"]) -> Float32[np.ndarray, "frames bins"]:
    spectrum = scipy.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32), axis=1)
    power = np.square(np.abs(spectrum[:, LOWEST:HIGHEST]))
    return (10 * np.log10(power + np.float32(1e-18))).astype(np.float32)


def _pairs(
    frames: Int64[np.ndarray, "peaks"], bins: Int64[np.ndarray, "peaks"]
) -> tuple[Int64[np.ndarray, "pairs"], Int64[np.ndarray, "pairs"]]:
    """Each peak with the first that follow it near enough, as places of both."""
    place = np.arange(len(frames))
    follows = np.zeros(len(frames), np.int64)
    first, second = [], []
    # The n-th peak behind each, until the farthest is too late of all.
    for step in range(1, len(frames)):
        here, there = place[:-step], place[step:]
        apart = frames[there] - frames[here]
        if apart.min() > LAST:
            break
        near = (apart >= NEXT) & (apart <= LAST) & (np.abs(bins[there] - bins[here]) <= ASIDE)
        near &= follows[here] < FOLLOWERS
        follows[here] += near
        first.append(here[near])
        second.append(there[near])
    if not first:
        return place[:0], place[:0]
    return np.concatenate(first), np.concatenate(second)
