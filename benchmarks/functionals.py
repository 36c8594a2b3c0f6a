"""What pooled acoustic descriptors are worth to a plain classifier, speaker-independently.

Logistic regression of scikit-learn (C = 0.01, classes balanced, standardised) on functionals of
log-mel frames and their time differences: the least that our heads must reach on the same rows.
"""

import os
import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from encoders.audio.reading import read_segment
from encoders.encoder import load_encoder
from encoders.pooling import for_storage
from encoders.specs import LogMelSpec
from encoders.utterance import Corpus
from experiments.corpora import read_corpus
from fusion.splitting.splits import Fold, inner_folds, outer_folds

DATA = Path(os.environ.get("SERFUSION_DATA") or Path(__file__).parents[2] / "shared" / "data")
ORDERS = (0, 1, 2)


def measure() -> str:
    """One row per corpus and order of differences; the last column trains on inner folds."""
    if not DATA.is_dir():
        sys.exit(f"no real speech in {DATA}: set SERFUSION_DATA")
    lines = [
        "| corpus | differences | UAR | UAR, mean over script-disjoint inner folds |",
        "|---|---|---|---|",
    ]
    for name in ("ravdess", "emodb"):
        corpus = read_corpus(name, DATA / name)
        functionals = _functionals(corpus)
        for orders in ORDERS:
            table = functionals[:, :, : orders + 1].reshape(len(functionals), -1)
            whole, inner = (uar_of(corpus, table, nested=nested) for nested in (False, True))
            lines.append(f"| {name} | log-mel, {orders} | {whole:.3f} | {inner:.3f} |")
    return "\n".join(lines)


def _functionals(corpus: Corpus) -> np.ndarray:
    """``[rows, statistics, orders, mels]``."""
    spec = LogMelSpec(deltas=max(ORDERS))
    encoder = load_encoder(spec)
    rows = []
    for utterance in corpus.utterances:
        assert utterance.audio is not None
        audio = read_segment(utterance.audio, utterance.start_s, utterance.end_s)
        stored = for_storage(encoder.encode([audio])[0], spec).numpy()
        rows.append(stored.reshape(len(spec.statistics), len(ORDERS), spec.n_mels))
    return np.stack(rows)


def uar_of(corpus: Corpus, table: np.ndarray, *, nested: bool) -> float:
    """UAR of logistic regression on rows ``[rows, values]`` over a corpus's own folds."""
    place = {utterance.id: number for number, utterance in enumerate(corpus.utterances)}
    truth = np.array([corpus.targets.index(corpus.label(u) or "") for u in corpus.utterances])
    guess = np.zeros(len(truth), int)
    for fold in outer_folds(corpus.utterances, corpus.folds):
        test = [place[name] for name in fold.test]
        parts = _training(corpus, fold, place) if nested else [[place[n] for n in fold.train]]
        scores = [_fitted(table[rows], truth[rows]).predict_proba(table[test]) for rows in parts]
        guess[test] = np.mean(scores, axis=0).argmax(axis=1)
    hits = [np.mean(guess[truth == k] == k) for k in range(len(corpus.targets))]
    return float(np.mean(hits))


def _training(corpus: Corpus, fold: Fold, place: dict[str, int]) -> list[list[int]]:
    known = set(fold.train)
    rows = [utterance for utterance in corpus.utterances if utterance.id in known]
    return [
        [place[name] for name in inner.train]
        for inner in inner_folds(rows, corpus.label, new_scripts=False).folds
    ]


def _fitted(rows: np.ndarray, truth: np.ndarray) -> LogisticRegression:
    model = LogisticRegression(C=0.01, max_iter=2000, class_weight="balanced")
    return make_pipeline(StandardScaler(), model).fit(rows, truth)
