"""The log-mel front end against librosa, and time differences against a plain regression."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.audio.reading import read_segment
from encoders.audio.waveform import Audio, AudioError
from encoders.encoder import load_encoder
from encoders.pooling import for_storage
from encoders.specs import LogMelSpec
from encoders.spectra.spectrogram import POWER_FLOOR, log_mel, mel_filters, with_deltas

pytestmark = pytest.mark.arithmetic

#: Natural log units, for bands within 60 dB of the loudest of their frame. Both sides compute in
#: float32, so that what lies deeper beside a loud band is only known to FAINT_TOLERANCE.
TOLERANCE = 2e-4
FAINT_TOLERANCE = 1e-2
SIXTY_DB = 6 * np.log(10)
#: 11 025 and 22 050 Hz give windows of an even and an odd number of samples (276, 551).
RATES = [8000, 11025, 16000, 22050, 24000, 44100, 48000]
DEMO = Path(__file__).resolve().parents[3] / "experiments" / "demo_corpus" / "voices"


def ours(samples: np.ndarray, rate: int, n_mels: int = 80) -> np.ndarray:
    found = log_mel(samples, sample_rate_hz=rate, window_ms=25.0, hop_ms=10.0, n_mels=n_mels)
    return found.numpy()


def librosas(samples: np.ndarray, rate: int, n_mels: int = 80) -> np.ndarray:
    from librosa.feature import melspectrogram

    window, hop = round(25 * rate / 1000), round(10 * rate / 1000)
    power = melspectrogram(y=samples, sr=rate, n_fft=window, hop_length=hop, n_mels=n_mels)
    return np.log(np.maximum(power, POWER_FLOOR)).T


def assert_equal(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    error = np.abs(found - expected)
    assert error.max() < FAINT_TOLERANCE
    assert error[expected > expected.max(axis=1, keepdims=True) - SIXTY_DB].max() < TOLERANCE


@pytest.mark.parametrize("rate", RATES)
def test_noise_is_as_librosa_has_it(rate):
    noise = 0.1 * np.random.default_rng(rate).standard_normal(rate).astype(np.float32)
    assert_equal(ours(noise, rate), librosas(noise, rate))


@pytest.mark.parametrize("rate", RATES)
def test_a_gliding_tone_with_pauses_is_as_librosa_has_it(rate):
    time = np.arange(rate) / rate
    sound = np.sin(2 * np.pi * (120 + 900 * time) * time) * (np.sin(9 * time) > 0)
    sound = (0.4 * sound + 1e-3 * np.random.default_rng(1).standard_normal(rate)).astype(np.float32)
    assert_equal(ours(sound, rate), librosas(sound, rate))


def test_a_voice_is_as_librosa_has_it():
    voice = read_segment(sorted(DEMO.glob("*.ogg"))[0], 0.0, 3.0)
    rate = voice.sample_rate_hz
    assert_equal(ours(voice.samples, rate), librosas(voice.samples, rate))


@pytest.mark.parametrize("n_mels", [23, 40, 64, 128])
def test_any_number_of_bands_is_as_librosa_has_it(n_mels):
    noise = 0.1 * np.random.default_rng(5).standard_normal(24000).astype(np.float32)
    assert_equal(ours(noise, 24000, n_mels), librosas(noise, 24000, n_mels))


@pytest.mark.filterwarnings("ignore:n_fft=.* is too large for input signal")
@pytest.mark.parametrize("rate", [16000, 22050])
@pytest.mark.parametrize("count", [1, 2, 160, 399, 400, 401])
def test_a_signal_shorter_than_a_window_is_as_librosa_has_it(count, rate):
    noise = 0.1 * np.random.default_rng(count).standard_normal(count).astype(np.float32)
    found = ours(noise, rate)
    assert len(found) == 1 + count // round(rate / 100)
    assert_equal(found, librosas(noise, rate))


def test_silence_lies_on_the_floor():
    found = ours(np.zeros(1600, np.float32), 16000)
    assert np.allclose(found, np.log(POWER_FLOOR))


@pytest.mark.parametrize("rate", RATES)
def test_every_filter_hears_something(rate):
    filters = mel_filters(rate, round(rate / 40), 80)
    assert (filters.sum(dim=1) > 0).all()


@pytest.mark.parametrize("rate", [16000, 22050, 44100])
def test_filters_are_librosas(rate):
    from librosa.filters import mel

    window = round(rate / 40)
    expected = mel(sr=rate, n_fft=window, n_mels=80)
    assert np.abs(mel_filters(rate, window, 80).numpy() - expected).max() < 1e-6 * expected.max()


def test_a_tone_is_heard_in_its_band():
    time = np.arange(16000) / 16000
    low, high = (
        ours(np.sin(2 * np.pi * hertz * time).astype(np.float32), 16000)[50].argmax()
        for hertz in (200.0, 3000.0)
    )
    assert 0 < low < 10
    assert 50 < high < 65


# ---------------------------------------------------------------- differences


def slope(frames: np.ndarray) -> np.ndarray:
    """Least-squares slope over nine frames, edges held, one window at a time."""
    held = np.pad(frames, ((4, 4), (0, 0)), mode="edge")
    return np.stack([np.polyfit(np.arange(9), held[i : i + 9], 1)[0] for i in range(len(frames))])


@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_a_difference_is_the_least_squares_slope(count):
    frames = np.random.default_rng(count).standard_normal((count, 3)).astype(np.float32)
    found = with_deltas(torch.from_numpy(frames), 1).numpy()
    assert np.allclose(found, np.hstack([frames, slope(frames)]), atol=1e-5)


def test_the_second_difference_is_the_slope_of_the_first():
    frames = np.random.default_rng(7).standard_normal((20, 2)).astype(np.float32)
    found = with_deltas(torch.from_numpy(frames), 2).numpy()
    assert np.allclose(found[:, 4:], slope(slope(frames)), atol=1e-5)


def test_a_ramp_has_its_slope_inside():
    ramp = torch.arange(20, dtype=torch.float32)[:, None] * 0.5
    assert torch.allclose(with_deltas(ramp, 1)[4:-4, 1], torch.full((12,), 0.5))


def test_no_differences_leave_the_frames_alone():
    frames = torch.randn(5, 3)
    assert torch.equal(with_deltas(frames, 0), frames)


# ---------------------------------------------------------------- the encoder


@pytest.mark.parametrize("deltas", [0, 1, 2])
def test_the_encoder_appends_its_differences(make_audio, deltas):
    encoder = load_encoder(LogMelSpec(n_mels=20, deltas=deltas))
    assert encoder.encode([make_audio(0.5)])[0].shape == (1, 51, 20 * (1 + deltas))


def test_one_sample_has_finite_statistics():
    spec = LogMelSpec()
    hidden = load_encoder(spec).encode([Audio(np.full(1, 0.5, np.float32), 16000)])[0]
    assert torch.isfinite(for_storage(hidden, spec)).all()


def test_no_sample_at_all_is_refused():
    with pytest.raises(AudioError, match="holds no sample"):
        load_encoder(LogMelSpec()).encode([Audio(np.zeros(0, np.float32), 16000)])


def test_frames_stand_at_the_hop_of_the_spec():
    assert load_encoder(LogMelSpec(hop_ms=20.0)).frame_s == pytest.approx(0.02)
