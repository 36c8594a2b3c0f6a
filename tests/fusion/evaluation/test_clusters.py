"""Who talks with each other counts once, and what folds share in training is counted."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from fusion.evaluation.clusters import clusters_of, training_overlap

ROWS = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.none() | st.sampled_from("12"),
        st.none() | st.sampled_from("xyz"),
    ),
    min_size=1,
    max_size=12,
)


@given(ROWS, st.randoms())
def test_clusters_are_the_connected_groups_whatever_the_order(rows, random):
    found = dict(
        zip([row[0] for row in rows], clusters_of(*zip(*rows, strict=True)).of, strict=True)
    )
    # Flooding from each speaker, place by place.
    place = [
        f"s{session}" if session else dialogue and f"d{dialogue}" for _, session, dialogue in rows
    ]
    for speaker in found:
        reached, size = {speaker}, 0
        while size < len(reached):
            size = len(reached)
            there = {p for (name, *_), p in zip(rows, place, strict=True) if p and name in reached}
            reached |= {name for (name, *_), p in zip(rows, place, strict=True) if p in there}
        assert found[speaker] == min(reached)
    random.shuffle(rows)
    again = dict(
        zip([row[0] for row in rows], clusters_of(*zip(*rows, strict=True)).of, strict=True)
    )
    assert again == found


def test_speakers_who_talk_with_nobody_are_speakers():
    assert clusters_of("ab", [None] * 2, ["x", "y"]).unit == "speakers"
    assert clusters_of("ab", [None] * 2, ["x", "x"]).unit == "groups of speakers"


def test_sessions_go_before_dialogues():
    found = clusters_of("abc", ["1", "2", None], ["x", "x", "x"])
    assert found.of == ("a", "b", "c")


@pytest.mark.parametrize(("speakers", "parts"), [(10, 5), (24, 24), (12, 3)])
def test_cross_validation_shares_g_over_g_minus_one(speakers, parts):
    everyone = [str(k) for k in range(speakers)]
    folds = [
        ([s for k, s in enumerate(everyone) if k % parts != p],
         [s for k, s in enumerate(everyone) if k % parts == p])
        for p in range(parts)
    ]  # fmt: skip
    assert training_overlap(folds) == pytest.approx(parts / (parts - 1))


def test_a_split_shares_test_over_training_speakers():
    assert training_overlap([("abcdefgh", "xy")]) == 0.25


def test_a_cluster_that_several_folds_test_counts_once():
    """Three corpora of two speakers, each trained on and tested on each."""
    corpora = [["a", "b"], ["c", "d"], ["e", "f"]]
    folds = [(one, other) for one in corpora for other in corpora if one is not other]
    assert training_overlap(folds) == pytest.approx(6 / 4)
    assert training_overlap([([], ["a", "b"])]) == 0.0
