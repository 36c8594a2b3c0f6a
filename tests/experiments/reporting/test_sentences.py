"""Sentences of a report: what was shown is said, and no more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.reporting.numbers import decimals, p_text
from experiments.reporting.report import answer, claim
from experiments.reporting.results_schema import ArmDifference, Score
from experiments.reporting.sentences import beats_both
from tests.experiments.finished_runs import make_results


def difference(arm="best_fused", against="best_unimodal", **changes):
    content = {
        "arm": arm,
        "against": against,
        "metric": "uar",
        "value": 0.06874999999999998,
        "low": 0.03157519637316291,
        "high": 0.10592480362683704,
        "method": "jackknife-t over 12 speakers",
        "p": 0.00390625,
        "p_holm": None,
        "detectable": 0.05196257030262436,
        "least_p": 2.0**-11,
        "equivalent": None,
        "primary": arm == "best_fused",
    }
    return ArmDifference(**content | changes)


def compared(speakers=12, differences=None, **changes):
    results = make_results(arms=("audio",))
    rows = replace(results.rows, speakers=speakers, clusters=speakers)
    return replace(results, rows=rows, differences=differences or (difference(**changes),))


NONE = {"low": None, "high": None, "p": None, "detectable": None}


@pytest.mark.parametrize(
    ("changes", "speakers", "expected"),
    [
        (
            {},
            12,
            "Fused beats the best single modality by 6.9 points UAR (95 % 3.2 to 10.6, p = .004).",
        ),
        (
            {"value": -0.021, "low": -0.064, "high": 0.022, "p": 0.3125, "detectable": 0.0599},
            12,
            "No difference between fused and the best single modality was shown: −2.1 points UAR "
            "(95 % −6.4 to 2.2, p = .31); this corpus could have shown 6.0 points.",
        ),
        (
            {"value": -0.05, "low": -0.08, "high": -0.02, "p": 0.0002},
            12,
            "The best single modality beats fused by 5.0 points UAR (95 % 2.0 to 8.0, p < .001).",
        ),
        (
            {"p": 0.0586, "detectable": 0.12},
            12,
            "No difference between fused and the best single modality was shown: 6.9 points UAR "
            "(95 % 3.2 to 10.6, p = .059); this corpus could have shown 12.0 points.",
        ),
        (
            {"low": -0.01, "p": 0.04},
            12,
            "No difference between fused and the best single modality was shown: 6.9 points UAR "
            "(95 % −1.0 to 10.6, p = .040); this corpus could have shown 5.2 points.",
        ),
        (
            {"p": None},
            12,
            "Fused beats the best single modality by 6.9 points UAR (95 % 3.2 to 10.6).",
        ),
        (
            {"p": 0.0625, "least_p": 0.0625, "detectable": None},
            5,
            "No difference between fused and the best single modality was shown: 6.9 points UAR "
            "(95 % 3.2 to 10.6, p = .063); this corpus could have shown none of any size: with 5 "
            "speakers p is at least .063.",
        ),
        (
            {"value": 0.0, "low": 0.0, "high": 0.0, "p": 1.0, "detectable": 0.0},
            12,
            "No difference between fused and the best single modality was shown: 0.0 points UAR "
            "(95 % 0.0 to 0.0, p = 1.00).",
        ),
        (
            NONE,
            4,
            "Fused scored 6.9 points UAR above the best single modality on these 4 speakers; no "
            "claim about other speakers can be made (at least 5 are needed).",
        ),
        (
            NONE | {"value": -0.02, "method": "none: a class is spoken by 1 speaker only"},
            8,
            "Fused scored 2.0 points UAR below the best single modality on these 8 speakers; no "
            "claim about other speakers can be made (a class is spoken by 1 speaker only).",
        ),
        (
            NONE | {"value": 0.0},
            2,
            "Fused scored the same UAR as the best single modality on these 2 speakers; no claim "
            "about other speakers can be made (at least 5 are needed).",
        ),
        (
            NONE | {"value": None, "method": "undefined: a class has no utterance"},
            8,
            "Fused and the best single modality could not be compared (a class has no utterance).",
        ),
    ],
)
def test_the_answer_says_what_was_shown_and_no_more(changes, speakers, expected):
    assert answer(compared(speakers, **changes)) == expected


def test_the_answer_reads_the_primary_difference_in_uar():
    other = [difference("concat", "audio"), difference(metric="accuracy", value=0.5)]
    assert "6.9 points UAR" in answer(compared(differences=(*other, difference())))


@pytest.mark.parametrize(
    ("uar", "expected"),
    [
        ({"value": 0.538, "low": 0.479, "high": 0.597}, "53.8 % UAR (95 % 47.9 to 59.7)"),
        ({"value": 0.538, "low": None, "high": None}, "53.8 % UAR (no interval)"),
    ],
)
def test_one_arm_is_measured_and_compared_with_nothing(uar, expected):
    results = make_results(arms=("audio",))
    score = Score(**uar, method="", sd_over_seeds=None)
    arms = {arm: replace(own, uar=score) for arm, own in results.arms.items()}
    assert arms.keys() == {"audio", "best_unimodal"}
    told = answer(replace(results, arms=arms))
    assert told == f"Audio scored {expected}; fused and unimodal arms were not compared."


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"value": 0.03749999999999998, "low": -0.0359, "high": 0.111, "p": 0.3125,
             "p_holm": 0.625, "detectable": 0.1026},
            "concat against text: +3.8 points (−3.6 to 11.1), p = .31, Holm .63: "
            "no difference was shown (could have shown 10.3)",
        ),
        (
            {"p": 0.0005, "p_holm": 0.003},
            "concat against text: +6.9 points (3.2 to 10.6), p < .001, Holm .003: "
            "concat beats text",
        ),
        (
            {"p": 0.02, "p_holm": 0.12},
            "concat against text: +6.9 points (3.2 to 10.6), p = .020, Holm .12: "
            "no difference was shown (could have shown 5.2)",
        ),
        (
            {"p": 0.0078, "p_holm": 0.078, "least_p": 0.078, "detectable": None},
            "concat against text: +6.9 points (3.2 to 10.6), p = .008, Holm .078: no difference "
            "was shown (could have shown none of any size: with 12 speakers p is at least .078 "
            "after Holm's correction)",
        ),
        (
            NONE,
            "concat against text: +6.9 points: no claim about other speakers can be made "
            "(at least 5 are needed)",
        ),
        (
            NONE | {"value": None, "method": "undefined: a class has no utterance"},
            "concat against text: not defined (a class has no utterance)",
        ),
    ],
)  # fmt: skip
def test_an_exploratory_difference_is_judged_after_correction(changes, expected):
    speakers = 3 if changes.get("method") is None and changes.get("low", 0) is None else 12
    rows = compared(speakers).rows
    assert claim(difference("concat", "text", **changes), rows) == expected


def test_beats_both_needs_both_differences():
    shown, lost = {"p_holm": 0.01}, {"p_holm": 0.4}
    rows = [
        difference("concat", "audio", **shown),
        difference("concat", "text", **lost),
        difference("late", "audio", **shown),
        difference("late", "text", **shown),
        difference("attention", "audio", **shown),
    ]
    expected = ["concat was not shown to beat both", "late beats both audio and text"]
    assert beats_both(rows) == expected


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [(-0.04, 1, "0.0"), (-2.15, 1, "−2.2"), (3.7499999999999978, 1, "3.8"), (100.0, 1, "100.0")],
)
def test_numbers_are_rounded_half_away_and_have_a_true_minus(value, digits, expected):
    assert decimals(value, digits) == expected


@pytest.mark.parametrize(
    ("p", "expected"),
    [(None, "–"), (0.0, "p < .001"), (0.001, "p = .001"), (0.0499, "p = .050"), (1.0, "p = 1.00")],
)
def test_p_is_printed_as_in_articles(p, expected):
    assert p_text(p) == expected
