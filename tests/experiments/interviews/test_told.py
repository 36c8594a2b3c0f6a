"""What a command tells of its recordings: once what holds for all, and the next step of faults."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import typer

from experiments.commands.interview import _files, _show
from experiments.config import OptionError
from experiments.interviews import interview as module
from experiments.interviews.facts import text_languages
from experiments.interviews.interview import interview
from experiments.interviews.options import InterviewOptions
from experiments.interviews.recognition import RecognisedText
from fusion.model.origin import Origin
from tests.experiments.commands.called import run
from tests.experiments.interviews.conftest import RATE, talk_samples
from tests.experiments.interviews.held_interviews import QUIET


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


def test_notes_are_told_for_every_recording(model_folder, talk, tmp_path, capsys):
    (tmp_path / "other.wav").write_bytes(talk.read_bytes())
    outcome = interview(
        model_folder("audio"), [talk, tmp_path / "other.wav"], tmp_path / "out", QUIET
    )
    _show(outcome)
    told = capsys.readouterr().out
    assert told.count("the model hears the voice only") == 2
    # There are none.
    assert "words are shown" not in told


def test_a_folder_stands_for_the_recordings_in_it(model_folder, talk, tmp_path, monkeypatch):
    day = tmp_path / "day"
    (day / "below").mkdir(parents=True)
    for name in ("b.wav", "a.WAV", ".hidden.wav", "notes.txt", "below/c.wav"):
        (day / name).write_bytes(talk.read_bytes())
    words = [model_folder("audio"), day, talk, "--out", tmp_path / "out", "--asr", "none"]
    assert run(monkeypatch, "interview", *words) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if p.is_dir()) == ["a", "b", "talk"]
    (day / "below/c.wav").unlink()
    with pytest.raises(OptionError, match=r"below: holds no file that ends in \.wav"):
        _files(day / "below")


def test_a_damaged_recording_is_refused_with_what_keeps_it(model_folder, talk, tmp_path):
    content = talk.read_bytes()
    (tmp_path / "cut.wav").write_bytes(content[: len(content) * 2 // 3])
    model, cut = model_folder("audio"), tmp_path / "cut.wav"
    (failure,) = interview(model, [cut], tmp_path / "out", QUIET).failures
    assert failure.why.endswith("; --keep-damaged goes on with what can be read of it")
    options = InterviewOptions(asr="none", keep_damaged=True)
    (done,) = interview(model, [cut], tmp_path / "out", options).done
    assert done.timeline.duration_s == pytest.approx(8.0, abs=0.01)
    assert done.timeline.facts["notes"][0].startswith("damaged: 8.00 s were read, 4.00 s are lost")
    # Up to there it is the same.
    (whole,) = interview(model, [talk], tmp_path / "whole", QUIET).done
    assert done.timeline.segments[0] == whole.timeline.segments[0]


def test_a_recording_without_speech_says_so(model_folder, silence, tmp_path, capsys):
    outcome = interview(model_folder(), [silence], tmp_path / "out", QUIET)
    assert outcome.done[0].timeline.facts["notes"] == [
        "no speech was found (digital silence): listen to the recording, try --speech-threshold "
        "0.3, or say --turns FILE"
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


def test_faults_of_files_are_told_before_a_recording_is_listened_to(
    model_folder, talk, tmp_path, monkeypatch
):
    def never(*_, **__):
        raise AssertionError("it was listened to")

    monkeypatch.setattr(module, "survey", never)
    (tmp_path / "t.csv").write_text("start,end,text\n2,1,no\n", encoding="utf-8")
    (tmp_path / "w.csv").write_text("start,end\n", encoding="utf-8")
    for given in ({"turns": tmp_path / "t.csv"}, {"transcript": tmp_path / "w.csv"}):
        options = InterviewOptions(asr="none", **given)
        (failure,) = interview(model_folder("audio"), [talk], tmp_path / "out", options).failures
        assert "1 fault" in failure.why


def test_recordings_of_one_name_cannot_share_a_file_by_name(model_folder, talk, tmp_path):
    (tmp_path / "turns").mkdir()
    other = tmp_path / "talk.wav"
    other.write_bytes(talk.read_bytes())
    options = InterviewOptions(asr="none", turns=tmp_path / "turns")
    with pytest.raises(OptionError, match=r"--turns: .*talk\.wav and .*talk\.wav have one name"):
        interview(model_folder("audio"), [talk, other], tmp_path / "out", options)
    assert not (tmp_path / "out" / "talk").exists()


def test_names_of_any_script_are_names_of_folders_and_pages(model_folder, tmp_path):
    name = "Gespräch mit Jürgen – 面接 (1)"
    soundfile.write(tmp_path / f"{name}.wav", talk_samples(), RATE)
    interview(model_folder(), [tmp_path / f"{name}.wav"], tmp_path / "out", QUIET)
    page = (tmp_path / "out" / name / "interview.html").read_text(encoding="utf-8")
    assert f"<h1>{name}.wav</h1>" in page


def test_a_recording_that_is_named_twice_is_done_once(model_folder, talk, tmp_path):
    again = talk.parent / "." / ".." / talk.parent.name / talk.name
    outcome = interview(model_folder("audio"), [talk, again], tmp_path / "out", QUIET)
    assert [one.folder.name for one in outcome.done] == ["talk"]


def test_names_that_a_terminal_would_obey_are_told_on_one_line(model_folder, tmp_path, capsys):
    name = "a\nb\N{RIGHT-TO-LEFT OVERRIDE}c\x1b[2J.wav"
    soundfile.write(tmp_path / "talk.wav", talk_samples()[: 2 * RATE], RATE)
    (tmp_path / "talk.wav").rename(tmp_path / name)
    (tmp_path / f"no{name}").write_bytes(b"no sound")
    paths = [tmp_path / name, tmp_path / f"no{name}"]
    with pytest.raises(typer.Exit):
        _show(interview(model_folder("audio"), paths, tmp_path / "out", QUIET))
    told = capsys.readouterr().out
    assert not {"\x1b", "\N{RIGHT-TO-LEFT OVERRIDE}"} & {*told}
    assert "a b\N{REPLACEMENT CHARACTER}c" in told


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


class German:
    """A recogniser that hears German in everything."""

    about, packed, languages = "german", None, Counter({"de": 1})

    def moved_to(self, folder):
        pass

    def listen(self, heard):
        return [RecognisedText("ja", language="de") for _ in heard]


@pytest.mark.parametrize(("words", "read"), [(None, False), ("classify", True), ("show", False)])
def test_words_of_another_language_are_shown_and_told(
    model_folder, talk, tmp_path, monkeypatch, words, read
):
    monkeypatch.setattr(module, "recogniser_for", lambda *_: German())
    monkeypatch.setattr(module, "text_languages", lambda _: frozenset({"en"}))
    options = InterviewOptions(asr="german", words=words)
    (done,) = interview(model_folder(), [talk], tmp_path / "out", options).done
    segments, notes = done.timeline.segments, done.timeline.facts["notes"]
    assert {segment.text for segment in segments} == {"ja"}
    assert {segment.words is not None for segment in segments} == {read}
    told = f"{len(segments)} in de: another language than the text model's (en)"
    assert any(note.startswith(told) for note in notes) == (words is None)
    assert any("--words show" in note for note in notes) == (words == "show")


def test_without_words_none_are_looked_for(model_folder, talk, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "recogniser_for", lambda *_: pytest.fail("nobody asked"))
    options = InterviewOptions(words="off")
    (done,) = interview(model_folder(), [talk], tmp_path / "out", options).done
    assert {segment.text for segment in done.timeline.segments} == {None}
    assert done.timeline.facts["words"] == "none"
    for fields, said in (({"words": "of"}, "one of show, class"), ({"asr": "x"}, "--words off")):
        with pytest.raises(OptionError, match=said):
            InterviewOptions(**{"words": "off", **fields})


def test_the_language_of_a_text_encoder_is_that_of_its_card():
    bert = SimpleNamespace(encoder=SimpleNamespace(checkpoint="google-bert/bert-base-uncased"))
    own = SimpleNamespace(encoder=SimpleNamespace(checkpoint="somebody/xlm"))
    many = SimpleNamespace(encoder=SimpleNamespace(checkpoint="FacebookAI/xlm-roberta-base"))
    for modality, languages in ((bert, {"en"}), (own, set()), (many, set())):
        model = SimpleNamespace(modalities={"audio": own, "text": modality})
        assert text_languages(model) == languages


def rttm(folder, *turns):
    lines = [
        f"SPEAKER talk 1 {start_s} {length_s} <NA> <NA> anna <NA> <NA>\n"
        for start_s, length_s in turns
    ]
    (folder / "talk.rttm").write_text("".join(lines), encoding="utf-8")
    return folder / "talk.rttm"


def notes_of(model, recording, out, **options):
    (done,) = interview(model, [recording], out, InterviewOptions(**options)).done
    return done.timeline.facts["notes"]


def test_speech_outside_the_turns_and_turns_without_speech_are_told(model_folder, talk, tmp_path):
    model = model_folder("audio")
    # Anna, a pause, Ben, a pause, Anna: the pauses and one sentence.
    turns = rttm(tmp_path, (4.2, 0.6), (9.1, 0.7), (10.0, 2.0))
    notes = notes_of(model, talk, tmp_path / "out", asr="none", turns=turns)
    (outside,) = [note for note in notes if "outside the turns" in note]
    assert outside.endswith(
        "s of speech lie outside the turns and are not classified: are they of this recording?"
    )
    assert "2 of 3 turns, 1.3 s, where no speech was found" in notes
    turns = rttm(tmp_path, (0.0, 4.5), (4.6, 7.4))
    notes = notes_of(model, talk, tmp_path / "all", asr="none", turns=turns)
    assert not [note for note in notes if "turn" in note]


def test_a_transcript_of_two_sentences_is_told(model_folder, talk, tmp_path):
    cues = "WEBVTT\n\n00:00.500 --> 00:01.500\nyes\n\n00:05.500 --> 00:06.500\nno\n"
    (tmp_path / "talk.vtt").write_text(cues, encoding="utf-8")
    notes = notes_of(model_folder(), talk, tmp_path / "out", transcript=tmp_path / "talk.vtt")
    (told,) = [note for note in notes if "no words for" in note]
    assert told.endswith("s of speech: is it of this recording, and all of it?")


def test_what_is_speech_can_be_asked_for(model_folder, talk, tmp_path):
    model = model_folder("audio")
    lengths = []
    for padding in (0.03, 0.4):
        options = InterviewOptions(asr="none", speech_padding=padding)
        (done,) = interview(model, [talk], tmp_path / str(padding), options).done
        lengths.append(sum(s.end_s - s.start_s for s in done.timeline.segments))
    assert lengths[0] + 1.5 < lengths[1]
    # A hiss at -60 dBFS.
    hiss = np.random.default_rng(0).normal(0, 1e-3, 3 * RATE)
    soundfile.write(tmp_path / "hiss.wav", hiss, RATE)
    (told, *_) = notes_of(model, tmp_path / "hiss.wav", tmp_path / "none", asr="none")
    assert told.startswith(
        "no speech was found (-60 dBFS on average, -59 dBFS where it is loudest)"
    )
    for name, value in (("threshold", 1.0), ("threshold", 0.0), ("padding", -0.1)):
        with pytest.raises(OptionError, match=f"--speech-{name}"):
            InterviewOptions(**{f"speech_{name}": value})
