"""Intervals and tests over speakers equal their naive versions and keep their promises."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fusion.evaluation import metrics
from fusion.evaluation.jackknife import effective, jackknife
from fusion.evaluation.statistics import (
    BOOTSTRAP_FROM,
    CLAIM_FROM,
    DRAWS,
    holm,
    interval,
    mcnemar,
    paired_difference,
    sign_flip_p,
    unpaired_difference,
)


def random_counts(clusters: int, seeds: int = 2, classes: int = 3, seed: int = 0) -> np.ndarray:
    """Counts in which truth does not depend on the seed, as in predictions of one corpus."""
    rng = np.random.default_rng(seed)
    truth = [np.r_[np.arange(classes), rng.integers(0, classes, 8)] for _ in range(clusters)]
    return np.array(
        [
            [
                metrics.confusion(
                    own, np.where(rng.random(len(own)) < 0.6, own, rng.permutation(own)), classes
                )
                for _ in range(seeds)
            ]
            for own in truth
        ]
    )


def even_counts(clusters: int) -> np.ndarray:
    """Speakers of equal weight, so that there are as many effective ones."""
    rng, truth = np.random.default_rng(5), np.repeat(np.arange(3), 4)
    guesses = [
        np.where(rng.random(12) < 0.6, truth, rng.permutation(truth)) for _ in range(clusters)
    ]
    return np.array([[metrics.confusion(truth, guess, 3)] for guess in guesses])


def naive(counts: np.ndarray, metric) -> float:
    """Mean over seeds of the metric on counts pooled over clusters, one at a time."""
    seeds = counts.shape[1]
    return float(np.mean([metric(sum(cluster[s] for cluster in counts)) for s in range(seeds)]))


def test_the_value_is_the_mean_over_seeds_of_pooled_counts():
    counts = random_counts(7)
    assert interval(counts, metrics.uar).value == pytest.approx(naive(counts, metrics.uar))


# ---------------------------------------------------------------- jackknife-t


def kish(counts: np.ndarray) -> float:
    """Effective number of speakers, one class and speaker at a time."""
    rows = counts[:, 0].sum(axis=-1)
    weights = [np.mean([own[k] / rows[:, k].sum() for k in range(rows.shape[1])]) for own in rows]
    return 1 / sum(weight**2 for weight in weights)


@pytest.mark.parametrize("name", list(metrics.METRICS))
@pytest.mark.parametrize("clusters", [5, 12, BOOTSTRAP_FROM - 1])
def test_the_jackknife_equals_leaving_each_cluster_out(name, clusters):
    counts, metric = random_counts(clusters), metrics.METRICS[name]
    left_out = [naive(np.delete(counts, c, axis=0), metric) for c in range(clusters)]
    variance = (clusters - 1) / clusters * sum((v - np.mean(left_out)) ** 2 for v in left_out)
    reach = stats.t.ppf(0.975, kish(counts) - 1) * variance**0.5
    found = interval(counts, metric)
    value = naive(counts, metric)
    assert (found.low, found.high) == (pytest.approx(value - reach), pytest.approx(value + reach))


def test_the_jackknife_of_a_difference_equals_leaving_each_cluster_out():
    one, other, clusters = random_counts(9, seed=1), random_counts(9, seed=1), 9
    other = np.roll(other, 1, axis=-1)
    left_out = [
        naive(np.delete(one, c, 0), metrics.uar) - naive(np.delete(other, c, 0), metrics.uar)
        for c in range(clusters)
    ]
    variance = (clusters - 1) / clusters * sum((v - np.mean(left_out)) ** 2 for v in left_out)
    found = paired_difference(one, other, "uar").interval
    assert found.high - found.low == pytest.approx(
        2 * stats.t.ppf(0.975, kish(one) - 1) * variance**0.5
    )


def test_the_jackknife_names_itself():
    assert interval(even_counts(8), metrics.uar).method == "jackknife-t over 8 speakers"


def test_speakers_of_equal_weight_have_one_degree_of_freedom_less_than_their_number():
    assert jackknife(even_counts(8), lambda totals: metrics.uar(totals).mean(-1)).freedom == 7


def test_one_speaker_with_most_rows_costs_degrees_of_freedom_and_is_told():
    counts = even_counts(8)
    counts[0] *= 10
    shares = np.r_[10, np.ones(7)] / 17
    assert effective(counts) == pytest.approx(1 / np.square(shares).sum())
    assert interval(counts, metrics.uar).method == (
        "jackknife-t over 8 speakers of unequal weight (1.7 degrees of freedom)"
    )


def test_a_speaker_without_rows_is_no_effective_speaker():
    counts = even_counts(9)
    counts[0] = 0.0
    assert effective(counts) == pytest.approx(8)


def test_there_is_at_least_one_degree_of_freedom():
    counts = even_counts(8)
    counts[0] *= 1e6
    assert jackknife(counts, lambda totals: metrics.uar(totals).mean(-1)).freedom == 1


@given(st.permutations(range(7)))
def test_the_order_of_speakers_changes_no_interval(order):
    counts = random_counts(7)
    one, other = interval(counts, metrics.uar), interval(counts[list(order)], metrics.uar)
    assert (one.low, one.high) == pytest.approx((other.low, other.high))


def test_many_corpora_at_once_equal_one_at_a_time():
    corpora = [random_counts(6, seed=number) for number in range(4)]

    def uar(totals: np.ndarray) -> np.ndarray:
        return metrics.uar(totals).mean(axis=-1)

    found = jackknife(np.stack(corpora, axis=1), uar)
    alone = [jackknife(counts, uar) for counts in corpora]
    for name in ("value", "spread", "freedom"):
        expected = [getattr(one, name) for one in alone]
        np.testing.assert_allclose(getattr(found, name), expected)


# ---------------------------------------------------------------- bootstrap


def test_the_bootstrap_equals_a_loop_over_the_same_draws():
    clusters = BOOTSTRAP_FROM
    counts = even_counts(clusters)
    drawn = np.random.default_rng(0).multinomial(clusters, [1 / clusters] * clusters, DRAWS)
    values = [_uar_of_draw(np.repeat(counts, weights, axis=0)) for weights in drawn]
    found = interval(counts, metrics.uar)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def _uar_of_draw(chosen: np.ndarray) -> float:
    totals = chosen.sum(axis=0)
    per_seed = [total.diagonal() / total.sum(axis=1) for total in totals]
    return float(np.mean(per_seed))


@pytest.mark.parametrize(
    ("clusters", "method"),
    [(BOOTSTRAP_FROM - 1, "jackknife-t"), (BOOTSTRAP_FROM, "cluster bootstrap")],
)
def test_the_method_changes_at_a_hundred_speakers(clusters, method):
    assert interval(even_counts(clusters), metrics.uar).method.startswith(method)


def test_a_hundred_speakers_of_unequal_weight_are_fewer():
    counts = even_counts(BOOTSTRAP_FROM)
    counts[0] *= 2
    expected = f"jackknife-t over {BOOTSTRAP_FROM} speakers of unequal weight"
    assert expected in interval(counts, metrics.uar).method


def test_resamples_without_a_class_are_left_out_and_counted():
    counts = random_counts(500, classes=10)
    counts[5:, :, 9] = 0.0  # five of 500 have the class: one draw in 150 lacks it
    found = interval(counts, metrics.uar)
    used = int(found.method.split()[-2])
    assert 0.98 * DRAWS < used < DRAWS


def test_too_many_resamples_without_a_class_give_no_bounds_but_a_reason():
    counts = random_counts(400, classes=10)
    counts[2:, :, 9] = 0.0
    found = interval(counts, metrics.uar)
    assert (found.low, found.high) == (None, None)
    assert "resamples lack a class" in found.method


# ---------------------------------------------------------------- what cannot be claimed


def test_under_five_speakers_there_are_no_bounds():
    found = interval(random_counts(CLAIM_FROM - 1), metrics.uar)
    assert (found.low, found.high) == (None, None)


def test_under_five_speakers_there_is_a_value():
    assert interval(random_counts(CLAIM_FROM - 1), metrics.uar).value is not None


def test_under_five_speakers_there_is_a_reason():
    assert "4 speakers" in interval(random_counts(CLAIM_FROM - 1), metrics.uar).method


def test_under_five_speakers_there_is_no_p():
    four = random_counts(CLAIM_FROM - 1)
    assert paired_difference(four, np.roll(four, 1, axis=-1), "uar").p is None


def one_speaker_class() -> np.ndarray:
    counts = random_counts(8)
    counts[1:, :, 2] = 0.0
    return counts


def test_a_class_of_one_speaker_gives_no_bounds():
    found = interval(one_speaker_class(), metrics.uar)
    assert (found.low, found.high) == (None, None)


def test_a_class_of_one_speaker_gives_a_reason():
    assert interval(one_speaker_class(), metrics.uar).method == (
        "none: a class is spoken by a single speaker"
    )


def test_a_class_of_one_speaker_leaves_accuracy_its_bounds():
    assert interval(one_speaker_class(), metrics.accuracy).low is not None


def test_a_class_without_rows_has_no_value():
    counts = random_counts(8)
    counts[:, :, 2] = 0.0
    assert interval(counts, metrics.uar).value is None


def test_a_class_without_rows_has_no_difference():
    counts = random_counts(8)
    counts[:, :, 2] = 0.0
    assert paired_difference(counts, counts, "uar").p is None


# ---------------------------------------------------------------- constant and identical arms


def constant_counts(clusters: int = 8) -> np.ndarray:
    truth = np.repeat(np.arange(3), 4)
    one = metrics.confusion(truth, np.zeros_like(truth), 3)
    return np.broadcast_to(one, (clusters, 2, 3, 3)).copy()


@pytest.mark.parametrize("clusters", [8, 35])
def test_a_constant_arm_has_an_interval_without_width(clusters):
    found = interval(constant_counts(clusters), metrics.uar)
    assert (found.low, found.high) == pytest.approx((1 / 3, 1 / 3), abs=1e-12)


@pytest.mark.parametrize("clusters", [8, 35])
def test_identical_arms_have_p_1(clusters):
    counts = random_counts(clusters)
    assert paired_difference(counts, counts, "uar").p == 1.0


def test_identical_arms_differ_by_nothing():
    counts = random_counts(8)
    found = paired_difference(counts, counts, "uar").interval
    assert (found.low, found.value, found.high) == (0.0, 0.0, 0.0)


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
    found = paired_difference(one, other, name)
    assert _contributions(one, other, name).sum() == pytest.approx(found.interval.value)


@pytest.mark.parametrize("name", ["macro_f1", "weighted_f1"])
def test_f1_has_no_p_because_it_is_no_sum(name):
    one = random_counts(9)
    assert paired_difference(one, np.roll(one, 1, axis=-1), name).p is None


def test_p_does_not_depend_on_which_arm_comes_first():
    one = random_counts(9)
    other = np.roll(one, 1, axis=-1)
    there, back = paired_difference(one, other, "uar"), paired_difference(other, one, "uar")
    assert there.p == back.p


def test_the_detectable_difference_follows_from_the_interval():
    one = random_counts(9)
    found = paired_difference(one, np.roll(one, 1, axis=-1), "uar")
    half, freedom = (found.interval.high - found.interval.low) / 2, kish(one) - 1
    critical = stats.t.ppf(0.975, freedom)
    expected = half * (1 + stats.t.ppf(0.8, freedom) / critical)
    assert found.detectable == pytest.approx(expected)


# ---------------------------------------------------------------- equivalence


def test_the_margin_of_equivalence_is_where_both_one_sided_tests_reach_5_percent():
    one = random_counts(9)
    found = paired_difference(one, np.roll(one, 1, axis=-1), "uar")
    freedom = kish(one) - 1
    error = (found.interval.high - found.interval.low) / 2 / stats.t.ppf(0.975, freedom)
    # The margin against the nearer side: P(T >= (margin - |d|) / error) = .05.
    reached = stats.t.sf((found.equivalent - abs(found.interval.value)) / error, freedom)
    assert reached == pytest.approx(0.05)


def test_the_margin_of_many_speakers_is_the_far_end_of_the_90_percent_interval():
    one = even_counts(40)
    other = np.roll(one, 1, axis=-1)
    drawn = np.random.default_rng(0).multinomial(40, [1 / 40] * 40, DRAWS)
    values = [
        _uar_of_draw(np.repeat(one, weights, 0)) - _uar_of_draw(np.repeat(other, weights, 0))
        for weights in drawn[:500]
    ]
    found = paired_difference(one, other, "uar").equivalent
    assert found == pytest.approx(max(map(abs, np.quantile(values, [0.05, 0.95]))), abs=0.02)


def test_identical_arms_are_equivalent_within_nothing():
    counts = random_counts(8)
    assert paired_difference(counts, counts, "uar").equivalent == 0.0


# ---------------------------------------------------------------- two groups of speakers


def test_two_groups_of_equal_speakers_give_welchs_test():
    """Each speaker with one row of each class: UAR is the mean of the speakers' own."""
    rng = np.random.default_rng(2)
    means = [rng.integers(0, 4, (size, 1)) / 3 for size in (6, 9)]
    one, other = (_speakers_of(own) for own in means)
    found = unpaired_difference(one, other, metrics.uar)
    expected = stats.ttest_ind(means[0][:, 0], means[1][:, 0], equal_var=False)
    ends = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))


def _speakers_of(values: np.ndarray) -> np.ndarray:
    """Counts of speakers whose UAR are these, three rows in each of two classes."""
    counts = np.zeros((len(values), 1, 2, 2))
    for k in range(2):
        counts[:, :, k, k] = 3 * values
        counts[:, :, k, 1 - k] = 3 - 3 * values
    return counts


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [((4, 9), "4 and 9 speakers; below 5"), ((9, 2), "9 and 2 speakers; below 5")],
)
def test_groups_of_few_speakers_are_not_compared_beyond_them(sizes, reason):
    found = unpaired_difference(*map(even_counts, sizes), metrics.uar)
    assert (found.low, found.high) == (None, None)
    assert found.value is not None
    assert reason in found.method


def test_a_group_without_a_class_has_no_difference():
    lacking = even_counts(6)
    lacking[:, :, 2] = 0.0
    found = unpaired_difference(even_counts(6), lacking, metrics.uar)
    assert found.value is None
    assert "no utterance in one group" in found.method


def test_groups_that_never_differ_have_an_interval_without_width():
    found = unpaired_difference(constant_counts(6), constant_counts(7), metrics.uar)
    assert (found.low, found.value, found.high) == (0.0, 0.0, 0.0)


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
