"""From a recording to a folder: who, what, how; how sure, and what cannot be done."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

import encoders.asr.recognisers as recognisers
from benchmarks.diarisation_error import Spoken, diarisation_error
from encoders.context import TextInContext
from encoders.embedding import embed
from encoders.extraction import shared_encoders
from encoders.weights.sources import packaged_whisper
from experiments.annotations.turns import read_turns
from experiments.config import OptionError
from experiments.interviews import interview as module
from experiments.interviews.interview import folders_of, interview
from experiments.interviews.options import InterviewOptions
from experiments.interviews.outputs import OUTPUTS
from experiments.interviews.recognition import RecognisedText, recogniser_for
from fusion.model.fusion_model import FusionModel, inputs_of
from tests.experiments.interviews.conftest import RATE, TARGETS, talk_samples, voice
from tests.experiments.interviews.held_interviews import QUIET, Parrot, timeline

TRUTH = [Spoken(0.0, 4.0, "anna"), Spoken(5.0, 9.0, "ben"), Spoken(10.0, 12.0, "anna")]


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


def test_windows_are_segments_where_they_are_asked_for(model_folder, talk, turns, tmp_path):
    found = timeline(model_folder(), talk, tmp_path, turns=turns, window=2.0)
    assert [(one.start_s, one.end_s) for one in found.segments] == [
        (0.0, 2.0),
        (2.0, 4.0),
        (5.0, 7.0),
        (7.0, 9.0),
        (10.0, 12.0),
    ]


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


def test_smoothing_is_the_mean_over_a_speakers_neighbours(model_folder, talk, turns, tmp_path):
    plain = timeline(model_folder(), talk, tmp_path / "a", turns=turns)
    smooth = timeline(model_folder(), talk, tmp_path / "b", turns=turns, smooth=3)
    first, ben, last = (np.array(one.probabilities) for one in plain.segments)
    anna = (first + last) / 2
    for one, expected in zip(smooth.segments, (anna, ben, anna), strict=True):
        np.testing.assert_allclose(one.probabilities, expected)


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
