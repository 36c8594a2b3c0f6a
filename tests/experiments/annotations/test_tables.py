"""Tables and plain lines of turns, segments as a table, timelines as JSON."""

import csv
import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from made_timelines import TARGETS, WRITERS, in_order, said, timelines

from encoders.manifest_rows import unguarded
from experiments.annotations import segments_csv, timeline_json
from experiments.annotations.lines import are_timed
from experiments.annotations.segments import Segment, Timeline, rounded
from experiments.annotations.turns import AnnotationError, Turn, read_turns
from fusion.evaluation.backoff import Answer
from fusion.evaluation.emotions import derived_values

ANNA = Turn(start_s=1.5, end_s=62.25, speaker="Anna", text="no, I")
QUIET = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    "content",
    [
        'start_s,end_s,speaker,text\n1.5,62.25,Anna,"no, I"\n',
        '\ufeffStart,End,Speaker,Text\r\n1.5,62.25,Anna,"no, I"\r\n\r\n',
        "begin;end;participant;transcript;more\n1,5;62,25;Anna;no, I;x\n",
        "onset\tduration\twho\twords\n0:01.5\t1:00.75\tAnna\tno, I\n",
        'start_ms,end_ms,spk,sentence\n1500,62250,Anna,"no, I"\n',
        'text,speaker,stop,start\n"no, I",Anna,00:01:02.250,"00:00:01,5"\n',
        'tmin,tier,text,tmax\n1.5,Anna,"no, I",62.25\n',
        "Anfang;Ende;Sprecher;Äußerung\n1,5;62,25;Anna;no, I\n",
        "Beginn (s)\tEnde (s)\tSprecher/in\tTranskription\n1,5\t62,25\tAnna\tno, I\n",
        "Startzeit;Dauer;Person;Wortlaut\n0:01,5;1:00,75;Anna;no, I\n",
        "Début;Fin;Locuteur;Texte\n1,5;62,25;Anna;no, I\n",
        "von [ms];bis [ms];Sprecher;Text\n1500;62250;Anna;no, I\n",
        "Begin Time - ss.msec\tEnd Time - ss.msec\tParticipant\tText\n1.5\t62.25\tAnna\tno, I\n",
        "Begin Time - msec\tEnd Time - msec\tTier\tText\n1500\t62250\tAnna\tno, I\n",
        'Start MS,start_s,End Seconds,speaker label,words\n9,1.5,62.25,Anna,"no, I"\n',
    ],
)
def test_tables_are_read_whatever_their_columns_are_called(read, content):
    assert read(content, ".csv") == (ANNA,)


def test_cells_that_were_guarded_or_are_empty(read):
    content = "start,end,speaker,text\n0,1,'=A1,'=cmd()\n1,2,,-5\n2,3\n"
    assert [(t.speaker, t.text) for t in read(content, ".csv")] == [
        ("=A1", "=cmd()"),
        (None, "-5"),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "header: no column for start, end or duration: "),
        ("start,stop_at\n1,2\n", "no column for end or dur.*got 'start', 'stop_at'"),
        ("start,start,end\n1,2,3\n", "header: column given twice: 'start'"),
        ("start,end\n1,2\n1,x\n", "line 3: end 'x': expected seconds as in 83.5"),
        ("start,end\n1,\n", "line 2: end '': expected seconds"),
        ("start,end\n-1,2\n", "line 2: start '-1'"),
        ("start,end\nnan,2\n", "line 2: start 'nan'"),
        ("start,end\n3,2\n", "line 2: ends at 2 s, before it starts at 3 s"),
        ("start,end\n1.234,5,2\n", "line 2: 3 cells for 2 columns"),
        ("start_ms,end_ms\n0:01,2\n", "line 2: start_ms '0:01': expected milliseconds"),
        ("start,end\n1e999,2\n", "line 2: starts at inf s"),
        ("start,end\n99999999,999999999\n", "line 2: starts at 1e"),
        ('start,end,text\n1,2,"open\n', "not CSV"),
        ("start,end\n", "file: no turns in it"),
        ("", "file: no turns in it"),
    ],
)  # fmt: skip
def test_faults_of_tables_name_the_line(read, content, message):
    with pytest.raises(AnnotationError, match=message):
        read(content, ".csv")


def test_faults_of_all_lines_are_told(read):
    with pytest.raises(AnnotationError, match="3 faults"):
        read("start,end\nx,2\ny,z\n", ".csv")


# ---------------------------------------------------------------- plain lines


@pytest.mark.parametrize(
    "line",
    ["1.5 62.25 Anna: no, I", "[0:01.5 - 1:02.250] Anna: no, I", "1,5\t62,25\tAnna: no, I",
     "(00:00:01.500 --> 00:01:02.250) Anna: no, I", "1.5–62.25   Anna:  no, I"],
)  # fmt: skip
def test_lines_hold_times_name_and_words(read, line):
    assert read(f"{line}\n\n", ".txt") == (ANNA,)


def test_labels_of_audacity_that_return_are_speakers(read):
    content = "0.0\t1.0\tAnna\n\\\t100\t200\n1.0\t2.0\tBen\n2.0\t3.0\tAnna\n3\t4\tBen\n"
    assert [(t.speaker, t.text) for t in read(content, ".txt")][:2] == [
        ("Anna", None),
        ("Ben", None),
    ]


def test_lines_with_times_are_told_from_lines_of_words(tmp_path):
    for content, timed in (("0.0\t1.5\tno\n\\\t1\t2\n", True), ("no\n\nway\n", False), ("", False)):
        (tmp_path / "x.txt").write_text(content)
        assert are_timed(tmp_path / "x.txt") == timed


def test_labels_that_do_not_return_are_words(read):
    assert [t.text for t in read("0 1 so\n1 2 well\n2 3\n", ".txt")] == ["so", "well", None]


@pytest.mark.parametrize("line", ["hello", "1 x y", "1", "1:99 2 x", "-1 2 x", "1 2x"])
def test_faults_of_lines_name_them(read, line):
    with pytest.raises(AnnotationError, match=r"line 2: .*expected start, end and words"):
        read(f"0 1 a\n{line}\n", ".txt")


# ---------------------------------------------------------------- segments.csv


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@QUIET
@given(timelines())
def test_a_table_holds_everything_exactly(tmp_path_factory, timeline):
    path = tmp_path_factory.mktemp("csv") / "segments.csv"
    segments_csv.write(timeline, path)
    assert in_order(read_turns(path)) == said(timeline)
    for row, segment in zip(rows_of(path), timeline.segments, strict=True):
        assert (row["label"] or None) == segment.label
        answer = segment.answer
        told = ("", "") if answer is None else (answer.level, repr(answer.probability))
        assert (row["level"], row["probability"]) == told
        assert row["prediction_set"] == " | ".join(segment.prediction_set)
        derived = [round(value, 3) for value in derived_values(segment.probabilities, TARGETS)]
        assert unguarded(row["recording"]) == timeline.recording
        assert [row["derived_valence"], row["derived_arousal"]] == list(map(repr, derived))
        assert row["overlap"] == str(segment.overlap).lower()
        doubts = unguarded(row["text_doubtful"])
        assert doubts.count(" | ") == max(0, len(segment.text_doubtful) - 1)
        for of, scores in (
            ("p", segment.scores),
            ("voice", segment.voice),
            ("words", segment.words),
        ):
            cells = [row[f"{of}_{name}"] for name in TARGETS]
            assert cells == ([repr(score) for score in scores] if scores else [""] * len(TARGETS))


@QUIET
@given(timelines())
def test_no_cell_starts_a_formula(tmp_path_factory, timeline):
    path = tmp_path_factory.mktemp("csv") / "segments.csv"
    segments_csv.write(timeline, path)
    with path.open(newline="", encoding="utf-8") as file:
        for cell in (cell for row in csv.reader(file) for cell in row):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")) or float(cell) is not None


def test_a_table_without_segments_is_a_header(timeline, tmp_path):
    segments_csv.write(replace(timeline, segments=()), tmp_path / "x.csv")
    assert rows_of(tmp_path / "x.csv") == []


def test_what_could_not_be_classified_has_empty_cells(timeline, tmp_path):
    segment = Segment(start_s=0, end_s=1, speaker="x", probabilities=())
    segments_csv.write(replace(timeline, segments=(segment,)), tmp_path / "x.csv")
    (row,) = rows_of(tmp_path / "x.csv")
    names = ("label", "level", "probability", "prediction_set", "derived_valence")
    names += tuple(f"{of}_{name}" for of in ("p", "voice", "words") for name in TARGETS)
    assert {row[name] for name in names} == {""}


def test_written_numbers_have_the_decimals_that_mean_something(timeline):
    thirds = (1 / 3, 2 / 3)
    answer = Answer("class", "sad", 2 / 3)
    segment = Segment(
        start_s=1 / 3, end_s=2 / 3, speaker="x", text="y", probabilities=thirds, voice=thirds,
        answer=answer,
    )  # fmt: skip
    short = replace(segment, end_s=1 / 3 + 1e-6)
    exact = replace(timeline, segments=(segment, short), duration_s=10 / 3)
    one, other = sorted(rounded(exact).segments, key=lambda one: -one.end_s)
    assert (one.start_s, one.end_s, other.end_s) == (0.333, 0.667, 0.334)
    assert one.probabilities == one.voice == (0.333, 0.667)
    assert one.answer == Answer("class", "sad", 0.667)
    assert one.words is None
    assert rounded(exact).duration_s == 3.333
    assert rounded(rounded(exact)) == rounded(exact)


def test_many_rounded_probabilities_add_up(timeline):
    shares = tuple(1 / 12 for _ in range(12))
    segment = Segment(start_s=0, end_s=1, speaker="x", probabilities=shares)
    many = replace(timeline, targets=tuple("abcdefghijkl"), segments=(segment,))
    assert rounded(many).segments[0].probabilities == (0.083,) * 12


# ---------------------------------------------------------------- timeline.json


@QUIET
@given(timelines())
def test_timelines_are_read_back_exactly(tmp_path_factory, timeline):
    path = tmp_path_factory.mktemp("json") / "timeline.json"
    timeline_json.write(timeline, path)
    assert timeline_json.read_json(path) == timeline
    assert in_order(read_turns(path)) == said(timeline)


def test_the_file_says_what_its_documentation_says(timeline, tmp_path):
    timeline_json.write(timeline, tmp_path / "x.json")
    record = json.loads((tmp_path / "x.json").read_text())
    assert record["schema_version"] == 2
    assert record["segments"][0] == {
        "start_s": 0.5, "end_s": 2.0, "speaker": "Anna Maria", "text": "No & <no>",
        "text_doubtful": ["recogniser unsure"],
        "label": "angry", "level": "class", "probability": 0.7, "prediction_set": [],
        "derived": {"valence": pytest.approx(-0.546), "arousal": pytest.approx(0.332)},
        "probabilities": {"angry": 0.7, "sad": 0.3}, "voice": None, "words": None,
        "overlap": False,
    }  # fmt: skip


def test_facts_that_json_cannot_hold_are_refused(timeline, tmp_path):
    for facts in ({"a": {1, 2}}, {"a": float("nan")}):
        with pytest.raises(ValueError, match="facts of a timeline: expected what JSON holds"):
            timeline_json.write(replace(timeline, facts=facts), tmp_path / "x.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 3}, "schema_version: expected 2, got 3"),
        ({"schema_version": "1"}, "schema_version"),
        ({"more": 1}, "more"),
        ({"duration_s": "9"}, "duration_s"),
        ({"duration_s": 2.0}, "segment 2 at 1 s: ends at 3.25 s, the recording at 2 s"),
        ({"targets": ["sad", "glad"]}, "segment 1, segment 4: label 'angry' is none of sad, glad"),
        ({"targets": ["sad", "sad"]}, "segment 1, segment 4: "),
        ({"segments": [1]}, r"segments\.0"),
        ({"segments": None}, "segments"),
    ],
)
def test_faults_of_a_timeline_are_named(timeline, tmp_path, change, message):
    path = tmp_path / "x.json"
    timeline_json.write(timeline, path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(AnnotationError, match=message):
        timeline_json.read_json(path)


def test_timelines_of_the_first_schema_are_still_read(timeline, tmp_path):
    path = tmp_path / "x.json"
    timeline_json.write(timeline, path)
    record = json.loads(path.read_text()) | {"schema_version": 1}
    for segment in record["segments"]:
        for name in ("level", "probability", "prediction_set", "derived"):
            del segment[name]
    path.write_text(json.dumps(record))
    likeliest = replace(timeline.segments[2], answer=Answer("class", "sad", 0.7))
    expected = (*timeline.segments[:2], likeliest, timeline.segments[3])
    assert timeline_json.read_json(path) == replace(timeline, segments=expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": None}, "level and probability without a label"),
        ({"level": None}, "label 'angry': expected a level and a probability with it"),
        ({"level": "group"}, "label 'angry' is none of negative, aroused, negative, low"),
        ({"level": "genus"}, r"level"),
        ({"prediction_set": ["glad"]}, "prediction set with glad, none of angry, sad"),
    ],
)
def test_faults_of_answers_are_named(timeline, tmp_path, change, message):
    path = tmp_path / "x.json"
    timeline_json.write(timeline, path)
    record = json.loads(path.read_text())
    record["segments"][0] |= change
    path.write_text(json.dumps(record))
    with pytest.raises(AnnotationError, match=message):
        timeline_json.read_json(path)


@pytest.mark.parametrize(
    "content", ["", "[]", "null", "{", "[" * 100_000, '{"a": 1e999}', '{"x": NaN}', '"\\ud800"']
)
def test_what_is_no_timeline_is_refused(read, content):
    with pytest.raises(AnnotationError):
        read(content, ".json")


# ---------------------------------------------------------------- all formats, and the types


@pytest.mark.parametrize("suffix", WRITERS)
def test_the_end_of_the_name_tells_the_format(timeline, tmp_path, suffix):
    path = tmp_path / f"x{suffix.upper()}"
    WRITERS[suffix](timeline, path)
    found = [replace(turn, text=None, doubts=()) for turn in read_turns(path)]
    turns = [replace(turn, text=None, doubts=()) for turn in said(timeline)]
    assert in_order(found) == in_order(turns)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"end_s": 1.0}, "starts and ends at 1 s"),
        ({"end_s": 0.5}, "ends at 0.5 s, before"),
        ({"speaker": " "}, "a speaker without a name"),
        ({"probabilities": (0.7, 0.7)}, "add up to 1"),
        ({"probabilities": (1.5, -0.5)}, "add up to 1"),
        ({"probabilities": (float("nan"), 1.0)}, "add up to 1"),
        (
            {"probabilities": (), "answer": Answer("class", "sad", 1.0)},
            "label 'sad' without probabilities",
        ),
        ({"probabilities": (), "prediction_set": ("sad",)}, "a prediction set without"),
    ],
)
def test_no_segment_holds_what_cannot_be(change, message):
    fields = {"start_s": 1.0, "end_s": 2.0, "speaker": "a", "probabilities": (0.5, 0.5)} | change
    with pytest.raises(ValueError, match=message):
        Segment(**fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": ("a", "b")}, "segment 1 at 0.5 s: label 'angry' is none of a, b"),
        ({"targets": ("angry", "sad", "x")}, "2 probabilities for 3 classes"),
        ({"targets": ("angry", "angry")}, "expected different names"),
        ({"targets": ("angry ", "sad")}, "expected different names"),
        ({"duration_s": 3.0}, "segment 2 at 1 s: ends at 3.25 s, the recording at 3 s"),
        ({"duration_s": float("nan")}, "ends at nan s"),
    ],
)
def test_no_timeline_holds_what_cannot_be(timeline, change, message):
    with pytest.raises(ValueError, match=message):
        replace(timeline, **change)


def test_segments_stand_in_the_order_of_their_start(timeline):
    backwards = replace(timeline, segments=timeline.segments[::-1])
    assert isinstance(backwards, Timeline)
    assert backwards.segments == timeline.segments
    assert backwards.speakers == ("Anna Maria", "Ben")
