"""The estimator keeps scikit-learn's contract, and fits the same heads as a comparison does."""

from __future__ import annotations

import jaxtyping
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from fusion import FusionClassifier
from fusion.batch import Dataset, collate
from fusion.splitting.splits import InnerFold, InnerFolds
from fusion.training.arm_table import trained_arm
from fusion.training.arms import Budget, fit_arm, scores_of

torch = pytest.importorskip("torch")

#: Heads that are learned in a moment.
QUICK = {"hidden": 8, "learning_rate": 5e-2}
ROWS = 90


def expected_failures(estimator: FusionClassifier) -> dict[str, str]:
    if estimator.split is None:
        return {}
    return {
        "check_estimators_pickle": "puts NaN into single values: a row lacks a modality whole, "
        "and a lone NaN is a fault that is told",
    }


@pytest.mark.slow
@parametrize_with_checks(
    [FusionClassifier(**QUICK), FusionClassifier(arm="late", split=1, **QUICK)],
    expected_failed_checks=expected_failures,
)
def test_it_is_an_estimator_by_scikit_learns_own_checks(estimator, check, monkeypatch):
    # One of them sets parameters to what they cannot be, which the types of this suite refuse.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    check(estimator)


@pytest.fixture(scope="module")
def spoken() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of three classes, of which audio tells one apart and text another; six speakers."""
    rng = np.random.default_rng(0)
    truth = np.arange(ROWS) % 3
    audio, text = rng.normal(size=(ROWS, 4)), rng.normal(size=(ROWS, 3))
    audio[:, 0] += 6 * (truth == 1)
    text[:, 0] += 6 * (truth == 2)
    speakers = np.arange(ROWS) // 3 % 6
    return np.hstack([audio, text]), np.array(["calm", "glad", "sad"])[truth], speakers


def test_both_modalities_together_tell_what_neither_tells_alone(spoken):
    rows, labels, _ = spoken
    scores = {
        arm: FusionClassifier(arm=arm, split=4, **QUICK).fit(rows, labels).score(rows, labels)
        for arm in ("audio", "text", "concat", "gated", "late")
    }
    assert max(scores["audio"], scores["text"]) < 0.85
    assert min(scores["concat"], scores["gated"], scores["late"]) > 0.9


def test_probabilities_are_of_the_classes_in_their_order(spoken):
    rows, labels, _ = spoken
    fitted = FusionClassifier(split=4, **QUICK).fit(rows, labels)
    answers = fitted.predict_proba(rows)
    assert fitted.classes_.tolist() == ["calm", "glad", "sad"]
    assert answers.shape == (ROWS, 3)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)
    assert (fitted.classes_[answers.argmax(axis=1)] == fitted.predict(rows)).all()


def test_a_pair_of_arrays_says_what_split_says(spoken):
    rows, labels, _ = spoken
    split = FusionClassifier(split=4, **QUICK).fit(rows, labels)
    pair = FusionClassifier(**QUICK).fit((rows[:, :4], rows[:, 4:]), labels)
    assert pair.split_ == 4
    np.testing.assert_array_equal(
        split.predict_proba(rows), pair.predict_proba((rows[:, :4], rows[:, 4:]))
    )
    with pytest.raises(ValueError, match="3 columns of audio: expected 4, as in fit"):
        pair.predict((rows[:, :3], rows[:, 3:]))


def test_a_row_may_lack_a_modality_and_no_single_value(spoken):
    rows, labels, _ = spoken
    partial = rows.copy()
    partial[::5, 4:] = np.nan
    fitted = FusionClassifier(split=4, **QUICK).fit(partial, labels)
    assert np.isfinite(fitted.predict_proba(partial)).all()
    none_has_words = rows.copy()
    none_has_words[:, 4:] = np.nan
    assert np.isfinite(fitted.predict_proba(none_has_words)).all()
    partial[1, 5] = np.nan
    with pytest.raises(ValueError, match="text: some values of a row are NaN, not all"):
        fitted.predict(partial)


def test_it_trains_the_heads_that_the_arm_of_a_comparison_has(spoken):
    rows, labels, speakers = spoken
    fitted = FusionClassifier(arm="concat", split=4, seeds=2).fit(rows, labels, groups=speakers)
    sides = {"audio": rows[:, :4], "text": rows[:, 4:]}
    inputs = {
        name: collate([torch.from_numpy(row[None].astype(np.float32)) for row in side])
        for name, side in sides.items()
    }
    truth = np.unique(labels, return_inverse=True)[1]
    ids = tuple(map(str, range(ROWS)))
    data = Dataset(ids, tuple(fitted.classes_), truth, inputs)
    folds = [
        InnerFold(
            tuple(ids[k] for k in range(ROWS) if speakers[k] % 3 != group),
            tuple(ids[k] for k in range(ROWS) if speakers[k] % 3 == group),
        )
        for group in range(3)
    ]
    arm = fit_arm(trained_arm("concat"), data, InnerFolds(tuple(folds)), Budget(0, 2), None)
    every = [np.arange(ROWS)] * len(arm.heads)
    expected = np.mean(scores_of(arm.arm, data, arm.heads, every), axis=0)
    np.testing.assert_allclose(fitted.predict_proba(rows), expected, atol=1e-12)


def test_heads_are_stopped_on_other_speakers_than_they_are_trained_on(spoken, monkeypatch):
    rows, labels, speakers = spoken
    seen: list[InnerFolds] = []

    def watched(arm, data, inner, budget, place):
        seen.append(inner)
        return fit_arm(arm, data, inner, budget, place)

    monkeypatch.setattr("fusion.estimator.fit_arm", watched)
    FusionClassifier(**QUICK).fit(rows, labels, groups=speakers)
    FusionClassifier(**QUICK).fit(rows, labels)
    of = [
        [({speakers[int(k)] for k in f.train}, {speakers[int(k)] for k in f.dev}) for f in i.folds]
        for i in seen
    ]
    assert all(train.isdisjoint(dev) for train, dev in of[0])
    assert not any(train.isdisjoint(dev) for train, dev in of[1])


def test_searches_pipelines_and_validations_take_it(spoken):
    rows, labels, speakers = spoken
    grid = {"arm": ["audio", "late"], "hidden": [8]}
    search = GridSearchCV(
        FusionClassifier(split=4, learning_rate=QUICK["learning_rate"]),
        grid,
        cv=GroupKFold(2),
        scoring="balanced_accuracy",
    ).fit(rows, labels, groups=speakers)
    assert search.best_params_["arm"] == "late"
    piped = make_pipeline(StandardScaler(), FusionClassifier(split=4, **QUICK))
    assert cross_val_score(piped, rows, labels, cv=2).min() > 0.8


def test_groups_reach_fit_where_routing_is_on(spoken):
    rows, labels, speakers = spoken
    one_per_class = np.where(labels == "sad", 0, 1 + speakers)
    with sklearn.config_context(enable_metadata_routing=True):
        asks = FusionClassifier(**QUICK).set_fit_request(groups=True)
        with pytest.raises(ValueError, match="'sad' is spoken by 1 of them"):
            cross_val_score(
                asks, rows, labels, params={"groups": one_per_class}, error_score="raise"
            )


def test_trials_search_what_is_not_given(spoken):
    rows, labels, _ = spoken
    fitted = FusionClassifier(split=4, trials=2, **QUICK).fit(rows, labels)
    assert fitted.hyperparameters_["concat"].hidden == 8
    assert fitted.arm_ == "concat"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"arm": "concat"}, "reads audio and text: expected split="),
        ({"arm": "attention", "split": 4}, "no arm over vectors"),
        ({"arm": "conact", "split": 4}, "did you mean concat"),
        ({"split": 7}, r"split=7 of 7 feature\(s\)"),
        ({"dropout": 2.0}, "dropout=2.0: expected 0 or more and below 1"),
    ],
)
def test_what_cannot_be_is_told(spoken, given, why):
    with pytest.raises(ValueError, match=why):
        FusionClassifier(**given).fit(spoken[0], spoken[1])


def test_a_class_with_one_row_is_told(spoken):
    rows, labels, _ = spoken
    labels = labels.copy()
    labels[0] = "shy"
    with pytest.raises(ValueError, match="class shy has one row"):
        FusionClassifier().fit(rows, labels)


def test_parameters_are_kept_as_given_and_copied_by_clone():
    given = FusionClassifier(arm="gated", split=3, loss="focal", focal_gamma=1.5)
    assert clone(given).get_params() == given.get_params()
    with pytest.raises(NotFittedError):
        given.predict(np.zeros((2, 4)))
