"""Sets of classes that hold the true one as often as was asked, for speakers never heard before.

Split conformal prediction with one score quantile, ``1 - p(true class)`` (Sadinle, Lei & Wasserman
2019), in which every development speaker has one vote however much they say: rows of a speaker
share a weight of 1 / (speakers + 1), and the last vote is the new speaker's, who may be as strange
as you like (Lee, Barber & Willett 2023, "Distribution-free inference with hierarchical data").
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

#: The least coverage that can be asked for, and steps from it on.
LEAST, STEP = 0.5, 0.01


@dataclass(frozen=True, slots=True)
class PredictionSets:
    """From which probability a class belongs to the set, by coverage.

    ``least[k]`` is that of coverage 0.50 + 0.01 k; with S development ``speakers`` there is none
    above S / (S + 1).
    """

    speakers: int
    least: tuple[float, ...]

    @property
    def most(self) -> float:
        """The highest coverage that can be asked for."""
        return round(LEAST + STEP * (len(self.least) - 1), 2)

    def threshold(self, coverage: float) -> float:
        """The probability from which a class belongs to sets of a coverage, rounded up in steps.

        Raises:
            ValueError: less than 0.5 is asked for, or more than the speakers can give.
        """
        if not LEAST <= coverage <= self.most + 1e-9:
            raise ValueError(
                f"coverage {coverage:g}: expected {LEAST:g} to {self.most:g}, what "
                f"{self.speakers} development speakers can give"
            )
        return self.least[int(np.ceil((coverage - LEAST) / STEP - 1e-6))]


def prediction_set(
    probabilities: Sequence[float], targets: Sequence[str], threshold: float
) -> tuple[str, ...]:
    """Classes whose probability reaches a threshold, most probable first; the first is always in.

    >>> prediction_set((0.1, 0.6, 0.3), ("angry", "calm", "sad"), 0.25)
    ('calm', 'sad')
    """
    order = np.argsort(-np.asarray(probabilities, float), kind="stable")
    kept = [targets[k] for k in order if probabilities[k] >= threshold]
    return tuple(kept) or (targets[order[0]],)


def fit_sets(
    scores: Float[np.ndarray, "answers rows targets"],
    truth: Int[np.ndarray, "rows"],
    speakers: Sequence[str],
) -> PredictionSets | None:
    """Thresholds from calibrated answers to development rows; None where there is no speaker.

    >>> fit_sets(np.full((1, 4, 2), 0.5), np.zeros(4, int), ("a", "b", "c", "d")).most
    0.8
    """
    names, of_row = np.unique(np.array(speakers), return_inverse=True)
    if not len(names):
        return None
    true = np.take_along_axis(scores, np.broadcast_to(truth, scores.shape[:2])[..., None], axis=-1)
    shares = 1 / ((len(names) + 1) * np.bincount(of_row)[of_row] * len(scores))
    order = np.argsort(-true[..., 0].ravel(), kind="stable")
    votes = np.cumsum(np.tile(shares, len(scores))[order])
    reached = np.arange(LEAST, votes[-1] + 1e-9, STEP)
    places = np.searchsorted(votes, reached - 1e-9)
    return PredictionSets(len(names), tuple(map(float, true.ravel()[order][places])))
