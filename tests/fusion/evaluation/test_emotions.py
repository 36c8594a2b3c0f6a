"""The tree of emotions holds what readers of corpora name, for any subset of it."""

from __future__ import annotations

import pytest

from experiments.corpora import emodb, meld, ravdess, tess
from experiments.corpora.common_sets import COMMON
from fusion.evaluation.emotions import (
    COORDINATES,
    LEVELS,
    SYNONYMS,
    TREE,
    branches,
    canonical,
    coarser_levels,
    derived_values,
)

LEAVES = [name for groups in TREE.values() for names in groups.values() for name in names]


@pytest.mark.parametrize("targets", [emodb.TARGETS, meld.TARGETS, ravdess.TARGETS, tess.TARGETS])
def test_every_emotion_that_readers_name_has_its_place(targets):
    groups = {name for names in TREE.values() for name in names}
    assert set(branches(targets, "group")) <= groups
    assert set(branches(targets, "arousal")) == set(TREE)
    assert coarser_levels(targets) == ("group", "arousal")
    assert derived_values((1 / len(targets),) * len(targets), targets) is not None


def test_an_emotion_stands_once_under_the_first_of_its_words():
    assert len(set(LEAVES)) == len(LEAVES)
    assert set(LEAVES) <= {group[0] for group in SYNONYMS}
    assert set(COORDINATES) == set(LEAVES)


def test_the_tree_says_what_the_common_quadrants_say():
    quadrants = COMMON["quadrants"].classes
    of_quadrants = {name: kind for kind, names in quadrants.items() for name in names}
    groups = {
        "positive-active": "positive or surprised",
        "negative-active": "negative, aroused",
        "negative-passive": "negative, low",
        "positive-passive": "calm or neutral",
    }
    for name, kind in of_quadrants.items():
        assert branches((name,), "group") == (groups[kind],)


def test_arousal_of_the_coordinates_agrees_with_the_tree():
    for name, (_, arousal) in COORDINATES.items():
        assert (arousal > 0) == (branches((name,), "arousal") == ("aroused",)), name


def test_what_is_outside_of_the_tree_is_a_branch_of_its_own():
    targets = ("angry", "fear", "contempt", "tension")
    assert branches(targets, "arousal") == ("aroused", "aroused", "contempt", "tension")
    assert coarser_levels(targets) == ("group",)
    assert derived_values((0.25,) * 4, targets) is None


@pytest.mark.parametrize(
    ("targets", "levels"),
    [
        (("angry", "neutral"), ()),
        (("angry", "fear", "disgust"), ()),
        (("angry", "happy", "neutral", "sad"), ("arousal",)),
        (("angry", "fear", "neutral"), ("group",)),
        (("low", "high"), ()),
    ],
)
def test_a_level_that_says_nothing_new_is_left_out(targets, levels):
    assert coarser_levels(targets) == levels


def test_classes_are_their_own_branches_at_the_finest_level():
    assert branches(("joy", "sadness"), LEVELS[0]) == ("joy", "sadness")
    assert canonical("joy") == "happy"
