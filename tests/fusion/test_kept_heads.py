"""Heads on disk score what the fitted ones score; what is damaged is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fusion import train
from fusion.arms import Budget, FittedArm, fit_arm, score
from fusion.batch import Dataset, collate
from fusion.kept_heads import load_heads, save_heads
from fusion.splitting.splits import Fold, InnerFold, InnerFolds
from fusion.training.arm_table import ARMS

INNER = InnerFolds(
    (
        InnerFold(tuple(f"u{k}" for k in range(12)), tuple(f"u{k}" for k in range(12, 18))),
        InnerFold(tuple(f"u{k}" for k in range(6, 18)), tuple(f"u{k}" for k in range(6))),
    )
)
FOLD = Fold("0", (), tuple(f"u{k}" for k in range(18, 24)))


@pytest.fixture
def data(monkeypatch) -> Dataset:
    monkeypatch.setattr(train, "MAX_EPOCHS", 2)
    torch.manual_seed(0)
    inputs = {
        "audio": collate([torch.randn(1, 5) for _ in range(24)]),
        "text": collate([None if k == 3 else torch.randn(1, 4) for k in range(24)]),
        "audio_frames": collate([torch.randn(3 + k % 4, 5) for k in range(24)]),
        "text_tokens": collate([torch.randn(2 + k % 3, 4) for k in range(24)]),
    }
    return Dataset(tuple(f"u{k}" for k in range(24)), ("a", "b"), np.arange(24) % 2, inputs)


def fitted_arm(name: str, data: Dataset) -> FittedArm:
    return fit_arm(ARMS[name], data, INNER, Budget(trials=0, seeds=2), None)


@pytest.mark.parametrize(
    "name", ["audio", "concat", "gated", "lowrank", "attention", "concat_linear"]
)
def test_kept_heads_score_what_fitted_ones_score(name, data, tmp_path):
    fitted = fitted_arm(name, data)
    save_heads(fitted, tmp_path / "heads")
    kept = load_heads(tmp_path / "heads", ARMS[name], data, INNER, seeds=2)
    assert kept is not None
    one, other = (score(found, data, FOLD, seeds=2) for found in (fitted, kept))
    np.testing.assert_array_equal(one.test_scores, other.test_scores)
    np.testing.assert_array_equal(one.dev_scores, other.dev_scores)
    for field in ("hyperparameters", "trials", "epochs", "curves"):
        assert getattr(one, field) == getattr(other, field)
    assert [len(curve.dev) for curve in other.curves] == [2] * 4


def test_heads_that_are_absent_damaged_or_of_other_seeds_are_none(data, tmp_path):
    path = tmp_path / "heads"
    assert load_heads(path, ARMS["audio"], data, INNER, seeds=2) is None
    save_heads(fitted_arm("audio", data), path)
    assert load_heads(path, ARMS["audio"], data, INNER, seeds=3) is None
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    assert load_heads(path, ARMS["audio"], data, INNER, seeds=2) is None
    path.write_bytes(b"nothing")
    assert load_heads(path, ARMS["audio"], data, INNER, seeds=2) is None
