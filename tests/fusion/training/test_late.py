"""Late fusion: rules against their formulas, and nothing but development rows teaches weights."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from fusion.batch import Dataset
from fusion.networks.losses import class_weights
from fusion.splitting.splits import Fold, InnerFold, InnerFolds
from fusion.training import train
from fusion.training.arm_table import ARMS, LateFusionArm
from fusion.training.arms import Budget, FoldScores, fit_arm, score
from fusion.training.combination import Combination, combination_of
from fusion.training.late import LATE, Pair, fuse_late, weights_per_class
from fusion.tuning.tune import TuningResult

BUDGET = Budget(trials=3, seeds=2)
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _few_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "MAX_EPOCHS", 3)


def sides(data: Dataset, fold: Fold, inner: InnerFolds) -> tuple[FoldScores, FoldScores]:
    fitted = (fit_arm(ARMS[name], data, inner, BUDGET, None) for name in ("audio", "text"))
    audio, text = (score(one, data, fold, BUDGET.seeds) for one in fitted)
    return audio, text


@pytest.fixture
def made(make_data, split_data) -> tuple[FoldScores, FoldScores, Dataset, InnerFolds]:
    data = make_data()
    fold, inner = split_data(data)
    return (*sides(data, fold, inner), data, inner)


def fused(name: str, made, trials: int = 3) -> FoldScores:
    return fuse_late(name, *made, replace(BUDGET, trials=trials))[0]


# ---------------------------------------------------------------- rules


def test_every_decision_level_arm_has_its_rule():
    assert list(LATE) == [name for name, arm in ARMS.items() if isinstance(arm, LateFusionArm)]


shares = st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3).map(
    lambda raw: np.array(raw) / sum(raw)
)


@given(shares, shares)
def test_rules_are_those_of_kittler_and_others(one, other):
    def brought_to_one(values: np.ndarray) -> np.ndarray:
        return values / values.sum()

    expected = {
        Combination("mean"): (one + other) / 2,
        Combination("product", (1.0,), (1.0,)): brought_to_one(one * other),
        Combination("max"): brought_to_one(np.maximum(one, other)),
        Combination.weighted("single-label", (0.3,)): brought_to_one(one**0.3 * other**0.7),
        Combination("product", (0.0, 1.0, 2.0), (1.0, 0.5, 0.0)): brought_to_one(
            one ** np.array([0, 1, 2]) * other ** np.array([1, 0.5, 0])
        ),
    }
    for how, values in expected.items():
        np.testing.assert_allclose(how("single-label", one, other), values, rtol=1e-9)


@pytest.mark.parametrize("task", ["multi-label", "regression"])
def test_labels_and_values_are_averaged_as_they_are(task):
    one, other = RNG.random((2, 2, 5, 3))
    found = Combination.weighted(task, (0.25,))(task, one, other)
    np.testing.assert_allclose(found, 0.25 * one + 0.75 * other)


def test_the_larger_of_two_labels_of_a_set_stays_as_it_is():
    one, other = RNG.random((2, 5, 3))
    found = Combination("max")("multi-label", one, other)
    np.testing.assert_array_equal(found, np.maximum(one, other))


def test_certain_sides_stay_finite():
    sure = np.eye(3)
    for name in ("late", "late_mean", "late_product", "late_max"):
        how = LATE[name].learn(pair(sure, sure[::-1], sure), LATE[name].defaults)
        assert np.isfinite(how("single-label", sure, sure[::-1])).all()


@pytest.mark.parametrize(
    "fields",
    [
        {"rule": "evil", "audio": [1], "text": [1]},
        {"rule": None, "audio": [1], "text": [1]},
        {"rule": ["mean"], "audio": [1], "text": [1]},
        {"rule": "mean", "audio": [1, 2], "text": [1]},
        {"rule": "mean", "audio": [], "text": []},
    ],
)
def test_a_model_file_with_another_combination_is_refused(fields):
    with pytest.raises(ValueError, match="1 or 3 weights"):
        combination_of(fields, 3)


@pytest.mark.parametrize("fields", [[1], "mean", 3, {}, {"rule": "mean", "audio": [1]}])
def test_what_is_no_combination_is_refused(fields):
    with pytest.raises(ValueError, match="combination: expected rule, audio and text, got"):
        combination_of(fields, 3)


@pytest.mark.parametrize(
    "weights", ["5", None, 0.5, ["a"], [[0.5]], [True], [None], [math.nan], [math.inf], [-0.1]]
)
@pytest.mark.parametrize("side", ["audio", "text"])
def test_weights_that_no_arm_learns_are_refused(weights, side):
    fields = {"rule": "product", "audio": [0.5], "text": [0.5]} | {side: weights}
    with pytest.raises(ValueError, match=f"combination: {side}: expected "):
        combination_of(fields, 3)


# ---------------------------------------------------------------- arms


@pytest.mark.parametrize("name", LATE)
def test_scores_are_probabilities_of_the_rows_of_both_arms(name, made):
    late = fused(name, made)
    for scores in (late.dev_scores, late.test_scores):
        np.testing.assert_allclose(scores.sum(axis=-1), 1.0)
    np.testing.assert_array_equal(late.dev, made[0].dev)
    assert late.arm == name


@pytest.mark.parametrize("name", LATE)
def test_trials_are_spent_where_there_is_something_to_learn(name, made):
    assert len(fused(name, made).trials) == (3 if LATE[name].defaults else 0)


def test_without_trials_both_sides_weigh_the_same(made):
    assert fused("late", made, trials=0).hyperparameters == {"audio_weight": 0.5}


@pytest.mark.parametrize(("weight", "side"), [(1.0, 0), (0.0, 1)])
def test_a_weight_at_an_end_is_that_arm(weight, side, made, monkeypatch):
    class Chosen:
        """A search that tries nothing."""

        found = TuningResult({"audio_weight": weight}, ())
        __init__ = lambda *_: None  # noqa: E731
        __iter__ = lambda _: iter(())  # noqa: E731

    monkeypatch.setattr("fusion.training.late.Tuning", Chosen)
    np.testing.assert_allclose(fused("late", made).test_scores, made[side].test_scores, rtol=1e-6)


@pytest.mark.parametrize("name", LATE)
def test_test_rows_change_no_weight_and_no_development_score(name, made):
    audio, text, data, inner = made
    other = tuple(
        replace(one, test_scores=RNG.dirichlet(np.ones(3), one.test_scores.shape[:2]))
        for one in (audio, text)
    )
    before, after = fused(name, made), fused(name, (*other, data, inner))
    assert before.hyperparameters == after.hyperparameters
    np.testing.assert_array_equal(before.dev_scores, after.dev_scores)


# ---------------------------------------------------------------- a weight for each class


def pair(audio: np.ndarray, text: np.ndarray, goals: np.ndarray, task="single-label") -> Pair:
    rows = np.arange(len(goals))
    return Pair(task, (audio[None], text[None]), goals, rows % 2)


def halves_that_know_one_class_each(rows: int = 300) -> Pair:
    """Audio tells the first class from the others and text the last one; else they guess."""
    truth = np.arange(rows) % 3
    audio = np.where((truth == 0)[:, None], [0.8, 0.1, 0.1], [0.2, 0.4, 0.4])
    text = np.where((truth == 2)[:, None], [0.1, 0.1, 0.8], [0.4, 0.4, 0.2])
    noise = RNG.dirichlet(np.full(3, 20.0), (2, rows))
    return pair(
        *(one * two for one, two in zip((audio, text), noise, strict=True)), np.eye(3)[truth]
    )


def loss(both: Pair, how: Combination, shrinkage: float) -> float:
    """What the exponents are to make small, written once more."""
    scores = how(both.task, *both.both)[0]
    weights = both.goals @ class_weights(torch.from_numpy(both.goals), "cross_entropy").numpy()
    surprise = -np.log((scores * both.goals).sum(axis=1))
    drawn = np.array([*how.audio, *how.text]) - 0.5
    return float(np.average(surprise, weights=weights) + shrinkage / 2 * (drawn @ drawn))


def test_each_class_gets_the_modality_that_knows_it():
    found = weights_per_class(halves_that_know_one_class_each(), {"shrinkage": 1e-3})
    assert found.audio[0] > 1.5 * found.text[0]
    assert found.text[2] > 1.5 * found.audio[2]


@pytest.mark.parametrize("shrinkage", [1e-3, 0.1, 10.0])
def test_no_other_exponents_are_better(shrinkage):
    both = halves_that_know_one_class_each()
    found = weights_per_class(both, {"shrinkage": shrinkage})
    least = loss(both, found, shrinkage)
    for _ in range(200):
        moved = np.array([found.audio, found.text]) + 0.05 * RNG.standard_normal((2, 3))
        audio, text = moved.clip(0)
        other = Combination("product", tuple(audio), tuple(text))
        assert loss(both, other, shrinkage) >= least - 1e-9


def test_weights_count_rows_alike_where_the_heads_did():
    both = halves_that_know_one_class_each()
    rare = both.rows(np.flatnonzero((both.goals[:, 0] == 0) | (np.arange(300) % 10 == 0)))
    found = weights_per_class(replace(rare, weigh=False), {"shrinkage": 0.1})
    surprise = lambda how: -np.log((how(rare.task, *rare.both)[0] * rare.goals).sum(axis=1)).mean()  # noqa: E731
    drawn = lambda how: 0.05 * np.square(np.array([*how.audio, *how.text]) - 0.5).sum()  # noqa: E731
    weighted = weights_per_class(rare, {"shrinkage": 0.1})
    assert surprise(found) + drawn(found) < surprise(weighted) + drawn(weighted) - 1e-6


def test_strong_shrinkage_leaves_one_half():
    found = weights_per_class(halves_that_know_one_class_each(), {"shrinkage": 1e6})
    np.testing.assert_allclose([*found.audio, *found.text], 0.5, atol=1e-4)


@pytest.mark.parametrize("task", ["multi-label", "regression"])
def test_weights_of_values_make_the_squared_error_least(task):
    audio, text, goals = RNG.random((3, 200, 2))
    goals = np.stack([0.8 * audio[:, 0] + 0.2 * text[:, 0], goals[:, 1]], axis=1)
    both = pair(audio, text, goals, task)
    found = weights_per_class(both, {"shrinkage": 0.0})
    assert found.audio[0] == pytest.approx(0.8)
    errors = [
        np.square(w * audio[:, 1] + (1 - w) * text[:, 1] - goals[:, 1]).sum()
        for w in (found.audio[1], *np.linspace(0, 1, 101))
    ]
    assert errors[0] == pytest.approx(min(errors), rel=1e-3)


def test_halves_that_always_agree_weigh_the_same():
    same = RNG.random((20, 2))
    found = weights_per_class(pair(same, same, same, "regression"), {"shrinkage": 0.1})
    assert found.audio == (0.5, 0.5)


def test_no_row_judges_weights_that_it_taught(made):
    audio, text, data, inner = made
    own = data.index(inner.folds[0].dev)
    told = (data.truth + np.isin(np.arange(len(data.ids)), own)) % 3
    before = fused("late_per_class", made, trials=0)
    after = fused("late_per_class", (audio, text, replace(data, truth=told), inner), trials=0)
    there = np.isin(before.dev, own)
    np.testing.assert_array_equal(before.dev_scores[:, there], after.dev_scores[:, there])
    assert not np.allclose(before.dev_scores[:, ~there], after.dev_scores[:, ~there])


def test_with_one_inner_fold_no_third_judges_what_it_taught(made):
    audio, text, data, _ = made
    whole = InnerFolds((InnerFold((), tuple(data.ids[row] for row in audio.dev)),))
    late = fused("late_per_class", (audio, text, data, whole), trials=0)
    seen = LATE["late_per_class"].learn(
        Pair("single-label", (audio.dev_scores, text.dev_scores), data.goals[audio.dev], audio.dev),
        {"shrinkage": 0.1},
    )
    assert not np.allclose(late.dev_scores, seen("single-label", audio.dev_scores, text.dev_scores))
