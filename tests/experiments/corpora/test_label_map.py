"""Labels of a published classifier and classes of a corpus."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from experiments.config import ConfigError
from experiments.corpora.emodb import EMOTIONS as EMODB
from experiments.corpora.label_map import SYNONYMS, map_labels, parse_map, word
from experiments.corpora.ravdess import EMOTIONS as RAVDESS

SUPERB = ("neu", "hap", "ang", "sad")


def mapped(labels: tuple[str, ...], targets: tuple[str, ...], *asked: str) -> dict[str, str]:
    return map_labels("arm", labels, targets, parse_map(asked, targets)).pairs


def test_labels_of_superb_are_classes_of_ravdess():
    found = map_labels("arm", SUPERB, tuple(RAVDESS.values()), {})
    assert found.pairs == {"neu": "neutral", "hap": "happy", "ang": "angry", "sad": "sad"}
    assert found.absent == ("calm", "fearful", "disgust", "surprised")
    assert found.columns == (0, 2, 4, 3)


def test_labels_of_superb_are_classes_of_emodb():
    found = mapped(SUPERB, tuple(EMODB.values()))
    assert found == {"neu": "neutral", "hap": "happiness", "ang": "anger", "sad": "sadness"}


@pytest.mark.parametrize("group", SYNONYMS, ids=lambda group: group[0])
def test_every_synonym_finds_every_other(group):
    for label in group:
        for target in group:
            assert mapped((label.upper(),), (target, "zzz")) == {label.upper(): target}


def test_no_word_has_two_meanings():
    words = [name for group in SYNONYMS for name in group]
    assert len(words) == len(set(words))
    assert [word(name) for name in words] == words


@pytest.mark.parametrize(("label", "nearest"), [("exc", "happy"), ("calm", "neutral")])
def test_a_near_emotion_is_taken_only_where_the_corpus_has_none_of_its_own(label, nearest):
    own = {"exc": "excited", "calm": "calm"}[label]
    assert mapped((label,), (nearest, "sad")) == {label: nearest}
    assert mapped((label,), (nearest, own)) == {label: own}


def test_the_same_word_comes_before_a_synonym():
    assert mapped(("joy",), ("happy", "joy")) == {"joy": "joy"}


def test_a_label_that_could_be_two_classes_is_asked_about():
    with pytest.raises(ConfigError, match=r"label hap could be happy or joy; .*--map hap=happy"):
        mapped(("hap",), ("happy", "joy"))
    assert mapped(("hap",), ("happy", "joy"), "hap=joy") == {"hap": "joy"}


def test_what_is_asked_for_comes_first_and_leaves_the_rest():
    found = map_labels("arm", SUPERB, ("happy", "sad"), parse_map(["Neu=sad"], ("happy", "sad")))
    assert found.pairs == {"neu": "sad", "hap": "happy", "sad": "sad"}
    assert found.unused == ("ang",)


def test_a_label_can_be_taken_out():
    assert mapped(SUPERB, ("happy", "sad"), "hap=none") == {"sad": "sad"}


def test_labels_and_classes_that_do_not_meet_are_both_listed():
    with pytest.raises(ConfigError, match=r"it says LABEL_0, LABEL_1, the corpus has a, b; .*=a"):
        mapped(("LABEL_0", "LABEL_1"), ("a", "b"))
    assert mapped(("LABEL_0", "LABEL_1"), ("a", "b"), "LABEL_1=a") == {"LABEL_1": "a"}


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["hap"], "'hap' is not label=class"),
        (["=happy"], "'=happy' is not label=class"),
        (["hap=joyous"], "the corpus has happy, sad"),
        (["hap=happy", "Hap=sad"], "'Hap' is mapped twice"),
    ],
)
def test_what_is_no_map_is_refused(typed, message):
    with pytest.raises(ConfigError, match=message):
        parse_map(typed, ("happy", "sad"))


@given(st.lists(st.text(min_size=1), min_size=1, max_size=6, unique=True))
def test_any_labels_are_the_classes_of_the_same_names(labels):
    words = [word(label) for label in labels]
    if "" in words or len(set(words)) < len(words):
        return
    found = map_labels("arm", labels, labels, {})
    assert found.columns == tuple(range(len(labels)))
