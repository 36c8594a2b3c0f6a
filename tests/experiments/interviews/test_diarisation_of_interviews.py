"""The speaker guess: what it must find, and how far it may be off on real speech."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from encoders.analysis.speaker_embeddings import CepstralStatistics, XVectors, cepstra, windows_of
from encoders.analysis.voice_activity import (
    ActivityOptions,
    Stretch,
    VoiceActivity,
    speech_in,
)
from encoders.audio.reading import read_segment
from encoders.audio.streaming import Span, read_spans
from encoders.audio.waveform import resample
from encoders.spectra.mel import trim_bounds
from experiments.annotations.turns import read_turns
from experiments.interviews.diarisation import SpeechDescriber, best_path, guess_speakers
from experiments.interviews.speech_scan import survey
from tests.experiments.interviews.diarisation_error import (
    Spoken,
    detection_error,
    diarisation_error,
)

RATE = 16000


def test_the_path_changes_only_where_it_pays():
    likely = np.zeros((100, 2))
    likely[:50, 0] = likely[50:, 1] = 5.0
    # One frame that speaks for the other is no change of speaker.
    likely[20] = [0.0, 5.0]
    no_pause = np.zeros(0, np.int64)
    assert best_path(likely, no_pause).tolist() == [0] * 50 + [1] * 50


def test_a_change_is_cheaper_at_a_pause():
    likely = np.zeros((40, 2))
    likely[:20, 0] = likely[20:, 1] = 2.0
    # A change has 40 to gain; it costs 60, or 30 after a pause.
    assert len(set(best_path(likely, np.zeros(0, np.int64)).tolist())) == 1
    assert best_path(likely, np.array([20])).tolist() == [0] * 20 + [1] * 20


def test_windows_cover_a_stretch():
    for frames in (1, 74, 150, 151, 1000):
        found = windows_of(frames)
        assert found[0].start == 0
        assert all(0 < one.stop - one.start <= 150 for one in found)
        assert frames - found[-1].stop < 75


def guess(path, speech, count: int = 2):
    describer = SpeechDescriber(CepstralStatistics())
    for audio in read_spans(path, [Span(one.start_s, one.end_s) for one in speech]):
        describer.add(audio)
    return guess_speakers(path, speech, count, describer)


def test_without_speech_nobody_is_guessed(tmp_path):
    assert guess(tmp_path / "a.wav", ()) == ()


@pytest.mark.parametrize("padding_s", [0.03, 0.3])
def test_what_one_pass_describes_is_the_speech_that_it_finds(talk, padding_s):
    describer, again = (SpeechDescriber(CepstralStatistics()) for _ in range(2))
    surveyed = survey(
        talk, describer=describer, activity=ActivityOptions(threshold=0.3, padding_s=padding_s)
    )
    for audio in read_spans(talk, [Span(one.start_s, one.end_s) for one in surveyed.speech()]):
        again.add(audio)
    one, other = describer.described(), again.described()
    assert (one.lengths, one.windows) == (other.lengths, other.windows)
    assert len(one.lengths) == len(surveyed.speech()) > 2
    assert np.array_equal(one.frames, other.frames)
    assert np.array_equal(one.vectors, other.vectors)
    assert np.array_equal(surveyed.whole.samples, read_segment(talk).samples)


def test_too_little_speech_is_told(tmp_path, make_tone):
    soundfile.write(tmp_path / "a.wav", make_tone(1.0), RATE)
    with pytest.raises(ValueError, match="too little to tell 2 speakers apart"):
        guess(tmp_path / "a.wav", [Stretch(0.0, 0.5)])


# ---------------------------------------------------------------- x-vectors


@pytest.fixture(scope="module")
def xvector_folder(tmp_path_factory):
    import torch
    import transformers

    from tests.conftest import TINY

    folder = tmp_path_factory.mktemp("xvector")
    config = transformers.WavLMConfig(
        **TINY,
        conv_dim=(16,) * 7,
        tdnn_dim=(16,) * 5,
        xvector_output_dim=8,
        architectures=["WavLMForXVector"],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        transformers.WavLMForXVector(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("seconds", [0.1, 1.0, 3.0])
@pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")
def test_x_vectors_have_length_one_and_depend_on_their_window_alone(
    xvector_folder, make_tone, seconds
):
    samples = make_tone(seconds)
    frames = cepstra(samples)
    windows = windows_of(len(frames))
    encoder = XVectors(str(xvector_folder))
    found = encoder.embed(samples, frames, windows)
    assert found.shape == (len(windows), 8)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    alone = encoder.embed(samples, frames, windows[-1:])
    np.testing.assert_allclose(found[-1:], alone, atol=1e-6)


def test_another_kind_of_model_is_refused(speech_checkpoint):
    with pytest.raises(ValueError, match="expected a speaker model"):
        XVectors(str(speech_checkpoint("wavlm")))


# ---------------------------------------------------------------- real speech


def spoken(voices) -> list[Spoken]:
    return [Spoken(one.start_s, one.end_s, one.speaker) for one in voices]


def speech_of(path) -> tuple[Stretch, ...]:
    samples = read_segment(path).samples
    return speech_in(VoiceActivity().probabilities(samples, last=True), len(samples) / RATE)


@pytest.mark.realdata
def test_a_phone_call(data_folder):
    path = data_folder / "interview" / "sample.wav"
    reference = spoken(read_turns(path.with_suffix(".rttm")))
    speech = speech_of(path)
    found = detection_error(reference, [Spoken(s.start_s, s.end_s, "") for s in speech])
    # Measured: both 0 outside the collar.
    assert found.miss_rate <= 0.05
    assert found.false_alarm_rate <= 0.05
    guessed = spoken(guess(path, speech))
    one = diarisation_error(reference, [Spoken(s.start_s, s.end_s, "") for s in speech])
    # Measured: .033, and .464 where all is one speaker's.
    assert diarisation_error(reference, guessed).rate <= 0.1 < one.rate


def mix(root, seed: int) -> tuple[np.ndarray, list[Spoken]]:
    """Sixteen turns of two actors, one or two sentences each, half a second or less apart."""
    rng = np.random.default_rng(seed)
    actors = rng.choice(np.arange(1, 25), 2, replace=False)
    files = [sorted((root / f"Actor_{actor:02d}").glob("*.flac")) for actor in actors]
    parts, reference, at = [], [], 0
    for turn in range(16):
        for _ in range(rng.integers(1, 3)):
            path = files[turn % 2][rng.integers(len(files[turn % 2]))]
            samples = resample(read_segment(path), RATE).samples
            first, last = trim_bounds(samples, 30.0)
            own = samples[first:last]
            reference.append(Spoken(at / RATE, (at + len(own)) / RATE, f"actor{turn % 2}"))
            gap = np.full(int(rng.uniform(0.1, 0.6) * RATE), rng.normal(0, 1e-4), np.float32)
            parts += [own, gap]
            at += len(own) + len(gap)
    return np.concatenate(parts).astype(np.float32), reference


@pytest.mark.realdata
@pytest.mark.slow
def test_twenty_mixes_of_two_actors(data_folder, tmp_path):
    rates, alone = [], []
    for seed in range(20):
        samples, reference = mix(data_folder / "ravdess", seed)
        soundfile.write(tmp_path / "mix.wav", samples, RATE, subtype="FLOAT")
        speech = speech_of(tmp_path / "mix.wav")
        guessed = spoken(guess(tmp_path / "mix.wav", speech))
        rates.append(diarisation_error(reference, guessed).rate)
        everyone = [Spoken(s.start_s, s.end_s, "") for s in speech]
        alone.append(diarisation_error(reference, everyone).rate)
    # Measured: .226 on average, and .482 where all is one speaker's.
    assert np.mean(rates) <= 0.25
    assert np.mean(alone) > 0.4
