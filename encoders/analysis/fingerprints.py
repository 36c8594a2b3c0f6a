"""Acoustic signatures: a short vector by which a changed copy of a recording is found again.

A signature is what is left of a recording's spectrogram when level, silence around it, speed and
fine structure are taken away: band energies in semitones from 200 to 3400 Hz, in decibels above a
floor 25 dB below the loudest, between the 2nd and the 98th percentile of the energy, that stretch
divided into 32 equal parts, and of that picture the slowest 12 x 8 terms of its cosine transform.
Pictures moved by up to two semitones find copies of another pitch, and a second stretch (5th to
95th percentile) those whose edge is uncertain. ``python -m benchmarks copies`` measures rates of
detection and of false alarms on RAVDESS and EmoDB.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float, Float32

from encoders.audio.waveform import Audio, resample

RATE_HZ, WINDOW, HOP = 8000, 1024, 128
#: Frames whose spectra are in memory at once: those of 66 s take 70 MB.
FRAMES_HELD = 4096
LOWEST_HZ, BANDS = 200.0, 49
#: Semitones by which pictures are moved, and bands that are left out for that at either end.
MOVES = (-2, -1, 0, 1, 2)
MARGIN = 3
PARTS, TERMS_IN_TIME, TERMS_IN_PITCH = 32, 12, 8
TERMS = TERMS_IN_TIME * TERMS_IN_PITCH
#: Of a recording in a :class:`FingerprintSet`: two vectors, and its length.
ROW_BYTES = 2 * TERMS + 2
FLOOR_DB = 25.0
#: Percentile of energy, and the level below the loudest frame, in dB, from which energy counts.
STRETCHES = ((0.02, 30.0), (0.05, 15.0))
#: Shorter stretches of sound, and sounds that do not change, have nothing to be known by: the
#: least that was met in speech is 0.66 s and .17, a steady tone or noise has up to .054.
LEAST_S, LEAST_CHANGE = 0.5, 0.12


@dataclass(frozen=True, slots=True)
class AudioFingerprint:
    """What a recording is known by.

    ``moved`` are unit vectors of the picture at each of :data:`MOVES`, ``narrow`` that of the
    narrower stretch; ``active_s`` is the length of what sounds; ``change`` the share of the
    picture that is change over time.
    """

    moved: Float32[np.ndarray, "moves terms"]
    narrow: Float32[np.ndarray, "terms"]
    active_s: float
    change: float

    @property
    def telling(self) -> bool:
        """Whether there is enough in the recording to know it by."""
        return self.active_s >= LEAST_S and self.change >= LEAST_CHANGE


def signature_of(audio: Audio) -> AudioFingerprint:
    """The signature of a recording; one that is silent or too short tells nothing."""
    power = _band_power(audio)
    (wide, active), (narrow, _) = (_picture(power, *stretch) for stretch in STRETCHES)
    terms = _terms(wide, 0)
    whole = float(np.square(terms).sum())
    change = float(np.square(terms[TERMS_IN_PITCH:]).sum()) / whole if whole else 0.0
    moved = np.stack([_unit(_terms(wide, move)) for move in MOVES])
    return AudioFingerprint(moved, _unit(_terms(narrow, 0)), active * HOP / RATE_HZ, change)


@dataclass(frozen=True, slots=True)
class FingerprintSet:
    """Signatures of many recordings by which each is known again, a byte for each number.

    ``still`` and ``narrow`` are unit vectors but for rounding (cosine to the signature .9998 and
    more), ``active_s`` lengths in twentieths of a second. A recording takes 194 bytes.
    """

    still: Float32[np.ndarray, "recordings terms"]
    narrow: Float32[np.ndarray, "recordings terms"]
    active_s: Float32[np.ndarray, "recordings"]

    @classmethod
    def unpacked(cls, text: str) -> "FingerprintSet":
        """The set that :func:`packed` made a text of.

        Raises:
            ValueError: the text is none of those.
        """
        try:
            rows = np.frombuffer(b64decode(text, validate=True), np.uint8).reshape(-1, ROW_BYTES)
        except ValueError as error:
            raise ValueError(f"expected rows of {ROW_BYTES} bytes in base64 ({error})") from error
        vectors = rows[:, :-2].copy().view(np.int8).astype(np.float32).reshape(-1, 2, TERMS)
        length = np.maximum(np.linalg.norm(vectors, axis=2, keepdims=True), 1e-9)
        still, narrow = np.moveaxis(vectors / length, 1, 0)
        twentieths = rows[:, -2:].copy().view("<u2")[:, 0]
        return cls(still, narrow, (twentieths / 20).astype(np.float32))

    def __len__(self) -> int:
        return len(self.active_s)


def packed(signatures: Iterable[AudioFingerprint]) -> str:
    """Those signatures that tell something, in an order of their own, as base64."""
    rows = {_row(signature) for signature in signatures if signature.telling}
    return b64encode(b"".join(sorted(rows))).decode()


def _row(signature: AudioFingerprint) -> bytes:
    vectors = np.stack([signature.moved[MOVES.index(0)], signature.narrow])
    loudest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-9)
    twentieths = np.array([min(round(20 * signature.active_s), 65_535)], "<u2")
    return np.round(127 * vectors / loudest).astype(np.int8).tobytes() + twentieths.tobytes()


# ---------------------------------------------------------------- from samples to a picture


def _band_power(audio: Audio) -> Float[np.ndarray, "frames bands"]:
    samples = resample(audio, RATE_HZ).samples
    samples = np.pad(samples, (0, max(WINDOW - len(samples), 0)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    return by_frames(frames, _bands)


def _bands(frames: Float[np.ndarray, "frames window"]) -> Float[np.ndarray, "frames bands"]:
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=1)))
    return power @ _filters().T


def by_frames(
    frames: Float[np.ndarray, "frames window"],
    measure: Callable[[Float[np.ndarray, "some window"]], Float[np.ndarray, "some *measured"]],
) -> Float[np.ndarray, "frames *measured"]:
    """What is measured of each frame, so many frames at a time: spectra take many times as much."""
    starts = range(0, max(len(frames), 1), FRAMES_HELD)
    return np.concatenate([measure(frames[start : start + FRAMES_HELD]) for start in starts])


@cache
def _filters() -> Float[np.ndarray, "bands bins"]:
    """Triangles on a scale of semitones, each three semitones wide."""
    centre = LOWEST_HZ * 2 ** (np.arange(BANDS) / 12)
    low, high = centre / 2 ** (1.5 / 12), centre * 2 ** (1.5 / 12)
    hertz = np.fft.rfftfreq(WINDOW, 1 / RATE_HZ)
    rise = (hertz - low[:, None]) / (centre - low)[:, None]
    fall = (high[:, None] - hertz) / (high - centre)[:, None]
    return np.maximum(0, np.minimum(rise, fall))


def _picture(
    power: Float[np.ndarray, "frames bands"], percentile: float, below_db: float
) -> tuple[Float[np.ndarray, "parts bands"], float]:
    """Decibels in equal parts of the stretch that sounds, and that stretch's length in frames."""
    first, last = _stretch(power.sum(axis=1), percentile, below_db)
    floor = 10 ** (-FLOOR_DB / 10)
    decibels = 10 * np.log10(power / max(power.max(), np.finfo(np.float64).tiny) + floor)
    total = np.vstack([np.zeros(power.shape[1]), np.cumsum(decibels, axis=0)])
    edges = np.linspace(first, last, PARTS + 1)
    before = np.minimum(edges.astype(int), len(power) - 1)
    share = (edges - before)[:, None]
    at_edges = total[before] * (1 - share) + total[before + 1] * share
    return np.diff(at_edges, axis=0) * PARTS / max(last - first, 1e-9), last - first


def _stretch(
    energy: Float[np.ndarray, "frames"], percentile: float, below_db: float
) -> tuple[float, float]:
    """Where the course of the energy's root passes a percentile, from either end, in frames."""
    root = np.sqrt(np.maximum(energy - energy.max() * 10 ** (-below_db / 10), 0))
    course = np.concatenate([[0.0], np.cumsum(root)])
    if course[-1] == 0:
        return 0.0, 0.0
    # The slope makes the course rise where there is silence, so that it can be inverted.
    rising = course / course[-1] + np.arange(len(course)) * 1e-12
    first, last = np.interp([percentile, 1 - percentile], rising, np.arange(len(course)))
    return float(first), float(last)


def _terms(picture: Float[np.ndarray, "parts bands"], move: int) -> Float[np.ndarray, "terms"]:
    """The slowest terms of the cosine transform without the level; bands moved by semitones."""
    kept = picture[:, MARGIN + move : BANDS - MARGIN + move]
    terms = _cosines(TERMS_IN_TIME, PARTS) @ kept @ _cosines(TERMS_IN_PITCH, kept.shape[1]).T
    terms[0, 0] = 0
    return terms.ravel()


@cache
def _cosines(terms: int, length: int) -> Float[np.ndarray, "terms length"]:
    """Rows of the orthonormal cosine transform (DCT-II)."""
    rows = np.cos(np.pi * np.arange(terms)[:, None] * (np.arange(length) + 0.5) / length)
    return rows * np.sqrt(np.where(np.arange(terms) == 0, 1, 2) / length)[:, None]


def _unit(vector: Float[np.ndarray, "terms"]) -> Float32[np.ndarray, "terms"]:
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)
