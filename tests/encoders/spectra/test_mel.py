"""Mel spectrograms in decibels and trimmed silence, against librosa."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from encoders.audio.reading import read_segment
from encoders.audio.waveform import resample
from encoders.spectra.mel import MelSetting, centred, decibels_below, mel_power, trim_bounds

pytestmark = pytest.mark.arithmetic

#: Decibels, for bands within 60 dB of the loudest. Both sides compute in float32, so that what
#: lies deeper beside a loud band is only known to FAINT_TOLERANCE.
TOLERANCE = 1e-3
FAINT_TOLERANCE = 0.05
RECIPE = MelSetting(
    sample_rate_hz=8000,
    n_fft=1024,
    win_length=512,
    hop_length=100,
    window_function="hamming",
    n_mels=128,
)


def ours(samples: np.ndarray, setting: MelSetting, top_db: float = 80.0) -> np.ndarray:
    padded = centred(samples, setting, 1 + len(samples) // setting.hop_length)
    power = mel_power(padded, setting)
    return decibels_below(power, power.max(), top_db).numpy()


def librosas(samples: np.ndarray, setting: MelSetting, top_db: float = 80.0) -> np.ndarray:
    import librosa

    power = librosa.feature.melspectrogram(
        y=samples,
        sr=setting.mel_sample_rate_hz or setting.sample_rate_hz,
        n_fft=setting.n_fft,
        win_length=setting.win_length,
        window=setting.window_function,
        hop_length=setting.hop_length,
        n_mels=setting.n_mels,
        fmax=setting.sample_rate_hz / 2,
    )
    return librosa.power_to_db(power, ref=np.max, top_db=top_db)


def assert_equal(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    error = np.abs(found - expected)
    assert error.max() < FAINT_TOLERANCE
    assert error[expected > -60].max() < TOLERANCE


def speech_like(rate: int, seconds: float = 1.3, seed: int = 0) -> np.ndarray:
    """A gliding tone in bursts, over faint noise."""
    time = np.arange(round(rate * seconds)) / rate
    sound = np.sin(2 * np.pi * (120 + 700 * time) * time) * (np.sin(9 * time) > 0)
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return (0.4 * sound + 1e-3 * noise).astype(np.float32)


# ---------------------------------------------------------------- spectrograms


@pytest.mark.filterwarnings("ignore:Empty filters detected")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"window_function": "hann"},
        {"win_length": 1024},
        {"win_length": 511},
        {"n_mels": 40, "n_fft": 512, "win_length": 400},
        {"mel_sample_rate_hz": 22050},
        {"sample_rate_hz": 16000, "hop_length": 160},
        {"sample_rate_hz": 16000, "mel_sample_rate_hz": 22050},
    ],
    ids=str,
)
def test_decibels_are_librosas(changes):
    from dataclasses import replace

    setting = replace(RECIPE, **changes)
    samples = speech_like(setting.sample_rate_hz)
    assert_equal(ours(samples, setting), librosas(samples, setting))


@pytest.mark.parametrize("top_db", [30.0, 80.0])
@pytest.mark.filterwarnings("ignore:n_fft=.* is too large for input signal")
@pytest.mark.parametrize("count", [1, 99, 100, 1023, 1024])
def test_short_signals_are_librosas(count, top_db):
    samples = speech_like(8000)[:count]
    assert_equal(ours(samples, RECIPE, top_db), librosas(samples, RECIPE, top_db))


def test_silence_is_librosas():
    silence = np.zeros(3000, np.float32)
    assert np.array_equal(ours(silence, RECIPE), librosas(silence, RECIPE))
    assert not ours(silence, RECIPE).any()


def test_with_the_wrong_rate_the_filters_end_at_1451_hz():
    """4000 Hz of a scale for 22 050 Hz are 4000 * 8000 / 22 050 Hz of a signal at 8 kHz."""
    from dataclasses import replace

    wrong = replace(RECIPE, mel_sample_rate_hz=22050)
    time = np.arange(8000) / 8000
    for hertz, heard in ((1400.0, True), (1600.0, False)):
        sound = np.sin(2 * np.pi * hertz * time).astype(np.float32)
        loudest = mel_power(centred(sound, wrong, 81), wrong)[:, 40].max()
        right = mel_power(centred(sound, RECIPE, 81), RECIPE)[:, 40].max()
        assert (loudest > right / 10) == heard


def test_a_block_of_frames_is_the_same_alone():
    """Long recordings are computed in blocks."""
    padded = centred(speech_like(8000), RECIPE, 105)
    whole = mel_power(padded, RECIPE)
    part = mel_power(padded[3000 : 3000 + 19 * 100 + 1024], RECIPE)
    assert torch.allclose(part, whole[:, 30:50], rtol=1e-5, atol=0)


@given(st.integers(1, 5000), st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_zeros_are_added_up_to_the_last_frame_asked_for_and_no_further(count, frames):
    padded = centred(np.ones(count, np.float32), RECIPE, frames)
    whole = 1 + (len(padded) - RECIPE.n_fft) // RECIPE.hop_length
    assert whole >= frames or len(padded) == count + RECIPE.n_fft // 2
    assert padded.sum() == count
    assert len(padded) <= max(count + 512, (frames - 1) * 100 + 1024)


# ---------------------------------------------------------------- trimming


@pytest.mark.parametrize("top_db", [10.0, 30.0, 60.0])
@pytest.mark.parametrize("seed", range(6))
def test_the_edges_are_librosas(seed, top_db):
    from librosa.effects import trim

    random = np.random.default_rng(seed)
    level = np.repeat(10.0 ** random.uniform(-4, 0, 40), random.integers(50, 900))
    samples = (level * random.standard_normal(len(level))).astype(np.float32)
    expected = trim(samples, top_db=top_db)[1]
    assert trim_bounds(samples, top_db) == (int(expected[0]), int(expected[1]))


@pytest.mark.parametrize("count", [1, 511, 512, 2047, 2048, 5000])
@pytest.mark.parametrize("make", [np.zeros, np.ones])
def test_what_is_equally_loud_everywhere_is_trimmed_as_by_librosa(make, count):
    from librosa.effects import trim

    samples = make(count, np.float32)
    expected = trim(samples, top_db=30)[1]
    assert trim_bounds(samples, 30.0) == (int(expected[0]), int(expected[1]))


def test_silence_at_both_ends_goes():
    samples = np.zeros(24000, np.float32)
    samples[9000:15000] = speech_like(8000, 0.75)[:6000]
    first, last = trim_bounds(samples, 30.0)
    assert 9000 - 2048 <= first <= 9000
    assert first % 512 == 0
    assert last < 15000 + 2048


@given(st.integers(1, 9000), st.floats(5, 60), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_what_is_kept_lies_inside_and_holds_the_loudest_frame(count, top_db, seed):
    samples = np.random.default_rng(seed).standard_normal(count).astype(np.float32)
    samples *= np.linspace(1, 1e-3, count, dtype=np.float32)
    first, last = trim_bounds(samples, top_db)
    assert 0 <= first < last <= count
    assert first == 0, "the loudest frame is the first"


# ---------------------------------------------------------------- real speech


@pytest.fixture
def golden(data_folder) -> np.ndarray:
    path = data_folder / "ravdess" / "Actor_01" / "03-01-01-01-01-02-01.flac"
    return resample(read_segment(path), 8000).samples


@pytest.mark.realdata
def test_a_file_of_ravdess_has_the_shape_printed_for_it(golden):
    """(128, 118): read, resampled to 8 kHz (by soxr, or librosa's other ways), trimmed by 30 dB."""
    first, last = trim_bounds(golden, 30.0)
    assert (first, last) == (7680, 19456)
    assert ours(golden[first:last], RECIPE).shape == (128, 118)


@pytest.mark.realdata
def test_a_file_of_ravdess_has_librosas_values(golden):
    from librosa.effects import trim

    kept = trim(golden, top_db=30)[0]
    assert_equal(ours(kept, RECIPE), librosas(kept, RECIPE))
