"""Coarser answers where no class is sure enough, with thresholds from development speakers."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.evaluation.backoff import Answer, Backoff, fit_levels
from fusion.evaluation.calibration import fit_abstention

TARGETS = ("angry", "fear", "happy", "neutral", "sad")
RULES = Backoff(TARGETS, {"class": 0.6, "group": 0.7, "arousal": 0.8})


@pytest.mark.parametrize(
    ("probabilities", "answer"),
    [
        ((0.6, 0.1, 0.1, 0.1, 0.1), Answer("class", "angry", 0.6)),
        ((0.4, 0.3, 0.1, 0.1, 0.1), Answer("group", "negative, aroused", 0.7)),
        ((0.3, 0.2, 0.3, 0.1, 0.1), Answer("arousal", "aroused", 0.8)),
        ((0.05, 0.05, 0.1, 0.4, 0.4), Answer("arousal", "not aroused", 0.8)),
        ((0.3, 0.1, 0.1, 0.3, 0.2), None),
    ],
)
def test_the_finest_level_that_is_sure_enough_answers(probabilities, answer):
    found = RULES.answer(probabilities)
    if answer is None:
        assert found is None
    else:
        assert (found.level, found.label) == (answer.level, answer.label)
        assert found.probability == pytest.approx(answer.probability)


def test_a_class_outside_of_the_tree_is_answered_by_its_name():
    rules = Backoff(("angry", "fear", "contempt"), {"class": 0.9, "group": 0.5})
    assert rules.answer((0.2, 0.1, 0.7)) == Answer("group", "contempt", 0.7)


def drawn(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Probabilities that are true: confused within groups more than between them."""
    rng = np.random.default_rng(seed)
    places = np.array([[1.0, 0.2], [1.0, -0.2], [1.0, 2.0], [-1.5, 0.5], [-1.5, -0.5]])
    truth = rng.integers(0, 5, rows)
    seen = places[truth] + 0.9 * rng.normal(size=(rows, 2))
    logits = -((seen[:, None] - places) ** 2).sum(axis=-1) / (2 * 0.9**2)
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return scores[None], truth, [f"s{k % 12}" for k in range(rows)]


def test_thresholds_are_those_of_the_rule_of_classes_at_every_level():
    scores, truth, speakers = drawn(1200)
    found = {rule.level: rule for rule in fit_levels(scores, truth, TARGETS, speakers)}
    assert list(found) == ["class", "group", "arousal"]
    right = scores[0].argmax(axis=1) == truth
    assert found["class"].threshold == fit_abstention(scores[0].max(axis=1), right).threshold
    aroused = scores[0][:, :3].sum(axis=1)
    high = np.maximum(aroused, 1 - aroused)
    rule = fit_abstention(high, (aroused > 0.5) == (truth < 3))
    assert found["arousal"].threshold == pytest.approx(rule.threshold)


def test_what_rules_promise_holds_for_speakers_that_gave_none():
    found = fit_levels(*drawn(1200)[:2], TARGETS, drawn(1200)[2])
    scores, truth, _ = drawn(4000, seed=1)
    rules = Backoff(TARGETS, {rule.level: rule.threshold for rule in found})
    said = [rules.answer(tuple(row)) for row in scores[0]]
    groups = ("negative, aroused",) * 2 + ("positive or surprised", "calm or neutral")
    names = {
        "class": TARGETS,
        "group": (*groups, "negative, low"),
        "arousal": ("aroused",) * 3 + ("not aroused",) * 2,
    }
    for rule in found:
        hits = [
            names[rule.level][label] == answer.label
            for answer, label in zip(said, truth, strict=True)
            if answer is not None and answer.level == rule.level
        ]
        assert len(hits) / len(said) == pytest.approx(rule.coverage, abs=0.05)
        assert np.mean(hits) == pytest.approx(rule.accuracy, abs=0.08)
    assert found[0].coverage < sum(rule.coverage for rule in found) <= 1


def test_without_coarser_levels_or_other_speakers_there_are_no_rules():
    scores, truth, speakers = drawn(60)
    assert fit_levels(scores, truth, ("a", "b", "c", "d", "e"), speakers) == ()
    assert fit_levels(scores, truth, TARGETS, ["one"] * 60) == ()
