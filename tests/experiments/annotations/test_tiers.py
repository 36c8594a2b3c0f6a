"""Which tiers are speakers, which hold words, and which are left: told by names and labels."""

import pytest

from experiments.annotations.tier_kinds import Mark, Tier, are_sentences, name_of, with_kinds
from experiments.annotations.tiers import add_turns
from experiments.annotations.turns import MARKED, Reading


def tier(name, *labels, every=1.0, **more):
    marks = (Mark(f"m{n}", n * every, (n + 1) * every, label) for n, label in enumerate(labels))
    return Tier(name=name, marks=tuple(marks), **more)


def eaf_tier(name, *labels, **more):
    return tier(name, *labels, gaps=False, main="parent" not in more, **more)


def taken(tmp_path, *tiers, **choice):
    """Who says what by some tiers, the notes, and the faults."""
    reading = Reading(tmp_path / "x", **choice)
    add_turns(tiers, reading)
    said = [(turn.speaker, turn.text) for turn in reading.turns]
    return said, " ".join(reading.notes), " ".join(fault.what for fault in reading.faults)


SLEPT, UP = "I could not sleep.", "So I got up."


@pytest.mark.parametrize(
    ("tiers", "said", "left"),
    [
        (
            [
                eaf_tier("ref@A", "int07.001", "int07.002", speaker="Anna", kind="ref"),
                eaf_tier("tx@A", SLEPT, UP, parent="ref@A"),
                eaf_tier("ft@A", "Ich konnte nicht schlafen.", "Also ...", parent="ref@A"),
            ],
            [("Anna", SLEPT), ("Anna", UP)],
            ["'ref@A' (numbers)", "'ft@A' (labels)"],
        ),
        (
            [eaf_tier("Anna", SLEPT, speaker="Anna"), eaf_tier("remarks", "noisy room")],
            [("Anna", SLEPT)],
            ["'remarks' (remarks)"],
        ),
        (
            [eaf_tier("Anna", SLEPT, speaker="Anna"), eaf_tier("x", "a noisy room", kind="note")],
            [("Anna", SLEPT)],
            ["'x' (remarks)"],
        ),
        (
            [
                eaf_tier("Anna-tx", SLEPT, speaker="Anna", kind="tx"),
                eaf_tier("Anna-gesture", "shrug", speaker="Anna", kind="ges"),
            ],
            [("Anna", SLEPT)],
            ["'Anna-gesture' (gestures)"],
        ),
        (
            [tier("words", "", "not", "good"), tier("phones", "", "N", "AA1", "T", "G UH1 D")],
            [(None, "not"), (None, "good")],
            ["'phones' (phones)"],
        ),
        (
            [tier("Anna", "not", "good"), tier("s", "n", "O", "t", "g", "U", "d", every=1 / 3)],
            [("Anna", "not"), ("Anna", "good")],
            ["'s' (phones)"],
        ),
        (
            [tier("Anna - words", "not"), tier("Anna - phones", "N"), tier("Ben - words", "so")],
            [("Anna", "not"), ("Ben", "so")],
            ["'Anna - phones' (phones)"],
        ),
        (
            [tier("utterances", "not good", every=2.0), tier("words", "not", "good")],
            [(None, "not good")],
            ["'words' (words)"],
        ),
        (
            [tier("Anna", SLEPT), tier("x", "[laughs]", "((coughs))")],
            [("Anna", SLEPT)],
            ["'x' (re"],
        ),
        (
            [tier("Anna", "1", "1"), tier("Ben", "", "2")],
            [("Anna", None)] * 2 + [("Ben", None)],
            [],
        ),
        ([tier("Anna", SLEPT), tier("no", "1", "2")], [("Anna", SLEPT)], ["'no' (numbers)"]),
        ([eaf_tier("A", "", speaker="Anna")], [("Anna", None)], []),
        ([tier("Anna", "ja"), tier("Ben", SLEPT)], [("Anna", "ja"), ("Ben", SLEPT)], []),
        ([tier("Anna", "我", "想", "回", "家")], [("Anna", c) for c in "我想回家"], []),
    ],
    ids=[
        *("numbers above words", "remarks", "remarks by type", "gestures", "aligner", "sounds"),
        *("aligner of two", "words within utterances", "events", "numbers alone"),
        *("numbers beside words", "turns without words", "a short answer", "one letter, one word"),
    ],
)
def test_tiers_are_told_by_names_and_labels(tmp_path, tiers, said, left):
    found, note, fault = taken(tmp_path, *tiers)
    assert found == said
    assert fault == ""
    assert note.startswith("tiers taken for speakers and their words: ")
    assert all(name in note for name in left)
    assert ("left: " in note) == bool(left)


@pytest.mark.parametrize(
    "tiers", [[tier("phones", "N", "AA1")], [tier("x", "[laughs]")], [tier("gaze", "left", "up")]]
)
def test_a_file_without_speech_is_refused_with_what_it_holds(tmp_path, tiers):
    found, _, fault = taken(tmp_path, *tiers)
    assert found == []
    assert f"no tier that tells who speaks: {tiers[0].name!r} (" in fault
    assert "--words-tier NAME takes one all the same" in fault
    assert taken(tmp_path, *tiers, tiers=[tiers[0].name])[0]


def test_a_tier_of_names_is_the_speakers_and_one_of_sentences_is_one(tmp_path):
    tiers = [tier("who", "Anna", "Dr. Roe", "Anna"), tier("Ben", SLEPT, UP)]
    said, note, _ = taken(tmp_path, *tiers, tier="who")
    assert said == [("Anna", None), ("Dr. Roe", None), ("Anna", None)]
    assert note == "the labels of tier 'who' are the speakers"
    assert taken(tmp_path, *tiers, tier="Ben")[0] == [("Ben", SLEPT), ("Ben", UP)]
    assert [are_sentences(one) for one in tiers] == [False, True]


def test_tiers_that_hang_in_a_circle_end(tmp_path):
    circle = [eaf_tier("a", "1", parent="b"), eaf_tier("b", "2", parent="a"), eaf_tier("c", "so")]
    assert taken(tmp_path, *circle)[0] == [("c", "so")]
    assert taken(tmp_path, *circle, tiers=["a"])[0] == [("b", "1")]


def test_words_behind_a_question_mark_in_brackets_are_doubtful(tmp_path):
    reading = Reading(tmp_path / "x")
    add_turns([tier("Anna", "(?) not good", "(perhaps) good", "(?)")], reading)
    assert [(turn.text, turn.doubts) for turn in reading.turns] == [
        ("not good", (MARKED,)),
        ("(perhaps) good", ()),
        (None, ()),
    ]


@pytest.mark.parametrize(
    ("name", "speaker"),
    [
        *(("Anna", "Anna"), ("Anna - words", "Anna"), ("tx@Anna", "Anna"), ("ORT-MAU", None)),
        *(("Wörter", None), ("words", None), ("Anna Maria: utterances", "Anna Maria")),
        *(("Wordsworth", "Wordsworth"), ("-" * 500, "-" * 500)),
    ],
)
def test_the_name_of_a_tier_names_its_speaker(name, speaker):
    assert name_of(name) == speaker


@pytest.mark.timeout(20)
def test_many_tiers_and_long_labels_take_no_time(tmp_path):
    tiers = [tier(f"t{n}", *"ab" * 20) for n in range(500)]
    with_kinds([*tiers, tier("x" * 100_000, "1" * 100_000 + " x", "-" * 100_000 + "y")])
    taken(tmp_path, *tiers)
