"""What a row adds to the metrics of labels, shares and values: sums that add up over clusters.

From such sums every metric is a function of a total, so that intervals over speakers, bootstrap
draws and swaps of arms cost a matrix product, as those of confusion counts do. They are
``[clusters, seeds, parts, sums]``; what the parts are each function says.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

#: What is less than half of the last decimal of a stored score is that much.
FLOOR = 5e-7
#: Shares are stored with six decimals: a sixth may lie above 1 / 6 by less than this.
ROUNDING = 1e-6

Scores = Float[np.ndarray, "seeds rows targets"]
Goals = Float[np.ndarray, "rows targets"]
Sums = Float[np.ndarray, "clusters seeds parts sums"]


@dataclass(frozen=True, slots=True)
class SpeakerSums:
    """Sums by cluster and seed, and the rows by which a cluster weighs, one column per target.

    ``support`` are the rows that have a label, or all rows where targets are values. ``unit`` is
    what clusters are called. ``overlap`` is how many clusters were tested for each that trained a
    fold (:func:`fusion.evaluation.clusters.training_overlap`); 0 where nothing was trained.
    """

    sums: Sums
    support: Float[np.ndarray, "clusters kinds"]
    unit: str = "speakers"
    overlap: float = 0.0


def tally_classes(
    truth: Int[np.ndarray, "rows"],
    guesses: Int[np.ndarray, "seeds rows"],
    clusters: Sequence[str],
    classes: int,
) -> SpeakerSums:
    """Of single classes: confusion counts, parts being the truth and sums the prediction."""
    names, place = np.unique(np.array(clusters), return_inverse=True)
    counts = np.zeros((len(names), len(guesses), classes, classes))
    for seed, named in enumerate(guesses):
        np.add.at(counts[:, seed], (place, truth, named), 1)
    return SpeakerSums(counts, counts[:, 0].sum(axis=-1))


def tally_labels(
    truth: Bool[np.ndarray, "rows targets"],
    named: Bool[np.ndarray, "seeds rows targets"],
    clusters: Sequence[str],
) -> SpeakerSums:
    """Of sets of labels: hits, false alarms, misses, rest per label; last what rows have as wholes.

    Those are the F1 of each row's own set (0 where it has none and gets none), whether all of it
    is right, and 1.
    """
    per_label = _cells(truth, named)
    hits, wrong = per_label[..., 0].sum(axis=-1), per_label[..., 1:3].sum(axis=(-2, -1))
    said = 2 * hits + wrong
    f1 = np.divide(2 * hits, said, out=np.zeros_like(said), where=said > 0)
    wholes = np.stack([f1, wrong == 0, np.ones_like(f1), np.zeros_like(f1)], axis=-1)
    rows = np.concatenate([per_label, wholes[:, :, None]], axis=2)
    return _sums(rows, truth.astype(float), clusters)


def _cells(
    truth: Bool[np.ndarray, "rows targets"], named: Bool[np.ndarray, "seeds rows targets"]
) -> Float[np.ndarray, "seeds rows targets 4"]:
    """Hits, false alarms, misses and the rest of each row's labels."""
    cells = [named & truth, named & ~truth, ~named & truth, ~named & ~truth]
    return np.stack(cells, axis=-1).astype(float)


def tally_shares(goals: Goals, scores: Scores, clusters: Sequence[str]) -> SpeakerSums:
    """Of shares: divergences of Kullback-Leibler and Jensen-Shannon in nats, cosine, and 1.

    A part for each class follows: hits, false alarms, misses and the rest of classes whose share is
    above 1 / C, by more than the rounding of a stored share.
    """
    truth = goals / goals.sum(axis=1, keepdims=True)
    said = np.maximum(scores, FLOOR)
    said = said / said.sum(axis=-1, keepdims=True)
    middle = (truth + said) / 2
    jensen = (
        _divergence(np.broadcast_to(truth, said.shape), middle) + _divergence(said, middle)
    ) / 2
    length = np.linalg.norm(truth, axis=-1) * np.linalg.norm(said, axis=-1)
    cosine = (truth * said).sum(axis=-1) / length
    parts = [_divergence(np.broadcast_to(truth, said.shape), said), jensen, cosine]
    least = 1 / goals.shape[1] + ROUNDING
    rows = np.stack([*parts, np.ones_like(cosine)], axis=-1)[:, :, None]
    rows = np.concatenate([rows, _cells(truth > least, said > least)], axis=2)
    return _sums(rows, np.ones((len(goals), 1)), clusters)


def _divergence(
    shares: Float[np.ndarray, "*axes targets"], other: Float[np.ndarray, "*axes targets"]
) -> Float[np.ndarray, "*axes"]:
    """Kullback-Leibler divergence of ``other`` from ``shares``; a share of 0 adds nothing."""
    ratio = np.divide(shares, other, out=np.ones_like(other), where=shares > 0)
    divergence: Float[np.ndarray, "*axes"] = (shares * np.log(ratio)).sum(axis=-1)
    return divergence


def tally_values(
    goals: Goals, scores: Scores, clusters: Sequence[str], *, sentiment: bool = False
) -> SpeakerSums:
    """Of values: 1, x, y, x², y², xy, |x - y| per dimension, x being the truth, both centred.

    The centre is the mean truth, which changes no metric and keeps the squares small. Of a
    ``sentiment`` from -3 to 3 three parts follow, see :func:`_classes_of_sentiment`.
    """
    centre = goals.mean(axis=0)
    x, y = np.broadcast_to(goals - centre, scores.shape), scores - centre
    rows = np.stack([np.ones_like(y), x, y, x * x, y * y, x * y, np.abs(x - y)], axis=-1)
    if sentiment:
        classes = _classes_of_sentiment(goals[:, 0], scores[..., 0])
        rows = np.concatenate([rows, classes], axis=2)
    return _sums(rows, np.ones((len(goals), 1)), clusters)


def _classes_of_sentiment(
    truth: Float[np.ndarray, "rows"], said: Float[np.ndarray, "seeds rows"]
) -> Float[np.ndarray, "seeds rows parts sums"]:
    """Counts as MMSA has them: from 0 on or below; above 0 or below, neutral rows left out; of 7.

    Two tables of truth and prediction (both no; no, yes; yes, no; both yes), then whether both
    round to the same of seven whole numbers, halves to the even one, and 1.
    """
    neutral = truth == 0
    seven = np.round(np.clip(truth, -3, 3)) == np.round(np.clip(said, -3, 3))
    parts = [
        _table(truth >= 0, said >= 0, np.ones_like(neutral)),
        _table(truth > 0, said > 0, ~neutral),
        np.stack([seven, np.ones_like(seven), *[np.zeros_like(seven)] * 5], axis=-1).astype(float),
    ]
    return np.stack(parts, axis=2)


def _table(
    truth: Bool[np.ndarray, "rows"],
    said: Bool[np.ndarray, "seeds rows"],
    counted: Bool[np.ndarray, "rows"],
) -> Float[np.ndarray, "seeds rows sums"]:
    cells = [counted & (truth == t) & (said == s) for t in (False, True) for s in (False, True)]
    return np.stack([*cells, *[np.zeros_like(said)] * 3], axis=-1).astype(float)


def _sums(
    rows: Float[np.ndarray, "seeds rows parts sums"],
    weights: Float[np.ndarray, "rows kinds"],
    clusters: Sequence[str],
) -> SpeakerSums:
    """What the rows of each cluster add up to, and its weights."""
    names, place = np.unique(np.array(clusters), return_inverse=True)
    sums = np.zeros((len(names), *rows.shape[:1], *rows.shape[2:]))
    support = np.zeros((len(names), weights.shape[1]))
    np.add.at(sums, place, rows.swapaxes(0, 1))
    np.add.at(support, place, weights)
    return SpeakerSums(sums, support)
