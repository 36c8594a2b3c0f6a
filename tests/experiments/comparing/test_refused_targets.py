"""Sets of labels, shares and values that allow no comparison are refused before any work."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from encoders.utterance import CorpusError
from experiments.comparing.comparison import compare
from experiments.config import ConfigError
from fusion.splitting.splits import SplitError
from tests.experiments.target_corpora import targets_of, write_targets


@pytest.mark.parametrize(
    ("task", "head", "told"),
    [
        ("multi-label", "loss=focal", "loss of single-label targets, and these targets are multi"),
        ("distribution", "loss=class_balanced", "expected loss=cross_entropy"),
        ("regression", "loss=cross_entropy", "expected loss=ccc or loss=mse"),
        ("single-label", "loss=ccc", "is a loss of regression targets"),
    ],
)
def test_a_loss_of_another_task_is_refused_before_any_work(task, head, told, tmp_path):
    study = write_targets(tmp_path, task, head=(head,))
    with pytest.raises(ConfigError, match=told):
        compare(study, out=tmp_path / "run", jobs=1)
    assert not (tmp_path / "run").exists()


def test_published_classifiers_need_one_class(tmp_path):
    study = replace(write_targets(tmp_path, "multi-label"), arms=("audio", "pretrained:x/y"))
    with pytest.raises(ConfigError, match="a published classifier names one class"):
        compare(study, out=tmp_path / "run", jobs=1)


@pytest.mark.parametrize(
    ("task", "targets", "told"),
    [
        ("multi-label", np.eye(3)[[0, 1] * 30], "'c': no class or set of manifest"),
        ("multi-label", np.tile([[1, 1, 0], [1, 0, 1]], (30, 1)), "every utterance has a"),
        ("regression", np.tile([[1.0, 2.0], [1.0, 3.0]], (30, 1)), "valence never varies"),
        ("distribution", np.tile([[0.6, 0.4, 0], [0.4, 0, 0.6]], (30, 1)), "with the most votes"),
    ],
)
def test_targets_that_allow_no_comparison_say_so(task, targets, told, tmp_path):
    study = write_targets(tmp_path, task, targets=np.asarray(targets, float))
    if task != "regression":
        study = replace(study, labels=("a", "b", "c"))
    with pytest.raises(CorpusError, match=told):
        compare(study, out=tmp_path / "run", jobs=1)


def test_a_label_of_one_speaker_is_told_before_any_training(tmp_path):
    targets = targets_of("multi-label", 60, np.random.default_rng(0))
    targets[:, 2] = 0
    targets[:3, 2] = 1
    with pytest.raises(SplitError, match="training holds no utterance of c"):
        compare(write_targets(tmp_path, "multi-label", targets=targets), out=tmp_path, jobs=1)
