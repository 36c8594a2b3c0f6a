"""A learned mix of layers in a comparison: its weights are reported, its model predicts."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from encoders.typed_names import parse_modality
from experiments.comparing.comparison import compare
from experiments.comparing.verification import rebuild
from experiments.config import Study
from experiments.reporting.results_schema import as_json
from fusion.model.fusion_model import FusionModel
from fusion.training import train


def test_the_weights_of_each_fold_are_in_the_results_and_the_model_predicts(
    write_tone: Callable[..., Path],
    speech_checkpoint: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(train, "MAX_EPOCHS", 2)
    with (tmp_path / "manifest.csv").open("w", newline="") as handle:
        rows = csv.writer(handle)
        rows.writerow(["id", "audio", "speaker", "label"])
        for n in range(12):
            path = write_tone(f"{n}.wav", 0.2 + 0.02 * n, hertz=100.0 + 40 * n, seed=n)
            rows.writerow([f"u{n}", path.name, f"s{n // 2}", ("a", "b")[n % 2]])
    study = Study(
        audio=f"{speech_checkpoint('hubert')}@layer=mix",
        text="minilm",
        manifest=str(tmp_path / "manifest.csv"),
        arms=("audio", "audio_frames"),
        trials=0,
        seeds=1,
    )
    folder = compare(study, out=tmp_path / "run", jobs=1).folder
    results = json.loads((folder / "results.json").read_text())
    for arm in study.arms or ():
        for fold in results["arms"][arm]["folds"]:
            (weights,) = fold["layer_weights"].values()
            assert len(weights) == 4  # three transformer layers and their input
            assert sum(weights) == pytest.approx(1)
            assert len(set(weights)) > 1
    assert as_json(rebuild(folder)) == results
    predicted = FusionModel.load(folder / "model").predict(tmp_path / "3.wav")
    assert sum(predicted.values()) == pytest.approx(1)


def test_mix_is_typed_where_a_layer_is():
    assert parse_modality("wav2vec2-base@layer=mix,pooling=mean", "audio").layer == "mix"
    beside = parse_modality("wav2vec2-base@layers=4+5,layer=concat", "audio")
    assert (beside.layer, beside.encoder.layers) == ("concat", (4, 5))
    with pytest.raises(ValueError, match="layer 'mixed' is not a whole number"):
        parse_modality("wav2vec2-base@layer=mixed", "audio")
