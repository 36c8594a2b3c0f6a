"""Predictions of arms of a known skill, and the facts of their run."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from experiments.reporting.results_schema import RunFacts
from fusion.evaluation.predictions import Prediction
from tests.experiments.finished_runs import plain_facts

CLASSES = ("a", "b", "c")
ARMS = ("audio", "text", "concat", "late", "attention")
SKILL = {"audio": 0.5, "text": 0.4, "concat": 0.8, "late": 0.6, "attention": 0.7}


def facts(**fields: object) -> RunFacts:
    given = {
        "run": "r",
        "corpus": "c",
        "task": "single-label",
        "targets": CLASSES,
        "dropped": (),
        "warnings": (),
        "fits": {},
        "facts": plain_facts(),
    }
    return RunFacts(**{**given, **fields})


def rows_of(
    arm: str, truth_of: Callable[[int, int], int] | None = None, seeds: Iterable[int] = (0, 1)
) -> list[Prediction]:
    """Six speakers in three folds, nine rows each, right as often as the arm's skill."""
    made = []
    for seed in seeds:
        rng = np.random.default_rng([ARMS.index(arm), seed])
        for speaker in range(6):
            for row in range(9):
                truth = truth_of(speaker, row) if truth_of else row % 3
                guess = truth if rng.random() < SKILL[arm] else int(rng.integers(3))
                made += [
                    prediction(arm, speaker, row, seed, split, truth, guess)
                    for split in ("dev", "test")
                ]
    return made


def prediction(
    arm: str, speaker: int, row: int, seed: int, split: str, truth: int, guess: int
) -> Prediction:
    # A development row belongs to the next fold's training speakers.
    fold = speaker // 2 if split == "test" else (speaker // 2 + 1) % 3
    return Prediction(
        run="r",
        corpus="c",
        utterance=f"u{speaker}-{row}",
        speaker=f"s{speaker}",
        arm=arm,
        outer_fold=str(fold),
        inner_fold=0 if split == "dev" else None,
        seed=seed,
        split=split,
        window=None,
        target=tuple(float(k == truth) for k in range(3)),
        scores=tuple(0.6 if k == guess else 0.2 for k in range(3)),
    )
