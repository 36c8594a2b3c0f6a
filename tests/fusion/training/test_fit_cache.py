"""Kept fits: what comes back is what went in, named as who asks; anything else is fitted again."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from fusion.batch import Dataset, collate
from fusion.splitting.splits import Fold, InnerFold, InnerFolds
from fusion.training import fit_cache, train
from fusion.training.arm_table import ARMS
from fusion.training.arms import Budget, FittedArm, FoldScores, fit_arm, score
from fusion.training.crossfit import FoldData
from fusion.training.early_stopping import Curve
from fusion.training.fit_cache import FitPath, load_heads, load_scores, save_heads, save_scores
from fusion.training.fit_key import FitKey
from fusion.training.windows import WINDOWS, each_window
from fusion.tuning.tune import Trial

IDS = tuple(f"u{k}" for k in range(24))
INNER = InnerFolds((InnerFold(IDS[:12], IDS[12:18]), InnerFold(IDS[6:18], IDS[:6])))
FOLD = Fold("0", (), IDS[18:])
SCORES = FoldScores(
    arm="audio",
    fold="0",
    hyperparameters={"hidden": 64, "dropout": 0.25},
    trials=(Trial({"hidden": 64}, 0.5, 1.5), Trial({"hidden": 32}, 0.625, 0.25)),
    epochs=(3, 4),
    dev=np.array([*range(12, 18), *range(6)]),
    dev_scores=np.full((1, 12, 2), 0.5),
    test=np.arange(18, 24),
    test_scores=np.full((1, 6, 2), 0.25),
    layer_weights={"audio": [0.25, 0.75]},
    curves=(Curve((1.5, 1.25), (1.0, 1.125)), Curve((1.0,), (0.5,))),
    seconds=2.5,
    alone={"text": np.full((1, 6, 2), 0.125)},
)


@pytest.fixture
def data() -> Dataset:
    made = torch.Generator().manual_seed(0)

    def rows(width: int, length=lambda k: 1, lacking: int | None = None) -> object:
        every = [torch.randn(length(k), width, generator=made) for k in range(24)]
        return collate([None if k == lacking else row for k, row in enumerate(every)])

    inputs = {
        "audio": rows(5),
        "text": rows(4, lacking=3),
        "audio_frames": rows(5, lambda k: 3 + k % 4),
        "text_tokens": rows(4, lambda k: 2 + k % 3),
    }
    return Dataset(IDS, ("a", "b"), np.arange(24) % 2, inputs)


@pytest.fixture
def view(data) -> FoldData:
    return FoldData(data, INNER)


@pytest.fixture
def path(tmp_path) -> FitPath:
    return FitPath(tmp_path / "fits", "audio", FitKey("1" * 64, "2" * 64), keeps_heads=True)


# ---------------------------------------------------------------- scores


@pytest.fixture
def kept(path) -> FitPath:
    save_scores(SCORES, path)
    return path


def same(found: FoldScores | None) -> bool:
    """Whether scores are those that were kept, seconds and names included."""
    assert found is not None
    plain = ("arm", "fold", "hyperparameters", "trials", "epochs", "layer_weights", "curves")
    arrays = ("dev", "dev_scores", "test", "test_scores")
    assert [trial.seconds for trial in found.trials] == [1.5, 0.25]
    return (
        all(getattr(found, name) == getattr(SCORES, name) for name in (*plain, "seconds"))
        and all(np.array_equal(getattr(found, name), getattr(SCORES, name)) for name in arrays)
        and np.array_equal(found.alone["text"], SCORES.alone["text"])
        and (found.dev_windows, found.test_windows) == (None, None)
    )


def test_what_was_kept_comes_back(kept, view):
    scores = load_scores(kept, (view,), FOLD)
    assert same(scores)
    # Tables of a report have their order.
    assert list(scores.hyperparameters) == list(SCORES.hyperparameters)


def test_names_and_places_are_those_of_who_asks(kept, view):
    """The same rows may stand in another order, in a fold of another name."""
    turned = replace(view, data=replace(view.data, ids=IDS[::-1]))
    found = load_scores(replace(kept, arm="other"), (turned,), replace(FOLD, name="x"))
    assert found is None, "the arm names the file"
    found = load_scores(kept, (turned,), replace(FOLD, name="x"))
    assert found.fold == "x"
    assert [turned.data.ids[k] for k in found.test] == list(FOLD.test)
    assert [turned.data.ids[k] for k in found.dev] == [n for f in INNER.folds for n in f.dev]


def test_numbers_of_windows_are_those_of_who_asks(path, data):
    """One to three windows of each recording."""
    made = torch.Generator().manual_seed(0)
    lengths = [1 + k % 3 for k in range(24)]
    batch = collate([torch.randn(length, 5, generator=made) for length in lengths])
    view = FoldData(each_window(replace(data, inputs={WINDOWS: batch})), INNER)
    dev = [k for one in INNER.folds for k in data.index(one.dev)]
    rows = sum(lengths[k] for k in dev)
    windows = replace(
        SCORES,
        dev=np.repeat(dev, [lengths[k] for k in dev]),
        dev_scores=np.full((1, rows, 2), 0.5),
        dev_windows=np.concatenate([np.arange(lengths[k]) for k in dev]),
        test=np.repeat(range(18, 24), lengths[18:]),
        test_scores=np.full((1, 12, 2), 0.25),
        test_windows=np.concatenate([np.arange(length) for length in lengths[18:]]),
        alone={},
    )
    save_scores(windows, path)
    found = load_scores(path, (view,), FOLD)
    for name in ("dev", "dev_scores", "dev_windows", "test", "test_scores", "test_windows"):
        np.testing.assert_array_equal(getattr(found, name), getattr(windows, name))


def test_scores_of_another_fit_or_format_are_not_taken(kept, view, monkeypatch):
    other = replace(kept, key=FitKey("1" * 64, "2" * 40 + "3" * 24))
    assert other.scores == kept.scores, "the name has the first digits only"
    assert load_scores(other, (view,), FOLD) is None
    monkeypatch.setattr(fit_cache, "FORMAT_VERSION", 0)
    assert load_scores(kept, (view,), FOLD) is None


def test_changed_scores_and_changed_hyperparameters_are_not_taken(kept, view):
    with safe_open(kept.scores, "pt") as file:
        header = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    save_file({**tensors, "test_scores": tensors["test_scores"] * 0}, kept.scores, header)
    assert load_scores(kept, (view,), FOLD) is None
    about = json.loads(header["about"])
    about["hyperparameters"]["hidden"] = 32
    save_file(tensors, kept.scores, {**header, "about": json.dumps(about, sort_keys=True)})
    assert load_scores(kept, (view,), FOLD) is None
    save_file(tensors, kept.scores, header)
    assert same(load_scores(kept, (view,), FOLD))


@pytest.mark.parametrize("damage", ["empty", "short", "other", "half", "flipped", "bare", "absent"])
def test_what_is_damaged_is_not_taken(kept, view, damage):
    whole = kept.scores.read_bytes()
    content = {
        "empty": b"",
        "short": whole[:4],
        "other": b"no safetensors at all",
        "half": whole[: len(whole) // 2],
        "flipped": whole[:-20] + bytes(255 - byte for byte in whole[-20:]),
    }
    if damage == "bare":
        save_file({"dev_scores": torch.zeros(1)}, kept.scores)
    elif damage == "absent":
        kept.scores.unlink()
    else:
        kept.scores.write_bytes(content[damage])
    assert load_scores(kept, (view,), FOLD) is None


# ---------------------------------------------------------------- heads


@pytest.fixture
def fit_it(view, monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 2)

    def fit(name: str) -> FittedArm:
        return fit_arm(ARMS[name], view.data, INNER, Budget(trials=0, seeds=2), None)

    return fit


@pytest.mark.parametrize(
    "name", ["audio", "concat", "gated", "lowrank", "attention", "concat_linear"]
)
def test_kept_heads_score_what_fitted_ones_score(name, view, fit_it, path):
    fitted = fit_it(name)
    save_heads(fitted, path)
    again = load_heads(path, ARMS[name], view, seeds=2)
    one, other = (score(found, view.data, FOLD, seeds=2) for found in (fitted, again))
    np.testing.assert_array_equal(one.test_scores, other.test_scores)
    np.testing.assert_array_equal(one.dev_scores, other.dev_scores)
    for field in ("hyperparameters", "trials", "epochs", "curves", "seconds"):
        assert getattr(one, field) == getattr(other, field)
    assert [head.dev_loss for head in again.heads] == [head.dev_loss for head in fitted.heads]
    assert [len(curve.dev) for curve in other.curves] == [2] * 4


def test_heads_that_are_absent_damaged_or_of_another_fit_are_none(view, fit_it, path):
    assert load_heads(path, ARMS["audio"], view, seeds=2) is None
    save_heads(fit_it("audio"), path)
    other = replace(path, key=FitKey("1" * 40 + "0" * 24, "2" * 64))
    assert load_heads(other, ARMS["audio"], view, seeds=2) is None
    content = bytearray(path.heads.read_bytes())
    content[-5] ^= 1
    path.heads.write_bytes(content)
    assert load_heads(path, ARMS["audio"], view, seeds=2) is None
    path.heads.write_bytes(b"nothing")
    assert load_heads(path, ARMS["audio"], view, seeds=2) is None


# ---------------------------------------------------------------- studies


def test_a_fit_has_a_journal_of_its_own_or_a_name_of_its_content(path):
    assert path.study.journal == path.folder / f"audio-{'1' * 32}.journal"
    shared = replace(path, storage="sqlite:///s.db")
    assert shared.study.name == f"audio-{'1' * 32}"
    assert shared.study.shared
    # Fits that differ in the rows they score alone are one study.
    assert replace(path, key=FitKey("1" * 64, "3" * 64)).study == path.study
