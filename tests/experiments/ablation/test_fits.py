"""Fits are shared by what heads see: by content, never by the name of a study."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from encoders.hints import KeyHints
from experiments.ablation.fits import counted_once, place_of, scored_on, stacked
from experiments.comparing.fitting import fit_all
from experiments.comparing.inputs import Ready, gather
from experiments.comparing.plan import Plan, Views, make_plan
from experiments.comparing.preparation import chosen_arms, load_corpus
from experiments.comparing.words import Words
from fusion import train
from fusion.batch import Dataset, ModalityBatch, collate
from fusion.crossfit import View
from tests.experiments.ablation.tiny_corpora import features_study


@pytest.fixture(autouse=True)
def _few_epochs(monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 2)


@pytest.fixture
def plan(tmp_path, store) -> Plan:
    study = features_study(tmp_path, arms=("audio", "text", "concat", "late"), seeds=1)
    corpus, arms = load_corpus(study), chosen_arms(study)
    hints = KeyHints(store.root / "hints.json")
    inputs = gather(Ready(study, corpus, corpus.utterances, arms), Words({}), store, hints, None)
    return make_plan(corpus, inputs, study, arms)


def with_data(plan: Plan, data: Dataset) -> Plan:
    views = tuple(Views(View(data, views.whole.inner)) for views in plan.views)
    return replace(plan, inputs=replace(plan.inputs, data=data), views=views)


def changed(plan: Plan, name: str, row: int) -> Dataset:
    """The same rows with one value of one input changed."""
    data = plan.inputs.data
    batch = data.inputs[name]
    values = batch.values.clone()
    values[row, 0, 0] += 1
    other = ModalityBatch(values, batch.mask, batch.present, batch.layers)
    return replace(data, inputs={**data.inputs, name: other})


def spots(plan: Plan, root, arm: str) -> list:
    place = place_of(plan, root, len(plan.inputs.data.ids), keep_heads=True)
    return [
        place(arm, fold, (views.whole,)) for fold, views in zip(plan.folds, plan.views, strict=True)
    ]


def test_an_arm_that_does_not_read_what_changed_keeps_its_fits(plan, tmp_path):
    other = with_data(plan, changed(plan, "audio", 0))
    assert spots(plan, tmp_path, "text") == spots(other, tmp_path, "text")
    for one, two in zip(
        spots(plan, tmp_path, "audio"), spots(other, tmp_path, "audio"), strict=True
    ):
        assert one.part != two.part


def test_folds_that_only_score_the_row_that_changed_keep_their_heads(plan, tmp_path):
    other = with_data(plan, changed(plan, "audio", 0))
    name = plan.inputs.data.ids[0]
    pairs = zip(
        plan.folds, spots(plan, tmp_path, "audio"), spots(other, tmp_path, "audio"), strict=True
    )
    for fold, one, two in pairs:
        assert (one.heads == two.heads) == (name in fold.test)


@pytest.mark.parametrize("change", ["budget", "truth", "inner", "missing"])
def test_whatever_a_fit_depends_on_is_in_its_name(plan, tmp_path, change):
    if change == "budget":
        other = replace(plan, budget=replace(plan.budget, fixed={"hidden": 8}))
    elif change == "truth":
        data = plan.inputs.data
        other = with_data(plan, replace(data, truth=(data.truth + 1) % 3))
    elif change == "missing":
        data = plan.inputs.data
        hidden = data.inputs["audio"].hidden(torch.arange(len(data.ids)) < 3)
        other = with_data(plan, replace(data, inputs={**data.inputs, "audio": hidden}))
    else:
        turned = tuple(replace(found, folds=found.folds[::-1]) for found in plan.inner)
        views = tuple(Views(View(plan.inputs.data, found)) for found in turned)
        other = replace(plan, inner=turned, views=views)
    one, two = spots(plan, tmp_path, "audio"), spots(other, tmp_path, "audio")
    assert not {spot.part for spot in one} & {spot.part for spot in two}


def test_rows_heard_otherwise_are_scored_as_if_their_fold_held_them(plan, tmp_path):
    heard = changed(plan, "audio", 5)
    fits = {}
    for keep in (False, True):
        asked = scored_on(plan, heard)
        place = place_of(asked, tmp_path / str(keep), len(plan.inputs.data.ids), keep_heads=keep)
        if keep:
            clean = place_of(plan, tmp_path / "True", len(plan.inputs.data.ids), keep_heads=True)
            fit_all(plan, tmp_path, 1, None, clean)
        made = fit_all(asked, tmp_path, 1, None, place)
        assert (made.trained == 0) == keep
        fits[keep] = counted_once(made, len(plan.inputs.data.ids))
    by_arm = {(one.arm, one.fold): one for one in fits[True].scores}
    for one in fits[False].scores:
        other = by_arm[one.arm, one.fold]
        np.testing.assert_array_equal(one.test, other.test)
        np.testing.assert_array_equal(one.test_scores, other.test_scores)
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
