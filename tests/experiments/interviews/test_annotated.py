"""Words from a transcript find their speakers."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.annotations.plain import AnnotationError
from experiments.annotations.turns import Turn
from experiments.interviews.segmentation import SpeakerTurn
from experiments.interviews.speakers import NOBODY, file_for, with_lines, with_words

A_AND_B = (SpeakerTurn(0.0, 4.0, "a"), SpeakerTurn(4.0, 8.0, "b", 1))


def said(start_s: float, end_s: float, text: str | None, speaker: str | None = None) -> Turn:
    return Turn(start_s=start_s, end_s=end_s, speaker=speaker, text=text)


def test_a_sentence_is_of_who_speaks_most_in_it_and_lies_where_they_do():
    found = with_words(A_AND_B, [said(0.4, 4.2, "no"), said(3.9, 7.9, "well then")])
    assert found == (
        SpeakerTurn(0.4, 4.0, "a", text="no"),
        SpeakerTurn(4.0, 7.9, "b", 1, "well then"),
    )


def test_speech_that_no_sentence_covers_stays_without_words():
    found = with_words((SpeakerTurn(0.0, 10.0, "a"),), [said(3.0, 4.0, "no")])
    assert [(one.start_s, one.end_s, one.text) for one in found] == [
        (0.0, 3.0, None),
        (3.0, 4.0, "no"),
        (4.0, 10.0, None),
    ]


def test_a_sentence_where_nobody_speaks_is_nobodys():
    assert with_words((), [said(1.0, 2.0, "no")])[0].speaker == NOBODY


def test_a_sentence_without_words_is_none():
    assert with_words(A_AND_B, [said(0.0, 4.0, "  ")]) == A_AND_B


def test_lines_are_those_of_the_turns(tmp_path):
    (tmp_path / "a.txt").write_text("no\n\n\n\n", encoding="utf-8")
    assert [one.text for one in with_lines(A_AND_B, tmp_path / "a.txt")] == ["no", None]


def test_lines_that_do_not_match_the_turns_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\nthree\n", encoding="utf-8")
    with pytest.raises(AnnotationError, match="3 lines for 2 turns"):
        with_lines(A_AND_B, tmp_path / "a.txt")


def test_a_folder_holds_the_file_of_each_recording(tmp_path):
    (tmp_path / "one.rttm").write_text("", encoding="utf-8")
    assert file_for(tmp_path, Path("x/one.wav"), 1, "--turns") == tmp_path / "one.rttm"
    with pytest.raises(AnnotationError, match="no file named two"):
        file_for(tmp_path, Path("x/two.wav"), 1, "--turns")
    # Praat writes the end of the name with capitals.
    (tmp_path / "three.TextGrid").write_text("", encoding="utf-8")
    found = file_for(tmp_path, Path("three.wav"), 1, "--turns")
    assert found == tmp_path / "three.TextGrid"
    # "é" as one character, and as a letter with its accent, as other systems spell it.
    (tmp_path / "caf\N{LATIN SMALL LETTER E WITH ACUTE}.srt").write_text("", encoding="utf-8")
    found = file_for(tmp_path, Path("cafe\N{COMBINING ACUTE ACCENT}.wav"), 1, "--turns")
    assert found.suffix == ".srt"
    (tmp_path / "one.stm").write_text("", encoding="utf-8")
    with pytest.raises(AnnotationError, match="several files"):
        file_for(tmp_path, Path("x/one.wav"), 1, "--turns")


def test_a_text_in_a_folder_of_turns_is_one_where_it_has_times(tmp_path):
    (tmp_path / "one.txt").write_text("0.5\t2.0\tanna\n", encoding="utf-8")
    (tmp_path / "two.txt").write_text("well then\n", encoding="utf-8")
    assert file_for(tmp_path, Path("one.wav"), 1, "--turns") == tmp_path / "one.txt"
    with pytest.raises(AnnotationError, match="no file named two"):
        file_for(tmp_path, Path("two.wav"), 1, "--turns")
    assert file_for(tmp_path, Path("two.wav"), 1, "--transcript") == tmp_path / "two.txt"


def test_one_file_does_not_serve_several_recordings(tmp_path):
    path = tmp_path / "one.TextGrid"
    path.write_text("", encoding="utf-8")
    assert file_for(path, Path("a.wav"), 0, "--turns") == path
    with pytest.raises(AnnotationError, match="one file for several recordings"):
        file_for(path, Path("a.wav"), 1, "--turns")
