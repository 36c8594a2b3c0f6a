"""Protocols by name: what each tests and trains on, which leak, and what is refused."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from encoders.utterance import Utterance
from fusion.splitting.designs import EMOBOX, apart, rows_of
from fusion.splitting.protocols import PROTOCOLS, SplitError, is_leaky, parse_protocol
from fusion.splitting.splits import Fold, outer_folds


def row(name: str, speaker: str, **fields: str | None) -> Utterance:
    return Utterance(id=name, speaker=speaker, **fields)


def crossed(speakers: int = 6, scripts: int = 4, free: int = 0) -> list[Utterance]:
    """Every speaker says every script, and some things without one."""
    said = [f"t{n}" for n in range(scripts)] + [None] * free
    return [
        row(f"u{s}-{n}", f"s{s}", script=script)
        for s in range(speakers)
        for n, script in enumerate(said)
    ]


def iemocap() -> list[Utterance]:
    """Both speakers in every dialogue, named by session and by who wore the markers."""
    return [
        row(
            f"Ses0{session}{worn}_{part}_{speaker}{n}",
            f"{session}{speaker}",
            session=f"Ses0{session}",
            dialogue=f"Ses0{session}{worn}_{part}",
            script=part if part.startswith("script") else None,
        )
        for session in range(1, 6)
        for worn in "FM"
        for part in ("impro01", "script01")
        for speaker in "FM"
        for n in range(2)
    ]


def folds_of(rows: list[Utterance], protocol: str) -> tuple[Fold, ...]:
    return outer_folds(rows, protocol)


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("typed", "near"),
    [("speker", "speaker"), ("sessions", "session"), ("script_disjoint", "script-disjoint")],
)
def test_a_wrong_name_is_offered_the_nearest(typed, near):
    with pytest.raises(SplitError, match=f"did you mean {near}"):
        parse_protocol(typed)


@pytest.mark.parametrize(
    "typed", ["speaker:3", "groups:", "cross", "cross:", "script-disjoint:random", "improvised:x"]
)
def test_an_argument_that_cannot_be_is_refused(typed):
    with pytest.raises(SplitError, match="expected"):
        parse_protocol(typed)


def test_leaky_protocols_are_known_by_name():
    assert {p.name for p in PROTOCOLS if is_leaky(p.name + ":a/b" * p.required)} == {
        "random",
        "s4-set",
        "split-leaky",
    }


# ---------------------------------------------------------------- speakers


@pytest.mark.parametrize("number", [2, 3, 6])
def test_as_many_groups_as_asked_for(number):
    assert len(folds_of(crossed(), f"groups:{number}")) == number


@pytest.mark.parametrize("typed", ["groups:1", "groups:x", "groups:7", "groups:-2"])
def test_numbers_of_groups_that_cannot_be(typed):
    with pytest.raises(SplitError):
        folds_of(crossed(), typed)


@pytest.mark.realdata
def test_emobox_folds_are_those_published(data_folder):
    with (data_folder / "ravdess" / "folds.csv").open(encoding="utf-8") as handle:
        assert tuple(line["test_actors"] for line in csv.DictReader(handle)) == EMOBOX


@pytest.mark.parametrize("name", ["{:02d}", "{}", "Actor_{:02d}", "actor {}"])
def test_actors_are_known_however_they_are_written(name):
    rows = [row(f"u{n}", name.format(n)) for n in range(1, 25)]
    first = folds_of(rows, "emobox")[0]
    assert set(first.test) == {"u1", "u11", "u20", "u21"}


def test_emobox_of_another_corpus_is_refused():
    with pytest.raises(SplitError, match="actors of RAVDESS, 01 to 24, got s0"):
        folds_of(crossed(), "emobox")


def test_superb_tests_one_session_each():
    folds = folds_of(iemocap(), "superb")
    assert [fold.name for fold in folds] == list("12345")
    assert all(name.startswith("Ses03") for name in folds[2].test)


def test_superb_of_another_corpus_is_refused():
    rows = [row(f"u{n}", f"s{n}", session=str(n)) for n in range(4)]
    with pytest.raises(SplitError, match="sessions 1 to 5, got 0, 1, 2, 3"):
        folds_of(rows, "superb")


# ---------------------------------------------------------------- scripts


@given(st.integers(3, 6), st.integers(2, 7), st.integers(0, 4))
def test_script_disjoint_folds_share_no_script_and_test_every_row_once(speakers, scripts, free):
    rows = crossed(speakers, scripts, free)
    script = {u.id: u.script for u in rows}
    folds = folds_of(rows, "script-disjoint")
    assert sorted(name for fold in folds for name in fold.test) == sorted(u.id for u in rows)
    for fold in folds:
        assert not {script[n] for n in fold.test} & {script[n] for n in fold.train} - {None}


def test_unscripted_rows_are_trained_on_whatever_script_is_tested():
    rows = crossed(free=2)
    free = {u.id for u in rows if u.script is None}
    for fold in folds_of(rows, "script-disjoint"):
        speakers = {name.split("-")[0] for name in fold.train}
        assert {n for n in free if n.split("-")[0] in speakers} <= set(fold.train)


def test_scripts_that_are_apart_already_cost_nothing():
    rows = [row(f"u{s}-{n}", f"s{s}", script=f"t{s}") for s in range(4) for n in range(2)]
    assert folds_of(rows, "script-disjoint:speaker") == folds_of(rows, "speaker")


def test_one_script_cannot_be_kept_apart():
    with pytest.raises(SplitError, match="1 scripts are known, at least two"):
        folds_of(crossed(scripts=1), "script-disjoint")


def test_improvised_folds_hold_no_scripted_row():
    rows = iemocap()
    folds = folds_of(rows, "improvised")
    used = {name for fold in folds for name in (*fold.train, *fold.test)}
    assert (
        used
        == {u.id for u in rows if u.script is None}
        == {u.id for u in rows_of(rows, "improvised")}
    )
    assert len(folds) == 5


def test_improvised_needs_scripted_ones_beside():
    with pytest.raises(SplitError, match="every utterance is improvised"):
        folds_of([row(f"u{n}", f"s{n}") for n in range(4)], "improvised")


# ---------------------------------------------------------------- leaky ones


@pytest.mark.parametrize(("typed", "parts"), [("random", 5), ("random:3", 3)])
def test_random_parts_hold_every_row_once_in_any_order(typed, parts):
    rows = crossed()
    folds = folds_of(rows, typed)
    assert len(folds) == parts
    assert sorted(n for fold in folds for n in fold.test) == sorted(u.id for u in rows)
    backwards = {frozenset(fold.test) for fold in folds_of(rows[::-1], typed)}
    assert backwards == {frozenset(fold.test) for fold in folds}


def test_s4_sets_are_the_prefixes_of_dialogues():
    folds = folds_of(iemocap(), "s4-set")
    assert [fold.name for fold in folds] == [f"Ses0{s}{worn}" for s in range(1, 6) for worn in "FM"]


def test_an_s4_set_trains_on_both_of_its_speakers():
    (fold,) = folds_of(iemocap(), "s4-set:Ses05F")
    speaker = {u.id: u.speaker for u in iemocap()}
    assert {speaker[n] for n in fold.test} == {"5F", "5M"}
    assert {"5F", "5M"} <= {speaker[n] for n in fold.train}


def test_s4_sets_of_another_corpus_are_refused():
    with pytest.raises(SplitError, match=r"IEMOCAP.s dialogues.*got u0-0"):
        folds_of(crossed(), "s4-set")


def test_an_official_split_that_shares_speakers_runs_by_its_leaky_name_only():
    rows = [row(f"u{n}", f"s{n % 3}", split=("train", "test")[n % 2]) for n in range(12)]
    with pytest.raises(SplitError, match="both train and test; --folds split-leaky runs the split"):
        folds_of(rows, "split")
    assert len(folds_of(rows, "split-leaky")) == 1


# ---------------------------------------------------------------- dialogues


def talks(pairs: list[tuple[str, str]], **fields: str | None) -> list[Utterance]:
    """A dialogue of each pair in which both say two things."""
    return [
        row(f"d{d}-{who}{n}", who, dialogue=f"d{d}", **fields)
        for d, pair in enumerate(pairs)
        for who in pair
        for n in range(2)
    ]


def dyads(count: int) -> list[Utterance]:
    return talks([(f"a{n}", f"b{n}") for n in range(count)])


people = st.integers(0, 9).map("s{}".format)


@given(st.lists(st.tuples(people, people), min_size=1, max_size=14))
def test_groups_keep_dialogues_and_speakers_on_one_side_or_say_what_runs(pairs):
    rows = [replace(u, id=f"{n}") for n, u in enumerate(talks(pairs))]
    if apart(rows) or len({u.speaker for u in rows}) < 3:
        with pytest.raises(SplitError, match="--folds random runs"):
            folds_of(rows, "groups")
        assert folds_of(rows, "random")
        return
    folds = folds_of(rows, "groups")
    by_id = {u.id: u for u in rows}
    for fold in folds:
        for name in ("speaker", "dialogue"):
            train, test = ({getattr(by_id[i], name) for i in s} for s in (fold.train, fold.test))
            assert not train & test
    assert sorted(i for fold in folds for i in fold.test) == sorted(by_id)


def test_twelve_pairs_make_five_groups_of_whole_pairs():
    assert sorted(len(fold.test) for fold in folds_of(dyads(12), "groups")) == [8, 8, 8, 12, 12]


def test_three_groups_are_enough_and_two_are_not():
    assert len(folds_of(dyads(3), "groups")) == 3
    with pytest.raises(
        SplitError, match=r"dialogues join 4 speakers into 2 groups.*--folds random"
    ):
        folds_of(dyads(2), "groups")


def test_no_more_groups_of_pairs_than_there_are():
    with pytest.raises(SplitError, match="12 groups of speakers who talk with each other"):
        folds_of(dyads(12), "groups:13")


def test_one_who_talks_with_everybody_is_named():
    rows = talks([("host", f"guest{n}") for n in range(4)])
    with pytest.raises(SplitError, match="without the rows of host there are 4 groups"):
        folds_of(rows, "groups")
    assert len(folds_of([u for u in rows if u.speaker != "host"], "groups")) == 4


def test_where_a_split_is_known_that_is_what_runs():
    rows = [
        *talks([("a", "b"), ("b", "c")], split="train"),
        *[replace(u, id=f"t{u.id}") for u in talks([("a", "c")], split="test")],
    ]
    with pytest.raises(SplitError, match="--folds split-leaky runs the split as it was published"):
        folds_of(rows, "groups")
    assert len(folds_of(rows, "split-leaky")) == 1


def test_a_group_that_leaves_little_to_train_on_is_refused():
    crowd = [("s0", f"s{n}") for n in range(1, 20)]
    with pytest.raises(SplitError, match="into 3 groups, the largest with 90% of"):
        folds_of(talks([*crowd, ("x", "y"), ("v", "w")]), "groups")


def test_numbers_of_dialogues_start_again_in_each_session():
    rows = [replace(u, id=f"{s}{u.id}", session=s, speaker=f"{s}{u.speaker}")
            for s in "xyz" for u in talks([("a", "b")])]  # fmt: skip
    assert len(folds_of(rows, "groups")) == 3


def in_sessions(rows: list[Utterance]) -> list[Utterance]:
    return [replace(u, session=u.dialogue, dialogue=None) for u in rows]


@given(st.lists(st.tuples(people, people), min_size=1, max_size=14))
def test_where_no_dialogue_is_known_sessions_join_speakers_or_each_is_dealt_alone(pairs):
    rows = [replace(u, id=f"{n}") for n, u in enumerate(talks(pairs))]
    if len({u.speaker for u in rows}) < 3:
        return
    folds = folds_of(in_sessions(rows), "groups")
    if not apart(rows):
        assert folds == folds_of(rows, "groups")
        return
    alone = [replace(u, dialogue=None) for u in rows]
    assert folds == folds_of(alone, "groups")


def test_where_dialogues_are_known_sessions_join_nobody():
    rows = [replace(u, session="one day") for u in dyads(12)]
    assert len(folds_of(rows, "groups")) == 5


@pytest.mark.parametrize("leaky", ["random", "split-leaky"])
def test_what_leaks_by_its_name_runs_with_two_speakers_too(leaky):
    rows = [row(f"u{n}", f"s{n % 2}", split=("train", "test")[n // 6]) for n in range(12)]
    with pytest.raises(SplitError, match=r"^2 speakers.*--folds random runs"):
        folds_of(rows, "groups")
    assert folds_of(rows, leaky)


# ---------------------------------------------------------------- several corpora


def several() -> list[Utterance]:
    return [replace(row(f"{c}-{n}", f"{c}-{n}"), corpus=c) for c in "abc" for n in range(3)]


def test_one_corpus_is_left_out_at_a_time():
    folds = outer_folds(several(), "corpus")
    assert [{name[0] for name in fold.test} for fold in folds] == [{"a"}, {"b"}, {"c"}]
    assert [{name[0] for name in fold.train} for fold in folds] == [
        {"b", "c"},
        {"a", "c"},
        {"a", "b"},
    ]


def test_some_corpora_are_trained_on_and_another_is_tested():
    (fold,) = outer_folds(several(), "cross:a+c/b")
    assert ({n[0] for n in fold.train}, {n[0] for n in fold.test}) == ({"a", "c"}, {"b"})


@pytest.mark.parametrize("typed", ["cross:a", "cross:a/a", "cross:a/d", "cross:/b"])
def test_corpora_that_cannot_be_crossed(typed):
    with pytest.raises(SplitError, match="different ones of a, b, c"):
        outer_folds(several(), typed)


@pytest.mark.parametrize("typed", ["corpus", "matrix", "cross:a/b"])
def test_a_single_corpus_cannot_be_left_out(typed):
    with pytest.raises(SplitError, match="only one corpus is here"):
        outer_folds(crossed(), typed)
