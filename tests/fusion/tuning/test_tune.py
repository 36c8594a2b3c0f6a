"""Studies: the budget is kept, the defaults come first, an interruption leaves no trace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from fusion.networks.heads import HEADS
from fusion.tuning.storage import StudyStorage
from fusion.tuning.tune import TuningResult
from tests.fusion.driven import tune

SPACE = HEADS["mlp"].space
FIRST = {"hidden": 64, "dropout": 0.5, "learning_rate": 1e-3, "weight_decay": 1.0}
TRIALS = 12


class Objective:
    """A smooth function of the hyperparameters that breaks down on the calls it is told to."""

    def __init__(self, *breaks: int) -> None:
        self.breaks = breaks
        self.calls = 0
        self.done: list[dict[str, Any]] = []

    def __call__(self, values: Mapping[str, Any], _: object = None) -> float:
        self.calls += 1
        if self.calls in self.breaks:
            raise KeyboardInterrupt
        self.done.append(dict(values))
        return -abs(values["dropout"] - 0.3) - values["learning_rate"] * values["hidden"]


def run(
    objective: Any,
    trials: int = TRIALS,
    journal: Path | None = None,
    seed: int = 0,
) -> TuningResult:
    return tune(objective, SPACE, FIRST, trials, seed, StudyStorage(journal=journal))


def undisturbed() -> tuple[TuningResult, list[dict[str, Any]]]:
    objective = Objective()
    return run(objective), objective.done


def disturbed(journal: Path, *breaks: int) -> tuple[TuningResult, list[dict[str, Any]]]:
    objective = Objective(*breaks)
    for _ in breaks:
        with pytest.raises(KeyboardInterrupt):
            run(objective, journal=journal)
    return run(objective, journal=journal), objective.done


def test_without_trials_the_defaults_are_taken():
    assert run(Objective(), trials=0) == TuningResult(FIRST, ())


def test_without_trials_nothing_is_trained():
    objective = Objective()
    run(objective, trials=0)
    assert objective.calls == 0


@pytest.mark.parametrize("trials", [1, 4, TRIALS])
def test_the_budget_is_spent_exactly(trials):
    objective = Objective()
    run(objective, trials)
    assert objective.calls == trials


def test_the_first_trial_is_the_defaults():
    assert undisturbed()[1][0] == FIRST


@pytest.mark.parametrize("kind", HEADS)
def test_defaults_lie_in_the_space(kind):
    space = HEADS[kind].space
    assert all(dist._contains(dist.to_internal_repr(getattr(HEADS[kind].defaults, name)))
               for name, dist in space.items())  # fmt: skip


def test_values_come_in_the_order_of_trials():
    study, done = undisturbed()
    assert study.values == tuple(Objective()(values) for values in done)


def test_trials_say_what_was_tried_and_how_long_it_took():
    study, done = undisturbed()
    assert [dict(trial.parameters) for trial in study.trials] == done
    assert {trial.state for trial in study.trials} == {"complete"}
    assert all(trial.seconds > 0 for trial in study.trials)


def test_the_best_trial_is_taken():
    study, done = undisturbed()
    assert study.best == max(done, key=Objective())


def test_of_equal_trials_the_first_is_taken():
    assert run(lambda *_: 1.0).best == FIRST


def test_trials_differ():
    assert len({tuple(values.values()) for values in undisturbed()[1]}) == TRIALS


def test_the_same_seed_gives_the_same_study():
    assert undisturbed() == undisturbed()


def test_another_seed_gives_another_study():
    assert run(Objective(), seed=1).values != undisturbed()[0].values


def test_a_journal_changes_nothing(tmp_path):
    objective = Objective()
    study = run(objective, journal=tmp_path / "j")
    assert (study, objective.done) == undisturbed()


def test_a_finished_study_trains_nothing(tmp_path):
    run(Objective(), journal=tmp_path / "j")
    objective = Objective()
    run(objective, journal=tmp_path / "j")
    assert objective.calls == 0


# ---------------------------------------------------------------- interruptions


@pytest.mark.parametrize(
    "breaks",
    [(3,), (3, 4), (1,), (1, 2), (2,), (TRIALS,), (6, 9)],
    ids=lambda b: "-".join(map(str, b)),
)
def test_an_interrupted_study_ends_as_an_undisturbed_one(tmp_path, breaks):
    assert disturbed(tmp_path / "j", *breaks) == undisturbed()


def test_a_killed_trial_has_failed(tmp_path):
    _killed(tmp_path / "j")
    run(Objective(), trials=2, journal=tmp_path / "j")
    assert _states(tmp_path / "j") == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]


def test_a_killed_trial_changes_nothing(tmp_path):
    _killed(tmp_path / "j")
    assert disturbed(tmp_path / "j") == undisturbed()


def _killed(journal: Path) -> None:
    """As a process leaves it that dies in its first trial."""
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(journal))),
        study_name="study",
        direction="maximize",
    )
    study.enqueue_trial(FIRST)
    study.ask(dict(SPACE))


def _states(journal: Path) -> list[TrialState]:
    storage = JournalStorage(JournalFileBackend(str(journal)))
    return [trial.state for trial in optuna.load_study(study_name="study", storage=storage).trials]


def test_an_objective_without_a_value_does_not_run_for_ever():
    calls = []

    def objective(values: Mapping[str, Any], _: object) -> float:
        calls.append(values)
        assert len(calls) < 20, "tried again and again"
        return float("nan")

    with pytest.raises(AssertionError, match="no value"):
        run(objective)
