"""Tests whose outcomes are counted, and Holm's correction of several."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

#: Up to this many clusters all sign-flips are enumerated.
EXACT_UP_TO = 20
#: The same where each flip costs a metric and not a sum: 8192 are fewer than the draws.
EXACT_SWAPS_UP_TO = 13
DRAWS = 10_000
#: Swaps that are scored at a time, a bound on memory.
BLOCK = 1000


@dataclass(frozen=True, slots=True)
class McNemar:
    """Rows that one of two classifiers alone has right, mean over seeds, and the exact test's p.

    Its unit is the utterance: it takes every utterance for independent of its speaker's others,
    which they are not, and stands beside the test over speakers, never in its place.
    """

    only_one: float
    only_other: float
    p: float


def sign_flip_p(contributions: Float[np.ndarray, "clusters"]) -> float:
    """Two-sided p of the sum of contributions under random signs.

    >>> sign_flip_p(np.array([1.0, 1.0, 1.0, 1.0, 1.0]))
    0.0625
    """
    observed = abs(contributions.sum())
    slack = 1e-12 * max(1.0, float(np.abs(contributions).sum()))
    if len(contributions) <= EXACT_UP_TO:
        sums = np.zeros(1)
        for contribution in contributions:
            sums = np.concatenate([sums + contribution, sums - contribution])
        return float((np.abs(sums) >= observed - slack).mean())
    hits = (np.abs(_signs(len(contributions)) @ contributions) >= observed - slack).sum()
    return float((hits + 1) / (DRAWS + 1))


@lru_cache(maxsize=2)
def _signs(clusters: int) -> Float[np.ndarray, "draws clusters"]:
    return np.random.default_rng(0).choice([-1.0, 1.0], (DRAWS, clusters))


def mcnemar(arm: Bool[np.ndarray, "seeds rows"], other: Bool[np.ndarray, "seeds rows"]) -> McNemar:
    """McNemar's exact test of two classifiers on the same rows (McNemar 1947).

    Each seed is a test of its own; the largest of their p values is told, never the best one.

    >>> mcnemar(np.array([[True] * 6 + [False]]), np.array([[False] * 6 + [False]]))
    McNemar(only_one=6.0, only_other=0.0, p=0.03125)
    """
    first, second = (arm & ~other).sum(axis=1), (other & ~arm).sum(axis=1)
    tests = [
        float(stats.binomtest(int(a), int(a + b)).pvalue) if a + b else 1.0
        for a, b in zip(first, second, strict=True)
    ]
    return McNemar(float(first.mean()), float(second.mean()), max(tests))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction over the p values that exist (Holm 1979).

    >>> holm([0.01, None, 0.04])
    [0.02, None, 0.04]
    """
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[index] = highest
    return corrected


def swap_p(
    arm: Float[np.ndarray, "clusters *more"],
    other: Float[np.ndarray, "clusters *more"],
    statistic: Callable[[np.ndarray], np.ndarray],
) -> float:
    """Two-sided p of a difference under random swaps of two arms within whole clusters.

    ``statistic`` is of the sum over clusters. Were the arms alike, who answered which cluster would
    not matter (paired randomisation, Edgington & Onghena 2007); all swaps are tried up to 13
    clusters, 10 000 drawn ones from there on.

    >>> swap_p(np.ones((5, 1)), np.zeros((5, 1)), lambda total: total[..., 0])
    0.0625
    """
    half, apart = (arm + other).sum(axis=0) / 2, (arm - other) / 2
    flat, clusters = apart.reshape(len(arm), -1), len(arm)
    exact = clusters <= EXACT_SWAPS_UP_TO
    signs = every_sign(clusters) if exact else _signs(clusters)

    def gaps(some: np.ndarray) -> np.ndarray:
        moved = (some @ flat).reshape(len(some), *half.shape)
        return np.abs(statistic(half + moved) - statistic(half - moved))

    observed = float(gaps(np.ones((1, clusters)))[0])
    blocks = [gaps(signs[start : start + BLOCK]) for start in range(0, len(signs), BLOCK)]
    swapped = np.concatenate(blocks)
    # A swap without a value cannot speak against chance.
    hits = (~(swapped < observed - 1e-9 * max(1.0, observed))).sum()
    return float(hits / len(swapped)) if exact else float((hits + 1) / (len(swapped) + 1))


def every_sign(clusters: int) -> Float[np.ndarray, "draws clusters"]:
    """All signs of clusters; the first draw has no minus, and the second half mirrors the first."""
    bits = np.arange(2**clusters)[:, None] >> np.arange(clusters) & 1
    return 1.0 - 2.0 * bits
