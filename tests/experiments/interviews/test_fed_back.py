"""What an interview wrote, corrected by hand and given to the next one; tiers that are chosen."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from experiments.annotations.segments import Segment
from experiments.annotations.turns import MARKED
from experiments.config import OptionError
from experiments.interviews.interview import interview
from experiments.interviews.options import InterviewOptions
from experiments.interviews.outputs import TIMELINES
from tests.experiments.interviews.held_interviews import timeline

ROWS = [
    ("start_s", "end_s", "speaker", "text", "text_doubtful"),
    ("0.0", "3.9999", "anna", "no", ""),
    ("5.0001", "9.0", "ben", "the horse", "repeats 'horse'"),
    ("10.0", "12.0", "anna", "said", ""),
]
SPANS = [(0.0, 4.0), (5.0, 9.0), (10.0, 12.0)]


def why_not(model: Path, recording: Path, out: Path, **options: object) -> str:
    (failure,) = interview(
        model, [recording], out, InterviewOptions(asr="none", **options)
    ).failures
    return failure.why


def fed_back(model: Path, talk: Path, file: Path, out: Path) -> tuple[Segment, ...]:
    return timeline(model, talk, out, turns=file, transcript=file).segments


@pytest.fixture
def written(model_folder, talk, tmp_path) -> Path:
    """The folder that an interview of three turns left, the second with doubtful words."""
    with (tmp_path / "turns.csv").open("w", newline="") as file:
        csv.writer(file).writerows(ROWS)
    file = tmp_path / "turns.csv"
    segments = fed_back(model_folder(), talk, file, tmp_path / "out")
    assert [segment.words is None for segment in segments] == [False, True, False]
    return tmp_path / "out" / "talk"


@pytest.mark.parametrize("name", [name for name in TIMELINES if not name.endswith("rttm")])
def test_every_file_with_words_gives_the_same_segments(model_folder, talk, written, tmp_path, name):
    again = fed_back(model_folder(), talk, written / name, tmp_path / "again")
    assert [(one.start_s, one.end_s) for one in again] == SPANS
    assert [(one.speaker, one.text) for one in again] == [(row[2], row[3]) for row in ROWS[1:]]
    reason = "repeats 'horse'" if name.endswith(("csv", "json")) else MARKED
    assert [one.text_doubtful for one in again] == [(), (reason,), ()]
    assert [one.words is None for one in again] == [False, True, False]


def test_a_corrected_table_is_what_was_said(model_folder, talk, written, tmp_path):
    with (written / "segments.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["recording"] for row in rows} == {"talk.wav"}
    rows[1] |= {"text": "a house", "text_doubtful": "", "speaker": "Dr. Roe", "end_s": "8.5"}
    with (tmp_path / "corrected.csv").open("w", newline="") as file:
        lines = csv.DictWriter(file, rows[0])
        lines.writeheader()
        lines.writerows(rows)
    again = fed_back(model_folder(), talk, tmp_path / "corrected.csv", tmp_path / "again")
    assert (again[1].speaker, again[1].text, again[1].end_s) == ("Dr. Roe", "a house", 8.5)
    assert again[1].text_doubtful == ()
    assert again[1].words is not None


def test_of_a_table_of_several_recordings_those_lines_are_read_that_are_of_it(
    model_folder, talk, tmp_path
):
    rows = "other.wav,1,2,ben,so\ntalk.wav,0,4,anna,no\n"
    (tmp_path / "all.csv").write_text(f"recording,start_s,end_s,speaker,text\n{rows}")
    (only,) = fed_back(model_folder(), talk, tmp_path / "all.csv", tmp_path / "out")
    assert (only.speaker, only.text, only.end_s) == ("anna", "no", 4.0)
    (tmp_path / "all.csv").write_text("recording,start_s,end_s\nb.wav,0,1\nother.wav,1,2\n")
    why = why_not(model_folder(), talk, tmp_path, turns=tmp_path / "all.csv")
    assert "several recordings: it holds 'b.wav', 'other.wav'" in why


def test_a_corrected_timeline_is_what_was_said(model_folder, talk, written, tmp_path):
    record = json.loads((written / "timeline.json").read_text())
    record["segments"][1] |= {"text": "a house", "text_doubtful": []}
    del record["segments"][2]
    (tmp_path / "corrected.json").write_text(json.dumps(record))
    again = fed_back(model_folder(), talk, tmp_path / "corrected.json", tmp_path / "again")
    assert [(one.text, one.text_doubtful) for one in again] == [("no", ()), ("a house", ())]


def test_files_hold_no_more_decimals_than_were_measured(written):
    with (written / "segments.csv").open(newline="") as file:
        cells = [cell for row in csv.DictReader(file) for cell in row.values()]
    record = json.loads((written / "timeline.json").read_text())
    cells += [str(n) for one in record["segments"] for n in one["probabilities"].values()]
    decimals = [cell.partition(".")[2] for cell in cells if cell.replace(".", "").isdigit()]
    assert max(map(len, decimals)) == 3


# ---------------------------------------------------------------- tiers


def tier(name: str, *marks: tuple[float, float, str]) -> str:
    lines = " ".join(f'{start} {end} "{text}"' for start, end, text in marks)
    return f'"IntervalTier" "{name}" 0 12 {len(marks)} {lines}'


@pytest.fixture
def grid(tmp_path) -> Path:
    tiers = (
        tier("who", (0, 4, "anna"), (5, 9, "ben"), (10, 12, "anna")),
        tier("said", (0, 4, "I was cold then."), (5, 9, "[laughs]"), (10, 12, "So I got up.")),
        tier("other", (0, 4, "not that"), (5, 9, "or that"), (10, 12, "or this one here")),
    )
    path = tmp_path / "talk.TextGrid"
    path.write_text(f'"ooTextFile" "TextGrid" 0 12 <exists> 3 {" ".join(tiers)}\n')
    return path


def test_one_tier_tells_who_and_one_what(model_folder, talk, grid, tmp_path):
    found = timeline(model_folder(), talk, tmp_path, turns=grid, tier="who", words_tiers=("said",))
    assert [(one.speaker, one.text) for one in found.segments] == [
        ("anna", "I was cold then."),
        ("ben", None),
        ("anna", "So I got up."),
    ]
    notes = " ".join(found.facts["notes"])
    assert "the labels of tier 'who' are the speakers" in notes
    assert "1 label taken for remarks, not for words: '[laughs]'" in notes
    assert found.facts["words"] == "transcript talk.TextGrid"


def test_tiers_of_words_are_speakers_of_their_own(model_folder, talk, grid, tmp_path):
    found = timeline(model_folder(), talk, tmp_path, turns=grid, words_tiers=("other", "said"))
    assert {*found.speakers} == {"other", "said"}
    only = timeline(model_folder(), talk, tmp_path / "t", transcript=grid, words_tiers=("other",))
    assert [one.text for one in only.segments] == ["not that", "or that", "or this one here"]


@pytest.mark.parametrize("option", ["tier", "words_tiers"])
def test_a_tier_that_is_not_there_is_told_with_those_that_are(
    model_folder, talk, grid, tmp_path, option
):
    name = "sayd" if option == "tier" else ("sayd",)
    why = why_not(model_folder(), talk, tmp_path, turns=grid, **{option: name})
    assert "no tier named 'sayd': did you mean said" in why
    assert "its tiers are 'who', 'said', 'other'" in why


@pytest.mark.parametrize("options", [{"tier": "a"}, {"words_tiers": ("a",)}])
def test_tiers_without_a_file_are_refused(options):
    with pytest.raises(OptionError, match=r"-tier: needs --t"):
        InterviewOptions(**options)


# ---------------------------------------------------------------- transcripts as people have them


def test_labels_of_audacity_are_a_transcript_with_times(model_folder, talk, tmp_path):
    (tmp_path / "labels.txt").write_text("0.0\t4.0\tnot good\n5.0\t9.0\tBen: so\n")
    found = timeline(model_folder(), talk, tmp_path, transcript=tmp_path / "labels.txt")
    assert [(one.start_s, one.text) for one in found.segments if one.text] == [
        (0.0, "not good"),
        (5.0, "so"),
    ]


def test_a_cue_without_a_name_is_nobodys_and_the_others_keep_theirs(model_folder, talk, tmp_path):
    cues = ["[S 0]: not good", "so", "[S 1]: I got up"]
    spans = [
        "00:00,000 --> 00:00:04,000",
        "00:05,000 --> 00:00:09,000",
        "00:10,000 --> 00:00:12,000",
    ]
    lines = (
        f"{n}\n00:{span}\n{cue}\n\n" for n, (span, cue) in enumerate(zip(spans, cues, strict=True))
    )
    (tmp_path / "talk.srt").write_text("".join(lines))
    found = timeline(model_folder(), talk, tmp_path, transcript=tmp_path / "talk.srt")
    assert [one.speaker for one in found.segments] == ["S 0", "unknown", "S 1"]


def test_a_last_cue_that_is_too_long_is_cut_and_told(model_folder, talk, tmp_path):
    (tmp_path / "talk.srt").write_text("1\n00:00:06,000 --> 00:00:30,000\nso I got up\n")
    found = timeline(model_folder(), talk, tmp_path, transcript=tmp_path / "talk.srt")
    assert "ended 18.0 s past the end of the recording" in " ".join(found.facts["notes"])


def test_a_table_in_milliseconds_is_known_by_the_recording(model_folder, talk, tmp_path):
    (tmp_path / "talk.csv").write_text("start,end,speaker\n0,4000,anna\n5000,9000,ben\n")
    found = timeline(model_folder(), talk, tmp_path, turns=tmp_path / "talk.csv")
    assert [(one.start_s, one.end_s) for one in found.segments] == SPANS[:2]
    assert "taken for milliseconds" in " ".join(found.facts["notes"])
