"""What a recording is like, kept by its content: what it is known by, rate, clipping, quiet parts.

Computed once when a recording is decoded and kept beside the embeddings, so that a corpus whose
content is known is checked without decoding it again. The files may be deleted at any time.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from encoders.analysis.fingerprints import (
    MOVES,
    RATE_HZ,
    TERMS,
    AudioFingerprint,
    by_frames,
    signature_of,
)
from encoders.analysis.landmarks import Landmarks, landmarks_of
from encoders.audio.waveform import Audio, Samples, resample
from encoders.files import StoreError
from encoders.store import Embedding, EmbeddingStore, Space

#: Part of the folder's name: any change of what is kept wants another number.
VERSION = 2
#: Level of full scale from which two samples in a row count as clipped.
FULL_SCALE = 0.999
#: Frames of this length count as quiet where their level is this far below the loudest one's.
FRAME_S, QUIET_DB = 0.025, 40.0
#: Recordings whose sound is kept at a time: what is lost at most when a check is stopped.
CHUNK = 256


@dataclass(frozen=True, slots=True)
class RecordingQuality:
    """What a recording is known by, its rate; shares of clipped samples and of quiet frames."""

    signature: AudioFingerprint
    landmarks: Landmarks
    sample_rate_hz: int
    clipped: float
    quiet: float


def sound_of(audio: Audio) -> RecordingQuality:
    """What a recording is like."""
    # At the rate of both, so that it is resampled once.
    narrow = resample(audio, RATE_HZ)
    return RecordingQuality(
        signature=signature_of(narrow),
        landmarks=landmarks_of(narrow),
        sample_rate_hz=audio.sample_rate_hz,
        clipped=_clipped(audio.samples),
        quiet=_quiet(audio),
    )


class QualityIndex:
    """Sounds by content key: those on disk, and those that were just heard."""

    def __init__(self, store: EmbeddingStore | None) -> None:
        folder = None if store is None else store.root / "sounds" / f"v{VERSION}"
        self._space = None if folder is None else Space(folder, None)
        self._fresh: dict[str, RecordingQuality] = {}
        self._unsaved: list[str] = []

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Keys of which nothing is known."""
        unknown = [key for key in dict.fromkeys(keys) if key not in self._fresh]
        return unknown if self._space is None else self._space.missing(unknown)

    def add(self, key: str, audio: Audio) -> None:
        """Hear a recording, and keep what was heard once there is a chunk of it."""
        if not self.missing([key]):
            return
        self._fresh[key] = sound_of(audio)
        self._unsaved.append(key)
        if len(self._unsaved) >= CHUNK:
            self.save()

    def save(self) -> None:
        """Write what was heard; where that cannot be, the next run hears it again."""
        unsaved, self._unsaved = self._unsaved, []
        if self._space is not None:
            with suppress(StoreError, OSError):
                self._space.write({key: _packed(self._fresh[key]) for key in unsaved}, {})

    def read(self, keys: Sequence[str]) -> Mapping[str, RecordingQuality]:
        """Sounds of those keys that are known and undamaged."""
        wanted = dict.fromkeys(keys)
        fresh = {key: self._fresh[key] for key in wanted if key in self._fresh}
        if self._space is None:
            return fresh
        unknown = set(self.missing(wanted))
        stored = [key for key in wanted if key not in fresh and key not in unknown]
        try:
            return fresh | dict(zip(stored, map(_unpacked, self._space.read(stored)), strict=True))
        except StoreError:
            return fresh | _readable(self._space, stored)


def _readable(space: Space, keys: Sequence[str]) -> dict[str, RecordingQuality]:
    qualities = {}
    for key in keys:
        with suppress(StoreError):
            qualities[key] = _unpacked(space.read([key])[0])
    return qualities


def _clipped(samples: Samples) -> float:
    loud = (samples >= FULL_SCALE) | (samples <= -FULL_SCALE)
    return float((loud[1:] & loud[:-1]).mean()) if len(samples) > 1 else 0.0


def _quiet(audio: Audio) -> float:
    length = max(round(FRAME_S * audio.sample_rate_hz), 1)
    count = len(audio.samples) // length
    if not count:
        return 0.0
    frames = audio.samples[: count * length].reshape(count, length)
    energy = by_frames(frames, lambda some: np.square(some, dtype=np.float64).mean(axis=1))
    return float((energy <= energy.max() * 10 ** (-QUIET_DB / 10)).mean())


def _packed(quality: RecordingQuality) -> Embedding:
    signed = quality.signature
    scalars = (
        signed.active_s,
        signed.change,
        quality.sample_rate_hz,
        quality.clipped,
        quality.quiet,
    )
    # Numbers below 2**22 are whole as float32.
    marks = np.concatenate([quality.landmarks.numbers, quality.landmarks.frames])
    parts = (
        *(signed.moved.ravel(), signed.narrow, np.array(scalars, np.float32)),
        marks.astype(np.float32),
    )
    return Embedding(np.concatenate(parts).reshape(1, 1, -1), 1, np.zeros(0, np.float32))


def _unpacked(entry: Embedding) -> RecordingQuality:
    values = entry.values.ravel()
    vectors = values[: (len(MOVES) + 1) * TERMS].reshape(-1, TERMS)
    scalars, marks = np.split(values[vectors.size :], [5])
    active_s, change, rate, clipped, quiet = map(float, scalars)
    signature = AudioFingerprint(vectors[:-1], vectors[-1], active_s, change)
    numbers, frames = marks.astype(np.int32).reshape(2, -1)
    return RecordingQuality(signature, Landmarks(numbers, frames), round(rate), clipped, quiet)
