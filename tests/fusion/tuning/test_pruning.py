"""Trials that are given up: the hopeless ones, counted, never the best, the same after a break."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest

from fusion.networks.heads import HEADS
from fusion.tuning.pruning import EPOCHS, STARTUP, OpenTrial, pruner
from fusion.tuning.storage import StudyStorage
from fusion.tuning.tune import TuningResult
from tests.fusion.driven import Tell, tune

FIRST = {"hidden": 64, "dropout": 0.5, "learning_rate": 1e-3, "weight_decay": 1.0}
TRIALS, LAST = 20, 9


class Objective:
    """Climbs epoch by epoch to a smooth function of the hyperparameters; breaks when told to."""

    def __init__(self, *breaks: int) -> None:
        self.breaks = breaks
        self.calls = 0
        self.told: list[tuple[dict[str, Any], int]] = []

    def __call__(self, values: Mapping[str, Any], tell: Tell) -> float:
        self.calls += 1
        self.told.append((dict(values), 0))
        for epoch in range(1, LAST + 1):
            if self.calls in self.breaks and epoch == EPOCHS:
                self.told.pop()
                raise KeyboardInterrupt
            self.told[-1] = (dict(values), epoch)
            tell(epoch, self.worth(values, epoch))
        return self.worth(values, LAST)

    @staticmethod
    def worth(values: Mapping[str, Any], epoch: int) -> float:
        return -abs(values["dropout"] - 0.3) + 0.01 * epoch


def run(objective: Any, place: StudyStorage | None = None, trials: int = TRIALS) -> TuningResult:
    return tune(objective, HEADS["mlp"].space, FIRST, trials, 0, place)


def searched() -> tuple[TuningResult, list[tuple[dict[str, Any], int]]]:
    objective = Objective()
    return run(objective), objective.told


def test_hopeless_trials_are_given_up_and_count():
    study, told = searched()
    states = [trial.state for trial in study.trials]
    assert len(states) == len(told) == TRIALS
    assert set(states) == {"complete", "pruned"}
    assert [state == "pruned" for state in states] == [epoch < LAST for _, epoch in told]


def test_no_trial_is_given_up_among_the_first_or_in_its_first_epochs():
    study, told = searched()
    assert {trial.state for trial in study.trials[:STARTUP]} == {"complete"}
    assert min(epoch for _, epoch in told) >= EPOCHS


def test_a_trial_is_given_up_below_the_median_of_finished_ones():
    study, told = searched()
    for number, (trial, (_, epoch)) in enumerate(zip(study.trials, told, strict=True)):
        finished = [one for one in study.trials[:number] if one.state == "complete"]
        then = sorted(Objective.worth(one.parameters, epoch) for one in finished)
        below = bool(then) and trial.value < (then[(len(then) - 1) // 2] + then[len(then) // 2]) / 2
        if trial.state == "pruned":
            assert below
            assert trial.value == Objective.worth(trial.parameters, epoch)
        elif len(finished) >= STARTUP:
            assert not below


def test_what_was_given_up_is_not_the_best():
    """Also where it had been worth most when it was given up."""

    def falling(values: Mapping[str, Any], tell: Tell) -> float:
        number = falling.calls = falling.calls + 1
        for epoch in range(1, LAST + 1):
            tell(epoch, 9.0 - number * 0.1)
        return -1.0 * number

    falling.calls = 0
    study = run(falling)
    assert {trial.state for trial in study.trials[STARTUP:]} == {"pruned"}
    assert study.best == FIRST


@pytest.mark.parametrize("breaks", [(8,), (9, 10), (3, 12)], ids=lambda b: "-".join(map(str, b)))
def test_an_interrupted_study_gives_up_the_same_trials(tmp_path, breaks):
    objective, place = Objective(*breaks), StudyStorage(journal=tmp_path / "j")
    for _ in breaks:
        with pytest.raises(KeyboardInterrupt):
            run(objective, place)
    assert (run(objective, place), objective.told) == searched()


@pytest.mark.parametrize("name", ["sqlite:///{}/s.db", "{}/s.log"])
def test_a_worker_that_shares_a_study_gives_up_the_same_trials(tmp_path: Path, name):
    place = StudyStorage(storage=name.format(tmp_path), name="run/audio-fold")
    assert run(Objective(), place) == searched()[0]


def test_of_a_study_that_was_searched_further_the_first_trials_count(tmp_path):
    place = StudyStorage(journal=tmp_path / "j")
    longer = run(Objective(), place)
    assert run(Objective(), place, trials=12).trials == longer.trials[:12]


def test_the_defaults_are_never_pruned():
    """Several workers: the one that tries them may be the slowest."""
    study = optuna.create_study(direction="maximize", pruner=pruner())
    study.enqueue_trial(FIRST)
    slow = OpenTrial(study.ask(dict(HEADS["mlp"].space)), FIRST)
    for _ in range(STARTUP):
        other = OpenTrial(study.ask(dict(HEADS["mlp"].space)), FIRST)
        other.report(EPOCHS, 1.0)
        other.value = 1.0
        other.tell(study)
    hopeless = OpenTrial(study.ask(dict(HEADS["mlp"].space)), FIRST)
    for trial in (slow, hopeless):
        trial.report(EPOCHS, 0.0)
    assert (slow.pruned, hopeless.pruned) == (False, True)
