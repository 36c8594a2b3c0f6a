"""Own statistics: drawn to training, without labels, and no test row in training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st

from fusion.batch import ROUNDING, Dataset, Moments, Standardizer, collate
from fusion.splitting.splits import Fold, InnerFolds
from fusion.training import train
from fusion.training.arm_table import ARMS
from fusion.training.arms import Budget, fit_arm, score
from fusion.training.crossfit import FoldData
from fusion.training.fit_key import FitKeys
from fusion.training.normalise import LEAST, PRIOR, Normaliser, by_groups, shrunk, taught_rows
from fusion.training.windows import WINDOWS, each_window

EVERY = ("audio", "text", "audio_frames", "text_tokens")
BUDGET = Budget(trials=0, seeds=1)
SPEAKER_ROWS = 9

some_rows = st.builds(
    lambda seed, rows, dim, scale: (
        np.random.default_rng(seed).standard_normal((rows, dim)) * scale + scale
    ),
    st.integers(0, 10**6),
    st.integers(1, 40),
    st.integers(1, 6),
    st.sampled_from([0.0, 1e-3, 1.0, 1e3]),
)


def batch_of(rows: np.ndarray):
    return collate([torch.tensor(row[None], dtype=torch.float32) for row in rows])


def by_speaker(data: Dataset) -> Dataset:
    return replace(data, groups=np.arange(len(data.ids), dtype=np.int64) // SPEAKER_ROWS)


@pytest.fixture
def setting(make_data, split_data) -> tuple[FoldData, Fold]:
    """Rows of six speakers, the fourth far from the others, standardised by speaker."""
    data = make_data()
    inputs = {}
    for name, batch in data.inputs.items():
        values = batch.values.clone()
        values[3 * SPEAKER_ROWS : 4 * SPEAKER_ROWS] *= 5
        inputs[name] = replace(batch, values=values)
    fold, inner = split_data(data)
    return FoldData(by_speaker(replace(data, inputs=inputs)), inner), fold


@given(some_rows)
def test_training_statistics_are_those_of_before_to_the_last_bit(rows):
    """The arithmetic that heads had before there were groups, written out."""
    values = torch.tensor(rows, dtype=torch.float32).double()
    count = len(values)
    mean = torch.zeros(values.shape[1], dtype=torch.float64)
    size, squares = mean.clone(), mean.clone()
    mean += values.sum(dim=0) / count
    size += values.abs().sum(dim=0) / count
    squares += (values - mean).square().sum(dim=0)
    scale = (squares / count).sqrt()
    floor = ROUNDING * torch.maximum(size.clamp_min(1e-6), scale.median())
    found = Standardizer.fitted(batch_of(rows))
    assert torch.equal(found.mean, mean.float())
    assert torch.equal(found.scale, torch.where(scale > floor, scale, 1.0).float())


def test_without_groups_heads_get_the_very_rows(setting):
    view, fold = setting
    plain = replace(view, data=replace(view.data, groups=None))
    assert by_groups(plain, EVERY, fold) is plain


@given(some_rows, st.integers(0, 10**6))
def test_few_utterances_are_standardised_by_training_and_many_by_themselves(rows, seed):
    rng = np.random.default_rng(seed)
    training = Moments.of(batch_of(rng.standard_normal((30, rows.shape[1])) * 3 - 1))
    own = Moments.of(batch_of(rows))
    for utterances in range(LEAST):
        none, alone = shrunk(own, utterances, training), training.standardizer()
        assert torch.equal(none.mean, alone.mean)
        assert torch.equal(none.scale, alone.scale)
    for utterances in (LEAST, 10, 10**9):
        share = utterances / (utterances + PRIOR)
        found = shrunk(own, utterances, training)
        mean = share * own.mean + (1 - share) * training.mean
        variance = share * own.variance + (1 - share) * training.variance
        size = share * own.size + (1 - share) * training.size
        assert torch.allclose(found.mean.double(), mean, rtol=1e-6, atol=1e-6)
        # What float32 cannot tell from a constant keeps its scale.
        kept = variance.sqrt() > 1e-5 * torch.maximum(size, variance.sqrt().median())
        assert torch.allclose(found.scale.double()[kept], variance.sqrt()[kept], rtol=1e-5)
    limit = shrunk(own, 10**9, training)
    assert torch.allclose(limit.mean.double(), own.mean, rtol=1e-5, atol=1e-5)


def test_the_smaller_the_prior_the_more_a_group_is_its_own(setting):
    data = setting[0].data
    own, others = (
        Moments.of(data.inputs["audio"], torch.arange(*span)) for span in ((27, 36), (0, 27))
    )
    for prior, limit in ((1e-9, own), (1e9, others)):
        found = shrunk(own, SPEAKER_ROWS, others, prior)
        assert torch.allclose(found.mean.double(), limit.mean, atol=1e-4)
        assert torch.allclose(found.scale.double(), limit.variance.sqrt(), rtol=1e-4)


def test_what_never_varies_stays_as_quiet_in_a_group():
    """Three dimensions of MiniLM are constant but for rounding, which must not be made loud."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((60, 3))
    rows[:, 1] = 0.5 + 1e-9 * rng.standard_normal(60)
    batch = batch_of(rows)
    training, own = Moments.of(batch), Moments.of(batch, torch.arange(20))
    assert shrunk(own, 20, training).scale[1] == 1.0


@pytest.mark.parametrize("name", EVERY)
def test_a_person_is_brought_to_where_others_are(setting, name):
    view, fold = setting
    found = by_groups(view, EVERY, fold).data.inputs[name]

    def spread(batch):
        means = [Moments.of(batch, torch.arange(s, s + 9)).mean for s in range(0, 54, 9)]
        return float(torch.stack(means).std(dim=0).mean())

    assert spread(found) < 0.5 * spread(view.data.inputs[name])
    assert not found.values[~found.mask].any(), "frames that pad are zeros"


def test_missing_inputs_stay_missing(setting):
    view, fold = setting
    batch = view.data.inputs["text"]
    present = batch.present.clone()
    present[::2] = False
    values = batch.values * present[:, None, None]
    lacking = replace(batch, present=present, values=values)
    data = replace(view.data, inputs={**view.data.inputs, "text": lacking})
    found = by_groups(replace(view, data=data), EVERY, fold).data.inputs["text"]
    assert torch.equal(found.present, present)
    assert not found.values[~present].any()


def with_test_rows(view: FoldData, fold: Fold, seed: int) -> FoldData:
    """The same with other test rows."""
    rows = torch.from_numpy(view.data.index(fold.test))
    inputs = {}
    for name, batch in view.data.inputs.items():
        values = batch.values.clone()
        noise = torch.randn(values[rows].shape, generator=torch.Generator().manual_seed(seed))
        values[rows] = 7 * noise * batch.mask[rows][..., None]
        inputs[name] = replace(batch, values=values)
    return replace(view, data=replace(view.data, inputs=inputs))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from(["speaker", "corpus", "crossed"]))
def test_no_test_row_reaches_training(setting, seed, by):
    """Nor where a corpus, or a speaker of a protocol that leaks, is on both sides."""
    view, fold = setting
    groups = {
        "speaker": view.data.groups,
        "corpus": np.zeros(54, np.int64),
        "crossed": np.arange(54, dtype=np.int64) % 2,
    }[by]
    view = replace(view, data=replace(view.data, groups=groups))
    one, other = (by_groups(v, EVERY, fold) for v in (view, with_test_rows(view, fold, seed)))
    taught = taught_rows(view)
    for name in EVERY:
        same = [v.data.inputs[name].values[taught] for v in (one, other)]
        assert torch.equal(*same)
    keys = [FitKeys().of(ARMS["audio"], (v,), fold, BUDGET) for v in (view, with_test_rows(
        view, fold, seed))]  # fmt: skip
    assert keys[0].trained == keys[1].trained
    assert keys[0].scored != keys[1].scored


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.integers(0, 10**6))
def test_test_labels_are_never_read(setting, seed):
    view, fold = setting
    truth = view.data.truth.copy()
    rows = view.data.index(fold.test)
    truth[rows] = np.random.default_rng(seed).integers(0, 3, len(rows))
    other = replace(view, data=replace(view.data, truth=truth))
    one, two = (by_groups(v, EVERY, fold).data.inputs for v in (view, other))
    assert all(torch.equal(one[name].values, two[name].values) for name in EVERY)


def test_scores_do_not_hang_on_test_labels(setting, monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 3)
    view, fold = setting
    truth = view.data.truth.copy()
    truth[view.data.index(fold.test)] = 0
    arm, found = ARMS["audio"], []
    for labels in (view.data.truth, truth):
        data = replace(view.data, truth=labels)
        seen = by_groups(replace(view, data=data), arm.inputs, fold)
        fitted = fit_arm(arm, seen.data, seen.inner, BUDGET, None)
        found.append(score(fitted, seen.data, fold, 1).test_scores)
    assert np.array_equal(*found)


def test_test_rows_of_a_group_are_standardised_by_each_other(setting):
    """A row's score hangs on the others of its group, which is why results are transductive."""
    view, fold = setting
    rows = view.data.index(fold.test)
    last = Fold(fold.name, fold.train, fold.test[-1:])
    whole, alone = (by_groups(view, ["audio"], one).data.inputs["audio"] for one in (fold, last))
    assert not torch.equal(whole.values[rows[-1]], alone.values[rows[-1]])
    training = Moments.of(view.data.inputs["audio"], torch.from_numpy(taught_rows(view)))
    by_training = training.standardizer()(view.data.inputs["audio"].values[rows[-1]])
    assert torch.equal(alone.values[rows[-1]], by_training), "one row has no statistics of its own"


def test_groups_are_part_of_the_key_and_their_names_are_not(setting):
    view, fold = setting

    def key(groups):
        data = replace(view.data, groups=groups)
        return FitKeys().of(ARMS["audio"], (replace(view, data=data),), fold, BUDGET)

    by = view.data.groups
    keys = [key(None), key(by), key(np.zeros(54, np.int64)), key(np.arange(54) % 3)]
    assert len({one.trained for one in keys}) == 4
    assert len({one.scored for one in keys}) == 4
    assert key(by) == key(100 - by)
    moved = by.copy()
    moved[view.data.index(fold.test)[:3]] = 99
    assert key(moved).trained == key(by).trained
    assert key(moved).scored != key(by).scored


def test_the_prior_is_part_of_the_key(setting, monkeypatch):
    view, fold = setting
    before = FitKeys().of(ARMS["audio"], (view,), fold, BUDGET)
    monkeypatch.setattr("fusion.training.normalise.PRIOR", 4.0)
    assert FitKeys().of(ARMS["audio"], (view,), fold, BUDGET).trained != before.trained


def test_windows_count_as_the_utterance_that_they_are_of(setting):
    view, fold = setting
    frames = view.data.inputs["audio_frames"]
    data = replace(view.data, inputs={WINDOWS: frames})
    whole = by_groups(replace(view, data=data), [WINDOWS], fold).data.inputs[WINDOWS]
    cut = replace(view, data=each_window(data))
    each = by_groups(cut, ["audio"], fold).data.inputs["audio"]
    assert torch.allclose(each.values[:, 0], whole.values[whole.mask], atol=1e-5)


# ---------------------------------------------------------------- saved models


@pytest.fixture
def everyone(setting) -> tuple[FoldData, Fold]:
    view, _ = setting
    ids = view.data.ids
    first, second = ids[:27], ids[27:]
    halves = [
        replace(view.inner.folds[0], train=a, dev=b) for a, b in ((first, second), (second, first))
    ]
    return replace(view, inner=InnerFolds(tuple(halves))), Fold("all", ids, ids)


@pytest.mark.parametrize("name", ["audio", "audio_frames"])
def test_a_saved_model_standardises_a_person_as_training_did(everyone, name):
    view, fold = everyone
    expected = by_groups(view, [name], fold).data.inputs[name]
    normaliser, batch = Normaliser.of("speaker", view, [name]), view.data.inputs[name]
    rows = range(27, 36)
    said = [{name: batch.values[row][batch.mask[row]]} for row in rows]
    baseline = normaliser.baseline(said)
    for row, inputs in zip(rows, said, strict=True):
        found = normaliser(inputs, baseline)[name]
        assert torch.allclose(found, expected.values[row][expected.mask[row]], atol=1e-5)


def test_an_utterance_alone_is_standardised_by_training(everyone):
    view, _ = everyone
    normaliser = Normaliser.of("speaker", view, ["audio"])
    heard = view.data.inputs["audio"].values[0]
    expected = Moments.of(view.data.inputs["audio"]).standardizer()(heard)
    assert torch.equal(normaliser({"audio": heard})["audio"], expected)
    few = normaliser.baseline([{"audio": heard}] * (LEAST - 1))
    assert torch.equal(normaliser({"audio": heard}, few)["audio"], expected)
    assert normaliser({"audio": None})["audio"] is None
