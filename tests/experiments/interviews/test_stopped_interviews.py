"""Interviews that were stopped or finished: no segment lost or doubled, nothing done twice."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import soundfile

from experiments.interviews.interview import interview
from experiments.interviews.options import InterviewOptions
from experiments.interviews.outputs import OUTPUTS
from tests.experiments.interviews.conftest import RATE, talk_samples
from tests.experiments.interviews.held_interviews import QUIET, stopped


def test_what_was_stopped_goes_on_where_it_was(model_folder, talk, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.interviews.classify_segments.CHUNK", 1)
    options = InterviewOptions(asr="none", speakers=2)
    whole = interview(model_folder(), [talk], tmp_path / "whole", options).done[0].timeline

    def stop(what: str, done: int, total: int) -> None:
        if what == "segments" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interview(model_folder(), [talk], tmp_path / "out", options, progress=stop)
    assert not (tmp_path / "out" / "talk" / OUTPUTS[0]).exists()
    encoded = count_encoded(monkeypatch)
    resumed = interview(model_folder(), [talk], tmp_path / "out", options).done[0].timeline
    assert resumed == whole
    assert len(encoded) == len(whole.segments) - 2


def count_encoded(monkeypatch) -> list[int]:
    from encoders import extraction

    found: list[int] = []
    embed = extraction.embed

    def counted(encoder, inputs, specs):
        found.extend(range(len(inputs)))
        return embed(encoder, inputs, specs)

    monkeypatch.setattr(extraction, "embed", counted)
    return found


@pytest.fixture
def loads(monkeypatch) -> list[str]:
    """Families of the encoders that are loaded, in their order."""
    from encoders import extraction

    found: list[str] = []
    load = extraction.load_encoder
    monkeypatch.setattr(
        extraction, "load_encoder", lambda *how: found.append(how[0].family) or load(*how)
    )
    return found


def test_four_predictions_of_a_model_load_each_of_its_encoders_once(model_folder, loads, talk):
    from fusion.model.fusion_model import FusionModel

    model = FusionModel.load(model_folder())
    assert loads == []
    first = model.predict(talk, "no never")
    assert model.predict(talk) != first
    assert model.predict(None, "no never") != first
    assert model.predict(talk, "no never") == first
    assert sorted(loads) == ["bert", "logmel"]


def test_recordings_of_one_command_share_the_loaded_encoders(model_folder, loads, talk, tmp_path):
    other = tmp_path / "other.wav"
    other.write_bytes(talk.read_bytes())
    outcome = interview(model_folder(), [talk, other], tmp_path, QUIET)
    assert outcome.index == tmp_path / "index.html"
    assert len(outcome.done) == 2
    assert loads == ["logmel"]


def test_what_is_finished_is_not_done_again_unless_asked_otherwise(model_folder, talk, tmp_path):
    first = interview(model_folder(), [talk], tmp_path, QUIET).done[0]
    again = interview(model_folder(), [talk], tmp_path, QUIET).done[0]
    other = interview(model_folder(), [talk], tmp_path, InterviewOptions(asr="none", smooth=3))
    assert first.timeline is not None
    assert again.timeline is None
    assert other.done[0].timeline is not None


def test_a_file_that_was_removed_is_written_again(model_folder, talk, tmp_path):
    interview(model_folder(), [talk], tmp_path, QUIET)
    (tmp_path / "talk" / OUTPUTS[0]).unlink()
    interview(model_folder(), [talk], tmp_path, QUIET)
    assert (tmp_path / "talk" / OUTPUTS[0]).is_file()


@pytest.mark.parametrize("content", [b"", b"cut", None])
def test_done_before_is_said_of_whole_outputs_only(model_folder, talk, tmp_path, content):
    interview(model_folder(), [talk], tmp_path, QUIET)
    path = tmp_path / "talk" / OUTPUTS[1]
    whole = path.read_bytes()
    path.unlink() if content is None else path.write_bytes(content)
    again = interview(model_folder(), [talk], tmp_path, QUIET).done[0]
    assert again.timeline is not None
    assert path.read_bytes() == whole
    # What somebody may have written is kept.
    assert again.kept == ((f"{path.name}.kept-1",) if content else ())
    assert interview(model_folder(), [talk], tmp_path, QUIET).done[0].timeline is None


def test_a_run_that_was_stopped_is_not_done_whatever_lies_there(model_folder, talk, tmp_path):
    first = replace(QUIET, redact=True)
    interview(model_folder(), [talk], tmp_path, first)
    with pytest.raises(KeyboardInterrupt):
        interview(model_folder(), [talk], tmp_path, QUIET, progress=stopped)
    assert interview(model_folder(), [talk], tmp_path, first).done[0].timeline is not None


def test_a_recording_whose_content_was_replaced_is_heard_again(model_folder, tmp_path):
    path = tmp_path / "talk.wav"
    soundfile.write(path, talk_samples(), RATE)
    status = path.stat()
    interview(model_folder(), [path], tmp_path, QUIET)
    soundfile.write(path, talk_samples()[::-1].copy(), RATE)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    again = interview(model_folder(), [path], tmp_path, QUIET).done[0]
    assert again.timeline is not None
    assert again.folder == tmp_path / "talk"
