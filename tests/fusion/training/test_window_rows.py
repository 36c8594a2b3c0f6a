"""A row for every window: whose it is, what heads learn from it, and what is said of the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fusion.batch import Dataset, collate
from fusion.model.fusion_model import HeadEnsemble
from fusion.training import train
from fusion.training.arm_table import ARMS
from fusion.training.arms import Budget, FoldScores, fit_arm, score
from fusion.training.windows import WINDOWS, each_window, of_utterances, reads_windows


@pytest.fixture
def data() -> Dataset:
    """Three recordings of two, no and three windows, whose values are those of a counter."""
    values = torch.arange(12.0).reshape(6, 2)
    rows = [values[:2], None, values[3:]]
    return Dataset(
        ids=("a", "b", "c"),
        targets=("x", "y"),
        truth=np.array([0, 1, 1]),
        inputs={WINDOWS: collate(rows), "text": collate([torch.zeros(1, 3)] * 3)},
    )


def test_every_window_is_a_row_with_its_utterances_target(data):
    found = each_window(data)
    assert found.ids == ("a", "a", "b", "c", "c", "c")
    assert found.truth.tolist() == [0, 0, 1, 1, 1, 1]
    assert found.windows.tolist() == [0, 1, 0, 0, 1, 2]
    assert found.inputs["audio"].values[:, 0, 0].tolist() == [0, 2, 0, 6, 8, 10]
    assert found.inputs["audio"].present.tolist() == [True, True, False, True, True, True]
    assert found.inputs["audio"].mask.all()


def test_an_utterance_is_found_at_all_its_windows(data):
    found = each_window(data)
    assert found.index(["c", "a"]).tolist() == [3, 4, 5, 0, 1]
    assert found.utterances.tolist() == [0, 0, 1, 2, 2, 2]
    assert data.utterances.tolist() == [0, 1, 2]


def test_targets_that_are_no_classes_go_with_their_windows(data):
    values = np.array([[0.5], [1.5], [2.5]])
    found = each_window(replace(data, task="regression", values=values))
    assert found.goals[:, 0].tolist() == [0.5, 0.5, 1.5, 2.5, 2.5, 2.5]


@pytest.mark.parametrize("arm", ARMS)
def test_only_arms_that_read_the_voice_alone_have_a_row_for_each_window(data, arm):
    assert reads_windows(ARMS[arm], data) == (arm in ("audio", "audio_linear"))
    without = replace(data, inputs={"text": data.inputs["text"]})
    assert not reads_windows(ARMS[arm], without)


def scores(rows: list[int], values: list[float], windows: list[int] | None) -> FoldScores:
    of = np.array(values, float)[None, :, None]
    numbers = None if windows is None else np.array(windows)
    index = np.array(rows)
    return FoldScores("audio", "1", {}, (), (), index, of, index, of,
                      dev_windows=numbers, test_windows=numbers)  # fmt: skip


def test_an_utterance_has_the_mean_of_its_windows_in_the_order_of_rows():
    found = of_utterances(scores([4, 4, 1, 7, 7, 7], [1, 2, 5, 1, 2, 6], [0, 1, 0, 0, 1, 2]))
    assert found.test.tolist() == found.dev.tolist() == [4, 1, 7]
    assert found.test_scores[0, :, 0].tolist() == [1.5, 5.0, 3.0]
    assert found.dev_scores[0, :, 0].tolist() == [1.5, 5.0, 3.0]
    assert (found.dev_windows, found.test_windows) == (None, None)
    assert of_utterances(found) is found


@pytest.fixture
def windowed(make_data) -> Dataset:
    """Rows whose frames are windows."""
    data = make_data()
    return replace(data, inputs={WINDOWS: data.inputs["audio_frames"]})


def test_a_model_says_of_a_recording_the_mean_over_its_windows(windowed, split_data, monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 3)
    fold, inner = split_data(windowed)
    rows = each_window(windowed)
    fitted = fit_arm(ARMS["audio"], rows, inner, Budget(trials=0, seeds=1), None)
    found = score(fitted, rows, fold, seeds=1)
    batch = windowed.inputs[WINDOWS]
    own = [int(batch.lengths[row]) for row in windowed.index(fold.test)]
    assert found.test_windows.tolist() == [k for count in own for k in range(count)]
    assert sorted(set(found.dev)) == sorted(windowed.index(fold.train))
    part = replace(HeadEnsemble.of(fitted), inputs=(WINDOWS,))
    whole = of_utterances(found)
    for row, expected in zip(whole.test, whole.test_scores[0], strict=True):
        heard = batch.values[row, : batch.lengths[row]]
        np.testing.assert_allclose(part.scores({WINDOWS: heard})[0], expected, atol=1e-6)
        each = [part.scores({WINDOWS: one})[0] for one in heard.split(1)]
        np.testing.assert_allclose(np.mean(each, axis=0), expected, atol=1e-6)
    assert part.scores({WINDOWS: None}).sum() == pytest.approx(1)
