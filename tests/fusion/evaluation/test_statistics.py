"""Intervals and differences over speakers equal their naive versions and keep their promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from fusion.evaluation import metrics
from fusion.evaluation.jackknife import effective, jackknife
from fusion.evaluation.measures import CLASSES
from fusion.evaluation.statistics import (
    CLAIM_FROM,
    Power,
    interval,
    paired_difference,
    unpaired_difference,
)
from tests.fusion.evaluation.counts_of_speakers import UAR, even_counts, random_counts, sums


def jackknifed(counts: np.ndarray):
    return jackknife(sums(counts), lambda totals: metrics.uar(totals).mean(-1))


def naive(counts: np.ndarray, metric) -> float:
    """Mean over seeds of the metric on counts pooled over clusters, one at a time."""
    seeds = counts.shape[1]
    return float(np.mean([metric(sum(cluster[s] for cluster in counts)) for s in range(seeds)]))


def test_the_value_is_the_mean_over_seeds_of_pooled_counts():
    counts = random_counts(7)
    assert interval(sums(counts), UAR).value == pytest.approx(naive(counts, metrics.uar))


# ---------------------------------------------------------------- jackknife-t


def kish(counts: np.ndarray) -> float:
    """Effective number of speakers, one class and speaker at a time."""
    rows = counts[:, 0].sum(axis=-1)
    weights = [np.mean([own[k] / rows[:, k].sum() for k in range(rows.shape[1])]) for own in rows]
    return 1 / sum(weight**2 for weight in weights)


@pytest.mark.parametrize("name", list(CLASSES))
@pytest.mark.parametrize("clusters", [5, 12, 99])
def test_the_jackknife_equals_leaving_each_cluster_out(name, clusters):
    counts, metric = random_counts(clusters), CLASSES[name].of
    left_out = [naive(np.delete(counts, c, axis=0), metric) for c in range(clusters)]
    variance = (clusters - 1) / clusters * sum((v - np.mean(left_out)) ** 2 for v in left_out)
    reach = stats.t.ppf(0.975, kish(counts) - 1) * variance**0.5
    found = interval(sums(counts), CLASSES[name])
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
    found = paired_difference(sums(one), sums(other), UAR).interval
    assert found.high - found.low == pytest.approx(
        2 * stats.t.ppf(0.975, kish(one) - 1) * variance**0.5
    )


def test_the_jackknife_names_itself():
    assert interval(sums(even_counts(8)), UAR).method == "jackknife-t over 8 speakers"


def test_speakers_of_equal_weight_have_one_degree_of_freedom_less_than_their_number():
    assert jackknifed(even_counts(8)).freedom == 7


def test_one_speaker_with_most_rows_costs_degrees_of_freedom_and_is_told():
    counts = even_counts(8)
    counts[0] *= 10
    shares = np.r_[10, np.ones(7)] / 17
    assert effective(sums(counts).support) == pytest.approx(1 / np.square(shares).sum())
    assert interval(sums(counts), UAR).method == (
        "jackknife-t over 8 speakers of unequal weight (1.7 degrees of freedom)"
    )


def test_a_speaker_without_rows_is_no_effective_speaker():
    counts = even_counts(9)
    counts[0] = 0.0
    assert effective(sums(counts).support) == pytest.approx(8)


def test_there_is_at_least_one_degree_of_freedom():
    counts = even_counts(8)
    counts[0] *= 1e6
    assert jackknifed(counts).freedom == 1


@given(st.permutations(range(7)))
def test_the_order_of_speakers_changes_no_interval(order):
    counts = random_counts(7)
    one, other = interval(sums(counts), UAR), interval(sums(counts[list(order)]), UAR)
    assert (one.low, one.high) == pytest.approx((other.low, other.high))


# ---------------------------------------------------------------- shared training


def test_shared_training_widens_every_interval_and_says_so():
    counts = random_counts(9)
    alone, shared = interval(sums(counts), UAR), interval(sums(counts, 1.25), UAR)
    assert shared.high - shared.value == pytest.approx(np.sqrt(1.75) * (alone.high - alone.value))
    assert shared.method.endswith("errors times 1.32 for shared training")
    groups = [
        unpaired_difference(sums(counts, k), sums(random_counts(8), k), UAR) for k in (0.0, 1.25)
    ]
    first, second = (one.high - one.value for one in groups)
    assert second == pytest.approx(np.sqrt(1.75) * first, rel=1e-6)


def test_a_difference_is_as_unsure_as_the_arm_that_shares_more():
    one, other = random_counts(9), np.roll(random_counts(9), 1, axis=-1)
    found = paired_difference(sums(one), sums(other, 1.25), UAR)
    both = paired_difference(sums(one, 1.25), sums(other, 1.25), UAR)
    assert found.interval == both.interval
    assert found.p == both.p


def test_a_difference_whose_interval_holds_zero_has_no_small_p():
    """Signs of ten speakers alone would say .002."""
    one, other = even_counts(10), even_counts(10)
    found = paired_difference(sums(one, 1.25), sums(other, 1.25), UAR)
    assert (found.interval.low <= 0 <= found.interval.high) == (found.p > 0.05)


# ---------------------------------------------------------------- what cannot be claimed


def test_under_five_speakers_there_are_no_bounds():
    found = interval(sums(random_counts(CLAIM_FROM - 1)), UAR)
    assert (found.low, found.high) == (None, None)


def test_under_five_speakers_there_is_a_value():
    assert interval(sums(random_counts(CLAIM_FROM - 1)), UAR).value is not None


def test_under_five_speakers_there_is_a_reason():
    assert "4 speakers" in interval(sums(random_counts(CLAIM_FROM - 1)), UAR).method


def test_under_five_speakers_there_is_no_p():
    four = random_counts(CLAIM_FROM - 1)
    assert paired_difference(sums(four), sums(np.roll(four, 1, axis=-1)), UAR).p is None


def one_speaker_class() -> np.ndarray:
    counts = random_counts(8)
    counts[1:, :, 2] = 0.0
    return counts


def test_a_class_of_one_speaker_gives_no_bounds():
    found = interval(sums(one_speaker_class()), UAR)
    assert (found.low, found.high) == (None, None)


def test_a_class_of_one_speaker_gives_a_reason():
    assert interval(sums(one_speaker_class()), UAR).method == (
        "none: a class is spoken by 1 speaker only"
    )


def test_a_class_of_one_speaker_leaves_accuracy_its_bounds():
    assert interval(sums(one_speaker_class()), CLASSES["accuracy"]).low is not None


@pytest.mark.parametrize(("speakers", "given"), [(2, False), (4, False), (5, True)])
def test_a_class_of_fewer_than_five_speakers_gives_uar_no_bounds(speakers, given):
    counts = random_counts(12)
    counts[speakers:, :, 2] = 0.0
    assert (interval(sums(counts), UAR).low is not None) == given
    assert (paired_difference(sums(counts), sums(counts), UAR).p is not None) == given
    assert interval(sums(counts), CLASSES["accuracy"]).low is not None


def test_a_class_without_rows_has_no_value():
    counts = random_counts(8)
    counts[:, :, 2] = 0.0
    assert interval(sums(counts), UAR).value is None


def test_a_class_without_rows_has_no_difference():
    counts = random_counts(8)
    counts[:, :, 2] = 0.0
    assert paired_difference(sums(counts), sums(counts), UAR).p is None


# ---------------------------------------------------------------- constant and identical arms


def constant_counts(clusters: int = 8) -> np.ndarray:
    truth = np.repeat(np.arange(3), 4)
    one = metrics.confusion(truth, np.zeros_like(truth), 3)
    return np.broadcast_to(one, (clusters, 2, 3, 3)).copy()


@pytest.mark.parametrize("clusters", [8, 35])
def test_a_constant_arm_has_an_interval_without_width(clusters):
    found = interval(sums(constant_counts(clusters)), UAR)
    assert (found.low, found.high) == pytest.approx((1 / 3, 1 / 3), abs=1e-12)


@pytest.mark.parametrize("clusters", [8, 35])
def test_identical_arms_have_p_1(clusters):
    counts = random_counts(clusters)
    assert paired_difference(sums(counts), sums(counts), UAR).p == 1.0


def test_identical_arms_differ_by_nothing():
    counts = random_counts(8)
    found = paired_difference(sums(counts), sums(counts), UAR).interval
    assert (found.low, found.value, found.high) == (0.0, 0.0, 0.0)


# ---------------------------------------------------------------- what could have been shown


def shown_share(clusters: int, overlap: float, size: float, tests: int) -> float:
    """Share of simulated corpora in which a difference of ``size`` standard errors is shown.

    Speakers of one row of each of two classes, of whom each adds a normal share to UAR, so that
    the whole path from counts to p is walked.
    """
    rng, shown = np.random.default_rng(9), []
    for _ in range(400):
        shares = rng.normal(size=clusters) + rng.normal() * np.sqrt(0.6 * overlap / clusters)
        shares += size * np.sqrt((1 + 0.6 * overlap) / clusters)
        arm = _speakers_of(0.5 + shares[:, None] / 100)
        other = _speakers_of(np.full((clusters, 1), 0.5))
        found = paired_difference(sums(arm, overlap), sums(other, overlap), UAR)
        assert found.power is not None
        shown.append(min(1.0, found.p * tests) <= 0.05 and found.interval.low > 0)
    return float(np.mean(shown))


@pytest.mark.parametrize(
    ("clusters", "overlap", "tests"),
    [(6, 0.0, 1), (6, 1.2, 1), (8, 1.25, 3), (10, 0.0, 13), (12, 1.25, 1), (24, 1.25, 5)],
)
def test_what_could_have_been_shown_is_shown_four_times_in_five(clusters, overlap, tests):
    size = Power(1.0, clusters - 1.0, clusters, overlap, reach=9.0).detectable(tests)
    assert shown_share(clusters, overlap, size, tests) == pytest.approx(0.8, abs=0.07)


@pytest.mark.parametrize(("clusters", "tests"), [(5, 1), (6, 2), (8, 7), (9, 13)])
def test_no_size_can_be_shown_where_p_has_too_high_a_floor(clusters, tests):
    power = Power(1.0, clusters - 1.0, clusters, 1.25)
    assert power.detectable(tests) is None
    assert power.least_p(tests) == min(1.0, tests / 2 ** (clusters - 1))


# ---------------------------------------------------------------- equivalence


def test_the_margin_of_equivalence_is_where_both_one_sided_tests_reach_5_percent():
    one = random_counts(9)
    found = paired_difference(sums(one), sums(np.roll(one, 1, axis=-1)), UAR)
    freedom = kish(one) - 1
    error = (found.interval.high - found.interval.low) / 2 / stats.t.ppf(0.975, freedom)
    # The margin against the nearer side: P(T >= (margin - |d|) / error) = .05.
    reached = stats.t.sf((found.equivalent - abs(found.interval.value)) / error, freedom)
    assert reached == pytest.approx(0.05)


def test_identical_arms_are_equivalent_within_nothing():
    counts = random_counts(8)
    assert paired_difference(sums(counts), sums(counts), UAR).equivalent == 0.0


# ---------------------------------------------------------------- two groups of speakers


def test_two_groups_of_equal_speakers_give_welchs_test():
    """Each speaker with one row of each class: UAR is the mean of the speakers' own."""
    rng = np.random.default_rng(2)
    means = [rng.integers(0, 4, (size, 1)) / 3 for size in (6, 9)]
    one, other = (_speakers_of(own) for own in means)
    found = unpaired_difference(sums(one), sums(other), UAR)
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
    found = unpaired_difference(*(sums(even_counts(size)) for size in sizes), UAR)
    assert (found.low, found.high) == (None, None)
    assert found.value is not None
    assert reason in found.method


def test_a_group_without_a_class_has_no_difference():
    lacking = even_counts(6)
    lacking[:, :, 2] = 0.0
    found = unpaired_difference(sums(even_counts(6)), sums(lacking), UAR)
    assert found.value is None
    assert "no utterance in one group" in found.method


def test_groups_that_never_differ_have_an_interval_without_width():
    found = unpaired_difference(sums(constant_counts(6)), sums(constant_counts(7)), UAR)
    assert (found.low, found.value, found.high) == (0.0, 0.0, 0.0)
