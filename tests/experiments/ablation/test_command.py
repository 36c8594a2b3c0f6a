"""``serfusion ablate``: options in, faults as messages, a page out."""

from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from experiments.commands.main import app, main
from experiments.config import OptionError, write_study
from fusion.training import train
from tests.experiments.ablation.tiny_corpora import features_study


@pytest.fixture(autouse=True)
def _few_epochs(monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 2)


def run(*words: str):
    return CliRunner().invoke(app, ["ablate", *words], env={"COLUMNS": "120"})


def test_a_whole_ablation_from_options(tmp_path):
    study = features_study(tmp_path)
    done = run(
        *("--over", "head", "--values", "concat,late", "--manifest", str(study.manifest)),
        *("--audio", study.audio, "--text", study.text, "--trials", "0", "--seeds", "1"),
        *("--jobs", "1", "--out", str(tmp_path / "run")),
    )
    assert done.exit_code == 0, done.output
    assert "reference" in done.output
    assert (tmp_path / "run" / "ablation.html").is_file()


def test_a_study_from_a_file(tmp_path):
    write_study(features_study(tmp_path, seeds=1, arms=("audio",)), tmp_path / "study.toml")
    config = ("--config", str(tmp_path / "study.toml"))
    done = run(
        "--over",
        "speakers",
        "--values",
        "1",
        *config,
        "--jobs",
        "1",
        "--out",
        str(tmp_path / "run"),
    )
    assert done.exit_code == 0, done.output
    with pytest.raises(OptionError, match="--trials cannot go with it"):
        app(["ablate", "--over", "head", *config, "--trials", "3"], standalone_mode=False)


def test_what_is_ablated_need_not_be_named_twice(tmp_path):
    study = features_study(tmp_path, seeds=1)
    other = tmp_path / "other.npz"
    other.write_bytes((tmp_path / "audio.npz").read_bytes())
    done = run(
        *("--over", "audio", "--values", f"{study.audio};features:{other}"),
        *("--manifest", str(study.manifest), "--text", study.text, "--arms", "audio"),
        *("--trials", "0", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path / "run")),
    )
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "expected --over FACTOR"),
        (("--over", "colour"), 2, "no such factor"),
        (("--over", "missing"), 2, "needs --rows all"),
        (("--over", "head", "--values", "concat,lat"), 2, "no such arm"),
    ],
)
def test_faults_are_one_message_and_no_traceback(words, code, said, tmp_path, monkeypatch, capfd):
    study = features_study(tmp_path)
    about = ("--manifest", str(study.manifest), "--audio", study.audio, "--text", study.text)
    typed = ["serfusion", "ablate", *words, *about, "--out", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", typed)
    with pytest.raises(SystemExit) as left:
        main()
    error = capfd.readouterr().err
    assert left.value.code in (1, code), error
    assert said in error
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()
