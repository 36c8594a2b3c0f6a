"""What a run says of how its heads were fitted: small, finite, and the mean of what was kept."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.comparing.fit_facts import fit_facts, mean_curve
from fusion.arms import FoldScores
from fusion.stopping import Curve

EMPTY = np.zeros((1, 0, 2))


def scores(**changes: object) -> FoldScores:
    none = np.zeros(0, np.int64)
    given = {"arm": "audio", "fold": "1", "hyperparameters": {"hidden": 8}, "trials": ()}
    arrays = {"dev": none, "dev_scores": EMPTY, "test": none, "test_scores": EMPTY}
    return FoldScores(**{**given, "epochs": (), **arrays, **changes})


def test_the_mean_is_over_the_heads_that_are_still_trained():
    found = mean_curve([Curve((3.0, 2.0), (4.0, 1.0)), Curve((1.0,), (2.0,))])
    assert found == {
        "train": [2.0, 2.0],
        "dev": [3.0, 1.0],
        "low": [2.0, 1.0],
        "high": [4.0, 1.0],
        "heads": [2, 1],
    }


def test_losses_are_short_and_finite_or_nothing():
    found = mean_curve([Curve((1 / 3, math.inf), (2e-7 / 3, math.nan))])
    assert found["train"] == [0.3333, None]
    assert found["dev"] == [6.667e-08, None]


@pytest.mark.parametrize("arm", ["late", "pretrained:x"])
def test_without_heads_there_is_no_curve(arm):
    assert fit_facts(scores(arm=arm)).keys() == {"fold", "hyperparameters", "trials"}


def test_a_fit_says_which_epochs_were_kept():
    found = fit_facts(scores(epochs=(3, 5), curves=(Curve((1.0,), (1.0,)),) * 2))
    assert found["epochs"] == [3, 5]
    assert found["curve"]["heads"] == [2]
