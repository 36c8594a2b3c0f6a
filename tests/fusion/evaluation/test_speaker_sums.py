"""Intervals and tests of sums: those of UAR are a special case, and chance is what they say."""

from __future__ import annotations

import numpy as np
import pytest

from fusion.evaluation import metrics
from fusion.evaluation.measures import CLASSES, LABELS, VALUES, Metric
from fusion.evaluation.p_values import EXACT_SWAPS_UP_TO, sign_flip_p, swap_p
from fusion.evaluation.speaker_sums import SpeakerSums, tally_classes, tally_labels, tally_values
from fusion.evaluation.statistics import interval, paired_difference

UAR = Metric("UAR", metrics.uar)
CCC = VALUES["ccc"]


def counted(rng: np.random.Generator, clusters: int, right: float) -> np.ndarray:
    """Confusion counts ``[clusters, 2 seeds, 3, 3]`` with every class in every cluster."""
    truth = np.tile(np.arange(3), 4)
    counts = np.zeros((clusters, 2, 3, 3))
    for cluster in range(clusters):
        for seed in range(2):
            lucky = rng.random(len(truth)) < right
            guess = np.where(lucky, truth, rng.integers(0, 3, len(truth)))
            counts[cluster, seed] = metrics.confusion(truth, guess, 3)
    return counts


def as_tally(counts: np.ndarray) -> SpeakerSums:
    return SpeakerSums(counts, counts[:, 0].sum(axis=-1))


@pytest.mark.parametrize("clusters", [6, EXACT_SWAPS_UP_TO])
def test_swaps_of_a_sum_are_flips_of_its_signs(clusters):
    rng = np.random.default_rng(clusters)
    one, other = as_tally(counted(rng, clusters, 0.8)), as_tally(counted(rng, clusters, 0.6))
    # The same metric by another name is swapped, not flipped.
    swapped = paired_difference(one, other, UAR)
    flipped = paired_difference(one, other, CLASSES["uar"])
    assert swapped.p == pytest.approx(flipped.p)
    assert swapped.interval == flipped.interval


def test_a_tally_of_classes_holds_the_counts_of_each_cluster():
    rng = np.random.default_rng(5)
    truth, guesses = rng.integers(0, 3, 40), rng.integers(0, 3, (2, 40))
    clusters = [f"s{n}" for n in rng.permutation(np.arange(40) % 4)]
    tally = tally_classes(truth, guesses, clusters, 3)
    for place, name in enumerate(sorted(set(clusters))):
        own = np.array(clusters) == name
        for seed in range(2):
            expected = metrics.confusion(truth[own], guesses[seed, own], 3)
            assert tally.sums[place, seed].tolist() == expected.tolist()
        assert tally.support[place].tolist() == np.bincount(truth[own], minlength=3).tolist()


def test_swaps_of_a_sum_are_sign_flips():
    rng = np.random.default_rng(0)
    for clusters in (5, 8, 13):
        one, other = rng.random((2, clusters, 1))
        found = swap_p(one, other, lambda total: total[..., 0])
        assert found == pytest.approx(sign_flip_p((one - other)[:, 0]))


def test_many_swaps_are_drawn_and_never_give_zero():
    one, other = np.ones((30, 1)), np.zeros((30, 1))
    assert 0 < swap_p(one, other, lambda total: total[..., 0]) <= 1e-3
    assert swap_p(one, one, lambda total: total[..., 0]) == 1.0


def test_the_error_of_concordance_is_that_of_leaving_speakers_out():
    rng = np.random.default_rng(1)
    truth, names = rng.normal(3, 1, (40, 2)), [f"s{k % 8}" for k in range(40)]
    said = 0.7 * truth + rng.normal(size=truth.shape)
    found = interval(tally_values(truth, said[None], names), CCC)
    values = []
    for speaker in sorted(set(names)):
        kept = np.array(names) != speaker
        values.append(np.mean([metrics.ccc(truth[kept, k], said[kept, k]) for k in range(2)]))
    error = np.sqrt(7 / 8 * np.square(values - np.mean(values)).sum())
    assert found.low is not None
    assert found.high is not None
    assert (found.high - found.low) / 2 == pytest.approx(2.3646 * error, rel=1e-4)


def test_bounds_stay_within_what_the_metric_can_be():
    rng = np.random.default_rng(2)
    truth = rng.random((30, 2)) < 0.5
    found = tally_labels(truth, truth[None], [f"s{k % 6}" for k in range(30)])
    for name in ("macro_f1", "hamming_loss"):
        one = interval(found, LABELS[name])
        assert one.low == one.high == (1.0 if name == "macro_f1" else 0.0)
    values = rng.normal(size=(30, 1))
    errors = interval(
        tally_values(values, values[None] + 0.1, [f"s{k % 6}" for k in range(30)]), VALUES["mse"]
    )
    assert errors.low is not None
    assert errors.low >= 0


def simulated(rng: np.random.Generator, speakers: int) -> tuple[SpeakerSums, SpeakerSums]:
    """Two equally good predictions of values, each with effects of speakers."""
    names = np.repeat(np.arange(speakers), 15)
    truth = rng.normal(size=(len(names), 1)) + rng.normal(size=(speakers, 1))[names]
    both = [
        truth + rng.normal(size=truth.shape) + 0.7 * rng.normal(size=(speakers, 1))[names]
        for _ in range(2)
    ]
    told = [f"s{name:03}" for name in names]
    one, other = (tally_values(truth, said[None], told) for said in both)
    return one, other


@pytest.mark.slow
@pytest.mark.parametrize("speakers", [6, 10, 24, 40])
def test_equal_predictions_are_seldom_told_apart(speakers):
    """Of 1000 corpora: false alarms of the swap test below 6.5 %, the interval's below 9 %."""
    rng = np.random.default_rng(speakers)
    corpora = 1000
    found = [paired_difference(*simulated(rng, speakers), CCC) for _ in range(corpora)]
    alarms = np.mean([one.p is not None and one.p <= 0.05 for one in found])
    missed = np.mean(
        [not ((one.interval.low or 0) <= 0 <= (one.interval.high or 0)) for one in found]
    )
    assert alarms <= 0.065
    assert missed <= 0.09
