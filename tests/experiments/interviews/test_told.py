"""What a command tells of its recordings: once what holds for all, and the next step of faults."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import typer

from experiments.commands.interview import _show
from experiments.interviews.interview import interview
from experiments.interviews.options import InterviewOptions
from fusion.model.origin import Origin
from tests.experiments.interviews.conftest import RATE, talk_samples

QUIET = InterviewOptions(asr="none")


@pytest.fixture
def silence(tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(3 * RATE, np.float32), RATE)
    return tmp_path / "silence.wav"


def test_the_caution_of_a_model_is_told_once_for_all_recordings(
    model_folder, talk, tmp_path, capsys
):
    folder = model_folder("audio", origin=Origin(caution="learned from actors"))
    soundfile.write(tmp_path / "other.wav", talk_samples(), RATE)
    outcome = interview(folder, [talk, tmp_path / "other.wav"], tmp_path / "out", QUIET)
    _show(outcome)
    told = capsys.readouterr().out
    assert told.count("learned from actors") == 1
    assert "talk.wav: 12.0 s" in told
    assert "other.wav: 12.0 s" in told


def test_a_recording_without_speech_says_so(model_folder, silence, tmp_path, capsys):
    outcome = interview(model_folder(), [silence], tmp_path / "out", QUIET)
    assert outcome.done[0].timeline.facts["notes"] == [
        "no speech was found: listen to the recording, or say --turns FILE"
    ]
    _show(outcome)
    assert "3.0 s, 0 segments, 0 speakers" in capsys.readouterr().out


def test_a_recording_that_cannot_be_used_leaves_no_folder(model_folder, talk, tmp_path, capsys):
    (tmp_path / "empty.wav").touch()
    outcome = interview(model_folder(), [tmp_path / "empty.wav", talk], tmp_path / "out", QUIET)
    assert [one.name for one in (tmp_path / "out").iterdir()] == ["talk"]
    with pytest.raises(typer.Exit) as stopped:
        _show(outcome)
    assert stopped.value.exit_code == 1
    assert "empty.wav: the file is empty" in capsys.readouterr().out


def test_a_transcript_without_words_is_refused_with_the_next_step(model_folder, talk, tmp_path):
    (tmp_path / "talk.txt").write_text("\n \n", encoding="utf-8")
    options = InterviewOptions(transcript=tmp_path / "talk.txt")
    outcome = interview(model_folder(), [talk], tmp_path / "out", options)
    assert "no words in it: expected a line per turn, or --asr none" in outcome.failures[0].why


def test_names_of_any_script_are_names_of_folders_and_pages(model_folder, tmp_path):
    name = "Gespräch mit Jürgen – 面接 (1)"
    soundfile.write(tmp_path / f"{name}.wav", talk_samples(), RATE)
    interview(model_folder(), [tmp_path / f"{name}.wav"], tmp_path / "out", QUIET)
    page = (tmp_path / "out" / name / "interview.html").read_text(encoding="utf-8")
    assert f"<h1>{name}.wav</h1>" in page


def test_turns_of_a_folder_may_call_a_renamed_recording_by_its_old_name(
    model_folder, talk, tmp_path
):
    (tmp_path / "turns").mkdir()
    for name in ("day1", "day2"):
        (tmp_path / f"{name}.wav").write_bytes(talk.read_bytes())
        line = "SPEAKER tape7 1 0.5 2.0 <NA> <NA> anna <NA> <NA>\n"
        (tmp_path / "turns" / f"{name}.rttm").write_text(line, encoding="utf-8")
    days = [tmp_path / "day1.wav", tmp_path / "day2.wav"]
    options = InterviewOptions(asr="none", turns=tmp_path / "turns")
    outcome = interview(model_folder(), days, tmp_path / "out", options)
    assert [one.timeline.speakers for one in outcome.done] == [("anna",), ("anna",)]
    # One file for both must name them.
    options = InterviewOptions(asr="none", turns=tmp_path / "turns" / "day1.rttm")
    outcome = interview(model_folder(), days, tmp_path / "other", options)
    assert [("no 'day" in one.why) for one in outcome.failures] == [True, True]
