"""Who is in which group: what the corpus knows, of speakers where it can be."""

from __future__ import annotations

import pytest

from encoders.utterance import Utterance
from fusion.evaluation.subgroups import age_group, groupings


def utterances(**columns):
    size = len(next(iter(columns.values())))
    return [
        Utterance(id=f"u{n}", speaker=f"s{n // 2}", **{k: v[n] for k, v in columns.items()})
        for n in range(size)
    ]


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0.0, "under 18"), (17.99, "under 18"), (18.0, "18 to 29"), (30.0, "30 to 44"),
     (45.0, "45 to 59"), (59.5, "45 to 59"), (60.0, "60 and over"), (101.0, "60 and over")],
)  # fmt: skip
def test_age_groups_begin_where_they_say(age, expected):
    assert age_group(age) == expected


def test_a_corpus_that_knows_nothing_has_no_groups():
    assert groupings(utterances(sex=[None] * 4)) == {}


def test_one_group_alone_is_no_grouping():
    assert groupings(utterances(language=["de"] * 4)) == {}


def test_groups_are_of_speakers_and_the_unknown_are_in_none():
    found = groupings(utterances(sex=["female", "female", "male", "male", None, None]))
    assert found["sex"].by == "speaker"
    assert found["sex"].of == {"s0": "female", "s1": "male"}


def test_a_speaker_of_two_languages_makes_groups_of_utterances():
    found = groupings(utterances(language=["de", "en", "en", "en"]))["language"]
    assert found.by == "utterance"
    assert found.of == {"u0": "de", "u1": "en", "u2": "en", "u3": "en"}


def test_a_speaker_who_is_known_in_part_makes_groups_of_utterances():
    found = groupings(utterances(sex=["female", None, "male", "male"]))["sex"]
    assert (found.by, found.of) == ("utterance", {"u0": "female", "u2": "male", "u3": "male"})


def test_ages_within_one_group_are_one():
    found = groupings(utterances(age=[31.0, 44.0, 18.0, 18.0]))["age"]
    assert (found.by, found.of) == ("speaker", {"s0": "30 to 44", "s1": "18 to 29"})
