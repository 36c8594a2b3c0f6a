"""The speaker guess: what it must find, and how far it may be off on real speech."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

import encoders.analysis.speaker_embeddings as embeddings
from benchmarks import diarisation as benchmark
from benchmarks.diarisation_error import Spoken, detection_error
from encoders.analysis.speaker_embeddings import (
    GE2E,
    CepstralStatistics,
    GE2ENetwork,
    XVectors,
    cepstra,
    ge2e_bands,
    windows_of,
)
from encoders.analysis.voice_activity import ActivityOptions
from encoders.audio.reading import read_segment
from encoders.audio.streaming import Span, read_spans
from encoders.weights.sources import GE2E_FILES, MissingWeightsError, installed
from experiments.interviews import diarisation
from experiments.interviews.diarisation import SpeechDescriber, best_path, enough_for
from experiments.interviews.speech_scan import survey
from tests.experiments.interviews.conftest import voice

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


@pytest.mark.parametrize(
    ("count", "speech_s", "enough"),
    [(2, 3.9, False), (2, 4.0, True), (3, 27.0, False), (3, 30.0, True), (4, 30.0, False)],
)
def test_speakers_need_speech_to_be_told_apart(count, speech_s, enough):
    assert enough_for(count, speech_s) is enough


# ---------------------------------------------------------------- GE2E


def test_bands_are_those_of_librosa_at_the_level_of_training(make_audio):
    import librosa

    soft = voice("anna")[:RATE]
    for samples in (soft * np.float32(0.05), soft / np.abs(soft).max()):
        power = np.mean(np.square(samples, dtype=np.float64))
        raised = samples * max(1.0, 10 ** (-30 / 20) / np.sqrt(power))
        expected = librosa.feature.melspectrogram(
            y=raised, sr=RATE, n_fft=400, hop_length=160, n_mels=40
        ).T
        np.testing.assert_allclose(ge2e_bands(samples), expected, rtol=1e-3, atol=1e-6)
    assert not ge2e_bands(np.zeros(RATE, np.float32)).any()


@pytest.fixture
def ge2e_package(tmp_path, monkeypatch):
    """A package that would fail if it were imported, with random weights of the true shape."""
    import torch

    folder = tmp_path / "resemblyzer"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n", encoding="utf-8")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        state = GE2ENetwork().state_dict()
    state |= {"similarity_weight": torch.ones(1), "similarity_bias": torch.ones(1)}
    path = folder / "pretrained.pt"
    torch.save({"step": 1, "model_state": state}, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(embeddings, "GE2E_FILES", replace(GE2E_FILES, sha256=sha256))
    monkeypatch.syspath_prepend(str(tmp_path))
    return path


@pytest.mark.usefixtures("ge2e_package")
def test_vectors_have_length_one_and_depend_on_their_window_alone():
    samples = voice("anna")[: 4 * RATE]
    frames = cepstra(samples)
    windows = windows_of(len(frames), GE2E.window)
    found = GE2E().embed(samples, frames, windows)
    assert found.shape == (len(windows), 256)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    for row, window in zip(found, windows, strict=True):
        alone = GE2E().embed(samples, frames, [window])
        np.testing.assert_allclose(row[None], alone, atol=1e-5)


def test_other_weights_than_the_published_ones_are_refused(ge2e_package):
    ge2e_package.write_bytes(ge2e_package.read_bytes() + b" ")
    with pytest.raises(MissingWeightsError, match="not the published file: pip install --no-deps"):
        GE2E()


def test_without_its_weights_statistics_are_taken_and_ge2e_says_what_to_install(monkeypatch):
    monkeypatch.setattr("encoders.weights.sources.find_spec", lambda _name: None)
    assert isinstance(diarisation.speaker_encoder(None), CepstralStatistics)
    with pytest.raises(MissingWeightsError, match=r"pip install --no-deps resemblyzer==0\.1\.4"):
        diarisation.speaker_encoder("ge2e")


def test_clusters_of_more_windows_than_are_clustered_reach_all(monkeypatch):
    rng = np.random.default_rng(0)
    centres = np.eye(8, dtype=np.float32)[:3].repeat(40, axis=0)
    vectors = centres + rng.normal(0, 0.05, centres.shape).astype(np.float32)
    monkeypatch.setattr(diarisation, "MOST_WINDOWS", 30)
    labels = diarisation._ward(vectors, 3)
    assert [len({*labels[start : start + 40]}) for start in (0, 40, 80)] == [1, 1, 1]
    assert len({*labels}) == 3


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


def rate_of(case: benchmark.Case, name: str) -> float:
    described = benchmark.describe(case, diarisation.speaker_encoder(name))
    return benchmark.error(case, benchmark.guess(case, described))


def needs_weights(name: str) -> None:
    if name == "ge2e" and not installed(GE2E_FILES):
        pytest.skip(GE2E_FILES.install)


#: Measured with the call's own speech and with that of its reference (one speaker: .464).
CALLS = {"cepstra": (0.033, 0.207), "ge2e": (0.030, 0.034)}


@pytest.mark.realdata
@pytest.mark.weights
@pytest.mark.parametrize("name", CALLS)
def test_a_phone_call(data_folder, name):
    needs_weights(name)
    calls = benchmark.cases()
    for case, measured in zip((next(calls), next(calls)), CALLS[name], strict=True):
        found = detection_error(
            case.reference, [Spoken(s.start_s, s.end_s, "") for s in case.speech]
        )
        # Measured: both 0 outside the collar.
        assert found.miss_rate <= 0.05
        assert found.false_alarm_rate <= 0.05
        assert rate_of(case, name) <= measured + 0.05 < 0.4 < benchmark.error(case, case.speech)


@pytest.mark.realdata
@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.parametrize(("name", "measured"), [("cepstra", 0.226), ("ge2e", 0.088)])
def test_twenty_mixes_of_two_actors(data_folder, name, measured):
    needs_weights(name)
    mixes = [case for case in benchmark.cases() if case.name == "mixes of 2 actors"]
    assert np.mean([rate_of(case, name) for case in mixes]) <= measured + 0.03
    assert np.mean([benchmark.error(case, case.speech) for case in mixes]) > 0.4
