"""Confusions of made-up speakers, as a report has them."""

from __future__ import annotations

import numpy as np

from fusion.evaluation import metrics
from fusion.evaluation.measures import CLASSES
from fusion.evaluation.speaker_sums import SpeakerSums

UAR = CLASSES["uar"]


def sums(counts: np.ndarray, overlap: float = 0.0) -> SpeakerSums:
    """Counts as a report has them; truth is of no seed."""
    return SpeakerSums(counts, counts[:, 0].sum(axis=-1), overlap=overlap)


def random_counts(clusters: int, seeds: int = 2, classes: int = 3, seed: int = 0) -> np.ndarray:
    """Counts in which truth does not depend on the seed, as in predictions of one corpus."""
    rng = np.random.default_rng(seed)
    truth = [np.r_[np.arange(classes), rng.integers(0, classes, 8)] for _ in range(clusters)]
    return np.array(
        [
            [
                metrics.confusion(
                    own, np.where(rng.random(len(own)) < 0.6, own, rng.permutation(own)), classes
                )
                for _ in range(seeds)
            ]
            for own in truth
        ]
    )


def even_counts(clusters: int) -> np.ndarray:
    """Speakers of equal weight, so that there are as many effective ones."""
    rng, truth = np.random.default_rng(5), np.repeat(np.arange(3), 4)
    guesses = [
        np.where(rng.random(12) < 0.6, truth, rng.permutation(truth)) for _ in range(clusters)
    ]
    return np.array([[metrics.confusion(truth, guess, 3)] for guess in guesses])
