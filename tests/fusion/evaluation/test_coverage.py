"""Intervals hold the truth as often as they say, and differences that are none are rarely shown."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks import coverage

#: Corpora of each size, and how far a share of .93, .97 or .06 may be off by chance, one in 10 000.
CORPORA = 2000
KIND = coverage.KINDS["unbalanced, classes absent"]
SIZES = (5, 6, 10, 24)


def least(share: float) -> float:
    return float(stats.binom.ppf(1e-4, CORPORA, share)) / CORPORA


def most(share: float) -> float:
    return float(stats.binom.ppf(1 - 1e-4, CORPORA, share)) / CORPORA


@pytest.fixture(scope="module")
def truth():
    return dict(zip(coverage.METRICS, coverage.truth(KIND), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("speakers", SIZES)
def test_intervals_hold_what_they_say(truth, speakers):
    made = coverage.simulate(KIND, (speakers, CORPORA), [7, speakers])
    found = coverage.rates(made, list(truth.values()))
    assert found.given > 0.6
    for share in (*found.holds, found.zero):
        assert least(coverage.LEAST) <= share <= most(coverage.MOST)
    assert found.shown <= most(coverage.ALARMS)


def test_the_truth_is_that_of_many_speakers(monkeypatch):
    """Against the mean skill by quadrature, where every class is there and arms do not differ."""
    kind = coverage.Kind(absent=0.0, arm=0.0, talkativeness=0.0)
    monkeypatch.setattr(coverage, "POPULATION", 40_000)
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    odds = coverage.SKILL[:, None] + np.hypot(kind.speaker, kind.cell) * nodes
    skill = (weights / weights.sum() / (1 + np.exp(-odds))).sum(axis=1)
    assert coverage.truth(kind)[0] == pytest.approx(skill.mean(), abs=0.005)


def test_no_row_is_lost_in_a_simulated_corpus():
    made = coverage.simulate(KIND, (5, 20), [1])
    np.testing.assert_array_equal(made.one.sum(axis=-1), made.other.sum(axis=-1))
    assert (made.one >= 0).all()
