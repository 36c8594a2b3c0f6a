"""What becomes of the halves away from the corpora that they learned from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from encoders.asr.recognisers import normalise
from encoders.utterance import Corpus
from experiments import demo
from experiments.corpora import emodb, mosi
from experiments.corpora.common_sets import apply_common
from experiments.ready_model import voice as hearing
from experiments.ready_model import words as reading
from experiments.ready_model.copies import HEARD, WRITTEN
from experiments.ready_model.figures import Figure, plain_figure, uar_figure
from experiments.ready_model.half import TARGETS, Row, Scored
from fusion import metrics
from fusion.model import FusionModel

UNPLEASANT = ("angry", "disgust", "fear", "sad")


def elsewhere(model: FusionModel, german: Path, opinions: Path, work: Path) -> list[Figure]:
    """Voice on EmoDB, words on MOSI, and both on the one paired corpus there is: synthetic."""
    return [*_emodb(model, german, work), _mosi(model, opinions, work), *_demo(model, work)]


def scored(model: FusionModel, rows: list[Row], others: list[Row] | None = None) -> Scored:
    """What a model says of rows of one modality, or of two: the same utterances in one order."""
    both = others or rows
    found = []
    for row, other in zip(rows, both, strict=True):
        inputs: dict[str, torch.Tensor | None] = {"audio": None, "text": None}
        inputs |= {_input(row): row.values, _input(other): other.values}
        found.append(model.verdict(inputs).fused)
    truth = [TARGETS.index(row.label) if row.label in TARGETS else 0 for row in rows]
    return Scored(tuple(rows), np.array(truth, np.int64), np.array(found))


def _input(row: Row) -> str:
    return "text" if row.copy in WRITTEN else "audio"


def _emodb(model: FusionModel, root: Path, work: Path) -> list[Figure]:
    corpus = apply_common(emodb.read(root), "ekman")
    rows = list(hearing.embedded(corpus, hearing.AUDIO, work))
    found = scored(model, rows)
    return [
        uar_figure(f"voice, EmoDB (German), {how}", found.of(how), corpus.targets) for how in HEARD
    ]


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
        uar_figure(f"synthetic demo corpus, {what}", found, kept)
        for what, found in (
            ("voice alone", scored(model, heard)),
            ("words alone", scored(model, said)),
            ("both", scored(model, heard, said)),
        )
    ]


def _with_words(corpus: Corpus) -> Corpus:
    kept = tuple(one for one in corpus.utterances if normalise(one.transcript) is not None)
    return replace(corpus, utterances=kept)
