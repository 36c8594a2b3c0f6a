"""Names by voices: who is named, who is nobody, and what voices are refused or told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from encoders.analysis.speaker_embeddings import GE2E, CepstralStatistics, cepstra
from encoders.audio.reading import read_segment
from encoders.audio.waveform import resample
from encoders.weights.sources import GE2E_FILES, installed
from experiments.config import OptionError
from experiments.interviews import interview as module
from experiments.interviews.options import InterviewOptions
from experiments.interviews.voices import SAME, Voice, enrolled, notes_on
from tests.experiments.interviews.conftest import RATE, voice
from tests.experiments.interviews.held_interviews import timeline


class Trained:
    """A speaker encoder that knows the two voices of the talk: a direction each."""

    name, trained, window = "test vectors", True, 150

    def __init__(self) -> None:
        means = [cepstra(voice(name)[: 4 * RATE]).mean(axis=0) for name in ("anna", "ben")]
        self.middle, self.axis = np.mean(means, axis=0), means[0] - means[1]

    def embed(self, samples, frames, windows):
        vectors = np.empty((len(windows), 2), np.float32)
        for k, window in enumerate(windows):
            anna = (frames[window.start : window.stop].mean(axis=0) - self.middle) @ self.axis > 0
            vectors[k] = [1, 0] if anna else [0, 1]
        return vectors


@pytest.fixture
def trained(monkeypatch) -> None:
    monkeypatch.setattr(module, "speaker_encoder", lambda _name: Trained())


@pytest.fixture
def voices(tmp_path) -> Path:
    folder = tmp_path / "voices"
    folder.mkdir()
    for name in ("anna", "ben"):
        soundfile.write(folder / f"{name}.wav", voice(name), RATE)
    return folder


def names(found) -> list[str]:
    return [segment.speaker for segment in found.segments]


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("way", [{"speakers": 2}, {}])
def test_who_sounds_like_a_voice_has_its_name(model_folder, talk, tmp_path, voices, way):
    found = timeline(model_folder(), talk, tmp_path / "out", voices=voices, **way)
    assert names(found) == ["anna", "ben", "anna"]
    told = "sounds like the voice 'anna', similarity 1.00" if way else "voice 'anna', similarity"
    assert any(told in note for note in found.facts["notes"])
    assert "voice" in found.facts["speakers"]


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(("way", "other"), [({"speakers": 2}, "guess 2"), ({}, "unknown")])
def test_who_is_like_no_voice_is_nobody(model_folder, talk, tmp_path, voices, way, other):
    (voices / "ben.wav").unlink()
    found = timeline(model_folder(), talk, tmp_path / "out", voices=voices, **way)
    assert names(found) == ["anna", other, "anna"]
    assert f"'{other}' is nobody of the voices (nearest 'anna', similarity 0.00)" in str(
        found.facts["notes"]
    )


@pytest.mark.usefixtures("trained")
def test_names_of_turns_are_kept_and_numbers_are_named(model_folder, talk, tmp_path, voices):
    rows = [(0.0, "speaker_1"), (5.0, "interviewer")]
    lines = [f"SPEAKER talk 1 {start} 4.0 <NA> <NA> {name} <NA> <NA>\n" for start, name in rows]
    (tmp_path / "talk.rttm").write_text("".join(lines), encoding="utf-8")
    turns = tmp_path / "talk.rttm"
    found = timeline(model_folder(), talk, tmp_path / "out", voices=voices, turns=turns)
    assert names(found) == ["anna", "interviewer"]
    notes = str(found.facts["notes"])
    assert "'interviewer' sounds like the voice 'ben', similarity 1.00" in notes


@pytest.mark.usefixtures("trained")
def test_redacted_notes_name_no_voice(model_folder, talk, tmp_path, voices):
    found = timeline(
        model_folder(), talk, tmp_path / "out", voices=voices, redact=True, redact_name=True
    )
    assert set(found.speakers) == {"speaker 1", "speaker 2"}
    assert any("are left out" in note for note in found.facts["notes"])
    for path in (tmp_path / "out").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(name in content for name in (b"anna", b"ben", b"Anna", b"Ben"))


@pytest.mark.usefixtures("trained")
def test_other_voices_make_another_interview(model_folder, talk, tmp_path, voices):
    options = {"voices": voices, "speakers": 2}
    assert timeline(model_folder(), talk, tmp_path / "out", **options) is not None
    assert timeline(model_folder(), talk, tmp_path / "out", **options) is None
    (voices / "ben.wav").rename(voices / "bob.wav")
    assert "bob" in names(timeline(model_folder(), talk, tmp_path / "out", **options))


def test_voices_that_cannot_be_used_are_all_named(tmp_path, voices):
    soundfile.write(voices / "silent.wav", np.zeros(3 * RATE, np.float32), RATE)
    soundfile.write(voices / "short.wav", voice("anna")[:RATE], RATE)
    (voices / "text.txt").write_text("no sound", encoding="utf-8")
    with pytest.raises(OptionError) as refused:
        enrolled(voices, Trained())
    for what in ("silent.wav: no speech", "s of speech, expected 2 s", "text.txt"):
        assert what in str(refused.value)


def test_short_and_like_voices_are_told():
    one, two = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    said = notes_on([Voice("a", one, 3.0), Voice("b", one, 9.0), Voice("c", two, 9.0)])
    assert [note.split(":")[0] for note in said] == [
        "the voice 'a' has 3.0 s of speech",
        "the voices 'a' and 'b' are alike (similarity 1.00)",
    ]


def test_what_cannot_name_anybody_is_refused(tmp_path, voices):
    with pytest.raises(OptionError, match="expected --speaker-model ge2e"):
        enrolled(voices, CepstralStatistics())
    with pytest.raises(OptionError, match="expected a folder"):
        enrolled(voices / "anna.wav", Trained())
    (tmp_path / "empty").mkdir()
    with pytest.raises(OptionError, match=r"expected NAME\.wav of each person"):
        enrolled(tmp_path / "empty", Trained())
    with pytest.raises(OptionError, match="--voices with --channels"):
        InterviewOptions(voices=voices, channels=True)


@pytest.mark.weights
@pytest.mark.realdata
def test_actors_are_known_again(data_folder, tmp_path):
    if not installed(GE2E_FILES):
        pytest.skip(GE2E_FILES.install)
    for actor in (1, 2):
        files = sorted((data_folder / "ravdess" / f"Actor_{actor:02d}").glob("*.flac"))
        for name, every in ((f"a{actor}", files[::6]), (f"b{actor}", files[3::6])):
            parts = [resample(read_segment(path), RATE).samples for path in every]
            soundfile.write(tmp_path / f"{name}.wav", np.concatenate(parts), RATE)
    vectors = {found.name: found.vector for found in enrolled(tmp_path, GE2E())}
    assert min(vectors["a1"] @ vectors["b1"], vectors["a2"] @ vectors["b2"]) >= SAME
    assert max(vectors["a1"] @ vectors["b2"], vectors["a2"] @ vectors["b1"]) < SAME
