"""A published classifier's logits as probabilities of a corpus's targets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import softmax

from fusion.batch import collate
from fusion.training.published import class_probabilities, score_published

LOGITS = hnp.arrays(np.float32, (3, 4), elements=st.floats(-500, 500, width=32))


@given(LOGITS)
def test_with_a_class_for_every_label_it_is_the_softmax(logits):
    expected = softmax(logits.astype(np.float64), axis=1)
    np.testing.assert_allclose(class_probabilities(logits, (0, 1, 2, 3), 4), expected, atol=1e-12)


@given(LOGITS, st.lists(st.sampled_from([None, 0, 1, 2]), min_size=4, max_size=4))
def test_rows_are_probabilities_in_proportion_to_the_softmax(logits, columns):
    if columns == [None] * 4:
        return
    found = class_probabilities(logits, columns, 4)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found[:, 3] == 0).all()
    own = [[float(column == k) for k in range(4)] for column in columns]
    summed = softmax(logits.astype(np.float64), axis=1) @ np.array(own)
    total = summed.sum(axis=1, keepdims=True)
    rows = total[:, 0] > 1e-100
    np.testing.assert_allclose(found[rows], summed[rows] / total[rows], atol=1e-9)


def test_labels_of_one_class_are_summed():
    logits = np.log(np.array([[0.2, 0.3, 0.5]], np.float32))
    found = class_probabilities(logits, (0, 0, 1), 2)
    np.testing.assert_allclose(found, [[0.5, 0.5]], atol=1e-6)


def test_scores_stand_on_the_rows_of_the_folds_the_same_for_every_seed(make_data, split_data):
    data = make_data()
    fold, inner = split_data(data)
    logits = torch.randn(len(data.ids), 1, 2)
    data = replace(data, inputs={**data.inputs, "pretrained:x": collate(list(logits))})
    found = score_published("pretrained:x", data, (2, 0), fold, inner, seeds=3)
    every = class_probabilities(logits[:, 0].numpy(), (2, 0), 3)
    assert found.test.tolist() == data.index(fold.test).tolist()
    assert sorted(found.dev) == sorted(data.index([n for one in inner.folds for n in one.dev]))
    assert (found.trials, found.epochs) == ((), ())
    for seed in range(3):
        np.testing.assert_array_equal(found.test_scores[seed], every[found.test])
        np.testing.assert_array_equal(found.dev_scores[seed], every[found.dev])


def test_a_missing_input_has_no_answer(make_data, split_data):
    data = make_data()
    batch = collate([None, *torch.randn(len(data.ids) - 1, 1, 2)])
    data = replace(data, inputs={"pretrained:x": batch})
    with pytest.raises(AssertionError, match="no answer for a missing input"):
        score_published("pretrained:x", data, (0, 1), *split_data(data), seeds=1)
