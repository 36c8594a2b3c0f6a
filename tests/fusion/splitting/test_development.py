"""Speakers held out of an encoder: never on both sides, every class on both, scripts apart too."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st

from encoders.utterance import Utterance, one_hot
from fusion.splitting.development import halves, hold_out
from fusion.splitting.splits import SplitError, assert_speakers_apart

CLASSES = ("a", "b", "c")


def label_of(utterance: Utterance) -> str:
    return CLASSES[utterance.target.index(1.0)]


def rows(said: list[tuple[int, int]], script_of=lambda speaker, label: None) -> list[Utterance]:
    return [
        Utterance(
            id=f"u{number}",
            speaker=f"s{speaker}",
            target=one_hot(CLASSES[label], CLASSES),
            script=script_of(speaker, label),
        )
        for number, (speaker, label) in enumerate(said)
    ]


def full(speakers: int, script_of=lambda speaker, label: None) -> list[Utterance]:
    return rows([(s, k) for s in range(speakers) for k in range(3) for _ in range(2)], script_of)


said = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2)), min_size=3, max_size=60)


@settings(deadline=None, max_examples=60)
@given(said)
@pytest.mark.parametrize("split", [lambda u: hold_out(u, label_of).fold, None])
def test_speakers_are_apart_and_no_row_is_lost(split, said):
    utterances = rows(said)
    there = {label_of(one) for one in utterances}
    try:
        if split is None:
            sides = halves(utterances, label_of)
        else:
            found = split(utterances)
            assert_speakers_apart(found, utterances)
            sides = found.train, found.dev
    except SplitError:
        return
    assert sorted((*sides[0], *sides[1])) == sorted(one.id for one in utterances)
    by_id = {one.id: one for one in utterances}
    speakers = [{by_id[name].speaker for name in side} for side in sides]
    assert not speakers[0] & speakers[1]
    for side in sides:
        assert {label_of(by_id[name]) for name in side} == there


def test_a_fifth_of_the_speakers_is_held_out():
    found = hold_out(full(20), label_of)
    assert len(found.fold.dev) == 4 * 6
    assert found.notes == ()


def test_halves_are_of_equal_size():
    one, other = halves(full(8), label_of)
    assert len(one) == len(other) == 4 * 6


def test_the_same_rows_give_the_same_parts():
    assert hold_out(full(9), label_of) == hold_out(full(9), label_of)


def test_scripts_are_apart_where_speakers_fall_into_groups_of_them():
    utterances = full(10, lambda speaker, label: f"{speaker // 2}")
    found = hold_out(utterances, label_of)
    script = {one.id: one.script for one in utterances}
    assert not {script[n] for n in found.fold.train} & {script[n] for n in found.fold.dev}
    assert found.notes == ()


def test_where_every_speaker_speaks_every_script_no_row_is_lost_and_it_is_said():
    utterances = full(10, lambda speaker, label: str(label))
    found = hold_out(utterances, label_of)
    assert len(found.fold.train) + len(found.fold.dev) == len(utterances)
    assert "sentences that its training speakers speak too" in found.notes[0]


def test_a_class_of_one_speaker_is_refused_and_named():
    utterances = rows([(0, 0), (0, 1), (1, 0), (2, 0), (3, 0)])
    with pytest.raises(SplitError, match="'b' is spoken by 1 of them"):
        hold_out(utterances, label_of)
    with pytest.raises(SplitError, match="'b' is spoken by 1 of them"):
        halves(utterances, label_of)


def test_who_talks_together_is_on_one_side_of_an_encoder_too():
    pairs = [replace(u, dialogue=f"d{int(u.speaker[1:]) // 2}") for u in full(10)]
    place = {u.id: u.dialogue for u in pairs}
    held = hold_out(pairs, label_of).fold
    for left, right in ((held.train, held.dev), halves(pairs, label_of)):
        assert not {place[n] for n in left} & {place[n] for n in right}
