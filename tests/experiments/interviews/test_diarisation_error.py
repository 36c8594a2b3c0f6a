"""The diarisation error rate on examples that were worked out by hand, and its laws."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from benchmarks.diarisation_error import Spoken, detection_error, diarisation_error

A_THEN_B = [Spoken(0.0, 10.0, "anna"), Spoken(10.0, 20.0, "ben")]


def of(*rows: tuple[float, float, str]) -> list[Spoken]:
    return [Spoken(float(start), float(end), name) for start, end, name in rows]


@pytest.mark.parametrize(
    ("guess", "missed", "false_alarm", "confused"),
    [
        (of((0, 10, "x"), (10, 20, "y")), 0, 0, 0),
        # One speaker for both: the shorter half is confused.
        (of((0, 20, "x")), 0, 0, 10),
        # The change is found 2 s late.
        (of((0, 12, "x"), (12, 20, "y")), 0, 0, 2),
        # Nothing after 15 s, and 4 s of speech past the end.
        (of((0, 10, "x"), (10, 15, "y"), (20, 24, "y")), 5, 4, 0),
        # A third speaker takes 3 s of ben's.
        (of((0, 10, "x"), (10, 17, "y"), (17, 20, "z")), 0, 0, 3),
        # Both at once for 2 s where one is right.
        (of((0, 12, "x"), (10, 20, "y")), 0, 2, 0),
        ([], 20, 0, 0),
    ],
)
def test_examples_worked_by_hand_without_a_collar(guess, missed, false_alarm, confused):
    error = diarisation_error(A_THEN_B, guess, collar_s=0.0)
    assert error.missed_s == pytest.approx(missed)
    assert error.false_alarm_s == pytest.approx(false_alarm)
    assert error.confused_s == pytest.approx(confused)
    assert error.reference_s == pytest.approx(20)
    assert error.rate == pytest.approx((missed + false_alarm + confused) / 20)


def test_overlap_counts_once_per_speaker():
    reference = of((0, 10, "anna"), (5, 10, "ben"))
    error = diarisation_error(reference, of((0, 10, "x")), collar_s=0.0)
    assert error.reference_s == pytest.approx(15)
    assert error.missed_s == pytest.approx(5)
    assert error.rate == pytest.approx(1 / 3)


def test_within_the_collar_nothing_is_scored():
    # A change that is .2 s late falls into the collar of .25 s; 1 s is left of each edge.
    guess = of((0, 10.2, "x"), (10.2, 20.2, "y"))
    error = diarisation_error(A_THEN_B, guess)
    assert error.rate == 0
    assert error.reference_s == pytest.approx(20 - 4 * 0.25)


def test_the_matching_is_the_best_one_and_not_the_first():
    # x agrees with anna for 6 s and with ben for 5; y agrees with anna for 4 s only.
    reference = of((0, 10, "anna"), (10, 15, "ben"))
    guess = of((0, 6, "x"), (10, 15, "x"), (6, 10, "y"))
    # x is ben and y is anna: 9 s agree; x is anna: only 6.
    assert diarisation_error(reference, guess, 0.0).confused_s == pytest.approx(6)


def test_where_speech_is_does_not_ask_who_speaks():
    error = detection_error(A_THEN_B, of((1, 21, "x")), collar_s=0.0)
    assert error.miss_rate == pytest.approx(1 / 20)
    assert error.false_alarm_rate == pytest.approx(1 / 20)
    assert error.confused_s == 0


def test_a_reference_that_the_collars_swallow_is_an_error():
    with pytest.raises(ValueError, match=r"a collar of 0\.25 s leaves nothing"):
        diarisation_error(of((0, 0.4, "anna")), [])


TURNS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 100), st.sampled_from("abc")),
    min_size=1,
    max_size=12,
).map(lambda rows: [Spoken(s / 10, (s + n) / 10, name) for s, n, name in rows])


@given(TURNS, st.permutations("xyz"))
def test_names_mean_nothing_and_the_truth_is_without_error(turns, names):
    renamed = dict(zip("abc", names, strict=True))
    guess = [Spoken(one.start_s, one.end_s, renamed[one.speaker]) for one in turns]
    assert diarisation_error(turns, guess, 0.0).rate == pytest.approx(0)


@given(TURNS, TURNS, st.floats(-30, 100))
def test_shifting_both_changes_nothing(reference, guess, by_s):
    def shifted(rows):
        return [Spoken(one.start_s + by_s, one.end_s + by_s, one.speaker) for one in rows]

    before = diarisation_error(reference, guess, 0.0)
    after = diarisation_error(shifted(reference), shifted(guess), 0.0)
    assert after.rate == pytest.approx(before.rate, abs=1e-6)


@given(TURNS, TURNS)
def test_a_guess_with_one_speaker_is_the_baseline_that_no_split_beats_by_miss(reference, guess):
    error = diarisation_error(reference, guess, 0.0)
    assert 0 <= error.missed_s <= error.reference_s + 1e-9
    assert min(error.false_alarm_s, error.confused_s) >= -1e-9
