"""Image networks on windows: what a window is, and that no neighbour changes its embedding."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import encoders.networks.spectrogram_cnn as spectrogram_cnn
from encoders.audio.waveform import Audio, AudioError
from encoders.encoder import fingerprint_of, load_encoder
from encoders.extraction import embed_audio
from encoders.networks.spectrogram_cnn import Grid, loudest, mel_setting
from encoders.specs import SpectrogramCnnSpec
from encoders.spectra.mel import MelSetting
from encoders.utterance import Utterance

TOLERANCE = 1e-5
NETWORKS = ("alexnet", "resnet50", "resnext50", "densenet201")
#: Small images keep the tests fast; nothing but the size of the maps depends on it.
SMALL = SpectrogramCnnSpec(untrained=True, image_size=63, trim_db=None)
ORDERS = {
    "batched": list,
    "reversed": lambda order: order[::-1],
    "shuffled": lambda order: random.Random(3).sample(order, len(order)),
    "twice": lambda order: order + order,
}
#: Shorter than a window, and ten times as long; two rates.
RECORDINGS = ((0.3, 8000), (3.0, 8000), (1.0, 16000), (1.31, 8000))


@cache
def encoder(spec: SpectrogramCnnSpec):
    return load_encoder(spec)


def noise(seconds: float, rate: int = 8000, seed: int = 0) -> Audio:
    """Noise whose colour and level change, so that no two windows are equal."""
    wave = np.random.default_rng(seed).standard_normal(round(seconds * rate))
    time = np.arange(len(wave)) / rate
    wave = 0.1 * np.cumsum(wave) / 10 * (1.1 + np.sin(3 * time)) + 0.05 * wave
    return Audio(wave.astype(np.float32), rate)


def windows_of(audio: Audio, spec: SpectrogramCnnSpec = SMALL) -> torch.Tensor:
    """Windows in decibels, as they are before they become images."""
    return torch.cat(list(encoder(spec).module._windows(audio.samples)))


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape
    return float((found - expected).norm() / expected.norm())


# ---------------------------------------------------------------- law 1


@pytest.fixture(scope="module")
def alone():
    """Embeddings of each recording by itself, by network."""

    @cache
    def build(name: str) -> tuple[SpectrogramCnnSpec, list[Audio], list[torch.Tensor]]:
        spec = replace(SMALL, architecture=name, checkpoint="")
        inputs = [noise(s, rate, seed=i) for i, (s, rate) in enumerate(RECORDINGS)]
        return spec, inputs, [encoder(spec).encode([one])[0] for one in inputs]

    return build


@pytest.mark.arithmetic
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_neighbour_changes_nothing(alone, name, order):
    spec, inputs, expected = alone(name)
    indices = ORDERS[order](list(range(len(inputs))))
    found = encoder(spec).encode([inputs[i] for i in indices])
    for index, hidden in zip(indices, found, strict=True):
        assert relative_error(hidden, expected[index]) <= TOLERANCE


@pytest.mark.parametrize("name", NETWORKS)
def test_the_inputs_are_told_apart(alone, name):
    """Without this an encoder that returns a constant would satisfy the law."""
    pooled = [hidden.mean(dim=1) for hidden in alone(name)[2]]
    for i, one in enumerate(pooled):
        for other in pooled[i + 1 :]:
            assert relative_error(other, one) > 1e-3


@pytest.mark.arithmetic
@pytest.mark.parametrize("size", [1, 3, 11])
@pytest.mark.parametrize("name", NETWORKS)
def test_windows_that_share_a_pass_change_nothing(alone, name, size, monkeypatch):
    spec, inputs, expected = alone(name)
    monkeypatch.setattr(spectrogram_cnn, "BATCH_WINDOWS", size)
    found = encoder(spec).encode([inputs[1]])[0]
    assert found.shape[1] == 9
    assert relative_error(found, expected[1]) <= TOLERANCE


def test_norms_that_use_the_statistics_of_the_batch_break_the_law(alone, monkeypatch):
    """In training mode windows would see each other: the comparison above would find it."""
    spec, inputs, expected = alone("resnet50")
    module = load_encoder(spec).module.train()
    with torch.no_grad():
        assert relative_error(module([inputs[1]])[0], expected[1]) > 0.1


@pytest.mark.arithmetic
def test_the_same_input_gives_the_same_bytes(alone):
    spec, inputs, expected = alone("alexnet")
    assert torch.equal(encoder(spec).encode([inputs[0]])[0], expected[0])


def test_a_network_is_frozen(alone):
    module = encoder(alone("densenet201")[0]).module
    assert not any(child.training for child in module.modules())
    assert not any(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "dim"),
    [("alexnet", 256), ("resnet50", 2048), ("resnext50", 2048), ("densenet201", 1920)],
)
def test_an_embedding_has_the_length_of_its_network(alone, name, dim):
    assert [tuple(hidden.shape) for hidden in alone(name)[2]] == [
        *((1, 1, dim), (1, 9, dim), (1, 1, dim), (1, 3, dim))
    ]


# ---------------------------------------------------------------- what a window is


@pytest.mark.parametrize("mel_rate", [None, 22050])
@pytest.mark.filterwarnings("ignore:Empty filters detected")
def test_windows_are_slices_of_librosas_spectrogram_of_the_file(mel_rate):
    import librosa

    audio = noise(2.5)
    power = librosa.feature.melspectrogram(
        y=audio.samples,
        sr=mel_rate or 8000,
        n_fft=1024,
        win_length=512,
        window="hamming",
        hop_length=100,
        n_mels=128,
        fmax=4000,
    )
    expected = librosa.power_to_db(power, ref=np.max)
    found = windows_of(audio, replace(SMALL, mel_sample_rate_hz=mel_rate)).numpy()
    assert found.shape == (7, 128, 80)
    for index, window in enumerate(found):
        assert np.abs(window - expected[:, 20 * index : 20 * index + 80]).max() < 0.01


def test_a_window_can_be_its_own_reference():
    audio = Audio(noise(2.0).samples * np.linspace(1, 0.01, 16000, dtype=np.float32), 8000)
    quiet = {how: windows_of(audio, replace(SMALL, reference=how))[-1] for how in REFERENCES}
    assert quiet["window"].max() == 0
    assert quiet["file"].max() < -10
    shift = quiet["file"] - quiet["window"]
    above = quiet["file"] > -79
    assert shift[above].max() - shift[above].min() < 1e-3


REFERENCES = ("file", "window")


@given(
    samples=st.integers(1, 200_000),
    window_s=st.sampled_from([0.5, 1.0, 4.0]),
    hop_s=st.sampled_from([0.25, 0.5, 2.0]),
    rate=st.sampled_from([8000, 11025, 16000, 22050]),
)
@settings(max_examples=150, deadline=None)
def test_windows_cover_a_recording(samples, window_s, hop_s, rate):
    spec = SpectrogramCnnSpec(window_s=window_s, hop_s=hop_s, sample_rate_hz=rate)
    grid = Grid.of(spec)
    window, hop = grid.window * spec.hop_length, grid.hop * spec.hop_length
    assert abs(window - window_s * rate) <= spec.hop_length / 2
    padded = grid.count(samples, spec)
    dropped = grid.count(samples, replace(spec, tail="drop"))
    assert (padded - 1) * hop + window >= samples, "the last sample lies in a window"
    assert padded == 1 or (padded - 2) * hop + window < samples, "no window is there in vain"
    assert dropped == 1 or (dropped - 1) * hop + window <= samples
    assert dropped * hop + window > samples, "no whole window is left out"
    assert padded - dropped in (0, 1)


@pytest.mark.parametrize(
    ("window_s", "hop_s", "seconds", "count"),
    [(1.0, 0.25, 1.0, 1), (1.0, 0.25, 1.01, 2), (0.5, 0.25, 1.5, 5), (4.0, 2.0, 10.0, 4)],
)
def test_windows_are_counted(window_s, hop_s, seconds, count):
    spec = replace(SMALL, window_s=window_s, hop_s=hop_s)
    hidden = encoder(spec).encode([noise(seconds)])[0]
    assert hidden.shape == (1, count, 256)
    assert encoder(spec).frame_s == pytest.approx(hop_s)


@pytest.mark.parametrize("seconds", [0.000125, 0.1, 0.99])
def test_a_short_clip_is_one_filled_up_with_zeros(seconds):
    short = noise(seconds)
    filled = Audio(np.pad(short.samples, (0, 8000 - len(short.samples))), 8000)
    found, expected = (encoder(SMALL).encode([one])[0] for one in (short, filled))
    assert found.shape == (1, 1, 256)
    assert relative_error(found, expected) <= TOLERANCE


def test_a_tail_is_filled_up_with_zeros_or_left_out():
    audio = noise(1.4)
    filled = Audio(np.pad(audio.samples, (0, 800)), 8000)
    kept = windows_of(audio)
    assert torch.allclose(kept, windows_of(filled), atol=1e-3)
    assert len(kept) == 3
    dropped = windows_of(audio, replace(SMALL, tail="drop"))
    assert torch.allclose(dropped, kept[:2], atol=1e-3)


def test_a_burst_is_heard_in_the_windows_that_hold_it():
    samples = 1e-3 * np.random.default_rng(0).standard_normal(40000).astype(np.float32)
    samples[20000:20400] += 0.5 * np.sin(np.arange(400, dtype=np.float32))
    audio = Audio(samples, 8000)
    loud = windows_of(audio).amax(dim=(1, 2)) > -1
    starts_s = np.arange(len(loud)) * encoder(SMALL).frame_s
    held = (starts_s <= 2.5) & (2.55 <= starts_s + 1.0)
    assert np.array_equal(loud.numpy(), held)


def test_the_loudest_band_is_found_block_by_block(monkeypatch):
    setting: MelSetting = mel_setting(SMALL)
    samples = noise(3.0).samples
    padded = spectrogram_cnn.centred(samples, setting, 241)
    whole = loudest(padded, setting, 241)
    monkeypatch.setattr(spectrogram_cnn, "BLOCK_FRAMES", 50)
    assert loudest(padded, setting, 241) == pytest.approx(float(whole), rel=1e-5)


def test_what_is_held_of_a_long_recording_is_bounded(monkeypatch):
    """A minute: 237 windows, of which no pass sees more than eight."""
    seen: list[int] = []
    module = load_encoder(SMALL).module
    monkeypatch.setattr(
        module, "embed", lambda windows: seen.append(len(windows)) or torch.zeros(len(windows), 1)
    )
    assert module([noise(60.0)])[0].shape == (1, 237, 1)
    assert max(seen) == spectrogram_cnn.BATCH_WINDOWS
    assert sum(seen) == 237


# ---------------------------------------------------------------- trimming and times


def test_silence_at_the_ends_is_trimmed_and_the_times_say_so(tmp_path, store):
    import soundfile

    samples = np.zeros(40000, np.float32)
    samples[16384:30000] = noise(1.702).samples
    soundfile.write(tmp_path / "late.wav", samples, 8000, subtype="FLOAT")
    spec = replace(SMALL, trim_db=30.0, storage="frames")
    late = Utterance(id="late", audio=tmp_path / "late.wav")
    done = embed_audio([late], [spec], store)
    found = store.space(spec, fingerprint_of(spec)).read([done.keys["late"]])[0]
    offset_s = encoder(spec).offset_s(Audio(samples, 8000))
    assert 16384 - 2048 <= offset_s * 8000 <= 16384
    assert found.start_s == pytest.approx(offset_s + 0.25 * np.arange(len(found.start_s)))
    trimmed = Audio(samples[round(offset_s * 8000) : 30720], 8000)
    expected = encoder(SMALL).encode([trimmed])[0]
    assert relative_error(torch.from_numpy(found.values), expected) <= TOLERANCE


def test_times_start_at_zero_where_nothing_is_trimmed():
    assert encoder(SMALL).offset_s(noise(0.5)) == 0.0


@pytest.mark.parametrize("spec", [SMALL, replace(SMALL, trim_db=30.0)], ids=["kept", "trimmed"])
@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("scaling", ["window", "decibels"])
def test_silence_has_a_finite_embedding(spec, reference, scaling):
    spec = replace(spec, reference=reference, scaling=scaling)
    hidden = encoder(spec).encode([Audio(np.zeros(12000, np.float32), 8000)])[0]
    assert torch.isfinite(hidden).all()
    assert hidden.shape == (1, 3, 256)


def test_no_sample_at_all_is_refused():
    with pytest.raises(AudioError, match="holds no sample"):
        encoder(SMALL).encode([Audio(np.zeros(0, np.float32), 8000)])


# ---------------------------------------------------------------- fields


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sample_rate_hz", 16000),
        ("trim_db", 30.0),
        ("n_fft", 2048),
        ("win_length", 256),
        ("window_function", "hann"),
        ("hop_length", 80),
        ("n_mels", 64),
        ("mel_sample_rate_hz", 22050),
        ("reference", "window"),
        ("top_db", 40.0),
        ("window_s", 0.5),
        ("hop_s", 0.5),
        ("tail", "drop"),
        ("scaling", "decibels"),
        ("image_size", 96),
        ("interpolation", "nearest"),
    ],
)
def test_every_field_changes_an_embedding(field, value):
    """A field that did nothing would be a promise not kept."""
    audio = noise(2.1)
    audio = Audio(np.pad(audio.samples * np.linspace(0.02, 1, 16800, dtype="f4"), 4000), 8000)
    before = encoder(SMALL).encode([audio])[0].mean(dim=1)
    after = load_encoder(replace(SMALL, **{field: value})).encode([audio])[0].mean(dim=1)
    assert relative_error(after, before) > 1e-4


# ---------------------------------------------------------------- real speech


@pytest.mark.realdata
def test_real_speech_in_a_batch_is_as_alone(data_folder):
    from encoders.audio.reading import read_segment

    spec = replace(SMALL, trim_db=30.0)
    paths = sorted((data_folder / "emodb" / "wav").glob("*.flac"))[:3]
    inputs = [*map(read_segment, paths), read_segment(data_folder / "interview" / "jfk.flac")]
    for audio, hidden in zip(inputs, encoder(spec).encode(inputs[::-1])[::-1], strict=True):
        assert relative_error(hidden, encoder(spec).encode([audio])[0]) <= TOLERANCE
