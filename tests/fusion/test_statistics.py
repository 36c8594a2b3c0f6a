"""Intervals and tests over speakers equal their naive versions and keep their promises."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fusion import metrics
from fusion.statistics import (
    BOOTSTRAP_FROM,
    CLAIM_FROM,
    DRAWS,
    holm,
    interval,
    paired_difference,
    sign_flip_p,
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


def naive(counts: np.ndarray, metric) -> float:
    """Mean over seeds of the metric on counts pooled over clusters, one at a time."""
    seeds = counts.shape[1]
    return float(np.mean([metric(sum(cluster[s] for cluster in counts)) for s in range(seeds)]))


def test_the_value_is_the_mean_over_seeds_of_pooled_counts():
    counts = random_counts(7)
    assert interval(counts, metrics.uar).value == pytest.approx(naive(counts, metrics.uar))


# ---------------------------------------------------------------- jackknife-t


@pytest.mark.parametrize("name", list(metrics.METRICS))
@pytest.mark.parametrize("clusters", [5, 12, BOOTSTRAP_FROM - 1])
def test_the_jackknife_equals_leaving_each_cluster_out(name, clusters):
    counts, metric = random_counts(clusters), metrics.METRICS[name]
    left_out = [naive(np.delete(counts, c, axis=0), metric) for c in range(clusters)]
    variance = (clusters - 1) / clusters * sum((v - np.mean(left_out)) ** 2 for v in left_out)
    reach = stats.t.ppf(0.975, clusters - 1) * variance**0.5
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
    assert found.high - found.low == pytest.approx(2 * stats.t.ppf(0.975, 8) * variance**0.5)


def test_the_jackknife_names_itself():
    assert interval(random_counts(8), metrics.uar).method == "jackknife-t over 8 speakers"


# ---------------------------------------------------------------- bootstrap


def test_the_bootstrap_equals_a_loop_over_the_same_draws():
    clusters = BOOTSTRAP_FROM
    counts = random_counts(clusters)
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
def test_the_method_changes_at_thirty_speakers(clusters, method):
    assert interval(random_counts(clusters), metrics.uar).method.startswith(method)


def test_resamples_without_a_class_are_left_out_and_counted():
    counts = random_counts(40)
    counts[5:, :, 2] = (
        0.0  # five of forty speakers have the class: one draw in two hundred lacks it
    )
    found = interval(counts, metrics.uar)
    used = int(found.method.split()[-2])
    assert 0.98 * DRAWS < used < DRAWS


def test_too_many_resamples_without_a_class_give_no_bounds():
    counts = random_counts(40)
    counts[1:, :, 2] = 0.0
    found = interval(counts, metrics.uar)
    assert (found.low, found.high) == (None, None)


def test_too_many_resamples_without_a_class_give_a_reason():
    counts = random_counts(40)
    counts[1:, :, 2] = 0.0
    assert "resamples lack a class" in interval(counts, metrics.uar).method


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
    from fusion.statistics import _contributions

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
    half = (found.interval.high - found.interval.low) / 2
    critical = stats.t.ppf(0.975, 8)
    expected = half * (1 + stats.t.ppf(0.8, 8) / critical)
    assert found.detectable == pytest.approx(expected)


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


# ---------------------------------------------------------------- coverage


def test_the_jackknife_covers_what_it_says():
    rng = np.random.default_rng(0)
    covered = [_covers(rng) for _ in range(400)]
    assert 0.92 <= np.mean(covered) <= 0.98


def _covers(rng: np.random.Generator) -> bool:
    """Ten speakers of a population whose skill varies; 4 classes, uneven numbers of rows."""
    skill = rng.beta(4, 3, (10, 4))
    support = rng.integers(3, 12, (10, 4))
    hits = rng.binomial(support, skill)
    counts = np.zeros((10, 1, 4, 4))
    for k in range(4):
        counts[:, 0, k, k] = hits[:, k]
        counts[:, 0, k, (k + 1) % 4] = support[:, k] - hits[:, k]
    found = interval(counts, metrics.uar)
    return found.low <= 4 / 7 <= found.high
