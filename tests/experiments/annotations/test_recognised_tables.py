"""Tables and JSON of recognisers are read; whole numbers are milliseconds where that is sure."""

import json
from dataclasses import replace

import pytest

from experiments.annotations.turns import AnnotationError, Turn, read_annotation

SLEEP = (
    Turn(start_s=0, end_s=6, text="How did you sleep?"),
    Turn(start_s=6, end_s=12, text="Badly."),
)


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".tsv", "start\tend\ttext\n0\t6000\tHow did you sleep?\n6000\t12000\tBadly.\n"),
        (".csv", 'start,end,text\n0,6000," How did you sleep?"\n6000,12000," Badly."\n'),
        (".csv", "begin;stop;text\n0;6000;How did you sleep?\n6000;12000;Badly.\n"),
    ],
    ids=["whisper", "whisper.cpp", "semicolons"],
)
def test_whole_milliseconds_are_known_by_how_much_is_said(read, suffix, content):
    assert read(content, suffix) == SLEEP


def test_mandarin_in_milliseconds_is_read(read):
    (turn,) = read("start,end,text\n500,3500,今天天气很好\n", ".csv")
    assert (turn.start_s, turn.end_s) == (0.5, 3.5)


def in_recording(tmp_path, content, duration_s):
    (tmp_path / "x.csv").write_text(content)
    annotation = read_annotation(tmp_path / "x.csv", duration_s=duration_s)
    return [(turn.start_s, turn.end_s) for turn in annotation.turns], annotation.notes


@pytest.mark.parametrize("end", ["", ".0"], ids=["whole", "as data frames write them"])
def test_whole_milliseconds_are_known_by_the_length_of_the_recording(tmp_path, end):
    content = f"start,end,speaker\n0{end},6000{end},Anna\n6000{end},12000{end},Ben\n"
    spans, notes = in_recording(tmp_path, content, 22.0)
    assert spans == [(0, 6), (6, 12)]
    assert "taken for milliseconds" in notes[0]


@pytest.mark.parametrize(
    ("content", "duration_s"),
    [
        ("start,end,speaker\n0,6,Anna\n6,12,Ben\n", 22.0),
        ("start,end,speaker\n0,6,Anna\n60,66,Ben\n", 22.0),
        ("start,end,speaker\n0,6000,Anna\n60000,66000,Ben\n", 22.0),
        ("start_s,end_s,speaker\n0,6000,Anna\n6000,12000,Ben\n", 22.0),
    ],
    ids=["seconds", "another recording", "too long in both", "a unit"],
)
def test_what_may_be_seconds_is_read_as_seconds(tmp_path, content, duration_s):
    spans, notes = in_recording(tmp_path, content, duration_s)
    assert spans[0][1] == float(content.split("\n")[1].split(",")[1])
    assert notes == ()


def test_tables_of_several_recordings_need_a_choice(read):
    content = "recording,start_s,end_s,text\na.wav,0,1,no\nb.wav,2,3,way\n"
    assert [turn.text for turn in read(content, ".csv", recording="b.wav")] == ["way"]
    assert [turn.text for turn in read(content, ".csv", recording="b")] == ["way"]
    with pytest.raises(AnnotationError, match=r"several recordings: it holds 'a\.wav', 'b\.wav'"):
        read(content, ".csv")


@pytest.mark.parametrize(
    "content",
    [
        "start,end,text\n0,6,How did you sleep?\n6,12,Badly.\n",
        "start,end,text\n0,60,Hm.\n60,62,I was awake until three in the morning.\n",
        "start_s,end_s,text\n0,6000,How did you sleep?\n",
        "start,end,text\n0.0,6000.0,How did you sleep?\n",
        "start,end,speaker\n0,6000,Anna\n",
    ],
    ids=["seconds", "a long pause", "a unit", "fractions", "no words"],
)
def test_seconds_stay_seconds(read, content):
    end_s = float(content.split("\n")[1].split(",")[1])
    assert read(content, ".csv")[0].end_s == end_s


def whisper(**more):
    spans = [(turn.start_s, turn.end_s, turn.text) for turn in SLEEP]
    segments = [{"id": 0, "start": s, "end": e, "text": f" {t}"} | more for s, e, t in spans]
    return {"text": "How did you sleep? Badly.", "segments": segments, "language": "en"}


def test_the_json_of_whisper_is_read(read):
    assert read(json.dumps(whisper()), ".json") == SLEEP


def test_the_json_of_whisperx_has_speakers(read):
    content = whisper(speaker="SPEAKER_01", words=[]) | {"word_segments": []}
    turns = read(json.dumps(content), ".json")
    assert turns == tuple(replace(turn, speaker="SPEAKER_01") for turn in SLEEP)


def test_the_json_of_whisper_cpp_is_in_milliseconds(read):
    rows = [
        {"offsets": {"from": 1000 * t.start_s, "to": 1000 * t.end_s}, "text": f" {t.text}"}
        for t in SLEEP
    ]
    assert read(json.dumps({"transcription": rows}), ".json") == SLEEP


def test_the_json_of_transformers_is_in_chunks(read):
    chunks = [{"timestamp": [t.start_s, t.end_s], "text": f" {t.text}"} for t in SLEEP]
    assert read(json.dumps({"text": "...", "chunks": chunks}), ".json") == SLEEP
    for chunk in ({"timestamp": [0.0, None]}, {"timestamp": 3}, {}, 3):
        with pytest.raises(
            AnnotationError, match=r"segment 1: .*expected numbers as start and end"
        ):
            read(json.dumps({"chunks": [chunk]}), ".json")


def test_speakers_of_words_divide_a_segment(read):
    words = [
        {"word": "How", "start": 0.1, "end": 0.5, "speaker": "A"},
        {"word": "are 2"},
        {"word": "you?", "start": 0.9, "end": 1.2, "speaker": "A"},
        {"word": "Fine.", "start": 1.4, "end": 1.9, "speaker": "B"},
    ]
    content = {"segments": [{"start": 0, "end": 2, "text": "x", "speaker": "A", "words": words}]}
    assert read(json.dumps(content), ".json") == (
        Turn(start_s=0.1, end_s=1.2, speaker="A", text="How are 2 you?"),
        Turn(start_s=1.4, end_s=1.9, speaker="B", text="Fine."),
    )


@pytest.mark.parametrize("words", [None, 3, [3], [{"speaker": "A"}, {"speaker": "B"}], []])
def test_words_that_say_nothing_of_speakers_leave_a_segment_whole(read, words):
    content = {"segments": [{"start": 0, "end": 2, "text": "no", "words": words}]}
    assert read(json.dumps(content), ".json") == (Turn(start_s=0, end_s=2, text="no"),)


@pytest.mark.parametrize("segment", [{"start": "0", "end": 1}, {"start": 0}, 3, {"end": True}])
def test_a_segment_without_times_is_told(read, segment):
    content = {"segments": [{"start": 0, "end": 1, "text": "a"}, segment]}
    with pytest.raises(AnnotationError, match=r"segment 2: .*expected numbers as start and end"):
        read(json.dumps(content), ".json")
