"""Fits are shared by what heads see: by content, never by the name of a study."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from encoders.decode_index import DecodeIndex
from experiments.ablation.cell_variation import counted_once, scored_on, stacked
from experiments.comparing.fitting import fit_all
from experiments.comparing.inputs import Ready, gather
from experiments.comparing.plan import FoldViews, Plan, make_plan
from experiments.comparing.preparation import chosen_arms, load_corpus
from experiments.comparing.transcripts import Transcripts
from fusion.batch import Dataset, ModalityBatch, collate
from fusion.training import train
from fusion.training.crossfit import FoldData
from fusion.training.windows import WINDOWS
from tests.experiments.ablation.tiny_corpora import features_study


@pytest.fixture(autouse=True)
def _few_epochs(monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 2)


@pytest.fixture
def plan(tmp_path, store) -> Plan:
    study = features_study(tmp_path, arms=("audio", "text", "concat", "late"), seeds=1)
    corpus, arms = load_corpus(study), chosen_arms(study)
    hints = DecodeIndex(store.root / "hints.json")
    inputs = gather(
        Ready(study, corpus, corpus.utterances, arms), Transcripts({}), store, hints, None
    )
    return make_plan(corpus, inputs, study, arms)


def with_data(plan: Plan, data: Dataset) -> Plan:
    views = tuple(FoldViews(FoldData(data, views.whole.inner)) for views in plan.views)
    return replace(plan, inputs=replace(plan.inputs, data=data), views=views)


def changed(plan: Plan, name: str, row: int) -> Dataset:
    """The same rows with one value of one input changed."""
    data = plan.inputs.data
    batch = data.inputs[name]
    values = batch.values.clone()
    values[row, 0, 0] += 1
    other = ModalityBatch(values, batch.mask, batch.present, batch.layers)
    return replace(data, inputs={**data.inputs, name: other})


def test_only_arms_that_read_what_changed_are_trained_again(plan, tmp_path):
    """Three folds of audio, text and both; two of the folds train on the row that changed."""
    first = fit_all(plan, tmp_path, 1, None, keep_heads=True)
    assert (first.trained, first.cached) == (9, 0)
    again = fit_all(plan, tmp_path, 1, None, keep_heads=True)
    assert (again.trained, again.cached) == (0, 9)
    other = with_data(plan, changed(plan, "audio", 0))
    without = fit_all(replace(other, arms=("text",)), tmp_path, 1, None, keep_heads=True)
    assert (without.trained, without.cached) == (0, 3)
    # The third fold has the row among those it scores, with heads that it has already.
    found = fit_all(other, tmp_path, 1, None, keep_heads=True)
    assert (found.trained, found.cached) == (4, 5)


def test_rows_and_folds_of_other_names_are_not_trained_again(plan, tmp_path):
    """Names in what comes from the cache are those of who asks."""
    fit_all(plan, tmp_path, 1, None)
    data, renamed = plan.inputs.data, {name: f"{name}'" for name in plan.inputs.data.ids}
    names = lambda ids: tuple(renamed[name] for name in ids)  # noqa: E731
    folds = tuple(
        replace(one, name=f"{one.name}'", train=names(one.train), test=names(one.test))
        for one in plan.folds
    )
    inner = tuple(
        replace(own, folds=tuple(replace(f, train=names(f.train), dev=names(f.dev))
                                 for f in own.folds))
        for own in plan.inner
    )  # fmt: skip
    views = tuple(FoldViews(FoldData(replace(data, ids=names(data.ids)), own)) for own in inner)
    other = replace(plan, arms=("audio", "text"), folds=folds, inner=inner, views=views)
    found = fit_all(other, tmp_path, 1, None)
    assert (found.trained, found.cached) == (0, 6)
    assert {one.fold for one in found.scores} == {one.name for one in folds}


def with_windows(plan: Plan) -> Plan:
    """The plan with one to three windows of each recording."""
    data = plan.inputs.data
    chance = torch.Generator().manual_seed(0)
    rows = [torch.randn(1 + row % 3, 4, generator=chance) for row in range(len(data.ids))]
    return with_data(plan, replace(data, inputs={**data.inputs, WINDOWS: collate(rows)}))


@pytest.mark.parametrize("name", ["audio", WINDOWS])
def test_rows_heard_otherwise_are_scored_as_if_their_fold_held_them(plan, tmp_path, name):
    plan = with_windows(plan) if name == WINDOWS else plan
    heard = changed(plan, name, 5)
    fits = {}
    for keep in (False, True):
        asked, folder = scored_on(plan, heard), tmp_path / str(keep)
        if keep:
            fit_all(plan, folder, 1, None, keep_heads=True)
        made = fit_all(asked, folder, 1, None, keep_heads=keep)
        assert (made.trained == 0) == keep
        fits[keep] = counted_once(made, len(plan.inputs.data.ids))
    by_arm = {(one.arm, one.fold): one for one in fits[True].scores}
    for one in fits[False].scores:
        other = by_arm[one.arm, one.fold]
        np.testing.assert_array_equal(one.test, other.test)
        np.testing.assert_array_equal(one.test_windows, other.test_windows)
        np.testing.assert_array_equal(one.test_scores, other.test_scores)
    assert (name == WINDOWS) == any(one.test_windows is not None for one in fits[True].scores)
    # The fold that scores the row is the only one of which the whole dataset may be exchanged.
    k = next(k for k, fold in enumerate(plan.folds) if plan.inputs.data.ids[5] in fold.test)
    own = slice(k, k + 1)
    alone = replace(with_data(plan, heard), folds=plan.folds[own], inner=plan.inner[own])
    alone = replace(alone, views=alone.views[own])
    for one in fit_all(alone, tmp_path / "own", 1, None).scores:
        np.testing.assert_array_equal(one.test_scores, by_arm[one.arm, one.fold].test_scores)


def test_batches_of_other_lengths_are_stacked():
    one, other = collate([torch.ones(2, 3)]), collate([torch.ones(5, 3), None])
    both = stacked(one, other)
    assert both.mask.sum(dim=1).tolist() == [2, 5, 1]
    assert both.present.tolist() == [True, True, False]
    with pytest.raises(ValueError, match="cannot be stacked"):
        stacked(one, collate([torch.ones(2, 4)]))
