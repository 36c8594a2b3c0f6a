"""Trackers are told what the predictions give, and nothing that they do not."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
from typer.testing import CliRunner

from experiments import tracking
from experiments.commands.main import app
from experiments.comparing.verification import rebuild
from experiments.config import OptionError
from experiments.tracking import entry_of, track
from tests.experiments.finished_runs import change, save_run


@pytest.fixture
def run(tmp_path):
    folder = save_run(tmp_path / "run")
    rebuild(folder)
    return folder


@pytest.fixture
def told(monkeypatch):
    """A tracker that remembers."""
    entries = []

    def remember(entry, at):
        entries.append((entry, at))
        return "there"

    monkeypatch.setattr(tracking, "find_spec", lambda _name: object())
    monkeypatch.setattr(tracking, "TRACKERS", {"mlflow": remember})
    return entries


def test_scores_and_bounds_are_those_of_the_results(run):
    entry, results = entry_of(run), rebuild(run)
    uar = results.arms["concat"].uar
    for end, part in (("", "value"), ("/low", "low"), ("/high", "high")):
        assert entry.numbers[f"concat/uar{end}"] == getattr(uar, part)
    (primary,) = (d for d in results.differences if d.primary and d.metric == "uar")
    assert entry.numbers["best_fused - best_unimodal/uar"] == primary.value
    assert entry.numbers["best_fused - best_unimodal/uar/p"] == primary.p
    assert entry.settings["audio"] == "logmel"
    assert "manifest" not in entry.settings
    assert {path.name for path in entry.files} == {"report.html", "results.json", "table.md"}


def test_a_changed_run_is_not_logged(run, told):
    change(run, lambda content: content["arms"]["concat"]["uar"].update(value=0.99))
    with pytest.raises(ValueError, match="do not give"):
        track(run, "mlflow")
    assert told == []


def test_an_unknown_tracker_and_a_missing_package_say_what_to_do(run, monkeypatch):
    with pytest.raises(OptionError, match="expected one of tensorboard, mlflow, wandb"):
        track(run, "excel")
    monkeypatch.setattr(tracking, "find_spec", lambda _name: None)
    with pytest.raises(OptionError, match=r"pip install 'serfusion\[wandb\]'"):
        track(run, "wandb")


def test_what_a_tracker_refuses_is_one_message(run, told, monkeypatch):
    def refuse(_entry, _at):
        raise RuntimeError("no database")

    monkeypatch.setattr(tracking, "TRACKERS", {"mlflow": refuse})
    with pytest.raises(ValueError, match="--to mlflow: RuntimeError: no database"):
        track(run, "mlflow")


def test_weights_and_biases_stays_offline_unless_told(run, monkeypatch):
    modes = []

    class Run:
        dir, summary = "here", {}

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def save(self, path, *, base_path, policy):
            assert path.startswith(base_path)

    module = ModuleType("wandb")
    module.init = lambda **given: (modes.append(given["mode"]), Run())[1]
    monkeypatch.setitem(sys.modules, "wandb", module)
    monkeypatch.setattr(tracking, "find_spec", lambda _name: object())
    monkeypatch.delenv("WANDB_MODE", raising=False)
    assert track(run, "wandb") == "here (offline)"
    monkeypatch.setenv("WANDB_MODE", "online")
    track(run, "wandb")
    assert modes == ["offline", "online"]


def test_mlflow_gets_names_that_it_allows(run, monkeypatch):
    metrics = {}

    class Active:
        info = SimpleNamespace(run_id="7")

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    module = ModuleType("mlflow")
    module.set_tracking_uri = lambda _uri: None
    module.get_tracking_uri = lambda: "db"
    module.set_experiment = lambda _name: None
    module.start_run = lambda run_name: Active()
    module.log_params = lambda _params: None
    module.log_metrics = metrics.update
    module.set_tag = lambda _name, _value: None
    module.log_artifact = lambda _path: None
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setattr(tracking, "find_spec", lambda _name: object())
    assert track(run, "mlflow", "db") == "db, run 7"
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz_-. /0123456789") for name in metrics)


def test_the_command_says_where_each_run_lies(run, told):
    done = CliRunner().invoke(app, ["track", str(run), "--to", "mlflow", "--at", "db"])
    assert done.exit_code == 0, done.output
    assert done.output.strip().endswith("run: there")
    assert told[0][1] == "db"
