"""Arms: nothing of a test row reaches training or tuning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fusion.batch import Dataset, ModalityBatch
from fusion.evaluation.selection import selection_score
from fusion.model.fusion_model import FusionModel, HeadEnsemble
from fusion.networks.head import dropped_out
from fusion.networks.heads import HEADS
from fusion.networks.linear import LinearHead
from fusion.splitting.splits import Fold, InnerFolds
from fusion.training import arms, train
from fusion.training.arm_table import ARMS, TrainedArm
from fusion.training.arms import (
    Budget,
    FittedArm,
    FoldScores,
    fit_arm,
    score,
    search_arm,
    try_own_heads,
)
from fusion.tuning.tune import Tuning

BUDGET = Budget(trials=2, seeds=2)
TRAINED = tuple(
    name for name, arm in ARMS.items() if isinstance(arm, TrainedArm) and not arm.crossfitted
)
#: How many frames test rows have where they are changed: as many as before, one, or many more.
LENGTHS = {"same length": None, "shorter": 1, "longer": 18}


@pytest.fixture(autouse=True)
def _few_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "MAX_EPOCHS", 3)


def poisoned(data: Dataset, rows: np.ndarray, length: int | None = 18) -> Dataset:
    """Other features, other labels and other lengths of some rows."""
    truth = data.truth.copy()
    truth[rows] = (truth[rows] + 1) % len(data.targets)
    inputs = {name: _poisoned(b, rows, length) for name, b in data.inputs.items()}
    return replace(data, truth=truth, inputs=inputs)


def _poisoned(batch: ModalityBatch, rows: np.ndarray, length: int | None) -> ModalityBatch:
    more = max(0, (length or 0) - batch.mask.shape[1])
    values = torch.nn.functional.pad(batch.values, (0, 0, 0, more))
    mask = torch.nn.functional.pad(batch.mask, (0, more))
    if length is not None:
        mask[rows] = torch.arange(mask.shape[1]) < length
    values[rows] = 50 * torch.randn(values[rows].shape) * mask[rows][..., None]
    return ModalityBatch(values, mask, batch.present)


def states(fitted: FittedArm) -> list[torch.Tensor]:
    return [tensor for one in fitted.heads for tensor in one.head.state_dict().values()]


def identical(one: FittedArm, other: FittedArm) -> bool:
    return all(torch.equal(a, b) for a, b in zip(states(one), states(other), strict=True))


# ---------------------------------------------------------------- what a trial tells


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    """What the first trial tells after every epoch, and at last, as epoch 0, what it returns."""
    reported: list[tuple[int, float]] = []

    class OneTrial(Tuning):
        """One trial, of the defaults."""

        def __iter__(self) -> Iterator[SimpleNamespace]:
            report = lambda epoch, value: reported.append((epoch, value))  # noqa: E731
            trial = SimpleNamespace(parameters=self.found.best, report=report, pruned=False)
            yield trial
            reported.append((0, trial.value))

    monkeypatch.setattr(arms, "Tuning", OneTrial)
    return reported


@pytest.mark.parametrize("arm", TRAINED)
def test_at_last_a_trial_has_told_what_it_returns(arm, told, make_data, split_data):
    data = make_data(noise=3.0)
    search_arm(ARMS[arm], data, split_data(data)[1], BUDGET, None)
    assert [epoch for epoch, _ in told] == [1, 2, 3, 0]
    assert told[-2][1] == pytest.approx(told[-1][1])


@pytest.mark.parametrize("task", ["distribution", "multi-label", "regression"])
def test_a_trial_of_other_targets_tells_their_metric(task, told, make_data, split_data):
    data = make_data(noise=3.0)
    _, inner = split_data(data)
    values = {"distribution": 0.7, "multi-label": 1.0, "regression": 7.0}[task]
    shares = np.eye(3)[data.truth] * values + (0.1 if task == "distribution" else 0.0)
    other = replace(data, task=task, values=shares)
    loss = {"loss": "ccc"} if task == "regression" else {}
    search_arm(ARMS["concat"], other, inner, replace(BUDGET, fixed=loss), None)
    assert told[-2][1] == pytest.approx(told[-1][1])


@pytest.mark.parametrize("goal", ["accuracy", "weighted_f1", "auc"])
def test_trials_are_judged_by_the_metric_that_is_named(goal, make_data, split_data):
    data = make_data(noise=3.0)
    # Classes of other sizes, so that accuracy is not UAR.
    data = replace(data, truth=np.where(np.arange(len(data.truth)) % 5 == 0, 0, data.truth))
    fold, inner = split_data(data)
    budget = Budget(trials=1, seeds=1, goal=goal)
    fitted = fit_arm(ARMS["concat"], data, inner, budget, None)
    scores = score(fitted, data, fold, 1)
    goals = data.goals[scores.dev]
    values = {
        name: selection_score(data.task, goals, scores.dev_scores, name) for name in (goal, "uar")
    }
    assert fitted.study.values == pytest.approx([values[goal]])
    assert values["uar"] != pytest.approx(values[goal])


def test_test_rows_prune_no_trial(make_data, split_data):
    data = make_data(noise=3.0)
    fold, inner = split_data(data)
    budget = Budget(trials=12, seeds=1)
    study = search_arm(ARMS["concat"], data, inner, budget, None)
    assert {trial.state for trial in study.trials} == {"complete", "pruned"}
    other = poisoned(data, data.index(fold.test))
    assert search_arm(ARMS["concat"], other, inner, budget, None) == study


# ---------------------------------------------------------------- law 4


@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("arm", TRAINED)
def test_test_rows_change_no_byte_of_a_model(arm, length, make_data, split_data, tmp_path):
    data = make_data()
    fold, inner = split_data(data)
    other = poisoned(data, data.index(fold.test), length)
    for name, some in (("one", data), ("other", other)):
        part = HeadEnsemble.of(fit_arm(ARMS[arm], some, inner, BUDGET, None))
        FusionModel(arm, some.targets, {}, (part,)).save(tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["README.md", "heads.safetensors", "model.json"]
    for name in files:
        one, changed = (tmp_path / folder / name for folder in ("one", "other"))
        assert one.read_bytes() == changed.read_bytes()


@pytest.mark.parametrize("arm", TRAINED)
def test_test_rows_change_no_trial(arm, make_data, split_data):
    data = make_data()
    fold, inner = split_data(data)
    other = poisoned(data, data.index(fold.test))
    studies = [fit_arm(ARMS[arm], d, inner, BUDGET, None).study for d in (data, other)]
    assert studies[0] == studies[1]


def test_test_rows_change_no_development_score(make_data, split_data):
    data = make_data()
    fold, inner = split_data(data)
    found = []
    for some in (data, poisoned(data, data.index(fold.test))):
        fitted = fit_arm(ARMS["attention"], some, inner, BUDGET, None)
        found.append(score(fitted, some, fold, BUDGET.seeds).dev_scores)
    np.testing.assert_array_equal(*found)


def test_training_rows_do_change_heads(make_data, split_data):
    data = make_data()
    fold, inner = split_data(data)
    other = poisoned(data, data.index(fold.train[:3]))
    arm = ARMS["audio"]
    assert not identical(
        fit_arm(arm, data, inner, BUDGET, None), fit_arm(arm, other, inner, BUDGET, None)
    )


def test_every_row_is_scored_by_a_head_that_did_not_see_it(make_data, split_data):
    data = make_data()
    _, inner = split_data(data)
    fitted = fit_arm(ARMS["audio"], data, inner, BUDGET, None)
    assert all(not set(m.train) & set(m.dev) for m in fitted.members)


# ---------------------------------------------------------------- what comes out


def scored(arm: str, data: Dataset, fold: Fold, inner: InnerFolds) -> FoldScores:
    return score(fit_arm(ARMS[arm], data, inner, BUDGET, None), data, fold, BUDGET.seeds)


def test_there_is_a_head_per_seed_and_inner_fold(make_data, split_data):
    data = make_data()
    _, inner = split_data(data)
    fitted = fit_arm(ARMS["audio"], data, inner, BUDGET, None)
    assert len(fitted.heads) == BUDGET.seeds * len(inner.folds)


def test_test_scores_are_the_mean_over_inner_folds(make_data, split_data):
    data = make_data()
    fold, inner = split_data(data)
    fitted = fit_arm(ARMS["audio"], data, inner, BUDGET, None)
    batch = data.inputs["audio"].rows(torch.from_numpy(data.index(fold.test)))
    second = fitted.heads[len(inner.folds) :]
    expected = np.mean([head.scores([batch]).double().numpy() for head in second], axis=0)
    np.testing.assert_allclose(score(fitted, data, fold, 2).test_scores[1], expected, rtol=1e-6)


def test_every_development_row_is_scored_once(make_data, split_data):
    data = make_data()
    fold, inner = split_data(data)
    assert sorted(scored("audio", data, fold, inner).dev) == sorted(data.index(fold.train))


def test_seeds_differ(make_data, split_data):
    data = make_data()
    fold, inner = split_data(data)
    first, second = scored("audio", data, fold, inner).test_scores
    assert np.abs(first - second).max() > 1e-4


@pytest.mark.parametrize("trials", [0, 3])
def test_the_budget_is_spent(trials, make_data, split_data):
    data = make_data()
    _, inner = split_data(data)
    fitted = fit_arm(ARMS["audio"], data, inner, Budget(trials, 1), None)
    assert len(fitted.study.values) == trials


def test_the_objective_is_the_uar_on_development_rows(make_data, split_data):
    data = make_data()
    fold, inner = split_data(data)
    fitted = fit_arm(ARMS["audio"], data, inner, Budget(1, 1), None)
    found = score(fitted, data, fold, 1)
    # The heads of the first seed are those of the trial that won.
    assert fitted.study.values == (
        pytest.approx(selection_score(data.task, data.goals[found.dev], found.dev_scores)),
    )


# ---------------------------------------------------------------- inputs alone


def test_heads_that_learned_to_do_without_an_input_are_scored_so(make_data, split_data):
    data = make_data()
    fold, inner = split_data(data)
    budget = Budget(0, 1, fixed={"modality_dropout": 0.5})
    found = score(fit_arm(ARMS["concat"], data, inner, budget, None), data, fold, 1)
    audio, text = found.each_alone()
    assert (audio.arm, text.arm) == ("concat/audio", "concat/text")
    assert audio.test_scores.shape == found.test_scores.shape
    assert np.abs(audio.test_scores - text.test_scores).max() > 1e-3
    assert len(audio.dev) == 0, "nothing is chosen on them"


@pytest.mark.parametrize("name", ["audio", "concat"])
def test_heads_that_did_not_are_not(name, make_data, split_data):
    data = make_data()
    fold, inner = split_data(data)
    fixed = {"modality_dropout": 0.5} if name == "audio" else {}
    found = score(fit_arm(ARMS[name], data, inner, Budget(0, 1, fixed=fixed), None), data, fold, 1)
    assert found.each_alone() == []


def test_what_is_fixed_is_not_tuned(make_data, split_data):
    data = make_data()
    _, inner = split_data(data)
    fitted = fit_arm(ARMS["concat"], data, inner, Budget(2, 1, fixed={"hidden": 17}), None)
    assert fitted.hyperparameters.hidden == 17
    assert set(fitted.study.best) == {"dropout", "learning_rate", "weight_decay"}


# ---------------------------------------------------------------- heads of plugins


class Own(LinearHead):
    """Stands in for a module of a user."""

    def forward(self, inputs, keep=None):
        return self.classify(dropped_out(self.own(self.embeddings(inputs)), keep))

    def own(self, values):
        return values


class TooFew(Own):
    def forward(self, inputs, keep=None):
        return super().forward(inputs, keep)[..., :2]


class OfNeighbours(Own):
    def own(self, values):
        return values - values.mean(dim=-2, keepdim=True)


class NotFinite(Own):
    def own(self, values):
        return values / 0


class Unstacked(Own):
    def __init__(self, shapes, targets, hyper):
        super().__init__(shapes, targets, hyper)
        self.layer = torch.nn.Linear(self.width, self.width)

    def own(self, values):
        return self.layer(values)


def enter(monkeypatch: pytest.MonkeyPatch, network: type[LinearHead]) -> None:
    monkeypatch.setattr(network, "__module__", "mine")
    monkeypatch.setitem(HEADS, "own", replace(HEADS["linear"], network=network))
    monkeypatch.setitem(ARMS, "own", replace(ARMS["concat"], name="own", head="own"))


def test_a_head_of_a_plugin_that_does_what_it_should_is_silent(monkeypatch):
    enter(monkeypatch, Own)
    try_own_heads(["audio", "own", "late"])


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (TooFew, r"expected logits \[12, 3\] of rows and targets, got \[12, 2\]"),
        (OfNeighbours, "depends on the rows beside it"),
        (NotFinite, "not finite"),
        (Unstacked, "t\\(\\) expects a tensor"),
    ],
)
def test_what_a_head_of_a_plugin_gets_wrong_is_told_before_any_work(monkeypatch, network, said):
    enter(monkeypatch, network)
    with pytest.raises(ValueError, match=rf"head own \(mine\.{network.__name__}\).*{said}"):
        try_own_heads(["own"])
