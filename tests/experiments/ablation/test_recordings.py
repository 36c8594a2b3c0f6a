"""Ablations of recordings and words: noise, windows, layers, poolings, frames, word errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.ablation.ablate import ablate
from experiments.ablation.grid import FactorSpec
from experiments.ablation.result import Ablation, cells_folder
from experiments.ablation.scores import differences
from experiments.config import ConfigError
from fusion.evaluation import predictions
from fusion.training import train
from tests.experiments.ablation.tiny_corpora import tones_study


@pytest.fixture(scope="module", autouse=True)
def _few_epochs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "MAX_EPOCHS", 2)
        yield


def ran(study, factor, values=None, **how) -> Ablation:
    return ablate(study, [FactorSpec(factor, values)], jobs=1, **how)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory) -> tuple[Path, Ablation]:
    folder = tmp_path_factory.mktemp("noisy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
        study = tones_study(folder, audio="logmel@sample_rate_hz=8000,n_mels=20")
        return folder, ran(study, "noise", "white:0,reverb:0.3", out=folder / "run")


def test_noise_in_tests_leaves_training_and_development_as_they_were(noisy):
    _, found = noisy
    assert found.record.cost.trained == 3
    rows = [
        [
            r
            for r in predictions.read(
                cells_folder(found.folder) / c.folder / "predictions.safetensors"
            )
        ]
        for c in found.grid.cells
    ]
    dev = [[r.scores for r in own if r.split == "dev"] for own in rows]
    test = [[r.scores for r in own if r.split == "test"] for own in rows]
    assert dev[0] == dev[1] == dev[2]
    assert test[0] != test[1] != test[2]


def test_noise_in_both_trains_on_noise(noisy, monkeypatch):
    folder, _ = noisy
    monkeypatch.setenv("SERFUSION_CACHE", str(folder / "cache"))
    study = tones_study(folder, audio="logmel@sample_rate_hz=8000,n_mels=20")
    found = ran(study, "noise", "white:0", out=folder / "both", side="both")
    assert found.record.cost.trained == 3
    assert found.record.cost.encoded == 0 or found.record.cost.encoded == 24


def test_only_test_rows_are_encoded_anew_and_each_once(noisy):
    _, found = noisy
    # 24 clean recordings, and 24 for each noise.
    assert found.record.cost.encoded == 72


def test_the_window_of_an_encoder_is_ablated(tmp_path):
    study = tones_study(tmp_path, audio="logmel@sample_rate_hz=8000,n_mels=20")
    found = ran(study, "window", "25,50", out=tmp_path / "run")
    identities = [row.results.facts.encoders["audio"] for row in found.rows]
    assert len({*identities}) == 2


def test_layers_and_their_mix_come_from_one_extraction(tmp_path, speech_checkpoint):
    study = tones_study(tmp_path, audio=str(speech_checkpoint("wav2vec2-group-norm")))
    found = ran(study, "layer", "0,1,3,mix", out=tmp_path / "run")
    assert found.record.cost.encoded == 24
    identities = {row.results.facts.encoders["audio"] for row in found.rows}
    assert len(identities) == 1
    assert [cell.title for cell in found.grid.cells] == ["0", "1", "3", "mix"]


def test_poolings_come_from_one_extraction(tmp_path):
    study = tones_study(tmp_path, audio="logmel@sample_rate_hz=8000,n_mels=20")
    found = ran(study, "pooling", out=tmp_path / "run")
    assert [cell.title for cell in found.grid.cells] == ["mean", "std", "max", "mean+std+max"]
    assert found.grid.reference.title == "mean+std+max"
    assert found.record.cost.encoded == 24


def test_frames_are_joined_otherwise(tmp_path):
    study = tones_study(
        tmp_path, audio="logmel@sample_rate_hz=8000,n_mels=20", arms=("audio", "audio_frames")
    )
    found = ran(study, "time_pool", "2,8", out=tmp_path / "run")
    made = {(row.cell.title, row.arm): row.same for row in differences(found.rows)}
    assert made == {("8", "audio"): True, ("8", "audio_frames"): False}


def test_word_errors_change_words_and_nothing_else(tmp_path, text_checkpoint):
    study = tones_study(
        tmp_path,
        audio="logmel@sample_rate_hz=8000,n_mels=20",
        text=str(text_checkpoint("sentence")),
        arms=("audio", "text"),
    )
    found = ran(study, "transcript", "wer=0.4", out=tmp_path / "run")
    made = {row.arm: row.same for row in differences(found.rows)}
    assert made == {"audio": True, "text": False}


def test_what_is_missing_is_missing_in_noise_too(tmp_path, text_checkpoint):
    study = tones_study(
        tmp_path,
        audio="logmel@sample_rate_hz=8000,n_mels=20",
        text=str(text_checkpoint("sentence")),
        arms=("text",),
        rows="all",
    )
    over = [FactorSpec("missing", "0,0.5"), FactorSpec("noise", "white:0")]
    found = ablate(study, over, out=tmp_path / "run", jobs=1)
    scores = {one.cell.title: one.arms["text"].said for one in found.rows}
    lost = "missing 0.5, noise "
    assert scores[f"{lost}clean"] == scores[f"{lost}white:0"]
    assert scores["missing 0, noise clean"] != scores[f"{lost}clean"]


def test_nobody_to_hear_in_babble_stops_all_before_work_starts(tmp_path):
    study = tones_study(tmp_path, folds="speaker")
    with pytest.raises(ConfigError, match="--folds groups"):
        ran(study, "noise", "white:10,babble:10", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
