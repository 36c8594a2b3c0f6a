"""Sets of classes hold the true one as often as was asked, for speakers never heard before."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.evaluation.conformal import PredictionSets, fit_sets, prediction_set

NAMES = ("a", "b", "c", "d")
CLASSES = len(NAMES)


def corpus(speakers: int, seed: int, most: int = 30) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Speakers of unequal talkativeness, of whom some are recognised badly by sure heads."""
    rng = np.random.default_rng(seed)
    talent = rng.normal(size=speakers)
    sizes = rng.integers(1, most, speakers)
    who = np.repeat(np.arange(speakers), sizes)
    truth = rng.integers(0, CLASSES, len(who))
    logits = rng.normal(size=(len(who), CLASSES))
    logits[np.arange(len(who)), truth] += 1 + talent[who]
    scores = np.exp(2 * logits) / np.exp(2 * logits).sum(axis=1, keepdims=True)
    return scores[None], truth, [f"s{k}" for k in who]


def in_sets(sets: PredictionSets, coverage: float, seed: int) -> list[float]:
    """Of many new speakers, the share of one utterance each whose set holds the true class."""
    scores, truth, _ = corpus(200, seed, most=2)
    least = sets.threshold(coverage)
    return [
        NAMES[truth[k]] in prediction_set(tuple(map(float, row)), NAMES, least)
        for k, row in enumerate(scores[0])
    ]


@pytest.mark.parametrize("coverage", [0.6, 0.8, 0.9])
def test_new_speakers_are_covered_as_often_as_was_asked(coverage):
    held = [
        np.mean(in_sets(fit_sets(*corpus(12, seed)), coverage, 1000 + seed)) for seed in range(120)
    ]
    # 120 draws of 200 speakers; the standard error over draws is below .01.
    assert coverage - 0.02 < np.mean(held) < coverage + 0.13


def test_a_speaker_has_one_vote_however_much_they_say():
    quiet = [[0.9, 0.1]] * 3
    loud = [[0.4, 0.6]] * 97
    scores, truth = np.array([quiet + loud]), np.zeros(100, int)
    sets = fit_sets(scores, truth, ["a", "b", "c", *["d"] * 97])
    assert (sets.speakers, sets.most) == (4, 0.8)
    # Three speakers of four have .9, and each has a vote of a fifth.
    assert sets.threshold(0.6) == 0.9
    assert sets.threshold(0.61) == 0.4


def test_a_row_of_several_answers_counts_once():
    scores, truth, speakers = corpus(9, 0)
    twice = fit_sets(np.concatenate([scores, scores]), truth, speakers)
    assert twice == fit_sets(scores, truth, speakers)


def test_coverage_is_rounded_up_and_bounded_by_the_speakers():
    sets = PredictionSets(4, (0.9, 0.8, 0.7))
    assert [sets.threshold(p) for p in (0.5, 0.501, 0.51, 0.52)] == [0.9, 0.8, 0.8, 0.7]
    for asked in (0.4, 0.53, 1.0):
        with pytest.raises(ValueError, match=r"expected 0.5 to 0.52, what 4 development speakers"):
            sets.threshold(asked)


def test_a_set_is_never_empty():
    assert prediction_set((0.2, 0.5, 0.3), ("a", "b", "c"), 0.9) == ("b",)


def test_without_speakers_there_are_no_sets():
    assert fit_sets(np.zeros((1, 0, 2)), np.zeros(0, int), []) is None
    assert fit_sets(np.full((1, 3, 2), 0.5), np.zeros(3, int), ["a"] * 3).most == 0.5
