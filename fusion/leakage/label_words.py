"""Words that give the label away: a label written into the transcript, a tag, a file's number."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from scipy.sparse import csr_matrix

DRAWS = 200
#: Utterances that must hold a word before it is looked at.
SEEN_FROM = 3
#: A word gives a class away where this share of its utterances have it, and of all utterances with
#: the word this share are of the class. In MELD's 13 708 utterances no word of that precision
#: reaches .02.
RECALL_FROM, PRECISION_FROM = 0.3, 0.9
#: For a class's own name the first share may be lower: a label that was written here and there.
NAME_RECALL_FROM = 0.05
P_TO = 0.01


@dataclass(frozen=True, slots=True)
class LabelWord:
    """A word, the class it gives away, and how often: shares of the class and of the word."""

    word: str
    label: str
    recall: float
    precision: float
    p: float


def label_words(
    texts: Mapping[str, Sequence[str]], labels: Mapping[str, str], speakers: Mapping[str, str]
) -> tuple[LabelWord, ...]:
    """Words that give a label away, the most frequent first.

    The statistic of a word and a class is the share of the class's utterances that hold the word
    less that of the others; p is the share of 200 shuffles of labels within speakers whose
    greatest one, over all words and classes, is as large. Names of classes are tested apart, by
    how many utterances hold their own.
    """
    ids = [name for name in texts if name in labels]
    frequent = Counter(word for name in ids for word in set(texts[name]))
    words = sorted(word for word, count in frequent.items() if count >= SEEN_FROM)
    targets = sorted({labels[name] for name in ids})
    if not words or len(targets) < 2:
        return ()
    table = _table([texts[name] for name in ids], words)
    truth = np.array([targets.index(labels[name]) for name in ids])
    speaker = np.unique([speakers.get(name, "") for name in ids], return_inverse=True)[1]
    named = np.array([[_is_name(word, label) for label in targets] for word in words])
    passed = [
        *_names(table, truth, named),
        *_found(table, truth, speaker, np.asarray(~named.any(axis=1)), RECALL_FROM),
    ]
    telling = [
        LabelWord(words[f.word], targets[f.label], f.recall, f.precision, f.p) for f in passed
    ]
    return tuple(sorted(telling, key=lambda label_word: (-label_word.recall, label_word.word)))


@dataclass(frozen=True, slots=True)
class _Found:
    word: int
    label: int
    recall: float
    precision: float
    p: float


def _names(
    table: csr_matrix, truth: Int64[np.ndarray, "rows"], named: Bool[np.ndarray, "words classes"]
) -> list[_Found]:
    """Names of classes in the words of their own class; labels are shuffled among all rows.

    The statistic is the number of utterances that hold the name of their own class.
    """
    holds = np.asarray(table @ named.astype(float)) > 0
    rows, rng = np.arange(len(truth)), np.random.default_rng(0)
    null = np.array([holds[rows, rng.permutation(truth)].sum() for _ in range(DRAWS)])
    p = float((1 + (null >= holds[rows, truth].sum()).sum()) / (1 + DRAWS))
    if p > P_TO:
        return []
    recall, precision = _shares(table, truth, named.shape[1])
    wanted = named & (precision >= PRECISION_FROM) & (recall >= NAME_RECALL_FROM)
    return [
        _Found(int(w), int(k), recall[w, k], precision[w, k], p) for w, k in np.argwhere(wanted)
    ]


def _found(
    table: csr_matrix,
    truth: Int64[np.ndarray, "rows"],
    speaker: Int64[np.ndarray, "rows"],
    looked_at: Bool[np.ndarray, "words"],
    least: float,
) -> list[_Found]:
    """Words among those looked at that pass; labels are shuffled within speakers."""
    classes = int(truth.max()) + 1
    recall, precision = _shares(table, truth, classes)
    wanted = (precision >= PRECISION_FROM) & (recall >= least) & looked_at[:, None]
    if not wanted.any():
        return []
    null = _null(table[:, np.flatnonzero(looked_at)], truth, speaker, classes)
    contrast = _contrast(_counts(table, truth, classes), np.bincount(truth, minlength=classes))
    passed = []
    for w, k in np.argwhere(wanted):
        p = float((1 + (null >= contrast[w, k] - 1e-12).sum()) / (1 + len(null)))
        passed += [_Found(int(w), int(k), recall[w, k], precision[w, k], p)] * (p <= P_TO)
    return passed


def _shares(
    table: csr_matrix, truth: Int64[np.ndarray, "rows"], classes: int
) -> tuple[Float[np.ndarray, "words classes"], Float[np.ndarray, "words classes"]]:
    """Of each class the share that holds each word; of each word the share that is of the class."""
    counts = _counts(table, truth, classes)
    size = np.bincount(truth, minlength=classes)
    return counts / size, counts / counts.sum(axis=1, keepdims=True)


def _is_name(word: str, label: str) -> bool:
    """Whether a word is the name of a class or its beginning, as in hap for happy."""
    name = label.casefold()
    return len(word) >= 3 and (name.startswith(word) or word.startswith(name))


def _table(texts: Sequence[Sequence[str]], words: Sequence[str]) -> csr_matrix:
    column = {word: number for number, word in enumerate(words)}
    cells = [(n, column[w]) for n, text in enumerate(texts) for w in set(text) if w in column]
    rows, columns = zip(*cells, strict=True)
    shape = (len(texts), len(words))
    return csr_matrix((np.ones(len(cells)), (rows, columns)), shape=shape)


def _counts(
    table: csr_matrix, truth: Int64[np.ndarray, "rows"], classes: int
) -> Float[np.ndarray, "words classes"]:
    """Utterances of each class that hold each word."""
    return np.asarray(table.T @ np.eye(classes)[truth])


def _contrast(
    counts: Float[np.ndarray, "words classes"], size: Int64[np.ndarray, "classes"]
) -> Float[np.ndarray, "words classes"]:
    others = counts.sum(axis=1, keepdims=True) - counts
    return counts / size - others / (size.sum() - size)


def _null(
    table: csr_matrix,
    truth: Int64[np.ndarray, "rows"],
    speaker: Int64[np.ndarray, "rows"],
    classes: int,
) -> Float[np.ndarray, "draws"]:
    rng = np.random.default_rng(0)
    order, size = np.argsort(speaker, kind="stable"), np.bincount(truth, minlength=classes)
    greatest = []
    for _ in range(DRAWS):
        shuffled = truth.copy()
        shuffled[order] = truth[np.lexsort((rng.random(len(truth)), speaker))]
        greatest.append(_contrast(_counts(table, shuffled, classes), size).max())
    return np.array(greatest)
