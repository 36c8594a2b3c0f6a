"""What a run says of how its heads were fitted: small, finite, and the mean of what was kept."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.comparing.fit_facts import fit_facts, mean_curve
from experiments.reporting.results_schema import MeanCurve, as_json
from fusion.training.arms import Budget, FoldScores
from fusion.training.early_stopping import Curve
from fusion.tuning.tune import Trial

BUDGET = Budget(seeds=2)
EMPTY = np.zeros((1, 0, 2))


def scores(**changes: object) -> FoldScores:
    none = np.zeros(0, np.int64)
    given = {"arm": "audio", "fold": "1", "hyperparameters": {"hidden": 8}, "trials": ()}
    arrays = {"dev": none, "dev_scores": EMPTY, "test": none, "test_scores": EMPTY}
    return FoldScores(**{**given, "epochs": (), **arrays, **changes})


def test_the_mean_is_over_the_heads_that_are_still_trained():
    found = mean_curve([Curve((3.0, 2.0), (4.0, 1.0)), Curve((1.0,), (2.0,))])
    assert found == MeanCurve(
        train=[2.0, 2.0], dev=[3.0, 1.0], low=[2.0, 1.0], high=[4.0, 1.0], heads=[2, 1]
    )


def test_losses_are_short_and_finite_or_nothing():
    found = mean_curve([Curve((1 / 3, math.inf), (2e-7 / 3, math.nan))])
    assert found.train == [0.3333, None]
    assert found.dev == [6.667e-08, None]


@pytest.mark.parametrize("arm", ["late", "pretrained:x"])
def test_without_heads_there_is_no_curve(arm):
    assert as_json(fit_facts(scores(arm=arm), BUDGET)).keys() == {
        "fold",
        "hyperparameters",
        "trials",
    }


def test_a_fit_says_which_epochs_were_kept():
    found = fit_facts(scores(epochs=(3, 5), curves=(Curve((1.0,), (1.0,)),) * 2), BUDGET)
    assert found.epochs == (3, 5)
    assert found.curve.heads == [2]


def trials(*dropouts: float) -> tuple[Trial, ...]:
    """Trials that are the better the nearer their dropout is to 0.3, whatever else they tried."""
    rng = np.random.default_rng(0)
    others = [(10.0 ** rng.uniform(-3.4, -2.6), 10.0 ** rng.uniform(-2, 1)) for _ in dropouts]
    return tuple(
        Trial(
            {"hidden": 64, "dropout": dropout, "learning_rate": rate, "weight_decay": decay},
            -abs(dropout - 0.3),
            seconds=1.0,
        )
        for dropout, (rate, decay) in zip(dropouts, others, strict=True)
    )


def test_the_importance_is_of_what_decided_and_sums_to_one():
    found = fit_facts(scores(trials=trials(*np.linspace(0.2, 0.7, 24).tolist())), BUDGET)
    shares = found.importance
    assert max(shares, key=shares.get) == "dropout"
    assert sum(shares.values()) == pytest.approx(1, abs=0.001)
    assert found == fit_facts(scores(trials=trials(*np.linspace(0.2, 0.7, 24).tolist())), BUDGET)


@pytest.mark.parametrize("dropouts", [(0.3, 0.4), (0.25, 0.35) * 10])
def test_few_trials_and_equal_ones_say_nothing_of_importance(dropouts):
    assert fit_facts(scores(trials=trials(*dropouts)), BUDGET).importance is None


def test_what_is_fixed_has_no_importance():
    budget = Budget(seeds=2, fixed={"dropout": 0.5})
    some = [Trial({k: v for k, v in one.parameters.items() if k != "dropout"}, one.value)
            for one in trials(*np.linspace(0.2, 0.7, 24).tolist())]  # fmt: skip
    assert "dropout" not in fit_facts(scores(trials=tuple(some)), budget).importance


def test_trials_are_told_without_the_clock():
    (told, _) = fit_facts(scores(trials=trials(0.123456789, 0.5)), BUDGET).trials
    assert as_json(told).keys() == {"value", "state", "parameters"}
    assert told.parameters["dropout"] == 0.123457
