"""Words that give a label away and texts that nearly repeat are found, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from fusion.leakage.label_words import label_words
from fusion.leakage.text_copies import NEARLY, near_pairs, words_of


@given(
    st.lists(
        st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=9).map(tuple), unique=True,
        max_size=25,
    )
)  # fmt: skip
def test_the_index_finds_exactly_the_near_pairs(texts):
    def similar(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
        shared = sum(min(one.count(w), other.count(w)) for w in set(one))
        return shared >= NEARLY * (len(one) + len(other) - shared)

    expected = {
        (m, n) for n in range(len(texts)) for m in range(n) if similar(texts[m], texts[n])
    }  # fmt: skip
    assert {tuple(map(int, pair)) for pair in near_pairs(texts)} == expected


def tagged(share: float, tag: str = "happy") -> tuple[dict, dict, dict]:
    """A hundred utterances of five speakers in two classes; a share of one class is tagged."""
    ids = [f"u{n}" for n in range(100)]
    labels = {name: ("happy", "sad")[n % 2] for n, name in enumerate(ids)}
    texts = {
        name: (f"w{n % 7}", f"v{n % 11}", *([tag] * (n % 2 == 0 and n < 100 * share)))
        for n, name in enumerate(ids)
    }
    return texts, labels, {name: f"s{n % 5}" for n, name in enumerate(ids)}


@pytest.mark.parametrize(("share", "tag"), [(1.0, "happy"), (0.3, "hap"), (1.0, "e3"), (0.5, "e3")])
def test_a_tag_that_gives_the_label_away_is_found(share, tag):
    (told,) = label_words(*tagged(share, tag))
    assert (told.word, told.label, told.precision) == (tag, "happy", 1.0)


def test_words_that_tell_nothing_are_not_found():
    assert label_words(*tagged(0.0)) == ()


def test_a_word_of_both_classes_is_no_telltale():
    texts, labels, speakers = tagged(0.0)
    assert label_words({k: (*v, "happy") for k, v in texts.items()}, labels, speakers) == ()


def test_words_are_told_apart_by_letters_only():
    assert words_of("Don’t -- STOP,stop!") == ("don", "t", "stop", "stop")
