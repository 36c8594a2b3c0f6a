"""Speaker guess: who speaks when, from the sound alone, for a number of speakers that is given.

Windows of speech are clustered by how they sound (spectral clustering of nearest neighbours, Ng,
Jordan and Weiss 2001; von Luxburg 2007), then each speaker gets a Gaussian mixture over cepstra
and the recording is labelled anew by the most likely path with a price for each change (as in the
ICSI system, Wooters and Huijbregts 2008), until nothing changes. It is a guess: overlap is not
found, and moods of one voice may be taken for two voices.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, Int64

from encoders.analysis.speaker_embeddings import (
    FRAME_S,
    SAMPLE_RATE_HZ,
    CepstralStatistics,
    Extent,
    SpeakerEncoder,
    XVectors,
    cepstra,
    windows_of,
)
from encoders.analysis.voice_activity import Stretch
from encoders.audio.waveform import Audio, AudioError, resample
from experiments.interviews.segmentation import SpeakerTurn

#: Gaussians per speaker, rounds of labelling anew, and log-likelihood that a change costs.
GAUSSIANS, ROUNDS, CHANGE = 8, 5, 60.0
#: Changes are cheaper where speech pauses.
PAUSE_DISCOUNT = 0.5
#: Windows that are clustered and frames that are modelled at most; of more, every n-th.
MOST_WINDOWS, MOST_FRAMES = 2000, 200_000
#: Neighbours of a window: a share of all windows, within bounds.
NEIGHBOUR_SHARE, FEWEST_NEIGHBOURS, MOST_NEIGHBOURS = 8, 5, 60
#: Frames that a speaker's mixture needs.
FEWEST_FRAMES = 50


@dataclass(frozen=True, slots=True)
class Described:
    """All speech of a recording: frames, how many each stretch has, windows with their vectors."""

    frames: Float32[np.ndarray, "frames coefficients"]
    lengths: tuple[int, ...]
    windows: tuple[Extent, ...]
    vectors: Float32[np.ndarray, "windows dim"]


def speaker_encoder(checkpoint: str | None) -> SpeakerEncoder:
    """The x-vector model of a checkpoint, or cepstral statistics without one."""
    return CepstralStatistics() if checkpoint is None else XVectors(checkpoint)


class SpeechDescriber:
    """Describes the speech of a recording, one stretch after the other."""

    def __init__(self, encoder: SpeakerEncoder) -> None:
        self.encoder = encoder
        self._frames: list[np.ndarray] = []
        self._windows: list[Extent] = []
        self._vectors: list[np.ndarray] = []

    def add(self, audio: Audio) -> None:
        """Take the next stretch."""
        samples = resample(audio, SAMPLE_RATE_HZ).samples
        frames = cepstra(samples)
        extents = windows_of(len(frames))
        start = sum(map(len, self._frames))
        self._frames.append(frames)
        self._vectors.append(self.encoder.embed(samples, frames, extents))
        self._windows += [Extent(start + extent.start, start + extent.stop) for extent in extents]

    def described(self) -> Described:
        """All stretches, their frames brought to mean 0 and deviation 1 over the recording."""
        scaled = np.concatenate(self._frames)
        scaled -= scaled.mean(axis=0)
        scaled /= scaled.std(axis=0) + 1e-6
        lengths = tuple(map(len, self._frames))
        return Described(scaled, lengths, tuple(self._windows), np.concatenate(self._vectors))


def guess_speakers(
    path: Path, speech: Sequence[Stretch], count: int, describer: SpeechDescriber
) -> tuple[SpeakerTurn, ...]:
    """Stretches of speech with a guessed speaker each: ``guess 1`` is heard first.

    Every one of them has been described.

    Raises:
        AudioError: there is less speech than speakers need to be told apart.
    """
    if not speech:
        return ()
    described = describer.described()
    if len(described.windows) <= count:
        raise AudioError(
            f"{path}: {sum(described.lengths) * FRAME_S:.1f} s of speech, too little to tell "
            f"{count} speakers apart: say --turns FILE, or leave out --speakers"
        )
    labels = _refined(described, _clustered(described, count), count)
    return tuple(_voices(labels, speech, described.lengths))


def _clustered(described: Described, count: int) -> Int64[np.ndarray, "frames"]:
    """A first label of every frame: that of most windows over it."""
    from sklearn.cluster import SpectralClustering

    vectors = described.vectors.astype(np.float64)
    vectors = (vectors - vectors.mean(axis=0)) / (vectors.std(axis=0) + 1e-9)
    step = -(-len(vectors) // MOST_WINDOWS)
    chosen = vectors[::step]
    wanted = max(FEWEST_NEIGHBOURS, len(chosen) // NEIGHBOUR_SHARE)
    neighbours = min(wanted, MOST_NEIGHBOURS, len(chosen))
    spectral = SpectralClustering(
        count, affinity="nearest_neighbors", n_neighbors=neighbours, random_state=0
    )
    with warnings.catch_warnings():
        # Speakers without a common neighbour are as clear as can be.
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        labels = spectral.fit_predict(chosen)
    votes = np.zeros((len(described.frames), count), np.int32)
    for window, label in zip(described.windows[::step], labels, strict=True):
        votes[window.start : window.stop, label] += 1
    return _filled(votes.argmax(axis=1), votes.sum(axis=1) > 0)


def _filled(labels: Int64[np.ndarray, "frames"], known: np.ndarray) -> Int64[np.ndarray, "frames"]:
    """Labels of frames without one are those of the last frame before that has one."""
    last = np.maximum.accumulate(np.where(known, np.arange(len(known)), 0))
    return labels[last]


def _refined(
    described: Described, labels: Int64[np.ndarray, "frames"], count: int
) -> Int64[np.ndarray, "frames"]:
    for _ in range(ROUNDS):
        likely = np.stack([_likelihood(described.frames, labels == k) for k in range(count)], 1)
        path = best_path(likely, np.cumsum(described.lengths)[:-1])
        if (path == labels).all():
            break
        labels = path
    return labels


def _likelihood(
    frames: Float32[np.ndarray, "frames coefficients"], mask: np.ndarray
) -> Float64[np.ndarray, "frames"]:
    """Log-likelihood of every frame under a mixture fitted on a speaker's own."""
    from sklearn.mixture import GaussianMixture

    mine = frames[mask]
    if len(mine) < FEWEST_FRAMES:
        return np.full(len(frames), -1e3)
    mixture = GaussianMixture(
        GAUSSIANS, covariance_type="diag", reg_covar=0.1, random_state=0, max_iter=30
    )
    with warnings.catch_warnings():
        # Thirty steps are enough for what is only a model of a voice.
        warnings.filterwarnings("ignore", message=".*did not converge")
        mixture.fit(mine[:: -(-len(mine) // MOST_FRAMES)].astype(np.float64))
    blocks = np.array_split(frames, -(-len(frames) // MOST_FRAMES))
    return np.concatenate([mixture.score_samples(block.astype(np.float64)) for block in blocks])


def best_path(
    likely: Float64[np.ndarray, "frames speakers"], pauses: Int64[np.ndarray, "_pauses"]
) -> Int64[np.ndarray, "frames"]:
    """The most likely speakers (Viterbi), a change costing less at the frames after pauses."""
    price = np.full(len(likely), CHANGE)
    price[pauses] *= PAUSE_DISCOUNT
    score = likely[0].copy()
    before = np.zeros(likely.shape, np.int8)
    itself = np.arange(likely.shape[1])
    for frame in range(1, len(likely)):
        best = score.argmax()
        changed = score[best] - price[frame]
        before[frame] = np.where(score >= changed, itself, best)
        score = np.maximum(score, changed) + likely[frame]
    path = np.zeros(len(likely), np.int64)
    path[-1] = score.argmax()
    for frame in range(len(likely) - 1, 0, -1):
        path[frame - 1] = before[frame, path[frame]]
    return path


def _voices(
    labels: Int64[np.ndarray, "frames"], speech: Sequence[Stretch], lengths: Sequence[int]
) -> list[SpeakerTurn]:
    names: dict[int, str] = {}
    turns, start = [], 0
    for stretch, length in zip(speech, lengths, strict=True):
        stretch_labels = labels[start : start + length]
        start += length
        edges = [0, *(np.flatnonzero(np.diff(stretch_labels)) + 1).tolist(), length]
        for first, last in pairwise(edges):
            name = names.setdefault(int(stretch_labels[first]), f"guess {len(names) + 1}")
            end_s = stretch.end_s if last == length else stretch.start_s + last * FRAME_S
            turns.append(SpeakerTurn(stretch.start_s + first * FRAME_S, end_s, name))
    return turns
