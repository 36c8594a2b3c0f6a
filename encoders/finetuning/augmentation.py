"""Augmentation of training recordings: masks, and changes of the waveform."""

from dataclasses import dataclass

import numpy as np
import soxr
import torch
from jaxtyping import Float32
from torch import Tensor

from encoders.audio.waveform import Samples

Windows = Float32[Tensor, "windows mels frames"]
#: Frame of the phase vocoder that shifts the pitch, in samples at 8 kHz and more: 64 ms or less.
STRETCH_N_FFT = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Masks:
    """SpecAugment (Park et al. 2019, arXiv 1904.08779, section 2), its time warp off by default.

    Each of ``frequency_masks`` covers f bands from f0, f uniform over 0 to ``most_bands`` (F) and
    f0 over [0, v - f) of v bands; each of ``time_masks`` t frames from t0, likewise with
    ``most_frames`` (T). Two of each and F = 27 are the paper's policy LD; its T of 100 frames of
    10 ms is for utterances of 10 s and more, a window here has 160 frames of 12.5 ms or fewer.

    ``time_warp`` (W, 80 in the paper; 0: none) comes first: a frame, uniform over the window but
    for W frames at both ends, is moved by up to W frames either way, and what lies before and
    behind it is stretched or pressed. The paper found that it helped least (its section 5).

    Of waveforms only stretches of time are masked, in frames of 20 ms.
    """

    frequency_masks: int = 2
    most_bands: int = 27
    time_masks: int = 2
    most_frames: int = 40
    time_warp: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveformChanges:
    """Changed copies of each training recording, made before training.

    Gain uniform over ±``gain_db``, pitch over ±``pitch_semitones`` at the same duration, Gaussian
    noise at ``noise_snr_db`` below the recording's own level; 0, 0 and None leave them out. A gain
    does nothing to spectrograms whose reference is their own file's or window's maximum.
    """

    copies: int = 0
    gain_db: float = 6.0
    pitch_semitones: float = 2.0
    noise_snr_db: float | None = 20.0


def masked(windows: Windows, masks: Masks, random: torch.Generator) -> Windows:
    """Windows with bands and frames replaced by the mean of their window, each by its own draw.

    Warped in time before, where the masks say so.
    """
    if masks.time_warp:
        windows = warped(windows, masks.time_warp, random)
    fill = windows.mean(dim=(1, 2), keepdim=True)
    for count, most, dim in (
        (masks.frequency_masks, masks.most_bands, 1),
        (masks.time_masks, masks.most_frames, 2),
    ):
        for _ in range(count):
            covered = _stretches(len(windows), windows.shape[dim], most, random)
            windows = torch.where(covered.unsqueeze(3 - dim), fill, windows)
    return windows


def warped(windows: Windows, most: int, random: torch.Generator) -> Windows:
    """Windows in which one frame each is moved by up to ``most`` frames, its sides with it.

    Frames between the ends, which stay, and the moved one lie on straight lines, interpolated
    linearly, where the paper draws a spline through the same three points. Of a window too short
    for ``most`` frames at both ends the distance is what it allows.
    """
    last = windows.shape[2] - 1
    reach = min(most, last // 2)
    if reach == 0:
        return windows
    rows = len(windows)
    source = reach + torch.rand(rows, 1, generator=random) * (last - 2 * reach)
    moved = source + (2 * torch.rand(rows, 1, generator=random) - 1) * reach
    # Moved onto an end it would leave a side of no frames, to be divided by.
    moved = moved.clamp(0.5, last - 0.5)
    place = torch.arange(last + 1.0)
    before = place * source / moved
    behind = last - (last - place) * (last - source) / (last - moved)
    asked = torch.where(place <= moved, before, behind).clamp(0, last)
    left = asked.floor().clamp(max=last - 1).long()[:, None].expand_as(windows)
    share = (asked - left[:, 0])[:, None]
    return windows.gather(2, left) * (1 - share) + windows.gather(2, left + 1) * share


def silenced(
    wave: Float32[Tensor, "samples"], masks: Masks, samples_per_frame: int, random: torch.Generator
) -> Float32[Tensor, "samples"]:
    """A waveform with stretches of whole frames replaced by its mean."""
    frames = -(-len(wave) // samples_per_frame)
    for _ in range(masks.time_masks):
        covered = _stretches(1, frames, masks.most_frames, random)[0]
        covered = covered.repeat_interleave(samples_per_frame)[: len(wave)]
        wave = torch.where(covered, wave.mean(), wave)
    return wave


def _stretches(rows: int, length: int, most: int, random: torch.Generator) -> Tensor:
    """Which of ``length`` places are covered, ``[rows, length]``: one random stretch per row."""
    size = (torch.rand(rows, 1, generator=random) * (min(most, length) + 1)).floor()
    first = (torch.rand(rows, 1, generator=random) * (length - size)).floor()
    place = torch.arange(length)
    return (place >= first) & (place < first + size)


def changed(
    samples: Samples, changes: WaveformChanges, random: np.random.Generator
) -> Float32[np.ndarray, "samples"]:
    """A copy of a recording with random gain, pitch and noise; as long as it was."""
    shifted = samples
    if changes.pitch_semitones:
        semitones = random.uniform(-changes.pitch_semitones, changes.pitch_semitones)
        shifted = pitch_shifted(samples, semitones)
    if changes.noise_snr_db is not None:
        level = np.sqrt(np.square(shifted).mean()) * 10 ** (-changes.noise_snr_db / 20)
        shifted = shifted + level * random.standard_normal(len(shifted))
    gain = 10 ** (random.uniform(-changes.gain_db, changes.gain_db) / 20)
    return (shifted * gain).astype(np.float32)


def pitch_shifted(samples: Samples, semitones: float) -> Float32[np.ndarray, "samples"]:
    """Samples with every frequency times 2 ** (semitones / 12), as long as they were.

    Stretched in time by a phase vocoder (Flanagan and Golden 1966), then played faster.
    """
    if len(samples) < STRETCH_N_FFT:
        # Shorter than a frame of the vocoder: nothing of it could be told apart in pitch.
        return samples
    ratio = 2.0 ** (semitones / 12)
    shifted = soxr.resample(_stretched(samples, ratio), ratio, 1.0)[: len(samples)]
    return np.pad(shifted, (0, len(samples) - len(shifted)))


def _stretched(samples: Samples, ratio: float) -> Float32[np.ndarray, "stretched"]:
    """Samples at the same pitch, ``ratio`` times as long."""
    hop, window = STRETCH_N_FFT // 4, torch.hann_window(STRETCH_N_FFT)
    # Zeros outside: a reflected edge is loud, and has phases of its own.
    frames = torch.stft(
        torch.from_numpy(samples),
        STRETCH_N_FFT,
        hop,
        window=window,
        pad_mode="constant",
        return_complex=True,
    )
    places = torch.arange(0, frames.shape[1] - 1, 1 / ratio, dtype=torch.float64)
    before, share = places.floor().long(), places.frac().float()
    earlier, later = frames[:, before], frames[:, before + 1]
    size = earlier.abs() * (1 - share) + later.abs() * share
    advance = (later.angle() - earlier.angle()).double()
    phase = advance.cumsum(dim=1) - advance
    # Phases of neighbouring bins belong together in the loudest frame, not at a cut edge.
    loudest = int(size.square().sum(dim=0).argmax())
    phase += earlier[:, loudest, None].angle() - phase[:, loudest, None]
    spectrum = torch.polar(size, phase.remainder(2 * torch.pi).float())
    stretched = torch.istft(spectrum, STRETCH_N_FFT, hop, window=window)
    return stretched.numpy()
