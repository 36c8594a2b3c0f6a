"""Kept fits: what comes back is what went in, and anything else is fitted again."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fusion.arms import FoldScores
from fusion.parts import load_scores, save_scores
from fusion.stopping import Curve
from fusion.tune import Trial

SCORES = FoldScores(
    arm="audio",
    fold="f 1",
    hyperparameters={"hidden": 64, "dropout": 0.25},
    trials=(Trial({"hidden": 64}, 0.5, 1.5), Trial({"hidden": 32}, 0.625, 0.25)),
    epochs=(3, 4),
    dev=np.arange(2),
    dev_scores=np.full((1, 2, 2), 0.5),
    test=np.arange(3),
    test_scores=np.full((1, 3, 2), 0.25),
    curves=(Curve((1.5, 1.25), (1.0, 1.125)), Curve((1.0,), (0.5,))),
)


@pytest.fixture
def part(tmp_path):
    save_scores(SCORES, tmp_path / "run" / "part.npz")
    return tmp_path / "run" / "part.npz"


def test_what_was_kept_comes_back(part):
    found = load_scores(part, "audio", "f 1")
    for name in ("hyperparameters", "trials", "epochs", "curves"):
        assert getattr(found, name) == getattr(SCORES, name)
    assert [trial.seconds for trial in found.trials] == [1.5, 0.25]
    for name in ("dev", "dev_scores", "test", "test_scores"):
        assert np.array_equal(getattr(found, name), getattr(SCORES, name))


@pytest.mark.parametrize(("arm", "fold"), [("text", "f 1"), ("audio", "f 2")])
def test_another_fit_under_this_name_is_not_taken(part, arm, fold):
    assert load_scores(part, arm, fold) is None


def _rewritten(part, **changed):
    with np.load(part) as archive:
        arrays = {name: archive[name] for name in archive.files} | changed
    np.savez(part, **arrays)


def test_changed_scores_are_not_taken(part):
    _rewritten(part, test_scores=SCORES.test_scores * 0)
    assert load_scores(part, "audio", "f 1") is None


def test_changed_hyperparameters_are_not_taken(part):
    with np.load(part) as archive:
        about = json.loads(str(archive["about"]))
    about["fields"]["hyperparameters"]["hidden"] = 32
    _rewritten(part, about=np.array(json.dumps(about)))
    assert load_scores(part, "audio", "f 1") is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip", "half", "flipped", "listed"])
def test_what_is_damaged_is_not_taken(part, content):
    whole = part.read_bytes()
    if content == "half":
        content = whole[: len(whole) // 2]
    elif content == "flipped":
        content = whole[:400] + bytes(255 - byte for byte in whole[400:420]) + whole[420:]
    elif content == "listed":
        _rewritten(part, about=np.array("[1]"))
        content = part.read_bytes()
    part.write_bytes(content)
    assert load_scores(part, "audio", "f 1") is None
