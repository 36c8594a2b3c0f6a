"""Small networks on cepstra: their sizes, what they hear, how they are named."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import librosa
import numpy as np
import pytest
import torch
from torch import nn

from encoders.audio.waveform import Audio, AudioError
from encoders.encoder import fingerprint_of, load_encoder, locate_weights
from encoders.networks.cnn_weights import load_network
from encoders.networks.spectrogram_cnn import to_frames, to_unit, windows_of
from encoders.specs import MfccArchitecture, MfccCnnSpec
from encoders.typed_names import SHORT_NAMES, parse_modality
from encoders.weights.cards import DESCRIPTORS
from encoders.weights.sources import MissingWeightsError
from experiments.models import fetch_model, known_models

ARCHITECTURES = get_args(MfccArchitecture)
#: Convolutions and recurrent layers, and the embedding's length with 40 and 13 coefficients.
SIZES = {
    "cnn1d-3": (nn.Conv1d, 3, 0, 256, 256),
    "cnn1d-5": (nn.Conv1d, 5, 0, 256, 256),
    "cnn1d-8": (nn.Conv1d, 8, 0, 256, 256),
    "cnn2d-2": (nn.Conv2d, 2, 0, 640, 192),
    "cnn2d-6": (nn.Conv2d, 6, 0, 320, 64),
    "cnn-lstm": (nn.Conv1d, 2, 1, 256, 256),
    "cnn-lstm-attention": (nn.Conv1d, 2, 1, 256, 256),
}
RATE = 8000


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype("f4")


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_layers_are_as_many_as_the_name_says_and_the_embedding_is_as_long(name):
    kind, convolutions, lstms, wide, narrow = SIZES[name]
    network = load_network(MfccCnnSpec(architecture=name, untrained=True))
    assert sum(isinstance(part, kind) for part in network.modules()) == convolutions
    assert sum(isinstance(part, nn.LSTM) for part in network.modules()) == lstms
    for n_mfcc, dim in ((40, wide), (13, narrow)):
        spec = MfccCnnSpec(architecture=name, untrained=True, n_mfcc=n_mfcc)
        found = load_encoder(spec).encode([Audio(noise(3.2), RATE)])[0]
        assert found.shape == (1, 4, dim), "windows of 2 s start every half second"
        assert load_network(spec).dim == dim


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_bands_are_taken_as_well_as_cepstra(name):
    spec = MfccCnnSpec(architecture=name, untrained=True, n_mfcc=None)
    assert load_encoder(spec).encode([Audio(noise(1.0), RATE)])[0].isfinite().all()


def test_cepstra_are_those_of_librosa():
    """Decibels below the loudest band over 80, plus 1, through the orthonormal DCT."""
    spec = MfccCnnSpec(trim_db=None, window_s=1.0)
    samples = noise(1.0)
    windows = torch.cat(list(windows_of(samples, spec)))
    power = librosa.feature.melspectrogram(
        y=samples, sr=RATE, n_fft=1024, win_length=512, hop_length=100, window="hamming",
        pad_mode="constant",
    )  # fmt: skip
    decibels = librosa.power_to_db(power, ref=np.max, top_db=80)
    expected = librosa.feature.mfcc(S=decibels / 80 + 1, n_mfcc=40)[:, :80].T
    found = to_frames(to_unit(windows, spec), spec)[0].numpy()
    assert found.shape == expected.shape == (80, 40)
    assert np.abs(found - expected).max() < 1e-3


def test_a_level_is_not_heard():
    encoder = load_encoder(MfccCnnSpec(untrained=True))
    loud, soft = (encoder.encode([Audio(gain * noise(2.5), RATE)])[0] for gain in (1.0, 0.25))
    assert torch.allclose(loud, soft, atol=1e-4)


def test_the_order_of_frames_is_heard():
    rising = np.concatenate([0.1 * noise(1.0), noise(1.0, 1)])
    for name in ARCHITECTURES:
        encoder = load_encoder(MfccCnnSpec(architecture=name, untrained=True, trim_db=None))
        one, other = (encoder.encode([Audio(w, RATE)])[0] for w in (rising, rising[::-1].copy()))
        assert (one - other).norm() / one.norm() > 1e-3, name


def test_attention_weighs_states():
    """With weights all equal it is their mean, and nothing else."""
    network = load_network(MfccCnnSpec(architecture="cnn-lstm-attention", untrained=True)).eval()
    frames = torch.randn(2, 40, 40, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        weighed = network(frames)
        states, _ = network.lstm(network.layers(frames.transpose(1, 2)).transpose(1, 2))
        assert not torch.allclose(weighed, states.mean(dim=1), atol=1e-4)
        for weight in network.weigh.parameters():
            weight.zero_()
        assert torch.allclose(network(frames), states.mean(dim=1), atol=1e-6)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_network_is_listed_and_has_the_dim_of_its_card(name):
    short = f"mfcc-{name}"
    assert SHORT_NAMES[short] == MfccCnnSpec(architecture=name)
    assert (
        DESCRIPTORS[short].dim == load_network(MfccCnnSpec(architecture=name, untrained=True)).dim
    )
    (row,) = [one for one in known_models() if one.name == short]
    assert (row.checkpoint, row.size_mb, row.here) == ("none", 0, None)


def test_without_weights_it_is_said_how_to_come_by_them():
    spec = parse_modality("mfcc-cnn1d-3", "audio").encoder
    said = r"cnn1d-3: nobody publishes weights of it\. Train it .* :untrained behind its name"
    for ask in (load_encoder, fingerprint_of, locate_weights):
        with pytest.raises(MissingWeightsError, match=said):
            ask(spec)
    with pytest.raises(MissingWeightsError, match=said):
        fetch_model("mfcc-cnn1d-3")
    with pytest.raises(MissingWeightsError, match="no such file or folder"):
        load_encoder(replace(spec, checkpoint="gone"))


def test_random_weights_are_those_of_the_seed():
    spec = MfccCnnSpec(untrained=True)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    assert fingerprint_of(spec) == fingerprint_of(spec)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert fingerprint_of(spec) != fingerprint_of(replace(spec, architecture="cnn1d-5"))
    assert fingerprint_of(spec) != fingerprint_of(replace(spec, window_s=1.0))


def test_fields_that_cannot_be_are_named_all_at_once():
    said = r"cnn2d-6: window_s 0\.05: expected 0\.1.*top_db 0: expected 0\.1.*n_mfcc 4: expected 8"
    with pytest.raises(ValueError, match=said):
        MfccCnnSpec(architecture="cnn2d-6", top_db=0.0, window_s=0.05, n_mfcc=4)
    with pytest.raises(ValueError, match="n_mfcc 200: expected n_mels=128 or less"):
        MfccCnnSpec(n_mfcc=200)


def test_options_are_typed():
    typed = "mfcc-cnn2d-6:untrained@n_mfcc=13,window_s=1,pooling=mean"
    found = parse_modality(typed, "audio")
    expected = MfccCnnSpec(architecture="cnn2d-6", untrained=True, n_mfcc=13, window_s=1.0)
    assert (found.encoder, found.pooling) == (expected, "mean")


def test_no_sample_is_an_error():
    with pytest.raises(AudioError, match="holds no sample"):
        load_encoder(MfccCnnSpec(untrained=True)).encode([Audio(np.zeros(0, np.float32), RATE)])
