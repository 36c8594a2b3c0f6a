"""The finest answer that is sure enough: a class, else a group of classes, else how aroused.

Thresholds of all levels are chosen on development speakers by the rule of classes
(:func:`fusion.evaluation.calibration.fit_abstention`), each over all rows; coarser probabilities
are sums over :data:`fusion.evaluation.emotions.TREE`. Fitted on what finer levels leave, they say
more and are less often right (``benchmarks/results/answers.md``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from fusion.evaluation.calibration import fit_abstention
from fusion.evaluation.emotions import Level, branches, coarser_levels, summed

#: Parts of the speakers: each is answered at the thresholds of the others.
PARTS = 5


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of an utterance: a class or a coarser branch, with its probability."""

    level: Level
    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class LevelRule:
    """From which probability a level is answered, and what that was worth on speakers held out.

    ``coverage`` is the share of all utterances that are answered at this level, ``accuracy`` how
    many of these are right (None where none was), both of development speakers at thresholds that
    other speakers gave.
    """

    level: Level
    threshold: float
    coverage: float
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Backoff:
    """Thresholds of levels, finest first, of some classes."""

    targets: tuple[str, ...]
    thresholds: Mapping[Level, float]

    def answer(self, probabilities: Sequence[float]) -> Answer | None:
        """The most probable branch of the finest level that reaches its threshold, or None.

        >>> Backoff(("angry", "fear", "sad"), {"class": 0.6, "group": 0.8}).answer((0.5, 0.4, 0.1))
        Answer(level='group', label='negative, aroused', probability=0.9)
        """
        for level, threshold in self.thresholds.items():
            names, sums = summed(np.asarray(probabilities, float), self.targets, level)
            best = int(sums.argmax())
            if sums[best] >= threshold:
                return Answer(level, names[best], float(sums[best]))
        return None


def fit_levels(
    scores: Float[np.ndarray, "answers rows targets"],
    truth: Int[np.ndarray, "rows"],
    targets: Sequence[str],
    speakers: Sequence[str],
) -> tuple[LevelRule, ...]:
    """Rules of the class and of every coarser level, from calibrated answers to development rows.

    Empty where there are no coarser levels, or one speaker only.
    """
    names, of_row = np.unique(np.array(speakers), return_inverse=True)
    if len(names) < 2 or not coarser_levels(targets):
        return ()
    found = _thresholds(scores, truth, targets)
    named = dict.fromkeys(found, 0)
    right = dict.fromkeys(found, 0)
    for part in range(min(PARTS, len(names))):
        held_out = of_row % PARTS == part
        rest = _thresholds(scores[:, ~held_out], truth[~held_out], targets)
        for level, hits in _answered(scores[:, held_out], truth[held_out], targets, rest).items():
            named[level] += len(hits)
            right[level] += int(hits.sum())
    rows = scores.shape[0] * scores.shape[1]
    return tuple(
        LevelRule(
            level,
            threshold,
            named[level] / rows,
            right[level] / named[level] if named[level] else None,
        )
        for level, threshold in found.items()
    )


def _thresholds(
    scores: Float[np.ndarray, "answers rows targets"],
    truth: Int[np.ndarray, "rows"],
    targets: Sequence[str],
) -> dict[Level, float]:
    """The threshold of each level, over all rows."""
    found: dict[Level, float] = {}
    for level in ("class", *coarser_levels(targets)):
        confidence, right = _judged(scores, truth, targets, level)
        found[level] = fit_abstention(confidence.ravel(), right.ravel()).threshold
    return found


def _answered(
    scores: Float[np.ndarray, "answers rows targets"],
    truth: Int[np.ndarray, "rows"],
    targets: Sequence[str],
    thresholds: Mapping[Level, float],
) -> dict[Level, Bool[np.ndarray, "answered"]]:
    """Whether what is answered at each level is right."""
    left = np.ones(scores.shape[:2], bool)
    hits = {}
    for level, threshold in thresholds.items():
        confidence, right = _judged(scores, truth, targets, level)
        said = left & (confidence >= threshold)
        hits[level] = right[said]
        left &= ~said
    return hits


def _judged(
    scores: Float[np.ndarray, "answers rows targets"],
    truth: Int[np.ndarray, "rows"],
    targets: Sequence[str],
    level: Level,
) -> tuple[Float[np.ndarray, "answers rows"], Bool[np.ndarray, "answers rows"]]:
    """The highest probability of a level, and whether that branch is the true one."""
    names, sums = summed(scores, targets, level)
    branch = np.array([names.index(name) for name in branches(targets, level)])
    return sums.max(axis=-1), np.asarray(sums.argmax(axis=-1) == branch[truth])
