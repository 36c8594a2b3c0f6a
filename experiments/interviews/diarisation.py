"""Speaker guess: who speaks when, from the sound alone, for a number of speakers that is given.

Vectors of a trained speaker encoder are clustered so that speakers vary least within themselves
(Ward 1963), and every window goes to the nearest speaker. Where no such encoder is to be had,
windows of cepstral statistics are clustered (spectral clustering of nearest neighbours, Ng,
Jordan and Weiss 2001; von Luxburg 2007), then each speaker gets a Gaussian mixture over cepstra
and the recording is labelled anew by the most likely path with a price for each change (as in the
ICSI system, Wooters and Huijbregts 2008), until nothing changes. It is a guess: overlap is not
found, and moods of one voice may be taken for two voices.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from encoders.analysis.speaker_embeddings import (
    FRAME_S,
    GE2E,
    SAMPLE_RATE_HZ,
    CepstralStatistics,
    Extent,
    SpeakerEncoder,
    XVectors,
    cepstra,
    windows_of,
)
from encoders.analysis.voice_activity import Stretch
from encoders.audio.waveform import Audio, resample
from encoders.weights.sources import GE2E_FILES, installed
from experiments.interviews.segmentation import SpeakerTurn

#: Seconds of speech that each of two speakers, or of more, must have: 2 s each of two actors were
#: told apart; three or four people in half a minute of a conversation are best taken for one.
LEAST_OF_TWO_S, LEAST_OF_MORE_S = 2.0, 10.0
#: Mean cosine distance up to which windows are of one voice.
ALIKE = 0.35
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
    """All speech of a recording: frames, how many each stretch has, windows with their vectors.

    Vectors are ``trained`` to tell speakers apart, or are statistics.
    """

    frames: Float32[np.ndarray, "frames coefficients"]
    lengths: tuple[int, ...]
    windows: tuple[Extent, ...]
    vectors: Float32[np.ndarray, "windows dim"]
    trained: bool

    @property
    def speech_s(self) -> float:
        """Seconds of speech."""
        return len(self.frames) * FRAME_S


def speaker_encoder(name: str | None) -> SpeakerEncoder:
    """GE2E, cepstral statistics, or the x-vector model of a checkpoint.

    None is GE2E where its weights are on this machine, else cepstral statistics.

    Raises:
        MissingWeightsError: weights of what is named are not to be had.
        ValueError: a checkpoint is no x-vector model.
    """
    if name is None:
        name = "ge2e" if installed(GE2E_FILES) else "cepstra"
    if name == "ge2e":
        return GE2E()
    return CepstralStatistics() if name == "cepstra" else XVectors(name)


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
        extents = windows_of(len(frames), self.encoder.window)
        start = sum(map(len, self._frames))
        self._frames.append(frames)
        self._vectors.append(self.encoder.embed(samples, frames, extents))
        self._windows += [Extent(start + extent.start, start + extent.stop) for extent in extents]

    def described(self) -> Described:
        """All stretches, their frames brought to mean 0 and deviation 1 over the recording.

        There is one stretch at least.
        """
        scaled = np.concatenate(self._frames)
        scaled -= scaled.mean(axis=0)
        scaled /= scaled.std(axis=0) + 1e-6
        lengths = tuple(map(len, self._frames))
        vectors, trained = np.concatenate(self._vectors), self.encoder.trained
        return Described(scaled, lengths, tuple(self._windows), vectors, trained)


def enough_for(count: int, speech_s: float) -> bool:
    """Whether there is speech enough to tell so many speakers apart."""
    return speech_s >= count * (LEAST_OF_TWO_S if count <= 2 else LEAST_OF_MORE_S)


def guess_speakers(
    speech: Sequence[Stretch], count: int, described: Described
) -> tuple[SpeakerTurn, ...]:
    """Stretches of speech with a guessed speaker each: ``guess 1`` is heard first.

    Every one of them has been ``described``, and they are :func:`enough_for` so many speakers.
    """
    if described.trained:
        labels = _most_windows(described, described.windows, _ward(described.vectors, count), count)
    else:
        labels = _refined(described, _spectral(described, count), count)
    return tuple(_voices(labels, speech, described.lengths))


def _ward(vectors: Float32[np.ndarray, "windows dim"], count: int) -> Int64[np.ndarray, "windows"]:
    """The speaker of every window: the nearest of the means that Ward's clustering has."""
    from sklearn.cluster import AgglomerativeClustering

    chosen = vectors[:: -(-len(vectors) // MOST_WINDOWS)].astype(np.float64)
    labels = AgglomerativeClustering(count, linkage="ward").fit_predict(chosen)
    means = np.stack([mean_vector(chosen[labels == k]) for k in range(count)])
    return (vectors @ means.T).argmax(axis=1)


def mean_vector(vectors: Float[np.ndarray, "windows dim"]) -> Float64[np.ndarray, "dim"]:
    """The mean of vectors, brought to length 1: the vector of one speaker."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)


def voice_runs(speech: Sequence[Stretch], described: Described) -> tuple[SpeakerTurn, ...]:
    """Stretches in which a voice stays alike, however many there are; ``voice 1`` is heard first.

    One person may have several voices, so that these tell where to cut and not who speaks.
    Average linkage of cosines, which do not grow with the length of a recording.
    """
    if not speech:
        return ()
    labels = _alike(described.vectors)
    frames = _most_windows(described, described.windows, labels, int(labels.max()) + 1)
    return tuple(_voices(frames, speech, described.lengths, "voice"))


def voice_changes(speech: Sequence[Stretch], described: Described) -> tuple[float, ...]:
    """Times at which one voice ends and another starts; in a pause, its middle."""
    return tuple(
        (before.end_s + after.start_s) / 2
        for before, after in pairwise(voice_runs(speech, described))
        if before.speaker != after.speaker
    )


def _alike(vectors: Float32[np.ndarray, "windows dim"]) -> Int64[np.ndarray, "windows"]:
    """A label of every window: those nearer than :data:`ALIKE` on average share it."""
    from sklearn.cluster import AgglomerativeClustering

    chosen = vectors[:: -(-len(vectors) // MOST_WINDOWS)].astype(np.float64)
    if len(chosen) < 2:
        return np.zeros(len(vectors), np.int64)
    clustering = AgglomerativeClustering(
        None, metric="precomputed", linkage="average", distance_threshold=ALIKE
    )
    labels = clustering.fit_predict((1 - chosen @ chosen.T).clip(min=0))
    if len(chosen) == len(vectors):
        return labels
    means = np.stack([mean_vector(chosen[labels == k]) for k in range(labels.max() + 1)])
    return (vectors @ means.T).argmax(axis=1)


def _most_windows(
    described: Described,
    windows: Sequence[Extent],
    labels: Int64[np.ndarray, "windows"],
    count: int,
) -> Int64[np.ndarray, "frames"]:
    """The label of every frame: that of most windows over it."""
    votes = np.zeros((len(described.frames), count), np.int32)
    for window, label in zip(windows, labels, strict=True):
        votes[window.start : window.stop, label] += 1
    return _filled(votes.argmax(axis=1), votes.sum(axis=1) > 0)


def _spectral(described: Described, count: int) -> Int64[np.ndarray, "frames"]:
    """A first label of every frame, by clusters of cepstral statistics."""
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
    return _most_windows(described, described.windows[::step], labels, count)


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
    labels: Int64[np.ndarray, "frames"],
    speech: Sequence[Stretch],
    lengths: Sequence[int],
    called: str = "guess",
) -> list[SpeakerTurn]:
    names: dict[int, str] = {}
    turns, start = [], 0
    for stretch, length in zip(speech, lengths, strict=True):
        stretch_labels = labels[start : start + length]
        start += length
        edges = [0, *(np.flatnonzero(np.diff(stretch_labels)) + 1).tolist(), length]
        for first, last in pairwise(edges):
            name = names.setdefault(int(stretch_labels[first]), f"{called} {len(names) + 1}")
            end_s = stretch.end_s if last == length else stretch.start_s + last * FRAME_S
            turns.append(SpeakerTurn(stretch.start_s + first * FRAME_S, end_s, name))
    return turns
