"""One arm on every speaker: a model that hears, and errors before anything is written."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from experiments.commands.main import app
from experiments.comparing.training import train
from experiments.config import ConfigError
from fusion.model.fusion_model import FusionModel
from tests.experiments.tones import tones_study, write_tones


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_tones(tmp_path_factory.mktemp("tones"))


def test_the_model_knows_the_tones_of_all_speakers(manifest, tmp_path):
    done = train(tones_study(manifest, audio="logmel"), tmp_path / "model")
    assert (done.utterances, done.speakers) == (24, 6)
    assert any("24 utterances of 6 speakers: high, low" in line for line in done.lines())
    model = FusionModel.load(tmp_path / "model")
    assert model.arm == "audio"
    for number, label in ((0, "high"), (1, "low")):
        found = model.predict(manifest.parent / f"{number}.wav")
        assert max(found, key=lambda name: found[name]) == label


@pytest.mark.parametrize("protocol", ["random", "split-leaky"])
def test_a_protocol_that_leaks_is_no_matter_to_a_model_of_everybody(
    protocol, manifest, tmp_path, monkeypatch
):
    monkeypatch.setattr("fusion.training.train.MAX_EPOCHS", 2)
    done = train(tones_study(manifest, audio="logmel", folds=protocol), tmp_path / "model")
    assert (done.utterances, done.speakers) == (24, 6)


def test_late_fusion_has_both_halves(manifest, tmp_path, monkeypatch):
    monkeypatch.setattr("fusion.training.train.MAX_EPOCHS", 2)
    train(tones_study(manifest, audio="logmel", arms=("late",)), tmp_path / "model", jobs=1)
    model = FusionModel.load(tmp_path / "model")
    assert [part.inputs for part in model.parts] == [("audio",), ("text",)]


def test_the_same_command_gives_the_same_model(manifest, tmp_path, monkeypatch):
    monkeypatch.setattr("fusion.training.train.MAX_EPOCHS", 2)
    study = tones_study(manifest, audio="logmel")
    for name in ("one", "two"):
        train(study, tmp_path / name)
    files = [(tmp_path / name / "heads.safetensors").read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]


def test_jobs_change_nothing(manifest, tmp_path):
    study = tones_study(manifest, audio="logmel", arms=("late",))
    for jobs in (1, 2):
        train(study, tmp_path / str(jobs), jobs=jobs)
    files = ("model.json", "heads.safetensors", "seen.json")
    one, two = ([(tmp_path / name / file).read_bytes() for file in files] for name in ("1", "2"))
    assert one == two


def test_more_seeds_give_more_heads(manifest, tmp_path, monkeypatch):
    monkeypatch.setattr("fusion.training.train.MAX_EPOCHS", 2)
    for seeds in (1, 3):
        study = tones_study(manifest, audio="logmel", seeds=seeds)
        train(study, tmp_path / str(seeds), jobs=1)
    one, three = (FusionModel.load(tmp_path / name).parts[0].heads for name in ("1", "3"))
    assert len(three) == 3 * len(one)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"audio": "finetuned:alexnet"}, "trained per fold"),
        ({"audio": "features:x.npz"}, "can hear no recording"),
        ({"audio": "logmel", "arms": ("audio", "text")}, "expected one arm"),
        ({"audio": "logmel", "arms": ("pretrained:x",)}, "expected one arm"),
        ({"audio": "logmel", "arms": ("vote",)}, "--arm vote: expected one of"),
    ],
)
def test_what_cannot_be_trained_leaves_nothing(changes, message, manifest, tmp_path):
    with pytest.raises(ConfigError, match=message):
        train(tones_study(manifest, **changes), tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_the_command_trains_and_says_where(manifest, tmp_path, monkeypatch):
    monkeypatch.setattr("fusion.training.train.MAX_EPOCHS", 2)
    words = ["train", "--manifest", manifest, "--audio", "logmel", "--text", "minilm"]
    words += ["--arm", "audio", "--trials", 0]
    done = CliRunner().invoke(app, [str(word) for word in (*words, "--out", tmp_path / "model")])
    assert done.exit_code == 0, done.output
    assert "what it is worth on other speakers, serfusion compare tells" in done.output
    model = FusionModel.load(tmp_path / "model")
    assert model.targets == ("high", "low")
    assert np.isclose(sum(model.predict(manifest.parent / "0.wav").values()), 1.0)


def test_a_run_is_not_mixed_with_a_model(manifest, tmp_path):
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(ConfigError, match="holds a run"):
        train(tones_study(manifest, audio="logmel"), tmp_path)
    assert not (tmp_path / "model.json").exists()


def test_a_model_needs_a_folder(manifest):
    words = ["train", "--manifest", str(manifest), "--audio", "logmel", "--text", "minilm"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code != 0
    assert "--out is required" in str(done.exception)
