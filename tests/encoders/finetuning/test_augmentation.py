"""Masks and changes of the waveform: within their bounds, drawn evenly, and heard where meant."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from encoders.finetuning.augmentation import (
    Masks,
    WaveformChanges,
    changed,
    masked,
    pitch_shifted,
    silenced,
    warped,
)

RATE = 8000


def tone(hertz: float = 440.0, seconds: float = 1.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype("f4")


def draws(masks: Masks, shape: tuple[int, int, int], seed: int = 0) -> torch.Tensor:
    """Which places are covered: only there is a window of noise its own mean."""
    random = torch.Generator().manual_seed(seed)
    windows = torch.rand(shape, generator=random)
    return masked(windows, masks, random) != windows


@given(
    bands=st.integers(1, 40),
    frames=st.integers(2, 40),
    most_bands=st.integers(0, 50),
    most_frames=st.integers(0, 50),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=60, deadline=None)
def test_a_mask_is_one_stretch_within_its_bounds(bands, frames, most_bands, most_frames, seed):
    for masks, dim, most in (
        (Masks(frequency_masks=1, time_masks=0, most_bands=most_bands), 1, most_bands),
        (Masks(frequency_masks=0, time_masks=1, most_frames=most_frames), 2, most_frames),
    ):
        for covered in draws(masks, (5, bands, frames), seed):
            along = covered.any(dim=2 - dim)
            assert torch.equal(along, covered.all(dim=2 - dim)), "whole bands or frames"
            assert along.sum() <= min(most, along.numel())
            edges = (along.int().diff(prepend=torch.zeros(1)) == 1).sum()
            assert edges <= 1


def test_sizes_and_places_are_drawn_evenly():
    """f uniform over 0 to F: mean F / 2, both ends reached; every place is covered at times."""
    covered = draws(Masks(frequency_masks=1, time_masks=0, most_bands=8), (4000, 32, 2)).all(dim=2)
    sizes = covered.sum(dim=1)
    assert sizes.min() == 0
    assert sizes.max() == 8
    assert sizes.float().mean() == pytest.approx(4.0, abs=0.2)
    shares = torch.bincount(sizes, minlength=9) / len(sizes)
    assert shares.max() - shares.min() < 0.04
    assert covered.any(dim=0)[:-1].all(), "f0 stays below v - f: the last band is spared"


def ramps(rows: int, frames: int, most: int, seed: int = 0) -> torch.Tensor:
    """Where each frame of warped windows was before: windows whose value is their frame."""
    windows = torch.arange(float(frames)).expand(rows, 3, frames)
    found = warped(windows, most, torch.Generator().manual_seed(seed))
    assert torch.equal(found[:, 0], found[:, 2]), "every band is warped alike"
    return found[:, 0]


@given(frames=st.integers(1, 60), most=st.integers(1, 40), seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_a_warp_keeps_the_ends_and_the_order_and_moves_no_frame_too_far(frames, most, seed):
    places = ramps(4, frames, most, seed)
    last = frames - 1
    assert torch.allclose(places[:, [0, last]], torch.tensor([0.0, last]).expand(4, 2), atol=1e-4)
    assert (places.diff(dim=1) > -1e-4).all()
    assert (places - torch.arange(float(frames))).abs().max() <= min(most, last // 2) + 1e-4


def test_one_frame_is_moved_and_its_sides_are_stretched_or_pressed():
    """Two straight lines, that meet W frames from both ends, W = 8, by up to 8 to either side."""
    frames, most = 101, 8
    places = ramps(4000, frames, most)
    steps = places.diff(dim=1)
    kinks = (steps.diff(dim=1).abs() > 1e-3).sum(dim=1)
    assert kinks.max() <= 2, "the moved frame lies between two places"
    distance = places - torch.arange(float(frames))
    furthest = distance.abs().argmax(dim=1)
    moved = distance.gather(1, furthest[:, None])[:, 0]
    assert moved.min() < -7.5
    assert moved.max() > 7.5
    assert moved.mean().abs() < 0.3
    # Uniform over plus and minus W: a quarter within each quarter.
    assert (moved.abs() < most / 2).float().mean() == pytest.approx(0.5, abs=0.03)
    # Meeting where the source is uniform over W to the end less W.
    met = places.gather(1, furthest[:, None])[:, 0]
    assert met.min() > most - 1.5
    assert met.max() < frames - 1 - most + 1.5
    assert met.mean() == pytest.approx((frames - 1) / 2, abs=1.5)


def test_masks_warp_only_where_they_are_asked_to():
    random = torch.Generator().manual_seed(0)
    windows = torch.rand((3, 4, 30), generator=random)
    none = Masks(frequency_masks=0, time_masks=0)
    before = random.get_state()
    assert torch.equal(masked(windows, none, random), windows)
    assert torch.equal(random.get_state(), before), "what is off draws nothing"
    found = masked(windows, Masks(frequency_masks=0, time_masks=0, time_warp=8), random)
    assert not torch.allclose(found, windows)
    assert found.min() >= windows.min()
    assert found.max() <= windows.max()


def test_what_is_covered_is_the_mean_of_its_window():
    windows = torch.stack([torch.full((8, 8), 0.25), torch.full((8, 8), 0.75)])
    windows[:, 0, 0] = 1.0
    random = torch.Generator().manual_seed(1)
    found = masked(windows, Masks(most_bands=8, most_frames=8), random)
    for before, after in zip(windows, found, strict=True):
        assert set(after.unique().tolist()) <= {*before.unique().tolist(), float(before.mean())}


def test_windows_of_a_batch_are_masked_differently():
    covered = draws(Masks(frequency_masks=1, time_masks=0), (8, 64, 4))
    assert len({tuple(one[:, 0].tolist()) for one in covered}) > 4


# ---------------------------------------------------------------- waveforms


def loudest_hertz(samples: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * RATE / len(samples))


@pytest.mark.parametrize("semitones", [-4.0, -1.0, 0.5, 2.0, 12.0])
@pytest.mark.parametrize("hertz", [220.0, 700.0])
def test_a_pitch_is_shifted_and_the_duration_kept(semitones, hertz):
    found = pitch_shifted(tone(hertz), semitones)
    assert len(found) == RATE
    assert found.dtype == np.float32
    assert loudest_hertz(found) == pytest.approx(hertz * 2 ** (semitones / 12), rel=0.01)
    inner = found[1000:-1000]
    assert np.sqrt(np.square(inner).mean()) == pytest.approx(0.3 / 2**0.5, rel=0.1)


def test_an_onset_stays_where_it_was():
    samples = np.concatenate([np.zeros(4000, "f4"), tone(440.0, 0.5)])
    found = pitch_shifted(samples, 3.0)
    assert np.square(found[:3500]).sum() < 0.02 * np.square(found[4500:]).sum()


def test_what_is_shorter_than_a_frame_is_left_alone():
    assert np.array_equal(pitch_shifted(tone(seconds=0.01), 2.0), tone(seconds=0.01))


def test_stretches_of_a_waveform_are_silenced_in_whole_frames():
    """One stretch of 0 to 5 of 25 frames, the last of them shorter, at the waveform's mean."""
    wave, masks = (
        3.0 + torch.rand(490, generator=torch.manual_seed(0)),
        Masks(time_masks=1, most_frames=5),
    )
    random, sizes = torch.Generator().manual_seed(0), []
    for _ in range(600):
        found = silenced(wave, masks, 20, random)
        covered = found != wave
        assert torch.equal(found[covered], wave.mean().expand(int(covered.sum())))
        frames = torch.nn.functional.pad(covered, (0, 10), value=bool(covered[-1])).view(25, 20)
        assert torch.equal(frames.all(dim=1), frames.any(dim=1))
        assert frames[:, 0].int().diff().abs().sum() <= 2, "one stretch"
        sizes.append(int(frames[:, 0].sum()))
    assert set(sizes) == set(range(6))
    assert np.mean(sizes) == pytest.approx(2.5, abs=0.2)
    before = random.get_state()
    assert torch.equal(silenced(wave, Masks(time_masks=0), 20, random), wave)
    assert torch.equal(random.get_state(), before), "what is off draws nothing"


NONE = WaveformChanges(copies=1, gain_db=0.0, pitch_semitones=0.0, noise_snr_db=None)


def test_no_change_is_no_change():
    assert np.array_equal(changed(tone(), NONE, np.random.default_rng(0)), tone())


def test_noise_lies_as_far_below_as_was_said():
    changes = WaveformChanges(copies=1, gain_db=0.0, pitch_semitones=0.0, noise_snr_db=20.0)
    noise = changed(tone(), changes, np.random.default_rng(0)) - tone()
    snr_db = 10 * np.log10(np.square(tone()).mean() / np.square(noise).mean())
    assert snr_db == pytest.approx(20.0, abs=0.3)


def test_gains_lie_within_their_bounds():
    changes = WaveformChanges(copies=1, gain_db=6.0, pitch_semitones=0.0, noise_snr_db=None)
    random = np.random.default_rng(0)
    gains = [20 * np.log10(np.abs(changed(tone(), changes, random)).max() / 0.3) for _ in range(80)]
    assert -6.01 < min(gains) < -4
    assert 4 < max(gains) < 6.01
