"""``serfusion evaluate``: a saved model on a corpus that it has not seen."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from encoders.provenance import TrainingRecord
from experiments.commands.main import app
from experiments.comparing.comparison import retrain
from experiments.comparing.training import train
from experiments.comparing.verification import rebuild, verify
from experiments.config import ConfigError
from experiments.predicting.evaluate import evaluate
from fusion.evaluation import predictions
from fusion.evaluation.backoff import LevelRule
from fusion.model.fusion_model import FusionModel
from fusion.model.seen import Seen
from tests.experiments.tones import change_rows, tones_study, write_tones


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    return write_tones(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def model(tones, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
        train(tones_study(tones, audio="logmel"), folder / "tones-model")
    return folder / "tones-model"


@pytest.fixture
def elsewhere(tmp_path):
    """Other recordings of other speakers, whose labels have other names."""
    manifest = write_tones(tmp_path / "elsewhere", speakers=7, each=6)
    generator = np.random.default_rng(7)
    import soundfile

    for path in manifest.parent.glob("*.wav"):
        samples, rate = soundfile.read(path)
        noisy = samples + 0.01 * generator.standard_normal(len(samples))
        soundfile.write(path, noisy.astype("f4"), rate, subtype="FLOAT")

    def renamed(row: list[str]) -> None:
        row[3] = {"high": "squeak", "low": "rumble"}.get(row[3], row[3])
        row.pop()

    change_rows(manifest, renamed)
    return manifest.rename(manifest.with_name("elsewhere.csv"))


MAP = ("high=squeak", "low=rumble")


def test_a_model_is_scored_on_speakers_it_never_heard(model, elsewhere, tmp_path):
    told: list[str] = []
    outcome = evaluate(
        model, tmp_path / "run", manifest=str(elsewhere), map=MAP, notify=told.append
    )
    results = outcome.results
    (arm,) = results.arms
    assert arm == "model:tones-model"
    assert told == ["model:tones-model: high is squeak, low is rumble"]
    loaded = FusionModel.load(model)
    rows = predictions.read(tmp_path / "run" / "predictions.safetensors")
    assert {row.split for row in rows} == {"test"}
    hits = {"squeak": [], "rumble": []}
    for row in rows:
        said = loaded.predict(elsewhere.parent / f"{row.utterance.removeprefix('u')}.wav")
        assert row.scores == pytest.approx((said["low"], said["high"]), abs=2e-6)
        name = ("rumble", "squeak")[row.target.index(1.0)]
        hits[name].append((said["high"] > said["low"]) == (name == "squeak"))
    uar = results.arms[arm].uar
    assert uar.value == pytest.approx(np.mean([np.mean(of) for of in hits.values()]))
    assert results.rows.speakers == 7
    assert uar.low is not None
    assert any("it names a class for" in line for line in results.warnings)


def test_what_coarser_answers_add_is_told(model, elsewhere, tmp_path):
    saved = FusionModel.load(model)
    rules = (LevelRule("class", 1.1, 0.0, None), LevelRule("group", 0.5, 1.0, 1.0))
    abstention = replace(saved.abstention, threshold=1.1)
    targets = ("fear", "sad")
    replace(saved, targets=targets, levels=rules, abstention=abstention).save(tmp_path / "model")

    def renamed(row: list[str]) -> None:
        row[3] = {"squeak": "angry", "rumble": "boredom"}.get(row[3], row[3])

    change_rows(elsewhere, renamed)
    given = {"manifest": str(elsewhere), "map": ("fear=angry", "sad=boredom")}
    found = evaluate(tmp_path / "model", tmp_path / "run", **given).results
    (line,) = [line for line in found.warnings if "it answers by" in line]
    # Both stand in the groups of what they were mapped to.
    right = found.arms["model:model"].accuracy.value
    told = re.search(r"by group for 42 of 42 utterances, (\d+) of them right", line)
    assert int(told[1]) == pytest.approx(42 * right)


def test_it_leaves_a_report_that_verifies(model, elsewhere, tmp_path):
    results = evaluate(model, tmp_path / "run", manifest=str(elsewhere), map=MAP).results
    assert rebuild(tmp_path / "run").arms == results.arms
    assert verify(tmp_path / "run").sound
    page = (tmp_path / "run" / "report.html").read_text()
    assert "serfusion evaluate MODEL" in page
    assert "high is squeak" in page
    assert not (tmp_path / "run" / "model").exists()
    with pytest.raises(ValueError, match="nothing can be trained again"):
        retrain(tmp_path / "run")


# ---------------------------------------------------------------- what the model has seen


def test_speakers_it_was_trained_on_are_an_error(model, tones, tmp_path):
    with pytest.raises(ConfigError, match=r"trained on 24 of 24 utterances of tones.*first u0"):
        evaluate(model, tmp_path / "run", manifest=str(tones))
    assert not (tmp_path / "run").exists()


def test_its_recordings_are_an_error_under_other_names(model, tones, tmp_path):
    """A copy with other names of corpus, utterances and speakers: the samples tell."""
    copied = re.sub(r"^u(\d+),(\S+),s(\d),", r"v\1,\2,t\3,", tones.read_text(), flags=re.M)
    other = tones.with_name("copied.csv")
    other.write_text(copied)
    with pytest.raises(ConfigError, match="trained on 24 of 24 utterances of copied"):
        evaluate(model, tmp_path / "run", manifest=str(other))


def test_a_model_without_a_record_is_known_by_its_corpora(model, tones, elsewhere, tmp_path):
    folder = tmp_path / "older"
    replace(FusionModel.load(model), seen=None).save(folder)
    with pytest.raises(ConfigError, match="learned from tones, and keeps no record"):
        evaluate(folder, tmp_path / "run", manifest=str(tones))
    results = evaluate(folder, tmp_path / "run", manifest=str(elsewhere), map=MAP).results
    assert any("keeps no record of whom it has heard" in line for line in results.warnings)


def test_the_bundled_model_is_refused_on_what_it_learned_from(tmp_path):
    path = tmp_path / "ravdess.csv"
    path.write_text("id,speaker,label,transcript\na,01,happy,yes\nb,02,sad,no\n")
    with pytest.raises(ConfigError, match="trained on 2 of 2 utterances of ravdess"):
        evaluate("demo", tmp_path / "run", manifest=str(path))


def test_what_a_finetuned_encoder_of_it_has_seen_is_an_error(
    model, elsewhere, tmp_path, monkeypatch
):
    record = SimpleNamespace(
        seen=TrainingRecord("elsewhere", frozenset({"s3"}), frozenset()), corpus="elsewhere"
    )
    monkeypatch.setattr("experiments.predicting.evaluate.provenance_of", lambda _spec: record)
    with pytest.raises(ConfigError, match="trained on 6 of 42 utterances of elsewhere"):
        evaluate(model, tmp_path / "run", manifest=str(elsewhere), map=MAP)


def test_the_record_holds_hashes_and_no_names(model):
    text = (model / "seen.json").read_text()
    record = json.loads(text)
    assert (len(record["speakers"]), len(record["recordings"])) == (6, 24)
    assert "tones" not in text
    assert Seen.read(model) == FusionModel.load(model).seen


def test_a_record_that_was_changed_is_refused(model, tmp_path):
    (tmp_path / "seen.json").write_text('{"format": 2, "speakers": [], "recordings": []}')
    with pytest.raises(ValueError, match="format 2, expected 1"):
        Seen.read(tmp_path)
    (tmp_path / "seen.json").write_text("[]")
    with pytest.raises(ValueError, match="no record of what a model has seen"):
        Seen.read(tmp_path)


# ---------------------------------------------------------------- classes that do not meet


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "none of its labels is a class of the corpus: it says high, low"),
        ({"map": ("loud=squeak",)}, "the model does not say loud; it says high, low"),
        ({"map": ("high=loud",)}, "the corpus has rumble, squeak"),
    ],
)
def test_classes_that_do_not_meet_are_refused_before_work(
    given, message, model, elsewhere, tmp_path
):
    with pytest.raises(ConfigError, match=re.escape(message)):
        evaluate(model, tmp_path / "run", manifest=str(elsewhere), **given)


def test_a_class_it_never_says_is_told(model, elsewhere, tmp_path):
    given = {"map": ("high=squeak", "low=none")}
    results = evaluate(model, tmp_path / "run", manifest=str(elsewhere), **given).results
    assert any("never says rumble" in line for line in results.warnings)
    assert any("its low are no classes here" in line for line in results.warnings)
    assert results.arms["model:tones-model"].uar.value == pytest.approx(0.5)


def with_values(manifest: Path) -> Path:
    """The same tones with a value for each in place of a label."""

    def valued(row: list[str]) -> None:
        names = {"high": "2", "squeak": "2", "low": "-1", "rumble": "-1", "label": "valence"}
        row[3] = names[row[3]]

    change_rows(manifest, valued)
    return manifest


def test_values_are_scored_by_their_name(elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr("fusion.training.train.MAX_EPOCHS", 5)
    taught = with_values(write_tones(tmp_path / "taught"))
    train(tones_study(taught, audio="logmel"), tmp_path / "values")
    other = with_values(elsewhere)
    results = evaluate(tmp_path / "values", tmp_path / "run", manifest=str(other)).results
    arm = results.arms["model:values"]
    loaded = FusionModel.load(tmp_path / "values")
    rows = predictions.read(tmp_path / "run" / "predictions.safetensors")
    said = loaded.predict(other.parent / f"{rows[0].utterance.removeprefix('u')}.wav")
    assert rows[0].scores == pytest.approx((said["valence"],), rel=1e-5)
    assert arm.score("ccc").value is not None
    assert rebuild(tmp_path / "run").arms == results.arms


def test_targets_of_another_kind_are_refused(model, tmp_path):
    path = tmp_path / "values.csv"
    path.write_text("id,speaker,valence\na,s,1\nb,t,2\n")
    with pytest.raises(ConfigError, match="trained on single-label targets, and those of values"):
        evaluate(model, tmp_path / "run", manifest=str(path))


def test_the_command_evaluates(model, elsewhere, tmp_path):
    words = ["evaluate", model, "--manifest", elsewhere, "--map", ",".join(MAP)]
    words += ["--out", tmp_path / "run"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert "model:tones-model" in done.output
    assert (tmp_path / "run" / "report.html").is_file()
