"""What becomes of the halves away from the corpora that they learned from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from encoders.asr.transcript import normalise
from encoders.utterance import Corpus
from experiments import demo
from experiments.corpora import mosi
from experiments.corpora.common_sets import apply_common
from fusion.evaluation import metrics
from fusion.model.fusion_model import FusionModel
from scripts.ready_model import voice as hearing, words as reading
from scripts.ready_model.copies import WRITTEN
from scripts.ready_model.figures import Figure, plain_figure, uar_figure
from scripts.ready_model.half import TARGETS, Row, Scored

UNPLEASANT = ("angry", "disgust", "fear", "sad")


def elsewhere(model: FusionModel, opinions: Path, work: Path) -> list[Figure]:
    """Words on MOSI, and both halves on the one paired corpus there is: synthetic."""
    return [_mosi(model, opinions, work), *_demo(model, work)]


def scored(model: FusionModel, rows: list[Row], others: list[Row] | None = None) -> Scored:
    """What a model says of rows of one modality, or of two: the same utterances in one order."""
    both = others or rows
    scores = []
    for row, other in zip(rows, both, strict=True):
        inputs: dict[str, torch.Tensor | None] = {"audio": None, "text": None}
        inputs |= {_input(row): row.values, _input(other): other.values}
        scores.append(model.verdict(inputs).fused)
    truth = [TARGETS.index(row.label) if row.label in TARGETS else 0 for row in rows]
    return Scored(tuple(rows), np.array(truth, np.int64), np.array(scores))


def _input(row: Row) -> str:
    return "text" if row.copy in WRITTEN else "audio"


def _mosi(model: FusionModel, root: Path, work: Path) -> Figure:
    """Whether pleasant words are told from unpleasant ones, in opinions about films."""
    corpus = mosi.read(root, "sentiment-2")
    rows = [row for row in reading.embedded(corpus, work) if row.copy == "bare"]
    scores = scored(model, rows).scores
    good = np.array([row.label != "negative" for row in rows])
    value = metrics.auc(good, _pleasant(scores))
    what = "words, MOSI (negative or not)"
    return plain_figure(what, "AUC", value, len(rows), len({row.speaker for row in rows}))


def _pleasant(scores: Float[np.ndarray, "rows targets"]) -> Float[np.ndarray, "rows"]:
    bad = scores[:, [TARGETS.index(name) for name in UNPLEASANT]].sum(axis=1)
    return scores[:, TARGETS.index("happy")] - bad


def _demo(model: FusionModel, work: Path) -> list[Figure]:
    corpus = apply_common(_with_words(demo.read()), "ekman")
    heard = [r for r in hearing.embedded(corpus, hearing.AUDIO, work) if r.copy == "studio"]
    said = [row for row in reading.embedded(corpus, work) if row.copy == "script"]
    kept = corpus.targets
    return [
        uar_figure(f"synthetic demo corpus, {what}", results, kept)
        for what, results in (
            ("voice alone", scored(model, heard)),
            ("words alone", scored(model, said)),
            ("both", scored(model, heard, said)),
        )
    ]


def _with_words(corpus: Corpus) -> Corpus:
    kept = tuple(
        utterance for utterance in corpus.utterances if normalise(utterance.transcript) is not None
    )
    return replace(corpus, utterances=kept)
