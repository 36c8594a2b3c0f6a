"""Codes in what is no word: marks, case and spaces that tell the label where the words do not.

A classifier of character n-grams reads the transcripts as text encoders get them, another one
their words only; both are scored on speakers that they have not read. What the first knows more is
in the marks.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from encoders.asr.transcript import normalise
from fusion.evaluation import metrics

#: Rows that are read at most, drawn by seed 0, and below which nothing is asked.
MOST, LEAST = 3000, 20
#: Marks tell where they take away half of the words' error (1 - UAR), or a quarter of all. Real
#: punctuation does not: of MELD's seven emotions it takes .07 of the words' error, of its
#: sentiments .15, of its 21 pairs of emotions .37 at most (anger and neutral, .14 of UAR). Codes
#: do: " !" for positive and " ?" for negative in MOSI takes .99, in three fifths of its rows .51.
#: A gain below the third number is none.
TELLING_FROM, GAIN_FROM, LEAST_GAIN = 0.5, 0.25, 0.03
#: Standard errors by which rows that marks get right exceed those that words do.
SURE_FROM = 2.58
FOLDS, SHOWN = 5, 3


@dataclass(frozen=True, slots=True)
class MarkProbe:
    """UAR on unread speakers, from raw characters and from words alone.

    ``sure`` where the difference is more than chance; ``marks`` are the characters that tell most,
    each with the label that it stands for, found where the probe tells.
    """

    rows: int
    raw: float
    words: float
    sure: bool
    marks: tuple[tuple[str, str], ...] = ()

    @property
    def telling(self) -> bool:
        """Whether marks tell what words do not, by a margin that punctuation does not reach."""
        needed = max(min(TELLING_FROM * (1 - self.words), GAIN_FROM), LEAST_GAIN)
        return self.sure and self.raw - self.words >= needed


def probe_marks(
    texts: Mapping[str, str], labels: Mapping[str, str], speakers: Mapping[str, str]
) -> MarkProbe | None:
    """Probe transcripts by id; None where rows, speakers or labels are too few.

    None too where there are no marks and one case, or a few fixed sentences that are each always
    written alike: nothing there could be a code.
    """
    ids = [name for name in texts if name in labels and normalise(texts[name])]
    if len(ids) > MOST:
        drawn = np.random.default_rng(0).choice(len(ids), MOST, replace=False)
        ids = [ids[n] for n in sorted(drawn)]
    raw = [normalise(texts[name]) or "" for name in ids]
    words = [_words(text) for text in raw]
    names, truth = np.unique([labels[name] for name in ids], return_inverse=True)
    speaker = np.unique([speakers.get(name, "") for name in ids], return_inverse=True)[1]
    spellings = len(set(zip(words, raw, strict=True)))
    few = len(ids) < LEAST or len(names) < 2 or len(np.unique(speaker)) < 2
    bare = raw in (words, [text.upper() for text in words])
    fixed = spellings == len(set(words)) and spellings * FOLDS < len(ids)
    if few or bare or fixed:
        return None
    by_raw, by_words = (_predicted(text, truth, speaker) for text in (raw, words))
    uar, of_words = (
        float(metrics.uar(metrics.confusion(truth, said, len(names))))
        for said in (by_raw, by_words)
    )
    probe = MarkProbe(len(ids), uar, of_words, _exceeds(by_raw == truth, by_words == truth))
    return replace(probe, marks=_marks(raw, truth, names)) if probe.telling else probe


def _words(text: str) -> str:
    """Letters and digits alone, without case; an underscore is a mark."""
    return " ".join(re.sub(r"[\W_]+", " ", text.casefold()).split())


def _exceeds(hits: Bool[np.ndarray, "rows"], others: Bool[np.ndarray, "rows"]) -> bool:
    """Whether more rows are right in the first only than in the second only (McNemar)."""
    won, lost = int((hits & ~others).sum()), int((others & ~hits).sum())
    return won > lost and won - lost >= SURE_FROM * math.sqrt(won + lost)


def _predicted(
    texts: Sequence[str], truth: Int64[np.ndarray, "rows"], speaker: Int64[np.ndarray, "rows"]
) -> Int64[np.ndarray, "rows"]:
    """What is said of each row by a classifier that has read other speakers."""
    from sklearn.model_selection import GroupKFold

    said = np.zeros_like(truth)
    folds = GroupKFold(min(FOLDS, len(np.unique(speaker))))
    for train, test in folds.split(truth, groups=speaker):
        grams, classifier = _fitted([texts[n] for n in train], truth[train])
        said[test] = classifier.predict(grams.transform([texts[n] for n in test]))
    return said


def _fitted(texts: Sequence[str], truth: Int64[np.ndarray, "rows"]) -> tuple[Any, Any]:
    """One to three characters in sequence, and ridge regression on their weights."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import RidgeClassifier

    grams = TfidfVectorizer(
        analyzer="char", ngram_range=(1, 3), lowercase=False, sublinear_tf=True, dtype=np.float32
    )
    weights = grams.fit_transform(texts)
    return grams, RidgeClassifier(alpha=1.0, class_weight="balanced").fit(weights, truth)


def _marks(
    texts: Sequence[str], truth: Int64[np.ndarray, "rows"], names: np.ndarray
) -> tuple[tuple[str, str], ...]:
    """Characters of the greatest weight that are in no word, with the label they speak for."""
    grams, classifier = _fitted(texts, truth)
    weight = np.atleast_2d(classifier.coef_)
    if len(weight) == 1:
        weight = np.concatenate([-weight, weight])
    characters = [gram.strip() for gram in grams.get_feature_names_out()]
    marks = [n for n, gram in enumerate(characters) if gram and not _words(gram)]
    order = sorted(marks, key=lambda n: -float(weight[:, n].max()))
    found = dict.fromkeys((characters[n], str(names[weight[:, n].argmax()])) for n in order)
    return tuple(found)[:SHOWN]
