"""Listeners as an arm: their votes, a tie, majorities alone, sets of classes, real corpora."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from encoders.utterance import Corpus, Listeners, Utterance, one_hot
from experiments.comparing.comparison import compare
from experiments.comparing.scores_file import votes_of
from experiments.config import Study
from experiments.corpora import read_corpus
from experiments.corpora.label_sets import LabelSet, apply
from experiments.reporting.caveats import badges

LABELS = ("angry", "happy", "sad")


def listened(votes: dict[str, tuple[float, ...]], *, counted: bool = True) -> Corpus:
    utterances = tuple(
        Utterance(id=name, audio=None, speaker=f"s{n}", target=one_hot(LABELS[n % 3], LABELS))
        for n, name in enumerate(votes)
    )
    return Corpus(
        name="heard",
        root=Path(),
        task="single-label",
        targets=LABELS,
        utterances=utterances,
        listeners=Listeners(votes, "some people", counted),
    )


def test_listeners_are_an_arm_and_a_tie_agrees_with_nobody():
    votes = {"a": (0.6, 0.4, 0.0), "b": (0.5, 0.5, 0.0), "c": (0.0, 0.5, 0.5)}
    corpus = listened(votes)
    scores = votes_of(corpus, corpus.utterances)
    heard = {name: LABELS[int(np.argmax(row))] for name, row in scores.rows.items()}
    assert heard == {"a": "angry", "b": "angry", "c": "happy"}
    shares = softmax(np.array([scores.rows[name] for name in votes]), axis=1)
    np.testing.assert_allclose(shares, list(votes.values()), atol=1e-4)
    assert "a single listener agrees with the label: angry 60%, happy 50%, sad 50%" in str(
        scores.warnings
    )
    assert "is not known" not in str(scores.warnings)


def test_majorities_alone_are_labels():
    corpus = listened({"a": (1.0, 0.0, 0.0)}, counted=False)
    scores = votes_of(corpus, corpus.utterances)
    assert scores.form == "labels"
    assert "single listener" not in str(scores.warnings)


def test_votes_follow_the_classes_of_a_set():
    corpus = listened({"a": (0.2, 0.3, 0.5), "b": (0.6, 0.4, 0.0), "c": (0.0, 0.1, 0.9)})
    merged = LabelSet(name="x", source="x", classes={"angry": ("angry",), "other": ("happy",)})
    made = apply(corpus, merged)
    assert made.targets == ("angry", "other")
    assert made.listeners.votes["a"] == pytest.approx((0.4, 0.6))
    assert made.listeners.votes["b"] == pytest.approx((0.6, 0.4))


@pytest.mark.realdata
def test_listeners_of_crema_d_hear_less_than_half_of_what_was_meant(tmp_path, data_folder):
    study = Study(
        corpus="crema-d",
        root=str(data_folder / "cremad"),
        audio="logmel",
        text="minilm",
        arms=("listeners",),
        trials=0,
        seeds=1,
    )
    results = compare(study, out=tmp_path / "run", jobs=1).results
    arm = results.arms["listeners"]
    assert results.rows.used == 7442
    assert arm.uar.value == pytest.approx(0.4295, abs=1e-4)
    assert arm.accuracy.value == pytest.approx(0.4164, abs=1e-4)
    recalls = {name: scores.recall for name, scores in arm.per_class.items()}
    assert recalls["neutral"] == pytest.approx(1040 / 1087)
    assert recalls["sad"] == pytest.approx(209 / 1271)
    assert badges(results) == []


@pytest.mark.realdata
def test_listeners_of_emodb_agree_by_selection(data_folder):
    corpus = read_corpus("emodb", data_folder / "emodb")
    scores = votes_of(corpus, corpus.utterances)
    assert len(scores.rows) == 535
    right = [
        corpus.targets[int(np.argmax(scores.rows[u.id]))] == corpus.label(u)
        for u in corpus.utterances
    ]
    assert all(right)
    assert "agrees by selection" in str(scores.warnings)
