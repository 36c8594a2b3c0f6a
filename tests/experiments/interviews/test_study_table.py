"""Tables over the recordings of a study: what stands in a line, and that no second is lost."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, strategies as st

from encoders.analysis.voice_activity import Stretch
from experiments.annotations.segments import Segment, Timeline
from experiments.config import OptionError
from experiments.interviews.speech_scan import union
from experiments.interviews.study_table import (
    Bins,
    StudyTables,
    _guessed_alike,
    write_study,
    write_summary,
)
from fusion.evaluation.backoff import Answer
from tests.experiments.commands.called import run
from tests.experiments.interviews.conftest import RATE, talk_samples

TARGETS = ("angry", "neutral")


def segment(start_s: float, end_s: float, speaker: str, angry: float | None, **fields) -> Segment:
    shares = () if angry is None else (angry, 1 - angry)
    return Segment(start_s=start_s, end_s=end_s, speaker=speaker, probabilities=shares, **fields)


def timeline(*segments: Segment, name: str = "one.wav", duration_s: float = 40.0) -> Timeline:
    return Timeline(recording=name, duration_s=duration_s, targets=TARGETS, segments=segments)


TALK = timeline(
    segment(0, 4, "anna", 0.5, text="=well, no", text_doubtful=("low", "loud")),
    segment(4, 8, "ben", None),
    segment(8, 12, "anna", 1.0, answer=Answer("class", "angry", 1.0)),
    segment(18, 24, "anna", 0.0, text="a b c", voice=(0.2, 0.8)),
)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_line_of_each_segment(tmp_path):
    write_study([TALK, timeline(segment(1, 2, "anna", 0.25), name="two.wav")], tmp_path / "t.csv")
    first, silent, third, _, other = rows_of(tmp_path / "t.csv")
    assert (first["recording"], first["segment"], first["speaker"]) == ("one.wav", "1", "anna")
    assert (first["text"], first["text_doubtful"]) == ("'=well, no", "low | loud")
    assert (first["label"], first["top"], first["entropy_bits"]) == ("", "angry", "1.0")
    assert (third["label"], third["level"], third["entropy_bits"]) == ("angry", "class", "0.0")
    assert {silent[name] for name in ("top", "p_angry", "entropy_bits", "valence")} == {""}
    # (.5, 1, 0) of anna has mean .5 and deviation .5; the other recording's anna is alone.
    assert [float(row["z_p_angry"]) for row in (first, third)] == [0.0, 1.0]
    assert (other["recording"], other["z_p_angry"]) == ("two.wav", "")
    assert (tmp_path / "t.csv").stat().st_mode & 0o777 == 0o600


def test_a_line_of_each_speaker_and_stretch(tmp_path):
    write_summary([TALK], tmp_path / "s.csv", Bins(seconds=20))
    anna, later, ben, silent = rows_of(tmp_path / "s.csv")
    assert [row["speaker"] for row in (anna, later, ben, silent)] == ["anna"] * 2 + ["ben"] * 2
    assert (anna["start_s"], anna["end_s"], anna["speech_s"]) == ("0.0", "20.0", "10.0")
    # Four seconds of .5, four of 1, two of 0; one of three words; four of ten seconds named.
    assert (anna["p_angry"], anna["words"], anna["class"]) == ("0.6", "3.0", "0.4")
    assert (later["speech_s"], later["p_angry"], later["words"]) == ("4.0", "0.0", "2.0")
    assert (ben["speech_s"], ben["classified_s"], ben["p_angry"]) == ("4.0", "0.0", "")
    assert (silent["segments"], silent["speech_s"], silent["answered"]) == ("0", "0.0", "")


@given(
    st.lists(st.tuples(st.floats(0, 99), st.floats(0.1, 30)), min_size=1, max_size=8),
    st.integers(1, 40),
)
def test_no_second_of_speech_is_lost(tmp_path_factory, spans, count):
    cut = [(start, min(start + length, 100.0)) for start, length in spans]
    whole = timeline(*(segment(*span, "anna", 0.5) for span in cut), duration_s=100.0)
    path = tmp_path_factory.mktemp("bins") / "s.csv"
    write_summary([whole], path, Bins(count=count))
    said = sum(float(row["speech_s"]) for row in rows_of(path))
    # What two segments share counts once.
    spoken = sum(one.length_s for one in union([Stretch(*span) for span in cut]))
    assert math.isclose(said, spoken, abs_tol=0.0005 * count + 1e-6)


def test_windows_that_overlap_count_their_seconds_and_words_once(tmp_path):
    # Windows of 3 s, one every second, over 5 s; nine words, each in as many windows.
    three = [segment(k, k + 3, "anna", 0.5, text="a b c") for k in range(3)]
    write_summary([timeline(*three, duration_s=5.0)], tmp_path / "s.csv", Bins(count=1))
    (row,) = rows_of(tmp_path / "s.csv")
    assert (row["speech_s"], row["classified_s"], row["words"]) == ("5.0", "5.0", "5.0")
    assert (row["segments"], row["p_angry"]) == ("3", "0.5")


def test_stretches_as_they_are_typed():
    assert Bins.typed("4").edges(10.0) == [0.0, 2.5, 5.0, 7.5, 10.0]
    assert Bins.typed("4s").edges(10.0) == [0.0, 4.0, 8.0, 10.0]
    for text in ("0", "2.5", "-1", "0s", "30 min", "", "10001"):
        with pytest.raises(OptionError, match="expected how many equal stretches"):
            Bins.typed(text)
    with pytest.raises(OptionError, match="would be 36000 stretches"):
        Bins.typed("0.1s").edges(3600.0)


def test_what_cannot_be_written_is_told_before_work(tmp_path):
    with pytest.raises(OptionError, match="--bins: needs --summary"):
        StudyTables(bins="3")
    with pytest.raises(OptionError, match=r"--table .*expected a file in a folder that is there"):
        StudyTables(table=tmp_path / "nowhere" / "t.csv")


def test_no_file_that_is_read_is_written_over(tmp_path):
    (tmp_path / "turns").mkdir()
    (tmp_path / "talk.csv").write_text("start,end\n")
    (tmp_path / "turns" / "talk.csv").write_text("start,end\n")
    given = [None, tmp_path / "talk.csv", tmp_path / "turns"]
    for option in ("table", "summary"):
        for place in (tmp_path / "turns" / ".." / "talk.csv", tmp_path / "turns" / "talk.csv"):
            with pytest.raises(OptionError, match=rf"--{option} .*talk.csv: is read by this comma"):
                StudyTables(**{option: place}).spare(given)
    StudyTables(tmp_path / "other.csv").spare(given)
    with pytest.raises(OptionError, match=r"--table and --summary .*expected a file for each"):
        StudyTables(tmp_path / "a.csv", tmp_path / "turns" / ".." / "a.csv")


def test_a_file_that_is_no_table_of_before_is_kept(tmp_path):
    people = tmp_path / "people.csv"
    people.write_text("person,age\nanna,30\n")
    told = write_study([TALK], people)
    assert (
        told[0] == "people.csv was there and is no table of before; it is kept as people.csv.kept-1"
    )
    assert (tmp_path / "people.csv.kept-1").read_text() == "person,age\nanna,30\n"
    # A table of before is written anew.
    assert write_study([TALK], people) == [f"{people}: 4 lines of 1 recording"]
    assert len(list(tmp_path.iterdir())) == 2


def test_without_segments_a_table_has_its_head_and_without_recordings_it_stays(tmp_path):
    tables = StudyTables(tmp_path / "t.csv", tmp_path / "s.csv")
    write_study([timeline()], tmp_path / "t.csv")
    write_summary([timeline()], tmp_path / "s.csv", Bins(count=2))
    assert (tmp_path / "t.csv").read_text() == "recording,segment,speaker\n"
    head, *lines = (tmp_path / "s.csv").read_text().splitlines()
    assert head.startswith("recording,speaker,bin,start_s,end_s,segments,speech_s")
    assert lines == ["one.wav,,1,0.0,20.0,0,0.0,0.0,0.0", "one.wav,,2,20.0,40.0,0,0.0,0.0,0.0"]
    assert len(tables.write([])) == 2
    assert (tmp_path / "t.csv").read_text() == "recording,segment,speaker\n"


def test_a_study_of_recordings_of_which_one_fails(model_folder, tmp_path, capsys, monkeypatch):
    paths = [tmp_path / folder / "talk.wav" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        soundfile.write(path, talk_samples(), RATE)
    soundfile.write(paths[1], talk_samples()[: 5 * RATE], RATE)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    command = ["interview", str(model_folder("audio")), *map(str, paths)]
    command += [str(tmp_path / "broken.wav"), "--out", str(tmp_path / "out"), "--asr", "none"]
    command += ["--table", str(tmp_path / "t.csv"), "--summary", str(tmp_path / "s.csv")]
    assert run(monkeypatch, *command, "--bins", 2) == 1
    assert "t.csv: 4 lines of 2 recordings" in capsys.readouterr().out
    first = [(tmp_path / name).read_bytes() for name in ("t.csv", "s.csv")]
    rows = rows_of(tmp_path / "t.csv")
    # Recordings of one name go by the folders of their results.
    assert len({row["recording"] for row in rows}) == 2
    scores = np.array([[float(row[f"p_{name}"]) for name in ("angry", "calm")] for row in rows])
    assert ((scores >= 0) & (scores <= 1)).all()
    run(monkeypatch, *command, "--bins", 2)
    assert "done before" in capsys.readouterr().out
    assert [(tmp_path / name).read_bytes() for name in ("t.csv", "s.csv")] == first


# ---------------------------------------------------------------- what a reader could overlook


def test_a_recording_without_speech_is_lines_too(tmp_path):
    silent = timeline(name="silent.wav", duration_s=10.0)
    write_summary([silent, TALK], tmp_path / "s.csv", Bins(count=2))
    first, second, *_ = rows_of(tmp_path / "s.csv")
    assert [(row["recording"], row["speaker"], row["bin"]) for row in (first, second)] == [
        ("silent.wav", "", "1"),
        ("silent.wav", "", "2"),
    ]
    assert (first["segments"], first["speech_s"], first["end_s"]) == ("0", "0.0", "5.0")


def test_a_table_that_loses_recordings_says_which(tmp_path):
    other = timeline(segment(1, 2, "anna", 0.25), name="two.wav")
    write_study([TALK, other], tmp_path / "t.csv")
    told, _ = write_study([TALK], tmp_path / "t.csv")
    assert told.startswith("t.csv had 1 recording more before (two.wav): it is of the recordings")
    assert len(write_study([TALK], tmp_path / "t.csv")) == 1


@pytest.mark.parametrize(
    ("names", "told"),
    [(("guess 1", "guess 1"), True), (("anna", "anna"), False), (("guess 1",), False)],
)
def test_names_that_nobody_gave_are_no_person_of_several_recordings(names, told):
    talks = [timeline(segment(1, 2, name, 0.25), name=f"{n}.wav") for n, name in enumerate(names)]
    lines = [*_guessed_alike(talks)]
    assert bool(lines) == told
    assert all("guess 1: of each recording by itself" in line for line in lines)


def test_a_table_that_another_program_wrote_over_is_written_anew(tmp_path):
    path = tmp_path / "t.csv"
    for left in (b"\xfc.wav,1,anna\r\n", b"a\0b,1,anna\r\n", b'"' + b"x" * 200_000 + b'"\r\n'):
        path.write_bytes(b"recording,segment,speaker\r\n" + left)
        write_study([TALK], path)
        assert len(rows_of(path)) == 4
