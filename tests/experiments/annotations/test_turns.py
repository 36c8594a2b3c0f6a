"""Turns as they are read: what a turn is, which file is read how, faults of all lines at once."""

import doctest
import importlib
import math
import pkgutil

import pytest

from experiments import annotations
from experiments.annotations.turns import (
    MOST_FAULTS,
    Annotation,
    AnnotationError,
    Turn,
    read_turns,
    within,
    words_apart,
)

MODULES = [found.name for found in pkgutil.iter_modules(annotations.__path__)]
RTTM = "SPEAKER talk 1 {} {} <NA> <NA> {} <NA> <NA>\n"


def turn(start_s, end_s, speaker=None, text=None):
    return Turn(start_s=start_s, end_s=end_s, speaker=speaker, text=text)


@pytest.mark.parametrize(
    ("start_s", "end_s"),
    [(1.0, 0.5), (-0.1, 1), (math.nan, 1), (0, math.inf), (0, math.nan), (-math.inf, 0), (0, 1e9)],
)
def test_no_turn_has_times_that_are_none(start_s, end_s):
    with pytest.raises(ValueError, match=r"(starts|ends) at .* s"):
        turn(start_s, end_s)


def test_names_and_texts_are_tidied():
    assert turn(0, 1, " Ame\u0301lie\n", "\n no\r\nway\x00 ") == turn(
        0, 1, "Amélie", "no\nway\ufffd"
    )


def test_blank_names_and_texts_are_none():
    assert turn(0, 1, " ", "\n\t") == turn(0, 1)


def inside(turns, duration_s=10.0):
    return within(Annotation(tuple(turns)), duration_s, "x.srt")


def test_an_end_just_past_the_end_of_the_recording_is_its_end():
    assert inside([turn(0, 10.1, "a")]) == Annotation((turn(0, 10, "a"),))


@pytest.mark.parametrize(("start_s", "end_s"), [(0, 10.11), (10.01, 10.02)])
def test_turns_past_the_end_of_the_recording_are_refused(start_s, end_s):
    with pytest.raises(AnnotationError, match=r"turn 2 .* past the end of the recording at 10 s"):
        inside([turn(0, 1), turn(start_s, end_s)])


def test_the_last_cue_may_end_with_the_window_that_recognised_it_and_it_is_told():
    cues = [turn(0, 6, None, "no"), turn(6, 36, None, "yes")]
    cut = inside(cues)
    assert cut.turns == (cues[0], turn(6, 10, None, "yes"))
    told = "x.srt: the last turn ended 26.0 s past the end of the recording, and is cut there"
    assert cut.notes == (told,)


@pytest.mark.parametrize(
    "cues",
    [
        [(0, 36, "no"), (6, 9, "yes")],
        [(0, 6, "no"), (6, 41, "yes")],
        [(0, 6, "no"), (6, 36, None)],
        [(0, 6, "no"), (11, 36, "yes")],
        [(0, 36, "no"), (6, 36, "yes")],
    ],
    ids=["not the last", "more than a window", "no words", "starts outside", "several"],
)
def test_other_cues_past_the_end_are_refused(cues):
    with pytest.raises(AnnotationError, match="past the end of the recording at 10 s"):
        inside([turn(start, end, None, text) for start, end, text in cues])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[laughs]", None),
        ("((coughs))", None),
        ("<noise> [music]", None),
        ("♪♪", None),
        ("*sighs*", None),
        ("well [laughs]", "well [laughs]"),
        ("(perhaps)", "(perhaps)"),
        ("[" * 150, "[" * 150),
    ],
)
def test_labels_that_are_remarks_are_no_words(text, words):
    apart = words_apart(Annotation((turn(0, 1, "a", text), turn(1, 2, "a", "no"))))
    assert [one.text for one in apart.turns] == [words, "no"]
    assert ("taken for remarks" in " ".join(apart.notes)) == (words is None)


def test_unknown_formats_are_named_with_the_known_ones(tmp_path):
    with pytest.raises(AnnotationError, match=r"'\.docx': expected one of .*\.rttm"):
        read_turns(tmp_path / "x.docx")


@pytest.mark.parametrize("choice", [{"tier": "a"}, {"tiers": ["a"]}])
def test_a_tier_of_a_file_without_tiers_is_refused(tmp_path, choice):
    with pytest.raises(AnnotationError, match=r"only \.textgrid and \.eaf have tiers"):
        read_turns(tmp_path / "x.csv", **choice)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(AnnotationError, match=r"x\.rttm: 1 fault\n  file: there is none"):
        read_turns(tmp_path / "x.rttm")


def test_a_file_without_turns_is_refused(tmp_path):
    (tmp_path / "x.rttm").write_text(";; nothing\n")
    with pytest.raises(AnnotationError, match="no turns in it"):
        read_turns(tmp_path / "x.rttm")


def test_turns_come_in_the_order_of_their_start(tmp_path):
    (tmp_path / "x.rttm").write_text(RTTM.format(5, 1, "a") + RTTM.format(0, 1, "b"))
    assert read_turns(tmp_path / "x.rttm") == (turn(0, 1, "b"), turn(5, 6, "a"))


def test_every_fault_is_told_and_equal_ones_once(tmp_path):
    lines = [RTTM.format(1, "x", "a")] * 5 + ["TALKER a b\n", RTTM.format(-1, 2, "a")]
    (tmp_path / "x.rttm").write_text("".join(lines))
    with pytest.raises(AnnotationError) as caught:
        read_turns(tmp_path / "x.rttm")
    assert len(caught.value.faults) == 7
    assert str(caught.value).splitlines()[1:] == [
        "  line 6: type 'TALKER': expected SPEAKER, or another type of line of RTTM",
        "  line 1, line 2, line 3 and 2 more: onset '1', duration 'x': expected seconds",
        "  line 7: starts at -1 s: expected seconds from 0 to 1e+07",
    ]


def test_a_long_list_of_faults_is_cut(tmp_path):
    (tmp_path / "x.rttm").write_text("".join(f"T{number} a\n" for number in range(100)))
    with pytest.raises(AnnotationError, match=r"100 faults") as caught:
        read_turns(tmp_path / "x.rttm")
    assert str(caught.value).endswith("... and 80 more")


def test_a_file_too_large_for_turns_is_not_read(tmp_path):
    with (tmp_path / "x.rttm").open("wb") as file:
        file.truncate(33 * 2**20)
    with pytest.raises(AnnotationError, match="33 MB: expected at most 32 MB"):
        read_turns(tmp_path / "x.rttm")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings_hold(name):
    module = importlib.import_module(f"experiments.annotations.{name}")
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("suffix", "line"),
    [
        (".rttm", "X\n"),
        (".rttm", "SPEAKER a 1 x 1 <NA> <NA> a <NA> <NA>\n"),
        (".srt", "1\n00:00:0x,000 --> 00:00:02,000\na\n\n"),
        (".txt", "x\n"),
        (".csv", "x,y,z\n"),
        (".csv", "1,2,z,more\n"),
    ],
)
def test_a_file_of_faults_is_given_up(tmp_path, suffix, line):
    path = tmp_path / f"bad{suffix}"
    path.write_text("start,end,speaker\n" * (suffix == ".csv") + line * 3000)
    with pytest.raises(AnnotationError) as caught:
        read_turns(path)
    assert len(caught.value.faults) <= MOST_FAULTS + 1
    assert "given up after 1000 faults" in str(caught.value)


def test_more_turns_than_a_recording_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.annotations.turns.MOST_TURNS", 3)
    path = tmp_path / "many.rttm"
    path.write_text("SPEAKER a 1 0.0 1.0 <NA> <NA> a <NA> <NA>\n" * 4)
    with pytest.raises(AnnotationError, match="line 4: more than 3 turns: expected those of one"):
        read_turns(path)
