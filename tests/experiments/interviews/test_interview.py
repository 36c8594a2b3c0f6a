"""From a recording to a folder: who, what, how; resumed without a lost or doubled segment."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import av
import numpy as np
import pytest
import soundfile

import encoders.asr.recognisers as recognisers
from benchmarks.diarisation_error import Spoken, diarisation_error
from encoders.asr.recognisers import RecogniserSpec
from encoders.asr.transcript import Segment, Transcript
from encoders.context import TextInContext
from encoders.embedding import embed
from encoders.extraction import shared_encoders
from encoders.files import MARK, own_folder
from encoders.weights.sources import packaged_whisper
from experiments.annotations.turns import read_turns
from experiments.config import OptionError
from experiments.interviews import interview as module
from experiments.interviews.interview import folders_of, interview
from experiments.interviews.options import InterviewOptions
from experiments.interviews.outputs import OUTPUTS
from experiments.interviews.recognition import RecognisedText, Recognition, recogniser_for
from fusion.model.fusion_model import FusionModel, inputs_of
from tests.experiments.interviews.conftest import RATE, TARGETS, talk_samples, voice

QUIET = InterviewOptions(asr="none")
TRUTH = [Spoken(0.0, 4.0, "anna"), Spoken(5.0, 9.0, "ben"), Spoken(10.0, 12.0, "anna")]


def timeline(model: Path, recording: Path, out: Path, **options):
    outcome = interview(model, [recording], out, InterviewOptions(**{"asr": "none", **options}))
    assert outcome.failures == ()
    return outcome.done[0].timeline


@pytest.fixture
def turns(tmp_path) -> Path:
    rows = [(0.0, 4.0, "anna"), (5.0, 9.0, "ben"), (10.0, 12.0, "anna")]
    lines = [
        f"SPEAKER talk 1 {start:.3f} {end - start:.3f} <NA> <NA> {name} <NA> <NA>\n"
        for start, end, name in rows
    ]
    (tmp_path / "talk.rttm").write_text("".join(lines), encoding="utf-8")
    return tmp_path / "talk.rttm"


def test_turns_that_are_given_are_the_speakers(model_folder, talk, turns, tmp_path):
    found = timeline(model_folder(), talk, tmp_path, turns=turns)
    assert [(one.start_s, one.end_s, one.speaker) for one in found.segments] == [
        (0.0, 4.0, "anna"),
        (5.0, 9.0, "ben"),
        (10.0, 12.0, "anna"),
    ]
    for one in found.segments:
        assert one.label == TARGETS[int(np.argmax(one.probabilities))]
        assert one.probabilities == one.voice
        assert one.words is None
    assert found.facts["speakers"] == "turns of talk.rttm"


def test_every_file_is_written_and_the_rttm_says_the_same(model_folder, talk, turns, tmp_path):
    timeline(model_folder(), talk, tmp_path / "out", turns=turns)
    folder = tmp_path / "out" / "talk"
    assert all((folder / name).stat().st_size for name in OUTPUTS)
    written = read_turns(folder / "timeline.rttm")
    assert [(one.start_s, one.speaker) for one in written] == [
        (one.start_s, one.speaker) for one in read_turns(turns)
    ]


def test_words_that_are_given_reach_the_model(model_folder, talk, turns, tmp_path):
    (tmp_path / "talk.txt").write_text("no\n\nthe horse\n", encoding="utf-8")
    found = timeline(model_folder(), talk, tmp_path, turns=turns, transcript=tmp_path / "talk.txt")
    assert [one.text for one in found.segments] == ["no", None, "the horse"]
    assert [one.words is None for one in found.segments] == [False, True, False]
    fused = [one.probabilities != one.voice for one in found.segments]
    assert fused == [True, False, True]
    assert found.facts["words"] == "transcript talk.txt"


def test_predictions_are_those_of_the_model(model_folder, talk, turns, tmp_path):
    from encoders.audio.reading import read_segment
    from fusion.model.fusion_model import FusionModel

    (tmp_path / "talk.txt").write_text("no\nsaid\nthe horse\n", encoding="utf-8")
    for arm in ("late", "concat"):
        folder = model_folder(arm)
        words = tmp_path / "talk.txt"
        found = timeline(folder, talk, tmp_path / arm, turns=turns, transcript=words)
        for one in found.segments:
            alone = FusionModel.load(folder).predict(
                read_segment(talk, one.start_s, one.end_s), one.text
            )
            np.testing.assert_allclose(one.probabilities, list(alone.values()), atol=1e-6)


def test_a_model_reads_the_turns_before_a_segment(model_folder, talk, turns, tmp_path):
    def with_turns(**how: int) -> FusionModel:
        model = FusionModel.load(model_folder())
        read = {n: replace(m, **how) if n == "text" else m for n, m in model.modalities.items()}
        model = replace(model, modalities=read)
        model.save(tmp_path / "model")
        return model

    model = with_turns(context=1)
    (tmp_path / "talk.txt").write_text("no\nsaid\nthe horse\n", encoding="utf-8")
    words = tmp_path / "talk.txt"
    found = timeline(tmp_path / "model", talk, tmp_path / "out", turns=turns, transcript=words)
    before = ((), (("B:", "no"),), (("B:", "said"),))
    (shared,) = shared_encoders([model.modalities["text"].encoder])
    for one, turn in zip(found.segments, before, strict=True):
        text = TextInContext(one.text, turn) if turn else one.text
        (entries,) = embed(shared.encoder, [text], shared.specs)
        inputs = inputs_of(model.modalities, {**entries})
        np.testing.assert_allclose(one.words, model.verdict(inputs).fused, atol=1e-5)
    alike = timeline(tmp_path / "model", talk, tmp_path / "alike")
    assert any("turns of the same speaker" in note for note in alike.facts["notes"])
    with_turns(context=1, ahead=1)
    with pytest.raises(ValueError, match="trained with context alone"):
        timeline(tmp_path / "model", talk, tmp_path / "ahead")


def test_a_fused_head_has_no_verdict_of_one_modality(model_folder, talk, tmp_path):
    found = timeline(model_folder("concat"), talk, tmp_path)
    assert all(one.voice is None and one.words is None for one in found.segments)


class Parrot:
    """A recogniser that says the same of everything, with doubts or without."""

    about = "parrot"

    def __init__(self, said: RecognisedText) -> None:
        self.languages: dict[str, int] = {}
        self.packed = None
        self.said = said
        self.heard = 0

    def load(self) -> None: ...

    def moved_to(self, folder: Path | None) -> None:
        self.folder = folder

    def listen(self, heard) -> list[RecognisedText]:
        self.heard += len(heard)
        return [self.said for _ in heard]


class Timed(Recognition):
    """A recogniser that hears a word each second, two of which are a sentence."""

    def __init__(self) -> None:
        self.spec, self.packing, self.languages, self.why = RecogniserSpec(), False, {}, ""
        self.asr, self.heard = "whisper-base", []

    def moved_to(self, folder: Path) -> None: ...

    def timed_words(self, heard) -> list[Transcript]:
        self.heard += [audio.duration_s for audio in heard]
        return [self.words(int(audio.duration_s)) for audio in heard]

    def words(self, count: int) -> Transcript:
        marks = {k: "." if k % 2 else "" for k in range(count)}
        words = [Segment(float(k), k + 0.9, f" w{k}{m}", -0.1, 0.0) for k, m in marks.items()]
        return Transcript(tuple(words), "en", -0.1, 0.0)

    def listen(self, heard) -> list[RecognisedText]:
        return [RecognisedText("short") for _ in heard]


def test_long_pieces_are_heard_whole_and_cut_between_words(
    model_folder, talk, turns, tmp_path, monkeypatch
):
    from encoders.audio.reading import read_segment

    monkeypatch.setattr(module, "recogniser_for", lambda *_: Timed())
    found = timeline(model_folder(), talk, tmp_path, turns=turns, asr=None, segment_max=3.0)
    # anna's last turn is no longer than a segment may be.
    said = [(one.start_s, one.end_s, one.speaker, one.text) for one in found.segments]
    assert said == [
        (0.0, 1.95, "anna", "w0 w1."),
        (1.95, 4.0, "anna", "w2 w3."),
        (5.0, 6.95, "ben", "w0 w1."),
        (6.95, 9.0, "ben", "w2 w3."),
        (10.0, 12.0, "anna", "short"),
    ]
    model = FusionModel.load(model_folder())
    for one in found.segments:
        alone = model.predict(read_segment(talk, one.start_s, one.end_s), one.text)
        np.testing.assert_allclose(one.probabilities, list(alone.values()), atol=1e-6)


def test_a_voice_that_changes_ends_a_segment(model_folder, talk, tmp_path, monkeypatch):
    from tests.experiments.interviews.test_voices import Trained

    monkeypatch.setattr(module, "speaker_encoder", lambda _name: Trained())
    monkeypatch.setattr(module, "installed", lambda _files: True)
    # No pause between the speakers, so that only their voices tell.
    joined = np.concatenate([voice(name)[: 3 * RATE] for name in ("anna", "ben")])
    soundfile.write(tmp_path / "joined.wav", joined, RATE)
    found = timeline(model_folder(), tmp_path / "joined.wav", tmp_path / "out")
    assert found.speakers == ("speaker",)
    assert found.facts["speakers"] == "not told apart"
    (at,) = [one.end_s for one in found.segments][:-1]
    assert abs(at - 3.0) < 0.5
    monkeypatch.setattr(module, "recogniser_for", lambda *_: Timed())
    worded = timeline(model_folder(), tmp_path / "joined.wav", tmp_path / "words", asr=None)
    # Sentences end at 2 s and 4 s, and the voice changes between them.
    assert [one.text for one in worded.segments][:3] == ["w0 w1.", "w2", "w3."]


def test_windows_are_segments_where_they_are_asked_for(model_folder, talk, turns, tmp_path):
    found = timeline(model_folder(), talk, tmp_path, turns=turns, window=2.0)
    assert [(one.start_s, one.end_s) for one in found.segments] == [
        (0.0, 2.0),
        (2.0, 4.0),
        (5.0, 7.0),
        (7.0, 9.0),
        (10.0, 12.0),
    ]


@pytest.mark.parametrize(("doubts", "trusted"), [((), True), (("repeats 'no'",), False)])
def test_doubtful_words_are_shown_and_not_classified(
    model_folder, talk, tmp_path, monkeypatch, doubts, trusted
):
    parrot = Parrot(RecognisedText("the horse", doubts))
    monkeypatch.setattr(module, "recogniser_for", lambda *_: parrot)
    found = timeline(model_folder(), talk, tmp_path, asr="parrot")
    assert parrot.heard == len(found.segments) > 0
    for one in found.segments:
        assert one.text == "the horse"
        assert one.text_doubtful == doubts
        assert (one.words is not None) == trusted


def test_silence_is_not_transcribed(model_folder, tmp_path, monkeypatch):
    parrot = Parrot(RecognisedText("thank you"))
    monkeypatch.setattr(module, "recogniser_for", lambda *_: parrot)
    soundfile.write(tmp_path / "talk.wav", np.zeros(5 * RATE, np.float32), RATE)
    line = "SPEAKER talk 1 1.0 2.0 <NA> <NA> anna <NA> <NA>\n"
    (tmp_path / "talk.rttm").write_text(line, encoding="utf-8")
    turns = tmp_path / "talk.rttm"
    found = timeline(model_folder(), tmp_path / "talk.wav", tmp_path, asr="parrot", turns=turns)
    assert parrot.heard == 0
    assert [(one.text, one.label, one.probabilities) for one in found.segments] == [
        (None, None, ())
    ]


def test_without_an_option_nobody_is_told_apart(model_folder, talk, tmp_path):
    found = timeline(model_folder(), talk, tmp_path)
    assert found.speakers == ("speaker",)
    assert found.facts["speakers"] == "not told apart"


def test_a_guess_is_called_one_and_beats_one_speaker(model_folder, talk, tmp_path):
    found = timeline(model_folder(), talk, tmp_path, speakers=2)
    assert set(found.speakers) == {"guess 1", "guess 2"}
    assert "speaker guess" in found.facts["speakers"]
    guess = [Spoken(one.start_s, one.end_s, one.speaker) for one in found.segments]
    assert diarisation_error(TRUTH, guess).rate <= 0.1


def test_too_many_speakers_for_the_speech_are_one_and_it_is_said(model_folder, talk, tmp_path):
    found = timeline(model_folder(), talk, tmp_path, speakers=3)
    assert found.speakers == ("speaker",)
    assert any("too little to tell 3 speakers apart" in note for note in found.facts["notes"])
    assert found.facts["speakers"] == "not told apart"


def test_each_channel_is_a_speaker_and_crosstalk_is_none(model_folder, tmp_path):
    anna, ben = voice("anna")[: 4 * RATE], voice("ben")[: 4 * RATE]
    silence = np.zeros(4 * RATE, np.float32)
    left, right = np.concatenate([anna, silence]), np.concatenate([silence, ben])
    # Each microphone hears the other speaker 26 dB softer.
    both = np.stack([left + 0.05 * right, right + 0.05 * left], axis=1)
    soundfile.write(tmp_path / "talk.wav", both, RATE)
    found = timeline(model_folder(), tmp_path / "talk.wav", tmp_path, channels=True)
    assert set(found.speakers) == {"channel 1", "channel 2"}
    for one in found.segments:
        assert (one.end_s <= 4.2) == (one.speaker == "channel 1")
        assert (one.start_s >= 3.8) == (one.speaker == "channel 2")


def test_one_channel_is_heard_alone(model_folder, talk, tmp_path):
    speech = talk_samples()
    # Turned over on the right: their mean is silence.
    soundfile.write(tmp_path / "line.wav", np.stack([speech, -speech], axis=1), RATE)
    alone = timeline(model_folder(), tmp_path / "line.wav", tmp_path, channel=1)
    assert alone.facts["channel"] == 1
    assert alone.segments == timeline(model_folder(), talk, tmp_path).segments
    outcome = interview(
        model_folder(), [talk], tmp_path / "x", InterviewOptions(asr="none", channel=2)
    )
    assert "channel 2 asked for, it has 1 channel" in outcome.failures[0].why


@pytest.mark.parametrize(("channels", "message"), [(1, "one channel"), (2, "the same sound")])
def test_channels_that_are_no_speakers_are_refused(model_folder, tmp_path, channels, message):
    samples = np.stack([talk_samples()] * channels, axis=1)
    soundfile.write(tmp_path / "talk.wav", samples, RATE)
    options = InterviewOptions(asr="none", channels=True)
    outcome = interview(model_folder(), [tmp_path / "talk.wav"], tmp_path, options)
    assert message in outcome.failures[0].why


def test_a_video_gives_what_its_sound_gives(model_folder, talk, turns, tmp_path):
    path = tmp_path / "talk.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=RATE, layout="mono")
        samples, size = talk_samples(), stream.codec_context.frame_size or 1024
        for start in range(0, len(samples), size):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + size], "fltp", "mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = timeline(model_folder(), path, tmp_path, turns=turns)
    same = timeline(model_folder(), talk, tmp_path / "wav", turns=turns)
    assert [one.start_s for one in found.segments] == [one.start_s for one in same.segments]


# ---------------------------------------------------------------- sure or not


def test_below_the_threshold_no_class_is_named(model_folder, talk, tmp_path):
    sure = timeline(model_folder(), talk, tmp_path / "a", abstain=0.0)
    unsure = timeline(model_folder(), talk, tmp_path / "b", abstain=1.0)
    assert all(one.label is not None for one in sure.segments)
    assert all(one.label is None and one.probabilities for one in unsure.segments)


def test_the_threshold_is_the_models_own_where_none_is_given(model_folder, talk, tmp_path):
    from fusion.evaluation.calibration import Abstention

    careful = model_folder(abstention=Abstention(0.99, 0.99, 0.99, 0.5, True))
    own = timeline(careful, talk, tmp_path / "a")
    assert all(one.label is None for one in own.segments)
    assert own.facts["abstain_below"] == 0.99
    asked = timeline(careful, talk, tmp_path / "b", abstain=0.0)
    assert all(one.label is not None for one in asked.segments)


def test_a_model_of_synthetic_speech_is_said_to_be_one_everywhere(
    model_folder, talk, tmp_path, capsys
):
    from experiments.commands.interview import interview as command
    from fusion.model.origin import Origin

    origin = Origin(corpora=("demo (synthetic speech)",), synthetic=True)
    folder = model_folder(origin=origin)
    command(str(folder), [talk], tmp_path, asr="none", smooth=1, channels=False, redact=False)
    stored = json.loads((tmp_path / "talk" / "timeline.json").read_text(encoding="utf-8"))
    assert stored["facts"]["synthetic"] is True
    assert stored["facts"]["warnings"][0].startswith("SYNTHETIC SPEECH: this model learned from")
    page = (tmp_path / "talk" / "interview.html").read_text(encoding="utf-8")
    head = page[: page.index("<audio")]
    assert '<p class="warning loud" role="note">SYNTHETIC SPEECH' in head
    assert "SYNTHETIC SPEECH" in capsys.readouterr().out


def test_a_model_of_people_is_not(model_folder, talk, tmp_path):
    found = timeline(model_folder(), talk, tmp_path)
    assert found.facts["synthetic"] is False
    assert found.facts["learned_from"] == ["not known"]
    assert "SYNTHETIC" not in (tmp_path / "talk" / "interview.html").read_text(encoding="utf-8")


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


def stopped(what: str, _done: int, _total: int) -> None:
    if what == "segments":
        raise KeyboardInterrupt


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


def test_smoothing_is_the_mean_over_a_speakers_neighbours(model_folder, talk, turns, tmp_path):
    plain = timeline(model_folder(), talk, tmp_path / "a", turns=turns)
    smooth = timeline(model_folder(), talk, tmp_path / "b", turns=turns, smooth=3)
    first, ben, last = (np.array(one.probabilities) for one in plain.segments)
    anna = (first + last) / 2
    for one, expected in zip(smooth.segments, (anna, ben, anna), strict=True):
        np.testing.assert_allclose(one.probabilities, expected)


# ---------------------------------------------------------------- stopped and started again


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


# ---------------------------------------------------------------- what cannot be done


def test_one_bad_recording_does_not_stop_the_others(model_folder, talk, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    paths = [tmp_path / "bad.wav", tmp_path / "missing.wav", talk]
    outcome = interview(model_folder(), paths, tmp_path / "out", QUIET)
    assert [one.utterance for one in outcome.failures] == ["bad.wav", "missing.wav"]
    assert [one.recording for one in outcome.done] == [talk]


def test_recordings_of_one_name_have_folders_of_their_own(tmp_path):
    paths = [Path("a/x.wav"), Path("b/x.mp4"), Path("x-2.wav")]
    names = [folder.name for folder in folders_of(paths, tmp_path)]
    assert len(set(names)) == 3
    assert names[0] == "x"


def test_a_recording_without_speech_has_no_segment(model_folder, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(3 * RATE, np.float32), RATE)
    found = timeline(model_folder(), tmp_path / "a.wav", tmp_path)
    assert found.segments == ()


def test_a_model_that_hears_nothing_is_refused(model_folder, talk, tmp_path):
    with pytest.raises(ValueError, match="the model reads text: expected one that hears audio"):
        interview(model_folder("text"), [talk], tmp_path, QUIET)


def test_a_turn_past_the_end_is_refused(model_folder, talk, tmp_path):
    line = "SPEAKER talk 1 100.0 2.0 <NA> <NA> anna <NA> <NA>\n"
    (tmp_path / "talk.rttm").write_text(line, encoding="utf-8")
    options = InterviewOptions(asr="none", turns=tmp_path / "talk.rttm")
    outcome = interview(model_folder(), [talk], tmp_path, options)
    assert "past the end of the recording" in outcome.failures[0].why


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": True, "speakers": 2}, "expected one way to tell who speaks"),
        ({"channels": True, "channel": 1}, "--channel with --channels"),
        ({"speakers": 0}, "expected 1 to 20"),
        ({"speaker_model": "x"}, "needs --speakers"),
        ({"abstain": 1.5}, "expected a probability from 0 to 1"),
        ({"abstain": float("nan")}, "expected a probability from 0 to 1"),
        ({"smooth": 2}, "expected an odd number"),
        ({"segment_max": 0.5}, "--segment-max 0.5: expected 1 to 20 seconds"),
        ({"segment_max": float("nan")}, "--segment-max nan: expected 1 to 20 seconds"),
        ({"window": 30.0}, "--window 30: expected 1 to 20 seconds"),
        ({"window": 2.0, "segment_max": 4.0}, "--segment-max with --window"),
        ({"window": 2.0, "hop": 3.0}, "so that no speech is left out"),
        ({"hop": 1.0}, "--hop: needs --window"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        InterviewOptions(**options)


def test_a_missing_recogniser_that_was_named_is_told_before_any_work(model_folder, talk, tmp_path):
    options = InterviewOptions(asr="whisper-small")
    with pytest.raises(ValueError, match="whisper-small"):
        interview(model_folder(), [talk], tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


@pytest.mark.weights
def test_without_whisper_base_its_small_sister_is_taken_and_told(monkeypatch):
    if packaged_whisper("tiny.en") is None:
        pytest.skip("needs the extra 'offline'")
    packaged = recognisers.packaged_whisper("tiny.en")
    monkeypatch.setattr(
        recognisers, "packaged_whisper", lambda name: packaged if name == "tiny.en" else None
    )
    monkeypatch.setattr(recognisers, "find", lambda source: source is packaged or None)
    found = recogniser_for(None, "cpu")
    assert found is not None
    assert found.about.startswith("whisper-tiny.en (English only, faster-whisper int8); whisper-")
    assert "is not on this machine: serfusion models fetch whisper-base" in found.about
    assert recogniser_for("none", "cpu") is None


def test_words_that_come_with_the_turns_need_no_recogniser(model_folder, talk, tmp_path):
    line = "talk 1 anna 0.0 4.0 no never\n"
    (tmp_path / "talk.stm").write_text(line, encoding="utf-8")
    found = timeline(model_folder(), talk, tmp_path, turns=tmp_path / "talk.stm", asr=None)
    assert [one.text for one in found.segments] == ["no never"]
    assert found.facts["words"] == "with the turns"
