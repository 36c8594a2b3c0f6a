"""Folds share no speaker, inner folds share no speaker and no sentence, and errors say why."""

from __future__ import annotations

import string
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from encoders.utterance import Utterance, one_hot
from fusion.splitting.splits import (
    Fold,
    InnerFold,
    SplitError,
    assert_speakers_apart,
    inner_folds,
    outer_folds,
    says_new_scripts,
)

CLASSES = ("a", "b", "c")
ROTATING = ("groups", "speaker", "session", "fold")
NAMES = st.text(string.ascii_letters + string.digits + "/. ²_-é", min_size=1, max_size=4)


def row(name: str, speaker: str | None, label: str = "a", **fields: str | None) -> Utterance:
    return Utterance(id=name, speaker=speaker, target=one_hot(label, CLASSES), **fields)


def label_of(utterance: Utterance) -> str:
    return CLASSES[utterance.target.index(1.0)]


@st.composite
def plans(draw: st.DrawFn, complete: bool = False) -> list[dict[str, str]]:
    """Three to nine speakers in up to four sessions and folds, with any number of rows each."""
    speakers = draw(st.lists(NAMES, min_size=3, max_size=9, unique=True))
    rows = []
    for number, speaker in enumerate(speakers):
        extra = draw(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=8))
        places = {
            # At least two sessions and folds, and no speaker in two of them.
            "session": f"x{number if number < 2 else draw(st.integers(0, 3))}",
            "fold": str(number % 2 + 1 if number < 2 else draw(st.integers(1, 4))),
            "split": ("train", "test")[number] if number < 2 else draw(st.sampled_from(SPLITS)),
        }
        for label in [*(CLASSES if complete else ()), *extra]:
            rows.append({"name": f"u{len(rows)}", "speaker": speaker, "label": label, **places})
    return draw(st.permutations(rows))


def built(plan: list[dict[str, str]]) -> list[Utterance]:
    """Utterances of a plan; not made while it is drawn, because checks of types draw too."""
    return [row(**fields) for fields in plan]


SPLITS = ("train", "dev", "test")


def sides(fold: Fold | InnerFold, rows: list[Utterance]) -> list[set[str | None]]:
    speaker = {u.id: u.speaker for u in rows}
    names = [getattr(fold, side, ()) for side in SPLITS]
    return [{speaker[name] for name in ids} for ids in names]


# ---------------------------------------------------------------- outer folds


@pytest.mark.parametrize("protocol", [*ROTATING, "split"])
@given(plan=plans())
def test_folds_share_no_speaker(protocol, plan):
    rows = built(plan)
    for fold in outer_folds(rows, protocol):
        train, dev, test = sides(fold, rows)
        assert len(train | dev | test) == len(train) + len(dev) + len(test)


@pytest.mark.parametrize("protocol", ROTATING)
@given(plan=plans())
def test_rotating_folds_test_every_row_once(protocol, plan):
    rows = built(plan)
    tested = Counter(name for fold in outer_folds(rows, protocol) for name in fold.test)
    assert tested == Counter(u.id for u in rows)


@pytest.mark.parametrize("protocol", ROTATING)
@given(plan=plans())
def test_what_is_not_tested_is_trained_on(protocol, plan):
    rows = built(plan)
    for fold in outer_folds(rows, protocol):
        assert {*fold.train, *fold.test} == {u.id for u in rows}


@given(plan=plans())
def test_the_order_of_rows_does_not_change_the_groups(plan):
    rows = built(plan)
    there = {frozenset(fold.test) for fold in outer_folds(rows, "groups")}
    assert there == {frozenset(fold.test) for fold in outer_folds(rows[::-1], "groups")}


@given(plan=plans())
def test_names_of_folds_are_unique(plan):
    rows = built(plan)
    names = [fold.name for fold in outer_folds(rows, "speaker")]
    assert len(set(names)) == len(names)


def test_folds_come_in_the_order_of_their_numbers():
    rows = [row(f"u{n}", f"s{n}", fold=str(n)) for n in (10, 2, 1)]
    assert [fold.name for fold in outer_folds(rows, "fold")] == ["1", "2", "10"]


def test_groups_are_of_nearly_equal_size():
    rows = [row(f"u{s}-{n}", f"s{s}") for s in range(10) for n in range(s + 1)]
    sizes = [len(fold.test) for fold in outer_folds(rows, "groups")]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_speakers_are_refused(count):
    rows = [row(f"u{n}", f"s{n % count}") for n in range(6)]
    with pytest.raises(SplitError, match=f"^{count} speaker.*fewer than three"):
        outer_folds(rows, "groups")


def test_an_unknown_protocol_is_refused():
    with pytest.raises(SplitError, match="known are groups, speaker, session, fold, split,"):
        outer_folds([row(f"u{n}", f"s{n}") for n in range(3)], "xyz")


def test_a_missing_speaker_is_named():
    rows = [row("u0", "s0"), row("u1", None), row("u2", "s2")]
    with pytest.raises(SplitError, match="u1: the speaker is not known"):
        outer_folds(rows, "groups")


@pytest.mark.parametrize("protocol", ["session", "fold", "split"])
def test_a_missing_place_is_named(protocol):
    rows = [row(f"u{n}", f"s{n}") for n in range(3)]
    with pytest.raises(SplitError, match=f"--folds {protocol}: u0 has no {protocol}"):
        outer_folds(rows, protocol)


def test_a_single_fold_is_refused():
    rows = [row(f"u{n}", f"s{n}", fold="1") for n in range(3)]
    with pytest.raises(SplitError, match="at least two are needed"):
        outer_folds(rows, "fold")


def test_a_speaker_in_two_folds_of_a_manifest_is_named():
    rows = [row(f"u{n}", f"s{n % 3}", fold=str(n // 3)) for n in range(6)]
    with pytest.raises(
        SplitError, match=r"speaker s0, s1, s2 .3 in all. is in both train and test"
    ):
        outer_folds(rows, "fold")


# ---------------------------------------------------------------- official split


def official(*splits: str) -> list[Utterance]:
    return [row(f"u{n}", f"s{n}", split=split) for n, split in enumerate(splits)]


def test_an_official_split_is_one_fold():
    folds = outer_folds(official("train", "test", "train"), "split")
    assert folds == (Fold("test", ("u0", "u2"), ("u1",)),)


def test_an_official_split_keeps_its_development_rows():
    folds = outer_folds(official("train", "test", "dev"), "split")
    assert folds == (Fold("test", ("u0",), ("u1",), ("u2",)),)


@pytest.mark.parametrize("lacking", ["train", "test"])
def test_an_official_split_needs_both_sides(lacking):
    there = "train" if lacking == "test" else "test"
    with pytest.raises(SplitError, match=f"no utterance is marked '{lacking}'"):
        outer_folds(official(there, there, there), "split")


# ---------------------------------------------------------------- planted overlap


@pytest.mark.parametrize(
    ("fold", "where"),
    [
        (Fold("1", ("u0",), ("u1",)), "both train and test"),
        (Fold("1", ("u0",), ("u2",), ("u1",)), "both train and dev"),
        (Fold("1", ("u2",), ("u0",), ("u1",)), "both dev and test"),
        (InnerFold(("u0",), ("u1",)), "both train and dev"),
    ],
)
def test_a_planted_overlap_is_found(fold, where):
    rows = [row("u0", "s0"), row("u1", "s0"), row("u2", "s2")]
    with pytest.raises(SplitError, match=f"speaker s0 .1 in all. is in {where}"):
        assert_speakers_apart(fold, rows)


def test_folds_without_overlap_pass():
    rows = [row("u0", "s0"), row("u1", "s1")]
    assert_speakers_apart(Fold("1", ("u0",), ("u1",)), rows)


# ---------------------------------------------------------------- inner folds


@given(plan=plans(complete=True))
def test_inner_folds_share_no_speaker(plan):
    rows = built(plan)
    for fold in inner_folds(rows, label_of).folds:
        train, dev, _ = sides(fold, rows)
        assert not train & dev


@given(plan=plans(complete=True))
def test_both_sides_of_an_inner_fold_hold_every_class(plan):
    rows = built(plan)
    labels = {u.id: label_of(u) for u in rows}
    for fold in inner_folds(rows, label_of).folds:
        for side in (fold.train, fold.dev):
            assert {labels[name] for name in side} == set(CLASSES)


@given(plan=plans(complete=True))
def test_every_row_is_a_development_row_once(plan):
    rows = built(plan)
    found = Counter(name for fold in inner_folds(rows, label_of).folds for name in fold.dev)
    assert found == Counter(u.id for u in rows)


@given(plan=plans(complete=True))
def test_inner_folds_are_deterministic(plan):
    rows = built(plan)
    assert inner_folds(rows, label_of) == inner_folds(rows, label_of)


def test_speakers_are_merged_until_every_class_is_there():
    # Each speaker has one class; only groups of three speakers hold all.
    rows = [row(f"u{n}", f"s{n}", CLASSES[n % 3]) for n in range(9)]
    labels = {u.id: label_of(u) for u in rows}
    found = inner_folds(rows, label_of).folds
    assert [{labels[name] for name in fold.dev} for fold in found] == [set(CLASSES)] * 3


def test_two_groups_are_made_where_three_cannot_be():
    rows = [row(f"u{n}", f"s{n}", CLASSES[n % 3]) for n in range(6)]
    assert len(inner_folds(rows, label_of).folds) == 2


def test_an_impossible_class_is_named():
    rows = [row(f"u{s}-{k}", f"s{s}", k) for s in range(6) for k in ("a", "b")]
    rows.append(row("rare", "s0", "c"))
    with pytest.raises(SplitError, match="'c' is spoken by 1 of them"):
        inner_folds(rows, label_of)


def nested(scripts_per_speaker: int = 3) -> list[Utterance]:
    """Every speaker has scripts of their own."""
    return [
        row(f"u{s}-{k}-{n}", f"s{s}", k, script=f"d{s}-{n}")
        for s in range(6)
        for k in CLASSES
        for n in range(scripts_per_speaker)
    ]


def dialogues() -> list[Utterance]:
    """Two speakers to a dialogue, as in sessions of dyads."""
    return [
        row(f"u{s}-{k}", f"s{s}", k, script=f"d{s // 2}-{k}") for s in range(6) for k in CLASSES
    ]


def crossed(scripts: int = 4) -> list[Utterance]:
    """Every speaker says every script under every label."""
    return [
        row(f"u{s}-{k}-{n}", f"s{s}", k, script=f"t{n}")
        for s in range(6)
        for k in CLASSES
        for n in range(scripts)
    ]


@pytest.mark.parametrize("make", [nested, dialogues, crossed])
def test_inner_folds_share_no_script(make):
    rows = make()
    script = {u.id: u.script for u in rows}
    for fold in inner_folds(rows, label_of).folds:
        assert not {script[name] for name in fold.train} & {script[name] for name in fold.dev}


@pytest.mark.parametrize("make", [nested, dialogues])
def test_nested_scripts_cost_no_row(make):
    rows = make()
    assert [len(f.train) + len(f.dev) for f in inner_folds(rows, label_of).folds] == [len(rows)] * 3


def test_speakers_of_one_dialogue_stay_together():
    rows = dialogues()
    speaker = {u.id: u.speaker for u in rows}
    pairs = {frozenset(speaker[i] for i in f.dev) for f in inner_folds(rows, label_of).folds}
    assert pairs == {frozenset({f"s{n}", f"s{n + 1}"}) for n in (0, 2, 4)}


def test_crossed_scripts_cost_rows():
    rows = crossed()
    assert all(len(f.train) + len(f.dev) < len(rows) for f in inner_folds(rows, label_of).folds)


def test_crossed_scripts_cost_no_row_where_the_test_has_them_too():
    rows = crossed(3)
    found = inner_folds(rows, label_of, new_scripts=False)
    assert [len(f.train) + len(f.dev) for f in found.folds] == [len(rows)] * 3
    assert found.notes == ()


def test_a_test_has_new_scripts_where_training_knows_none_of_them():
    rows = {one.id: one for one in crossed(3)}
    said = [[n for n, one in rows.items() if one.script == f"t{k}"] for k in range(3)]
    assert says_new_scripts(Fold("", (*said[0], *said[1]), tuple(said[2])), rows)
    assert not says_new_scripts(Fold("", (*said[0], *said[1]), (said[1][0], *said[2])), rows)
    bare = {name: replace(one, script=None) for name, one in rows.items()}
    assert says_new_scripts(Fold("", tuple(said[0]), tuple(said[1])), bare)


def test_crossed_scripts_leave_every_class_on_both_sides():
    rows = crossed()
    labels = {u.id: label_of(u) for u in rows}
    for fold in inner_folds(rows, label_of).folds:
        assert {labels[i] for i in fold.train} == {labels[i] for i in fold.dev} == set(CLASSES)


def test_crossed_scripts_keep_speakers_apart():
    rows = crossed()
    for fold in inner_folds(rows, label_of).folds:
        assert_speakers_apart(fold, rows)


def test_crossed_folds_are_deterministic():
    assert inner_folds(crossed(3), label_of) == inner_folds(crossed(3), label_of)


def test_scripts_that_cannot_be_kept_apart_are_noted():
    rows = crossed(scripts=1)
    found = inner_folds(rows, label_of)
    assert found.notes == (
        "development shares sentences with training: no script-disjoint groups hold every class",
    )


def test_scripts_that_tell_the_label_cannot_be_kept_apart():
    rows = [row(f"u{s}-{k}", f"s{s}", k, script=k) for s in range(6) for k in CLASSES]
    assert len(inner_folds(rows, label_of).notes) == 1


def test_a_script_missing_somewhere_is_not_used():
    rows = [*crossed(), row("plain", "s0", "a")]
    found = inner_folds(rows, label_of).folds
    assert [len(f.train) + len(f.dev) for f in found] == [len(rows)] * len(found)


# ---------------------------------------------------------------- inner folds of dialogues


def dyads(count: int) -> list[Utterance]:
    return [
        row(f"{d}{who}{label}", f"{who}{d}", label, dialogue=f"d{d}")
        for d in range(count)
        for who in "xy"
        for label in CLASSES
    ]


def test_who_talks_together_is_on_one_side_of_development():
    found = inner_folds(dyads(4), label_of)
    dialogue = {u.id: u.dialogue for u in dyads(4)}
    assert found.notes == ()
    for fold in found.folds:
        assert not {dialogue[i] for i in fold.train} & {dialogue[i] for i in fold.dev}


def test_sessions_stay_together_where_no_dialogue_is_known():
    rows = [replace(u, session=u.dialogue, dialogue=None) for u in dyads(4)]
    assert inner_folds(rows, label_of) == inner_folds(dyads(4), label_of)


@pytest.mark.parametrize("place", ["dialogue", "session"])
def test_where_those_who_talk_cannot_be_kept_together_that_is_told(place):
    rows = [replace(u, **{"dialogue": None, place: "all"}) for u in dyads(4)]
    found = inner_folds(rows, label_of)
    assert [note for note in found.notes if f"shares {place}s with training" in note]
    for fold in found.folds:
        assert_speakers_apart(fold, dyads(4))
