"""Landmarks of a part are those of the whole, at one distance in time."""

from __future__ import annotations

import numpy as np
import pytest

from encoders.analysis.landmarks import FOLLOWERS, HOP, LAST, RATE_HZ, Landmarks, landmarks_of
from encoders.audio.waveform import Audio
from fusion.leakage.audio_parts import COMMON, PART_FROM, sharing
from tests.experiments.leaky_corpora import RATE, babble


def speech(*seeds: int) -> np.ndarray:
    return np.concatenate([babble(np.random.default_rng(seed)) for seed in seeds])


def marks(samples: np.ndarray) -> Landmarks:
    return landmarks_of(Audio(samples.astype(np.float32), RATE))


def pairs(*recordings: np.ndarray, speakers: tuple[int, ...] | None = None) -> list[list[int]]:
    numbers = np.arange(len(recordings)) if speakers is None else np.array(speakers)
    return sharing([marks(one) for one in recordings], numbers).pairs.tolist()


def test_a_whole_number_of_hops_later_all_landmarks_are_there_at_one_distance():
    whole, hops = marks(speech(1, 2)), 10
    later = marks(np.concatenate([np.zeros(hops * HOP * RATE // RATE_HZ), speech(1, 2)]))
    both = sorted(set(whole.numbers.tolist()) & set(later.numbers.tolist()))
    assert len(both) > 0.8 * len(whole)
    place = {int(n): int(t) for n, t in zip(whole.numbers, whole.frames, strict=True)}
    apart = [int(t) - place[int(n)] for n, t in zip(later.numbers, later.frames, strict=True)
             if int(n) in place]  # fmt: skip
    assert np.bincount(apart).argmax() == hops


def test_numbers_fit_what_keeps_them():
    numbers = marks(speech(1, 2, 3)).numbers
    assert 0 <= numbers.min()
    assert numbers.max() < 1 << 22
    assert (numbers & 63).max() <= LAST


def test_a_peak_has_few_followers():
    found = marks(speech(1, 2, 3))
    first = np.stack([found.numbers >> 13, found.frames])
    assert np.unique(first, axis=1, return_counts=True)[1].max() <= FOLLOWERS


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(RATE), np.ones(40)])
def test_silence_and_clicks_have_none(samples):
    assert len(marks(samples)) == 0


CHANGES = {
    "first 60 %": lambda x: x[: 6 * len(x) // 10],
    "middle half": lambda x: x[len(x) // 4 + 37 : 3 * len(x) // 4],
    "joined": lambda x: np.concatenate([speech(91, 92), x]),
    "tilted": lambda x: np.diff(x, prepend=0.0),
    "noisy": lambda x: x + x.std() * 10**-0.25 * np.random.default_rng(0).standard_normal(len(x)),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_part_is_found_and_counts_as_most(kind):
    whole = speech(1, 2, 3, 4)
    recordings = [speech(5, 6, 7, 8), whole, speech(9, 10), CHANGES[kind](whole)]
    shared = sharing([marks(one) for one in recordings], np.arange(4))
    assert shared.pairs.tolist() == [[1, 3]]
    assert shared.most.all()


def test_a_short_stretch_is_told_and_is_not_most():
    one, other = speech(*range(20, 36), 1), speech(*range(40, 56), 1)
    shared = sharing([marks(one), marks(other)], np.arange(2))
    assert shared.pairs.tolist() == [[0, 1]]
    assert not shared.most.any()


def test_rows_of_one_speaker_are_not_compared():
    whole = speech(1, 2, 3)
    assert pairs(whole, whole[: len(whole) // 2], speakers=(0, 0)) == []
    assert pairs(whole, whole[: len(whole) // 2], speakers=(-1, -1)) == [[0, 1]]


def test_numbers_that_everybody_has_tell_nothing():
    marked = marks(speech(1, 2))
    assert len(sharing([marked] * COMMON, np.arange(COMMON)).pairs) == COMMON * (COMMON - 1) / 2
    assert sharing([marked] * (COMMON + 1), np.arange(COMMON + 1)).pairs.tolist() == []


def test_few_landmarks_are_no_part():
    few = Landmarks(
        np.arange(PART_FROM - 1, dtype=np.int32), np.arange(PART_FROM - 1, dtype=np.int32)
    )
    assert sharing([few, few], np.arange(2)).pairs.tolist() == []
