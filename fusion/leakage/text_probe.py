"""What fixed sentences tell about the labels, before any text arm is believed.

In a prompted corpus the same sentences are spoken under every label. If the crossing is even, the
words cannot tell the label; if it is uneven, a text arm scores above chance for that reason alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int64

from fusion.batch import Dataset
from fusion.evaluation import metrics
from fusion.leakage.findings import TextProbe
from fusion.splitting.splits import Fold

PERMUTATIONS = 500
#: From this share of test rows on whose very sentence is also in training, identity is probed.
SHARED_FROM = 0.5


def probe_text(
    data: Dataset, texts: Mapping[str, str], speakers: Mapping[str, str], folds: Sequence[Fold]
) -> TextProbe | None:
    """Probe gold transcripts; None where no test row has one, or none has a single class."""
    pairs = zip(data.ids, data.truth, strict=True)
    truth = {name: data.targets[k] for name, k in pairs if k >= 0}
    return probe_labels(data.targets, truth, texts, speakers, folds)


def probe_labels(
    targets: Sequence[str],
    labels: Mapping[str, str],
    texts: Mapping[str, str],
    speakers: Mapping[str, str],
    folds: Sequence[Fold],
) -> TextProbe | None:
    """The same from the label of each row that has one."""
    ids = [name for name in labels if name in texts]
    if not ids:
        return None
    names = sorted({texts[name].casefold() for name in ids})
    number = {name: k for k, name in enumerate(names)}
    text = np.array([number[texts[name].casefold()] for name in ids])
    truth = np.array([targets.index(labels[name]) for name in ids])
    splits = [(_where(ids, fold.train), _where(ids, fold.test)) for fold in folds]
    shared = np.concatenate([np.isin(text[test], text[train]) for train, test in splits])
    if len(shared) == 0:
        return None
    classes = len(targets)
    probe = TextProbe(len(names), float(shared.mean()), _even(text, truth, len(names), classes))
    if shared.mean() < SHARED_FROM:
        return probe
    uar = _lookup_uar(text, truth, splits, len(names), classes)
    if np.isnan(uar):
        return probe
    speaker = np.unique([speakers[name] for name in ids], return_inverse=True)[1]
    null = _null(text, truth, speaker, splits, len(names), classes)
    # Of folds that share speakers a draw may move every row of a class out of the test rows.
    null = null[~np.isnan(null)]
    if not len(null):
        return probe
    p = (1 + (null >= uar - 1e-12).sum()) / (1 + len(null))
    return replace(probe, uar=uar, null_high=float(np.quantile(null, 0.95)), p=float(p))


def _even(text: np.ndarray, truth: np.ndarray, sentences: int, classes: int) -> bool:
    """Whether sentence and label are independent in the counts, exactly."""
    table = np.bincount(text * classes + truth, minlength=sentences * classes)
    table = table.reshape(sentences, classes)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0))
    return bool((table * table.sum() == expected).all())


def _where(ids: Sequence[str], wanted: Sequence[str]) -> Int64[np.ndarray, "some"]:
    return np.flatnonzero(np.isin(np.array(ids), np.array(wanted)))


def _null(
    text: np.ndarray,
    truth: np.ndarray,
    speaker: np.ndarray,
    splits: Sequence[tuple[np.ndarray, np.ndarray]],
    sentences: int,
    classes: int,
) -> Float[np.ndarray, "draws"]:
    rng = np.random.default_rng(0)
    order = np.argsort(speaker, kind="stable")
    values = []
    for _ in range(PERMUTATIONS):
        # Sorting by speaker and then by chance shuffles the labels within each speaker.
        shuffled = truth.copy()
        shuffled[order] = truth[np.lexsort((rng.random(len(truth)), speaker))]
        values.append(_lookup_uar(text, shuffled, splits, sentences, classes))
    return np.array(values)


def _lookup_uar(
    text: np.ndarray,
    truth: np.ndarray,
    splits: Sequence[tuple[np.ndarray, np.ndarray]],
    sentences: int,
    classes: int,
) -> float:
    total = np.zeros((classes, classes))
    for train, test in splits:
        table = np.zeros((sentences, classes))
        np.add.at(table, (text[train], truth[train]), 1)
        shares = table / np.maximum(table.sum(axis=0), 1)
        total += metrics.confusion(truth[test], shares[text[test]].argmax(axis=1), classes)
    return float(metrics.uar(total))
