"""Metrics of labels, shares and values, as functions of their sums by speaker.

In formulas tp, fp, fn and tn are a label's hits, false alarms, misses and the rest. A label without
true samples leaves what is a mean over labels undefined (NaN), never a mean over fewer labels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from encoders.utterance import Task
from fusion.evaluation import metrics
from fusion.evaluation.metrics import Parts, PerTarget, Values, ratio

Sums = Float[np.ndarray, "*axes parts sums"]

#: Dimensions whose values are sentiment from -3 to 3, as CMU-MOSI and CMU-MOSEI have it.
SENTIMENT = ("sentiment",)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its name in tables, what it is of sums, and between what it lies.

    ``share`` says that it is told in percent; ``lower`` that less is better.
    """

    title: str
    of: Callable[[np.ndarray], np.ndarray]
    least: float = 0.0
    most: float = 1.0
    share: bool = True
    lower: bool = False


#: Of confusion counts, ``[*axes, truth, prediction]``.
CLASSES: Mapping[str, Metric] = MappingProxyType(
    {
        "uar": Metric("UAR", metrics.uar),
        "accuracy": Metric("accuracy", metrics.accuracy),
        "macro_f1": Metric("macro F1", metrics.macro_f1),
        "weighted_f1": Metric("weighted F1", metrics.weighted_f1),
        "macro_precision": Metric("macro precision", metrics.macro_precision),
    }
)

# ---------------------------------------------------------------- labels


def _parts(cells: Sums) -> Parts:
    tp, fp, fn, _ = np.moveaxis(cells, -1, 0)
    return Parts(tp, tp + fn, tp + fp)


def _of_labels(metric: Callable[[Parts], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """A metric of :mod:`fusion.evaluation.metrics` of the labels of sets."""
    return lambda sums: metric(_parts(sums[..., :-1, :]))


label_recalls = _of_labels(metrics.recalls)
label_precisions = _of_labels(metrics.precisions)
label_f1 = _of_labels(metrics.f1_scores)


def label_weighted_accuracy(sums: Sums) -> PerTarget:
    """Mean recall of presence and absence, ``(tp / (tp + fn) + tn / (tn + fp)) / 2``.

    What papers on CMU-MOSEI call weighted accuracy (Tong et al. 2017, Zadeh et al. 2018).
    """
    tp, fp, fn, tn = _cells(sums)
    return (ratio(tp, tp + fn) + ratio(tn, tn + fp)) / 2


def micro_f1(sums: Sums) -> Values:
    """F1 of all labels of all rows together."""
    hits, support, named = (part.sum(axis=-1) for part in _parts(sums[..., :-1, :]))
    return ratio(2 * hits, support + named)


def samples_f1(sums: Sums) -> Values:
    """Mean of the rows' own F1."""
    return ratio(sums[..., -1, 0], sums[..., -1, 2])


def subset_accuracy(sums: Sums) -> Values:
    """Share of rows whose set of labels is right as a whole."""
    return ratio(sums[..., -1, 1], sums[..., -1, 2])


def hamming_loss(sums: Sums) -> Values:
    """Share of all labels of all rows that are wrong."""
    _, fp, fn, _ = _cells(sums)
    return ratio((fp + fn).sum(axis=-1), np.stack(_cells(sums)).sum(axis=0).sum(axis=-1))


def weighted_accuracy(sums: Sums) -> Values:
    """Mean over labels of :func:`label_weighted_accuracy`."""
    return np.asarray(label_weighted_accuracy(sums).mean(axis=-1))


def _cells(sums: Sums) -> list[PerTarget]:
    return [sums[..., :-1, number] for number in range(4)]


LABELS: Mapping[str, Metric] = MappingProxyType(
    {
        "macro_f1": Metric("macro F1", _of_labels(metrics.macro_f1)),
        "micro_f1": Metric("micro F1", micro_f1),
        "weighted_f1": Metric("weighted F1", _of_labels(metrics.weighted_f1)),
        "samples_f1": Metric("samples F1", samples_f1),
        "subset_accuracy": Metric("subset accuracy", subset_accuracy),
        "hamming_loss": Metric("Hamming loss", hamming_loss, lower=True),
        "weighted_accuracy": Metric("weighted accuracy", weighted_accuracy),
        "macro_precision": Metric("macro precision", _of_labels(metrics.macro_precision)),
    }
)


# ---------------------------------------------------------------- shares


def _mean_of(part: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda sums: ratio(sums[..., 0, part], sums[..., 0, 3])


def soft_macro_f1(sums: Sums) -> Values:
    """Mean over classes of F1 where a class is there, and is named, if its share is above 1 / C.

    As EMO-SUPERB scores shares (Wu et al. 2024, arXiv 2402.13018): both truth and
    prediction are made sets of labels, :func:`fusion.evaluation.speaker_sums.tally_shares`. NaN
    where no utterance has a class so.
    """
    return metrics.macro_f1(_parts(sums[..., 1:, :]))


#: Of a share that is named the floor of 5e-7 a row adds 14.5 at most.
SHARES: Mapping[str, Metric] = MappingProxyType(
    {
        "kl": Metric("KL divergence", _mean_of(0), most=np.inf, share=False, lower=True),
        "js": Metric("JS divergence", _mean_of(1), most=np.log(2), share=False, lower=True),
        "cosine": Metric("cosine", _mean_of(2), share=False),
        "soft_macro_f1": Metric("macro F1 of shares", soft_macro_f1),
    }
)


# ---------------------------------------------------------------- values


def ccc_of(sums: Sums) -> PerTarget:
    """Concordance of each dimension (Lin 1989); NaN where neither truth nor prediction varies."""
    x, y, xx, yy, xy, _ = _moments(sums)
    below = xx + yy + (x - y) ** 2
    return ratio(2 * xy, np.where(_varies(xx, x) | _varies(yy, y), below, 0.0))


def pearson_of(sums: Sums) -> PerTarget:
    """Correlation of each dimension; NaN where truth or prediction does not vary."""
    x, y, xx, yy, xy, _ = _moments(sums)
    below = np.sqrt(np.where(_varies(xx, x) & _varies(yy, y), xx * yy, 0.0))
    return ratio(xy, below)


def mse_of(sums: Sums) -> PerTarget:
    """Mean squared error of each dimension."""
    x, y, xx, yy, xy, _ = _moments(sums)
    return np.maximum(xx + yy - 2 * xy + (x - y) ** 2, 0.0)


def mae_of(sums: Sums) -> PerTarget:
    """Mean absolute error of each dimension."""
    return _moments(sums)[5]


#: A variance below this share of the mean square is that of one value in floating point.
_SMALL = 1e-12


def _varies(variance: PerTarget, mean: PerTarget) -> np.ndarray:
    """Whether a series is more than one value, in whatever units."""
    return np.asarray(variance > _SMALL * (variance + mean**2))


def _moments(sums: Sums) -> list[PerTarget]:
    """Means and centred second moments of truth x and prediction y, and the mean of their gap."""
    rows = sums[..., 0]
    x, y, xx, yy, xy, gap = (ratio(sums[..., k], rows) for k in range(1, 7))
    return [x, y, xx - x * x, yy - y * y, xy - x * y, gap]


VALUES: Mapping[str, Metric] = MappingProxyType(
    {
        "ccc": Metric("CCC", lambda s: ccc_of(s).mean(axis=-1), -1.0, share=False),
        "pearson": Metric("Pearson", lambda s: pearson_of(s).mean(axis=-1), -1.0, share=False),
        "mse": Metric("MSE", lambda s: mse_of(s).mean(axis=-1), 0.0, np.inf, False, True),
        "mae": Metric("MAE", lambda s: mae_of(s).mean(axis=-1), 0.0, np.inf, False, True),
    }
)


def _accuracy2(table: Float[np.ndarray, "*axes sums"]) -> Values:
    return ratio(table[..., 0] + table[..., 3], table[..., :4].sum(axis=-1))


def _f1_2(table: Float[np.ndarray, "*axes sums"]) -> Values:
    """F1 of both classes by their support."""
    (no, alarm, miss, yes) = (table[..., k] for k in range(4))
    errors = alarm + miss
    scores = [np.nan_to_num(ratio(2 * hits, 2 * hits + errors)) for hits in (no, yes)]
    rows = [no + alarm, miss + yes]
    return ratio(scores[0] * rows[0] + scores[1] * rows[1], rows[0] + rows[1])


def _first(of: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """The same of the one dimension that a sentiment is."""
    return lambda sums: of(sums[..., :1, :]).mean(axis=-1)


#: As MMSA computes them (github.com/thuiar/MMSA, ``metricsTop.py``): from 0 on against below, and
#: positive against negative without neutral rows, F1 by support; seven classes by rounding.
OF_SENTIMENT: Mapping[str, Metric] = MappingProxyType(
    {
        "ccc": Metric("CCC", _first(ccc_of), -1.0, share=False),
        "pearson": Metric("Corr", _first(pearson_of), -1.0, share=False),
        "mse": Metric("MSE", _first(mse_of), 0.0, np.inf, False, True),
        "mae": Metric("MAE", _first(mae_of), 0.0, np.inf, False, True),
        "acc2_has0": Metric("Acc-2 (neg/non-neg)", lambda s: _accuracy2(s[..., 1, :])),
        "f1_has0": Metric("F1 (neg/non-neg)", lambda s: _f1_2(s[..., 1, :])),
        "acc2_non0": Metric("Acc-2 (neg/pos)", lambda s: _accuracy2(s[..., 2, :])),
        "f1_non0": Metric("F1 (neg/pos)", lambda s: _f1_2(s[..., 2, :])),
        "acc7": Metric("Acc-7", lambda s: ratio(s[..., 3, 0], s[..., 3, 1])),
    }
)


def measures_of(task: Task, targets: Sequence[str]) -> Mapping[str, Metric]:
    """The metrics of a task, the first being primary; of shares those of the shares themselves."""
    if task == "regression":
        return OF_SENTIMENT if tuple(targets) == SENTIMENT else VALUES
    return {"single-label": CLASSES, "multi-label": LABELS, "distribution": SHARES}[task]
