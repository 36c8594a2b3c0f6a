"""Every p equals its naive version: signs, swaps, McNemar, Holm."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fusion.evaluation.measures import CLASSES
from fusion.evaluation.p_values import DRAWS, holm, mcnemar, sign_flip_p
from fusion.evaluation.statistics import corrected, paired_difference
from tests.fusion.evaluation.counts_of_speakers import UAR, random_counts, sums

# ---------------------------------------------------------------- sign flips

CONTRIBUTIONS = st.lists(st.floats(-1, 1).map(lambda v: round(v, 3)), min_size=5, max_size=10)


@given(CONTRIBUTIONS)
def test_sign_flips_equal_brute_force(values):
    observed = abs(sum(values))
    sums = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(values))
    ]
    expected = np.mean([total >= observed - 1e-9 for total in sums])
    assert sign_flip_p(np.array(values)) == pytest.approx(float(expected))


@given(CONTRIBUTIONS)
def test_p_is_two_sided(values):
    assert sign_flip_p(np.array(values)) == sign_flip_p(-np.array(values))


def test_up_to_twenty_speakers_p_is_exact():
    assert sign_flip_p(np.ones(20)) == 2 / 2**20


def test_from_twenty_one_speakers_p_is_sampled_and_never_0():
    assert sign_flip_p(np.ones(30)) == 1 / (DRAWS + 1)


def test_sampled_p_is_near_the_exact_one():
    values = np.random.default_rng(3).standard_normal(20) + 0.3
    exact = sign_flip_p(values)
    # A contribution of 0 makes it 21 and changes no sum.
    assert sign_flip_p(np.r_[values, 0.0]) == pytest.approx(exact, abs=0.02)


def test_p_is_uniform_where_nothing_differs():
    rng = np.random.default_rng(0)
    found = [sign_flip_p(rng.standard_normal(8)) for _ in range(600)]
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.02)


# ---------------------------------------------------------------- contributions


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("name", ["uar", "accuracy"])
def test_contributions_sum_to_the_difference(name, seeds):
    from fusion.evaluation.statistics import _contributions

    one = random_counts(9, seeds)
    other = np.roll(one, 1, axis=-1)
    found = paired_difference(sums(one), sums(other), CLASSES[name])
    assert _contributions(one, other, CLASSES[name]).sum() == pytest.approx(found.interval.value)


@pytest.mark.parametrize("name", ["macro_f1", "weighted_f1"])
def test_f1_which_is_no_sum_has_a_p_by_swaps(name):
    one = random_counts(9)
    assert paired_difference(sums(one), sums(np.roll(one, 1, axis=-1)), CLASSES[name]).p <= 0.05


def test_p_does_not_depend_on_which_arm_comes_first():
    one = random_counts(9)
    other = np.roll(one, 1, axis=-1)
    there, back = (
        paired_difference(sums(one), sums(other), UAR),
        paired_difference(sums(other), sums(one), UAR),
    )
    assert there.p == back.p


def test_holm_counts_the_differences_that_have_a_p():
    one = random_counts(9)
    found = paired_difference(sums(one), sums(np.roll(one, 1, axis=-1)), UAR)
    few = paired_difference(sums(one[:4]), sums(one[:4]), UAR)
    among = corrected([found, few, None, found])
    assert [row.tests for row in among] == [2, 2, 2, 2]
    assert [row.p_holm for row in among] == [2 * found.p, None, None, 2 * found.p]


# ---------------------------------------------------------------- McNemar

HITS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30)


@given(HITS)
def test_mcnemar_equals_the_binomial_sum(pairs):
    one, other = np.array(pairs).T
    found = mcnemar(one[None], other[None])
    a, b = sum(one & ~other), sum(other & ~one)
    tail = sum(math.comb(a + b, k) for k in range(min(a, b) + 1)) / 2 ** (a + b)
    assert found.p == pytest.approx(min(1.0, 2 * tail))
    assert (found.only_one, found.only_other) == (a, b)


def test_mcnemar_tells_the_largest_p_of_its_seeds_never_the_best():
    one = np.array([[True] * 8, [True] * 4 + [False] * 4])
    other = ~one
    assert mcnemar(one, other).p == mcnemar(one[1:], other[1:]).p == 1.0
    assert mcnemar(one[:1], other[:1]).p < 0.05


# ---------------------------------------------------------------- Holm

P_VALUES = st.lists(st.none() | st.floats(0, 1), max_size=8)


@given(P_VALUES)
def test_holm_equals_a_naive_version(values):
    known = sorted(p for p in values if p is not None)
    stepped = [min(1.0, p * (len(known) - rank)) for rank, p in enumerate(known)]
    # Of equal p values the first decides the others: their running maximum is the same.
    firsts = {p: max(stepped[: known.index(p) + 1]) for p in known}
    expected = [None if p is None else firsts[p] for p in values]
    assert holm(values) == pytest.approx(expected)


@given(P_VALUES)
def test_holm_never_lowers_a_p(values):
    pairs = zip(values, holm(values), strict=True)
    assert all(p is None or corrected >= p for p, corrected in pairs)
