"""RTTM and STM: lines of NIST's evaluations."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from made_timelines import in_order, said, timelines

from experiments.annotations import rttm
from experiments.annotations.plain import unescape_name
from experiments.annotations.turns import AnnotationError, Turn, read_turns


@pytest.fixture
def read(tmp_path):
    def write_and_read(content, suffix=".rttm", **choice):
        path = tmp_path / f"x{suffix}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_turns(path, **choice)

    return write_and_read


@pytest.mark.realdata
def test_the_turns_of_a_real_call_are_read(data_folder):
    turns = read_turns(data_folder / "interview" / "sample.rttm")
    assert len(turns) == 10
    assert turns[0] == Turn(start_s=6.69, end_s=7.12, speaker="speaker90")
    assert turns[-1].end_s == 30.0
    assert {turn.speaker for turn in turns} == {"speaker90", "speaker91"}


@pytest.mark.realdata
def test_the_words_of_a_real_call_are_read(data_folder):
    turns = read_turns(data_folder / "interview" / "sample.stm")
    assert len(turns) == 13
    assert {turn.speaker for turn in turns} == {"Diane", "Sheila"}
    assert turns[2] == Turn(start_s=8.436, end_s=8.876, speaker="Diane", text="Oh, hello.")


def test_lines_that_are_no_turns_are_left_out(read):
    content = (
        ";; made by hand\n\nSPKR-INFO a 1 <NA> <NA> <NA> unknown ann <NA> <NA>\n"
        "LEXEME a 1 0.1 0.2 hello lex ann 0.5 <NA>\nSPEAKER a 1 0.1 0.2 <NA> <NA> ann <NA>\n"
    )
    assert read(content) == (Turn(start_s=0.1, end_s=0.3, speaker="ann"),)


def test_a_byte_order_mark_and_carriage_returns_do_no_harm(read):
    line = "SPEAKER a 1 0 1 <NA> <NA> é <NA> <NA>\r\n"
    for content in (b"\xef\xbb\xbf" + line.encode(), line.encode("utf-16")):
        assert read(content) == (Turn(start_s=0, end_s=1, speaker="é"),)


def test_an_unknown_speaker_is_none(read):
    assert read("SPEAKER a 1 0 1 <NA> <NA> <NA> <NA>\n")[0].speaker is None


def test_several_recordings_need_a_choice(read):
    content = "SPEAKER a 1 0 1 <NA> <NA> x <NA>\nSPEAKER b 1 0 1 <NA> <NA> y <NA>\n"
    with pytest.raises(AnnotationError, match="several recordings: it holds 'a', 'b'"):
        read(content)
    assert [turn.speaker for turn in read(content, recording="b")] == ["y"]
    with pytest.raises(AnnotationError, match="no 'c': it holds 'a', 'b'"):
        read(content, recording="c")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SPEAKER a 1 0", "8 to 10 fields, got 4"),
        ("SPEAKER a 1 0 -1 <NA> <NA> x", "duration '-1'"),
        ("SPEAKER a 1 nan 1 <NA> <NA> x", "starts at nan s"),
        ("SPEAKER a 1 0 nan <NA> <NA> x", "duration 'nan'"),
        ("SPEAKER a 1 0 inf <NA> <NA> x", "ends at inf s"),
        ("SPEAKER a 1 1e308 1e308 <NA> <NA> x", "starts at 1e"),
    ],
)
def test_faults_of_a_line_name_it(read, line, message):
    with pytest.raises(AnnotationError, match=rf"line 2: .*{message}"):
        read(f";;\n{line}\n")


def test_what_is_not_utf_8_is_refused_with_its_line(read):
    with pytest.raises(AnnotationError, match=r"line 2: not UTF-8 .byte 4.: save as UTF-8"):
        read(b";;\n \xe9\n")


@pytest.mark.parametrize(
    "name", ["Anna Maria", "%41", "%%41", "100 %", "<NA>", ";;x", "a\u00a0b", "%20", "日本\u3000語"]
)
def test_escapes_of_names_are_undone(name):
    assert not any(one.isspace() for one in rttm.escape(name))
    assert rttm.escape(name) != rttm.NOTHING
    assert unescape_name(rttm.escape(name)) == name


def test_bytes_that_are_no_text_stay_as_they_are():
    assert unescape_name("a%FFb") == "a%FFb"


def test_labels_and_unscored_stretches_of_stm(read):
    content = (
        ";; LABEL\na 1 x 0 1 <o,f0,male> well, <no>\na 1 x 1 2 IGNORE_TIME_SEGMENT_IN_SCORING\n"
        "a 1 inter_segment_gap 2 3\na 1 y 3 4\n"
    )
    assert [(t.speaker, t.text) for t in read(content, ".stm")] == [
        ("x", "well, <no>"),
        ("x", None),
        ("y", None),
    ]


@pytest.mark.parametrize(("line", "what"), [("a 1 x 0", "got 4 fields"), ("a 1 x 0 y w", "'y'")])
def test_faults_of_stm_name_the_line(read, line, what):
    with pytest.raises(AnnotationError, match=f"line 1: .*{what}"):
        read(line, ".stm")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(timelines())
def test_what_is_written_is_read_back_to_the_millisecond(tmp_path_factory, timeline):
    path = tmp_path_factory.mktemp("rttm") / "x.rttm"
    rttm.write(timeline, path)
    expected = [replace(turn, text=None) for turn in said(timeline, in_ms=True)]
    assert in_order(read_turns(path)) == in_order(expected)


def test_every_line_has_ten_fields(timeline, tmp_path):
    rttm.write(replace(timeline, recording="my talk.wav"), tmp_path / "x.rttm")
    lines = (tmp_path / "x.rttm").read_text().splitlines()
    assert lines[0] == "SPEAKER my%20talk 1 0.500 1.500 <NA> <NA> Anna%20Maria <NA> <NA>"
    assert {len(line.split()) for line in lines} == {10}
