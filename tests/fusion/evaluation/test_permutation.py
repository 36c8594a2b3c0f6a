"""Chance is what an arm's own predictions score with labels moved within speakers."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.evaluation import metrics
from fusion.evaluation.permutation import DRAWS, against_null, moved, orders


def corpus(speakers: int = 10, rows: int = 24, classes: int = 4, seed: int = 0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes, speakers * rows), np.repeat(np.arange(speakers), rows)


def unordered(speakers: np.ndarray):
    nothing = [None] * len(speakers)
    names = list(map(str, speakers))
    return orders(names, nothing, nothing, names)


def shuffled(truth: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    return moved(truth, unordered(speakers))


def test_labels_stay_with_their_speaker():
    truth, speakers = corpus()
    found = shuffled(truth, speakers)
    for speaker in range(10):
        own = np.sort(truth[speakers == speaker])
        assert (np.sort(found[:, speakers == speaker], axis=1) == own).all()
    assert len({tuple(row) for row in found}) == DRAWS


def test_speakers_may_come_in_any_order():
    truth, speakers = corpus()
    order = np.random.default_rng(1).permutation(len(truth))
    found = shuffled(truth[order], speakers[order])
    for speaker in range(10):
        own = np.sort(truth[speakers == speaker])
        assert (np.sort(found[:, (speakers == speaker)[order]], axis=1) == own).all()


def test_the_null_equals_uar_of_each_draw():
    truth, speakers = corpus()
    guesses = np.random.default_rng(2).integers(0, 4, (3, len(truth)))
    draws = shuffled(truth, speakers)
    found = against_null(truth, guesses, unordered(speakers), draws, 4, 0.0)
    values = [
        np.mean([metrics.uar(metrics.confusion(labels.astype(int), own, 4)) for own in guesses])
        for labels in draws[:200]
    ]
    assert found.mean == pytest.approx(np.mean(values), abs=0.005)
    assert found.high == pytest.approx(np.quantile(values, 0.95), abs=0.01)


def null_model(truth, speakers, classes):
    """Names the class that is most frequent among all other speakers."""
    guess = np.empty_like(truth)
    for speaker in np.unique(speakers):
        rest = np.bincount(truth[speakers != speaker], minlength=classes)
        guess[speakers == speaker] = rest.argmax()
    return guess


def test_a_null_model_lies_below_one_over_k_and_its_null_knows():
    """Speakers of few rows and two classes: what is frequent elsewhere is rarer here."""
    below, levels = [], []
    for seed in range(40):
        truth, speakers = corpus(speakers=8, rows=5, classes=2, seed=seed)
        guess = null_model(truth, speakers, 2)
        counts = metrics.confusion(truth, guess, 2)
        draws = shuffled(truth, speakers)[:100]
        found = against_null(truth, guess[None], unordered(speakers), draws, 2, 0.0)
        below.append(float(metrics.uar(counts)) - 0.5)
        levels.append(float(metrics.uar(counts)) - found.mean)
    assert np.mean(below) < -0.02
    assert np.mean(levels) == pytest.approx(0, abs=1e-9)


def test_knowledge_is_found_and_its_absence_is_not():
    p = []
    for seed in range(60):
        truth, speakers = corpus(seed=seed)
        guess = np.random.default_rng([9, seed]).integers(0, 4, (1, len(truth)))
        p.append(
            against_null(
                truth, guess, unordered(speakers), shuffled(truth, speakers)[:200], 4, 0.0
            ).p
        )
    assert np.mean(np.array(p) <= 0.05) <= 0.12  # 3 expected of 60, more than 7 with p < .02
    truth, speakers = corpus()
    knows = np.where(np.random.default_rng(0).random(len(truth)) < 0.3, truth, 0)
    assert (
        against_null(truth, knows[None], unordered(speakers), shuffled(truth, speakers), 4, 0.0).p
        < 0.01
    )


def test_knowing_the_speaker_alone_is_no_knowledge_of_the_utterance():
    """An arm that leaks who speaks, where each speaker has a favourite class."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(12), 20)
    favourite = speakers % 3
    truth = np.where(rng.random(240) < 0.6, favourite, rng.integers(0, 3, 240))
    found = against_null(
        truth, favourite[None], unordered(speakers), shuffled(truth, speakers), 3, 0.0
    )
    assert metrics.uar(metrics.confusion(truth, favourite, 3)) > 0.6
    assert found.p > 0.5


def test_speakers_of_one_class_are_counted():
    truth, speakers = np.array([0, 0, 1, 0, 1]), np.array([0, 0, 1, 2, 2])
    found = against_null(truth, truth[None], unordered(speakers), shuffled(truth, speakers), 2, 0.0)
    assert found.fixed == pytest.approx(3 / 5)


def test_a_class_without_rows_has_no_null():
    truth, speakers = corpus(classes=3)
    assert (
        against_null(truth, truth[None], unordered(speakers), shuffled(truth, speakers), 4, 0.0)
        is None
    )


def conversation(rng: np.random.Generator, stays: float):
    """Labels, blind guesses, speakers, dialogues, turns; moods and guesses persist."""
    speakers, dialogues, turns = (
        axis.ravel() for axis in np.meshgrid(range(8), range(4), range(12), indexing="ij")
    )

    def series() -> np.ndarray:
        made = rng.integers(0, 3, len(speakers))
        for row in np.flatnonzero((turns > 0) & (rng.random(len(turns)) < stays)):
            made[row] = made[row - 1]
        return made

    names = [f"s{name}" for name in speakers]
    return series(), series(), names, [f"d{name}" for name in dialogues], turns.tolist()


@pytest.mark.parametrize(("known", "least", "most"), [(True, 0.0, 0.1), (False, 0.12, 1.0)])
def test_what_persists_in_a_dialogue_is_not_taken_for_knowledge_where_order_is_known(
    known, least, most
):
    found = []
    for seed in range(150):
        truth, guesses, names, dialogues, turns = conversation(np.random.default_rng(seed), 0.85)
        series = orders(names, dialogues if known else [None] * len(names), turns, names)
        null = against_null(truth, guesses[None], series, moved(truth, series)[:200], 3, 0.0)
        assert null.shuffled == (0.0 if known else 1.0)
        found.append(null.p <= 0.05)
    assert least <= np.mean(found) <= most


def test_knowledge_is_found_where_labels_go_round():
    truth, _, names, dialogues, turns = conversation(np.random.default_rng(0), 0.85)
    series = orders(names, dialogues, turns, names)
    guesses = np.where(np.random.default_rng(1).random(len(truth)) < 0.5, truth, 0)
    assert against_null(truth, guesses[None], series, moved(truth, series), 3, 0.0).p < 0.01
