"""The temperature that a model carries is that of the answer it gives, a mean over heads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from experiments.comparing import fitting
from experiments.comparing.comparison import compare
from fusion.model.fusion_model import FusionModel
from fusion.training import train
from fusion.training.train import FittedHead
from tests.experiments.target_corpora import write_targets


@pytest.fixture
def given(monkeypatch, tmp_path):
    """What the final model's temperatures were fitted on, in the order of its parts."""
    monkeypatch.setattr(train, "MAX_EPOCHS", 8)
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "cache"))
    seen, real = [], fitting._answers

    def spy(view, people, scores):
        seen.append((view, scores, real(view, people, scores)))
        return seen[-1][2]

    monkeypatch.setattr(fitting, "_answers", spy)
    return seen


@pytest.mark.parametrize("arm", ["concat", "late"])
def test_as_many_seeds_stand_for_an_answer_as_it_has_heads(arm, given, tmp_path):
    arms = ("audio", "text", *([arm] if arm == "late" else ["concat"]))
    study = replace(write_targets(tmp_path, "single-label", arms=arms), seeds=1, trials=0)
    folder = compare(study, out=tmp_path / "run", jobs=1).folder
    model = FusionModel.load(folder / "model")
    assert model.arm == arm
    assert [dev.fit_temperature() for _, _, dev in given] == [
        *([part.temperature for part in model.parts] if arm == "late" else []),
        model.temperature,
    ]
    for part, (view, scores, dev) in zip(model.parts, given, strict=False):
        heads = len(view.inner.folds)
        assert len(dev.scores) == dev.heads == len(part.heads) == heads > 1
        # The first seed's heads are those of the model, each on rows that it did not see.
        batches = view.data.of(part.inputs)
        for number, head in enumerate(part.heads):
            rows = np.flatnonzero(dev.inner == number)
            index = torch.from_numpy(scores.dev[rows])
            said = FittedHead(head, 0, 0.0).scores([batch.rows(index) for batch in batches])
            np.testing.assert_allclose(dev.scores[0][rows], said.numpy(), atol=1e-5)


def test_a_second_run_trains_none_of_them_again(given, tmp_path, monkeypatch):
    study = replace(write_targets(tmp_path, "single-label", arms=("audio", "concat")), trials=0)
    first = compare(study, out=tmp_path / "run", jobs=1).folder
    trained = []
    real = fitting.fit_chosen
    monkeypatch.setattr(
        fitting, "fit_chosen", lambda *fit: trained.append(fit[0].name) or real(*fit)
    )
    again = compare(study, out=tmp_path / "again", jobs=1).folder
    assert not trained
    assert (first / "model/model.json").read_bytes() == (again / "model/model.json").read_bytes()
