"""What lies on disk: no word that must not be kept, and the files of other people untouched."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import soundfile

from encoders.files import MARK, own_folder
from experiments.config import OptionError
from experiments.interviews import interview as module
from experiments.interviews.interview import folders_of, interview
from experiments.interviews.options import InterviewOptions
from experiments.interviews.outputs import OUTPUTS
from experiments.interviews.recognition import RecognisedText
from tests.experiments.interviews.conftest import RATE, talk_samples
from tests.experiments.interviews.held_interviews import QUIET, Parrot, stopped, timeline

# ---------------------------------------------------------------- words that must not be kept


def test_redacted_words_are_nowhere_and_still_heard(model_folder, talk, turns, tmp_path):
    said = ("never told anybody", "the neighbour knew", "please keep it quiet")
    (tmp_path / "talk.txt").write_text("\n".join(said) + "\n", encoding="utf-8")
    given = {"turns": turns, "transcript": tmp_path / "talk.txt"}
    found = timeline(model_folder(), talk, tmp_path / "red", redact=True, **given)
    same = timeline(model_folder(), talk, tmp_path / "plain", **given)
    assert [one.text for one in found.segments] == [None] * 3
    assert [one.probabilities for one in found.segments] == [
        one.probabilities for one in same.segments
    ]
    assert {one.words for one in found.segments} == {None}
    assert [one.speaker for one in found.segments] == ["speaker 1", "speaker 2", "speaker 1"]
    said = (*said, "anna", "ben")
    written = [path for path in (tmp_path / "red").rglob("*") if path.is_file()]
    assert {path.name for path in written} == {*OUTPUTS, MARK}
    for path in written:
        content = path.read_bytes()
        assert not any(word.encode() in content for word in said)
        # The sound of a page holds the words, too.
        assert b"data:audio" not in content
    assert (
        interview(
            model_folder(),
            [talk],
            tmp_path / "red",
            InterviewOptions(asr="none", redact=True, **given),
        )
        .done[0]
        .timeline
        is None
    )


def test_no_name_of_a_file_is_told_where_that_is_asked(model_folder, talk, turns, tmp_path):
    secret, given = tmp_path / "jane doe.wav", tmp_path / "jane doe.rttm"
    shutil.copy(talk, secret)
    shutil.copy(turns, given)
    out = tmp_path / "out"
    found = timeline(model_folder(), secret, out, turns=given, redact=True, redact_name=True)
    assert (found.recording, found.facts["speakers"]) == ("recording", "turns of a file")
    for path in out.rglob("*"):
        assert "jane" not in path.name
        assert path.is_dir() or b"jane" not in path.read_bytes()
    with pytest.raises(OptionError, match="--redact-name: needs --redact"):
        InterviewOptions(redact_name=True)


@pytest.mark.parametrize("redact", [False, True])
def test_elan_finds_the_recording_from_where_its_file_ends_up(model_folder, talk, tmp_path, redact):
    timeline(model_folder(), talk, tmp_path / "out", redact=redact)
    path = tmp_path / "out" / "talk" / "timeline.eaf"
    media = ElementTree.parse(path).getroot().find("HEADER/MEDIA_DESCRIPTOR")
    assert (path.parent / media.get("RELATIVE_MEDIA_URL")).resolve() == talk.resolve()


def test_a_redacted_run_that_is_stopped_leaves_no_word(model_folder, talk, tmp_path, monkeypatch):
    parrot = Parrot(RecognisedText("secret thing"))
    monkeypatch.setattr(module, "recogniser_for", lambda *_: parrot)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        interview(model_folder(), [talk], out, InterviewOptions(asr="parrot"), progress=stopped)
    assert (out / "talk" / "work").is_dir()
    options = InterviewOptions(asr="parrot", redact=True)
    with pytest.raises(KeyboardInterrupt):
        interview(model_folder(), [talk], out, options, progress=stopped)
    assert [path.name for path in (out / "talk").iterdir()] == [MARK]
    assert parrot.folder is None


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_people_words_are_their_owners_alone(model_folder, talk, tmp_path):
    timeline(model_folder(), talk, tmp_path / "out")
    folder = tmp_path / "out" / "talk"
    assert {path.stat().st_mode & 0o777 for path in (folder, folder / "work")} == {0o700}
    names = (*OUTPUTS, MARK)
    assert {(folder / name).stat().st_mode & 0o777 for name in names} == {0o600}


def test_reasons_to_doubt_quote_no_redacted_word(model_folder, talk, tmp_path, monkeypatch):
    parrot = Parrot(RecognisedText("secret secret secret secret", ("repeats 'secret'",)))
    monkeypatch.setattr(module, "recogniser_for", lambda *_: parrot)
    timeline(model_folder(), talk, tmp_path / "out", asr="parrot", redact=True)
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or b"secret" not in path.read_bytes()


# ---------------------------------------------------------------- nobody's files are touched


def test_a_folder_that_was_there_before_stays_as_it_is(model_folder, talk, tmp_path):
    theirs = tmp_path / "talk" / "work" / "thesis.txt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("years of work")
    done = interview(model_folder(), [talk], tmp_path, replace(QUIET, redact=True)).done[0]
    assert done.folder == tmp_path / "talk-2"
    assert theirs.read_text() == "years of work"
    assert [path.name for path in (tmp_path / "talk").iterdir()] == ["work"]


def test_a_folder_of_work_that_is_not_ours_is_refused(model_folder, talk, tmp_path):
    interview(model_folder(), [talk], tmp_path, replace(QUIET, redact=True))
    theirs = tmp_path / "talk" / "work" / "thesis.txt"
    theirs.parent.mkdir()
    theirs.write_text("years of work")
    for options in (QUIET, replace(QUIET, redact=True, smooth=3)):
        (failure,) = interview(model_folder(), [talk], tmp_path, options).failures
        assert "was not made by serfusion; it was left as it is" in failure.why
    assert theirs.read_text() == "years of work"


def test_another_recording_of_the_same_name_gets_a_folder_of_its_own(model_folder, talk, tmp_path):
    other = tmp_path / "b" / "talk.wav"
    other.parent.mkdir()
    soundfile.write(other, talk_samples()[: 6 * RATE], RATE)
    folders = [
        interview(model_folder(), [path], tmp_path / "out", QUIET).done[0].folder.name
        for path in (talk, other, talk, other)
    ]
    assert folders == ["talk", "talk-2", "talk", "talk-2"]


@pytest.mark.parametrize("name", ["...wav", "..", ".wav"])
def test_no_name_of_a_recording_leads_out_of_the_folder(name, tmp_path):
    (folder,) = folders_of([Path(name)], tmp_path)
    assert folder.parent == tmp_path
    assert folder.name not in ("", ".", "..")


def test_a_folder_of_ours_is_replaced_and_any_other_is_not(tmp_path):
    for content in ("one", "two"):
        with own_folder(tmp_path / "x") as work:
            (work / "a").write_text(content)
    assert (tmp_path / "x" / "a").read_text() == "two"
    (tmp_path / "y").mkdir()
    with (
        pytest.raises(FileExistsError, match="was not made by serfusion"),
        own_folder(tmp_path / "y"),
    ):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "y"]
