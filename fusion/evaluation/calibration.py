"""Probabilities that mean what they say, and when to say nothing.

One temperature per arm and fold (Guo et al. 2017), fitted on development rows only: what heads of
the inner folds said of speakers that they did not train on. It changes how sure a classifier is,
not which class it names.

An answer to a new row is the mean over the heads of all inner folds, which is less sure than each
of them: a temperature that is fitted on single heads makes it too unsure
(``benchmarks/results/calibration.md``). Of a development row only the heads of one inner fold are
such that did not see it, one for each seed; the mean over as many of them as an answer has heads
stands for the answer (:class:`DevAnswers`). It is still somewhat surer than the answer, because
heads of several inner folds differ more than those of several seeds, so that the temperature stays
1 where no other one is shown to be better on speakers that were held out.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats
from scipy.optimize import brentq
from scipy.special import softmax

Scores = Float[np.ndarray, "*axes targets"]
Truth = Int[np.ndarray, "rows"]

#: Predictions are stored with six decimals: what is less than half of the last one is that much.
FLOOR = 5e-7
#: Temperatures that are tried; scores that know nothing, or everything, would take them anywhere.
HOTTEST = 20.0
#: How sure the gain on held-out speakers must be, one-sided.
SURE = 0.95
#: Parts of the speakers, where there is one inner fold: each has the temperature of the others.
PARTS = 3
#: Of the errors that are made without abstaining, the share that abstaining may leave.
ERROR_SHARE = 0.5
#: What abstaining leaves at least of the rows.
LEAST_COVERAGE = 0.5
#: Points of a risk-coverage curve.
COVERAGES = 20


def fit_temperature(
    scores: Float[np.ndarray, "seeds rows targets"],
    truth: Truth,
    digits: int = 4,
    weights: Float[np.ndarray, "rows"] | None = None,
) -> float:
    """The temperature that makes the mean negative log-likelihood least, rounded.

    Above 1 the scores were too sure. It lies between 0.05 and 20. ``weights`` say how much each row
    counts (:func:`equal_classes`); None: all alike.

    >>> sure = np.array([[[0.99, 0.01], [0.99, 0.01], [0.99, 0.01], [0.01, 0.99]]])
    >>> fit_temperature(sure, np.array([0, 0, 1, 1])) > 1
    True
    """
    logits = _logits(scores)
    true = np.take_along_axis(logits, np.broadcast_to(truth, scores.shape[:2])[..., None], axis=-1)

    def slope(inverse: float) -> float:
        expected = (softmax(inverse * logits, axis=-1) * logits).sum(axis=-1, keepdims=True)
        return float(np.average((expected - true)[..., 0], axis=1, weights=weights).mean())

    low, high = 1 / HOTTEST, HOTTEST
    if slope(low) >= 0:
        return HOTTEST
    if slope(high) <= 0:
        return 1 / HOTTEST
    return round(1 / float(brentq(slope, low, high, xtol=1e-13, rtol=1e-14)), digits)


def equal_classes(truth: Truth) -> Float[np.ndarray, "rows"]:
    """Weights of rows by which every class counts alike, 1 on average.

    >>> equal_classes(np.array([0, 0, 0, 1])).round(2).tolist()
    [0.67, 0.67, 0.67, 2.0]
    """
    counts = np.bincount(truth)
    return len(truth) / (np.count_nonzero(counts) * counts[truth])


def tempered(scores: Scores, temperature: float) -> Scores:
    """Probabilities at a temperature; 1 leaves them as they are.

    >>> tempered(np.array([0.9, 0.1]), 2.0).round(2).tolist()
    [0.75, 0.25]
    """
    if temperature == 1.0:
        return scores
    return np.asarray(softmax(_logits(scores) / temperature, axis=-1))


def log_loss(truth: Truth, scores: Float[np.ndarray, "rows targets"]) -> float:
    """Mean negative log-likelihood in nats, ``-mean(log p of the true class)``.

    >>> round(log_loss(np.array([0]), np.array([[0.5, 0.5]])), 3)
    0.693
    """
    true = np.take_along_axis(scores, truth[:, None], axis=1)
    return float(-np.log(np.maximum(true, FLOOR)).mean())


def brier(truth: Truth, scores: Float[np.ndarray, "rows targets"]) -> float:
    """Mean squared distance between scores and the true class, from 0 to 2 (Brier 1950).

    >>> brier(np.array([0]), np.array([[0.5, 0.5]]))
    0.5
    """
    return float(np.square(scores - np.eye(scores.shape[1])[truth]).sum(axis=1).mean())


# ---------------------------------------------------------------- abstention


@dataclass(frozen=True, slots=True)
class Abstention:
    """Below which probability of its best class a classifier names none, and what that promised.

    ``target`` is the accuracy that was asked for on development rows, ``accuracy`` and ``coverage``
    what the rows that were kept had there. ``reached`` is False where no threshold that leaves half
    of the rows has the target; the threshold then leaves half of them.
    """

    threshold: float
    target: float
    accuracy: float
    coverage: float
    reached: bool


def fit_abstention(
    confidence: Float[np.ndarray, "rows"],
    right: Bool[np.ndarray, "rows"],
    weights: Float[np.ndarray, "rows"] | None = None,
) -> Abstention:
    """The lowest threshold that halves the errors among rows that are kept, on development rows.

    Halving is relative to the classifier's own errors, so that the same rule makes sense at four
    classes and at eight. ``weights`` say how much each row counts; None: all alike.

    >>> fit_abstention(np.array([0.9, 0.8, 0.4, 0.3]), np.array([True, True, True, False]))
    Abstention(threshold=0.4, target=0.875, accuracy=1.0, coverage=0.75, reached=True)
    """
    levels, number = np.unique(confidence, return_inverse=True)
    counted = np.ones(len(right)) if weights is None else weights
    kept = np.cumsum(np.bincount(number, counted)[::-1])[::-1]
    hits = np.cumsum(np.bincount(number, counted * right)[::-1])[::-1]
    accuracy, coverage = hits / kept, kept / kept[0]
    target = 1 - ERROR_SHARE * (1 - accuracy[0])
    allowed = coverage >= LEAST_COVERAGE
    good = np.flatnonzero(allowed & (accuracy >= target - 1e-12))
    at = good[0] if len(good) else np.flatnonzero(allowed)[-1]
    return Abstention(
        threshold=float(levels[at]),
        target=float(target),
        accuracy=float(accuracy[at]),
        coverage=float(coverage[at]),
        reached=bool(len(good)),
    )


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Accuracy among the surest rows: at each share of rows that is kept, and over all shares.

    ``area`` is the mean error over all shares (area under the risk-coverage curve, Geifman &
    El-Yaniv 2017): less is better.
    """

    coverage: Float[np.ndarray, "points"]
    accuracy: Float[np.ndarray, "points"]
    area: float


def risk_coverage(
    confidence: Float[np.ndarray, "rows"], right: Bool[np.ndarray, "rows"]
) -> RiskCoverage:
    """Rows kept in order of their confidence; among equally sure ones, what chance would keep.

    >>> risk_coverage(np.array([0.9, 0.2]), np.array([True, False])).accuracy[[9, 19]].tolist()
    [1.0, 0.5]
    """
    rows = len(right)
    _, number = np.unique(-confidence, return_inverse=True)
    kept = np.concatenate([[0.0], np.cumsum(np.bincount(number))])
    hits = np.concatenate([[0.0], np.cumsum(np.bincount(number, right))])
    coverage = np.arange(1, COVERAGES + 1) / COVERAGES
    every = np.arange(1, rows + 1)
    area = 1 - np.mean(np.interp(every, kept, hits) / every)
    return RiskCoverage(
        coverage, np.interp(coverage * rows, kept, hits) / (coverage * rows), float(area)
    )


# ---------------------------------------------------------------- answers of several heads


@dataclass(frozen=True, slots=True)
class DevAnswers:
    """What an arm said of development rows, each by heads of one inner fold, which did not see it.

    ``scores`` have one head for each seed; ``inner`` is the inner fold of each row. An answer to a
    new row is the mean over one head of each inner fold.
    """

    scores: Float[np.ndarray, "seeds rows targets"]
    truth: Truth
    inner: Int[np.ndarray, "rows"]
    speakers: tuple[str, ...]

    @property
    def heads(self) -> int:
        """Of how many heads an answer is the mean."""
        return len(np.unique(self.inner))

    @property
    def answers(self) -> Float[np.ndarray, "answers rows targets"]:
        """Means over the heads of as many seeds, each seed in as many of them; of all if fewer."""
        seeds = len(self.scores)
        each = min(self.heads, seeds)
        together = (np.arange(seeds)[:, None] + np.arange(each)) % seeds
        means: Float[np.ndarray, "answers rows targets"] = self.scores[together].mean(axis=1)
        return means

    def fit_temperature(self) -> float:
        """The temperature of answers; 1 where it is not shown to be better than 1.

        Each inner fold is scored at the temperature of the others (of a single one, thirds of its
        speakers), and the gain in log loss must exceed 0 over speakers, one-sided at 5 %. It is 1,
        too, where there are fewer seeds than an answer has heads: nothing stands for the answer
        then.
        """
        if len(self.scores) < self.heads or not self._helps():
            return 1.0
        return fit_temperature(self.answers, self.truth)

    def abstention(self, temperature: float) -> Abstention:
        """The threshold of answers at a temperature."""
        sure = tempered(self.answers, temperature)
        right = sure.argmax(axis=-1) == self.truth
        return fit_abstention(sure.max(axis=-1).ravel(), right.ravel())

    def _helps(self) -> bool:
        names, speaker = np.unique(np.array(self.speakers), return_inverse=True)
        part = self.inner if self.heads > 1 else speaker % PARTS
        if len(names) < PARTS or len(np.unique(part)) < 2:
            return False
        answers, gains = self.answers, np.empty(len(self.truth))
        for held_out in (part == number for number in np.unique(part)):
            temperature = fit_temperature(answers[:, ~held_out], self.truth[~held_out])
            own, truth = answers[:, held_out], self.truth[held_out]
            gains[held_out] = _surprise(own, truth) - _surprise(tempered(own, temperature), truth)
        sums, rows = np.bincount(speaker, gains), np.bincount(speaker)
        mean = gains.mean()
        # Speakers are the units: what each departs from the mean by, all its rows together.
        error = np.sqrt(np.square(sums - mean * rows).sum() * len(names) / (len(names) - 1))
        least = stats.t.ppf(SURE, len(names) - 1) * error / len(gains)
        return bool(mean > max(least, 0.0))


def _surprise(
    scores: Float[np.ndarray, "answers rows targets"], truth: Truth
) -> Float[np.ndarray, "rows"]:
    """Negative log-likelihood of each row, mean over answers."""
    true = np.take_along_axis(scores, np.broadcast_to(truth, scores.shape[:2])[..., None], axis=-1)
    return np.asarray(-np.log(np.maximum(true[..., 0], FLOOR)).mean(axis=0))


# ---------------------------------------------------------------- parts


def _logits(scores: Scores) -> Scores:
    return np.log(np.maximum(scores, FLOOR))
