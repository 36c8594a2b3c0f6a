"""What is measured of two halves, on made-up scores whose worth is known."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fusion.evaluation.backoff import LevelRule
from fusion.evaluation.calibration import tempered
from fusion.evaluation.conformal import PredictionSets
from scripts.ready_model.card import _levels
from scripts.ready_model.figures import (
    error_figure,
    most_cautious_levels,
    most_cautious_sets,
    others_figures,
    pairs_of,
    sureness,
    sureness_figures,
    temperature_of,
    uar_figure,
)
from scripts.ready_model.half import TARGETS, Row, Scored, fit_half

CLASSES = len(TARGETS)


def scored(rows: int = 700, sharp: float = 2.0, seed: int = 0) -> Scored:
    """Rows of ten speakers whose probabilities are true: drawn from them."""
    rng = np.random.default_rng(seed)
    logits = sharp * rng.normal(size=(rows, CLASSES))
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (scores.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)
    made = tuple(
        Row(str(k), str(k % 10), TARGETS[label], "studio", torch.zeros(1, 2))
        for k, label in enumerate(truth)
    )
    return Scored(made, truth, scores)


def test_a_uar_comes_with_its_speakers_and_interval():
    found = uar_figure("x", scored())
    assert found.low < found.value < found.high
    assert (found.rows, found.speakers, found.metric) == (700, 10, "UAR of 7")


def test_a_corpus_with_some_classes_is_scored_among_those():
    every = scored()
    kept = ("neutral", "sad", "angry")
    some = every.where([row.label in kept for row in every.rows])
    found = uar_figure("x", some, tuple(name for name in TARGETS if name in kept))
    assert found.metric == "UAR of 3"
    assert found.value > uar_figure("x", every).value


def test_pairs_are_of_one_class_and_surer_than_their_halves():
    voice, words = scored(seed=1), scored(seed=2)
    pairs = pairs_of(voice, words, 1.0, 1.0)
    assert np.bincount(pairs.truth).tolist() == [1000] * CLASSES

    def right(values: np.ndarray) -> float:
        return float((values.argmax(axis=1) == pairs.truth).mean())

    assert right(pairs.fused) > max(right(pairs.voice), right(pairs.words))
    same = pairs_of(voice, words, 1.0, 1.0)
    assert np.array_equal(pairs.fused, same.fused)


def test_true_probabilities_need_no_temperature():
    assert temperature_of(scored(5000)) == pytest.approx(1, abs=0.12)


def test_a_half_is_scored_on_rows_that_it_did_not_learn_from():
    rng = np.random.default_rng(0)

    def rows(side: str, count: int) -> list[Row]:
        labels = [TARGETS[k % CLASSES] for k in range(count)]
        return [
            Row(
                f"{side}{k}",
                side,
                label,
                "studio",
                torch.from_numpy(
                    rng.normal(np.eye(CLASSES)[k % CLASSES] * 4, 1.0)[None].astype(np.float32)
                ),
            )
            for k, label in enumerate(labels)
        ]

    found = fit_half("audio", rows("train", 210), rows("dev", 70), rows("test", 70))
    assert {row.speaker for row in found.test.rows} == {"test"}
    assert {row.speaker for row in found.dev.rows} == {"dev"}
    assert uar_figure("x", found.test).value > 0.8
    assert len(found.part(2.0).heads) == 3
    nothing = fit_half("audio", rows("train", 210), rows("dev", 70), [])
    assert nothing.test.scores.shape == (0, CLASSES)


def test_how_sure_a_model_is_stands_beside_how_often_it_is_right():
    every = scored()
    found = {one.metric: one for one in sureness_figures("x", every, 0.6)}
    highest = every.scores.max(axis=1)
    named = highest >= 0.6
    # Drawn from their probabilities, so that it is as sure as it is right.
    assert found["mean probability"].value == pytest.approx(found["accuracy"].value, abs=0.05)
    assert found["accuracy of named"].value > found["accuracy"].value
    assert found["accuracy of named"].rows == named.sum()
    assert found["share named"].value == round(float(named.mean()), 3)
    assert "accuracy of named" not in {one.metric for one in sureness_figures("x", every, 1.1)}


def test_the_voice_has_the_temperature_of_voices_unlike_the_actors_where_that_is_higher():
    actors, words = scored(seed=1), scored(seed=2)
    others = scored(seed=3)
    # Twice as sure as their probabilities allow, or half as sure.
    hot = replace(others, scores=tempered(others.scores, 0.5))
    cold = replace(others, scores=tempered(others.scores, 2.0))
    voice, half = SimpleNamespace(held_out=(actors,)), SimpleNamespace(dev=words)
    assert sureness(voice, half, cold).voice == temperature_of(actors)
    assert sureness(voice, half, hot).voice == temperature_of(hot) > 1.5
    (error,) = others_figures(hot)
    assert error.value < error_figure("x", hot.truth, hot.scores).value


def test_levels_and_sets_are_the_most_cautious_of_voice_words_and_pairs():
    actors, words = scored(seed=1), scored(seed=2)
    voice, half = SimpleNamespace(held_out=(actors,)), SimpleNamespace(dev=words)
    found = sureness(voice, half, actors)
    assert found.levels[0].level == "class"
    assert (found.sets.speakers, found.sets.most) == (10, 0.9)
    rules = [(LevelRule("class", t, 0.5, a),) for t, a in ((0.4, 0.7), (0.6, 0.8), (0.5, 0.9))]
    assert most_cautious_levels(rules) == rules[1]
    wrong = (rules[0][0], LevelRule("group", 0.7, 0.2, 0.7), LevelRule("arousal", 0.8, 0.1, 0.9))
    assert [rule.level for rule in most_cautious_levels([wrong])] == ["class", "arousal"]
    sets = [PredictionSets(9, (0.5, 0.2)), PredictionSets(12, (0.4, 0.3, 0.1))]
    assert most_cautious_sets(sets) == PredictionSets(9, (0.4, 0.2))
    assert most_cautious_sets([None]) is None


def test_the_card_tells_levels_and_sets_where_there_are_any():
    text = _levels((LevelRule("class", 0.6, 0.5, 0.8),), PredictionSets(9, (0.5, 0.2)))
    assert "- a class: from 0.60 on: 50% of development utterances, 80% of them right" in text
    assert "9 development speakers with one vote each" in text
    assert _levels((), None) == ""
