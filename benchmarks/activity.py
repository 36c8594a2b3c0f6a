"""Misses and false alarms of the voice activity that interviews use (Silero VAD 6).

At its defaults, and at the lower threshold and longer padding that are advised for rooms.

The telephone call of 30 s has turns of its own (RTTM, ten turns) and sentences (STM, thirteen),
made by people. All else is put together: every tenth utterance of EmoDB, which are cut closely,
with three seconds between them, as they are and in white noise; their extents are the reference,
pauses within them included. A miss is a share of the time that the reference calls speech, a false
alarm of the time that it does not; the collar leaves out what is that near to an edge of the
reference.

Processors and sizes of batches add the products of a convolution in another order. How much that
moves a probability is tried with noise in its stead, in float64: a sum of n products is good to
sqrt(n) * 2**-24 of their root sum of squares.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.functionals import DATA
from encoders.analysis.voice_activity import (
    SAMPLE_RATE_HZ,
    SILERO_DEFAULTS,
    ActivityOptions,
    Stretch,
    VoiceActivity,
    speech_in,
)
from encoders.audio.reading import read_segment
from encoders.audio.waveform import Samples, resample
from experiments.annotations.turns import read_turns
from experiments.demo import FOLDER as DEMO

#: Times are compared in steps of so many seconds.
STEP_S = 0.01
COLLARS_S = (0.0, 0.25)
BETWEEN_S, EVERY = 3.0, 10
#: ``--speech-threshold`` and ``--speech-padding``.
SETTINGS = (SILERO_DEFAULTS, ActivityOptions(threshold=0.3, padding_s=0.2))
#: Decibels that the noise lies below the speech.
NOISES_DB = (20, 10, 0)
#: Pairs of runs that round otherwise.
ROUNDED = 20


@dataclass(frozen=True, slots=True)
class Case:
    """A recording at 16 kHz with the times at which someone speaks."""

    name: str
    samples: Samples
    spoken: tuple[Stretch, ...]


def measure() -> str:
    """A line for each recording and collar; misses and false alarms at each of the settings."""
    heads = [f"at {one.threshold:g}, {one.padding_s:g} s: missed" for one in SETTINGS]
    lines = [
        f"| recording | speech of all | collar | {' | false alarm | '.join(heads)} | false alarm |",
        f"|---|---|---|{'---|---|' * len(SETTINGS)}",
    ]
    for case in _cases():
        detected = _found(case)
        lines += [_line(case, detected, collar_s) for collar_s in COLLARS_S]
    moved = [_moved_by_rounding(seed) for seed in range(ROUNDED)]
    lines += [
        "",
        f"Between two runs that round otherwise a probability moves by {np.median(moved):.1e} (the "
        f"largest of a minute of speech, median of {ROUNDED} pairs), at most {max(moved):.1e}.",
    ]
    return "\n".join(lines)


def _moved_by_rounding(seed: int) -> float:
    random = np.random.default_rng(seed)
    one, other = (_rounded(random) for _ in range(2))
    return float(np.abs(one - other).max())


def _rounded(random: np.random.Generator) -> np.ndarray:
    """Probabilities of a minute of speech in float64, with noise of float32's rounding."""
    activity = VoiceActivity()
    activity._weights = {name: kernel.double() for name, kernel in activity._weights.items()}
    activity._recurrence.double()
    exact = functional.conv1d

    def noisy(
        values: Tensor,
        kernel: Tensor,
        bias: Tensor | None = None,
        stride: int = 1,
        padding: int = 0,
    ) -> Tensor:
        total = exact(values, kernel, bias, stride, padding)
        squares = exact(values.square(), kernel.square(), None, stride, padding)
        size = squares.sqrt() * kernel[0].numel() ** 0.5 * 2**-24
        return total + torch.from_numpy(random.standard_normal(total.shape)) * size

    samples = _samples(DEMO / "voices" / "anna.ogg")[: 60 * SAMPLE_RATE_HZ]
    with patch.object(functional, "conv1d", noisy):
        return activity.probabilities(samples.astype(np.float64), last=True)


def _cases() -> Iterator[Case]:
    call = _samples(DATA / "interview" / "sample.wav")
    for kind, what in (("rttm", "turns"), ("stm", "sentences")):
        turns = read_turns(DATA / "interview" / f"sample.{kind}")
        spoken = tuple(Stretch(stretch.start_s, stretch.end_s) for stretch in turns)
        yield Case(f"telephone call, {what}", call, spoken)
    joined = _joined(sorted((DATA / "emodb" / "wav").glob("*.flac"))[::EVERY])
    yield joined
    speech = np.concatenate([_part(joined, stretch) for stretch in joined.spoken])
    level = float(np.sqrt(np.square(speech).mean()))
    noise = np.random.default_rng(0).standard_normal(len(joined.samples)).astype(np.float32)
    for below_db in NOISES_DB:
        noisy = joined.samples + np.float32(level * 10 ** (-below_db / 20)) * noise
        yield Case(f"EmoDB, white noise {below_db} dB below", noisy, joined.spoken)
    yield Case("60 s of white noise", 0.1 * noise[: 60 * SAMPLE_RATE_HZ], ())


def _samples(path: Path) -> Samples:
    return resample(read_segment(path), SAMPLE_RATE_HZ).samples


def _part(case: Case, stretch: Stretch) -> Samples:
    start, stop = (round(time_s * SAMPLE_RATE_HZ) for time_s in (stretch.start_s, stretch.end_s))
    return case.samples[start:stop]


def _joined(paths: Sequence[Path]) -> Case:
    silence = np.zeros(round(BETWEEN_S * SAMPLE_RATE_HZ), np.float32)
    parts, spoken, start = [silence], [], len(silence)
    for path in paths:
        samples = _samples(path)
        spoken.append(Stretch(start / SAMPLE_RATE_HZ, (start + len(samples)) / SAMPLE_RATE_HZ))
        parts += [samples, silence]
        start += len(samples) + len(silence)
    return Case(f"EmoDB, {len(paths)} utterances", np.concatenate(parts), tuple(spoken))


def _found(case: Case) -> list[tuple[Stretch, ...]]:
    """What is taken for speech, at each of the settings."""
    probabilities = VoiceActivity().probabilities(case.samples, last=True)
    duration_s = len(case.samples) / SAMPLE_RATE_HZ
    return [speech_in(probabilities, duration_s, options) for options in SETTINGS]


def _line(case: Case, detected: Sequence[Sequence[Stretch]], collar_s: float) -> str:
    steps = int(len(case.samples) / SAMPLE_RATE_HZ / STEP_S)
    truth = _marked(case.spoken, steps)
    edges = [time_s for spoken in case.spoken for time_s in (spoken.start_s, spoken.end_s)]
    near = _marked([Stretch(e - collar_s, e + collar_s) for e in edges if collar_s], steps)
    cells = [case.name, f"{truth.mean():.0%} of {steps * STEP_S:.0f} s", f"{collar_s:g} s"]
    for heard in (_marked(stretches, steps) for stretches in detected):
        cells.append(_share(~heard & truth & ~near, truth & ~near))
        cells.append(_share(heard & ~truth & ~near, ~truth & ~near))
    return f"| {' | '.join(cells)} |"


def _share(some: np.ndarray, of: np.ndarray) -> str:
    return f"{some.sum() / of.sum():.1%}" if of.any() else "–"


def _marked(stretches: Sequence[Stretch], steps: int) -> np.ndarray:
    marks = np.zeros(steps, bool)
    for stretch in stretches:
        start, stop = (round(time_s / STEP_S) for time_s in (stretch.start_s, stretch.end_s))
        marks[max(0, start) : max(0, stop)] = True
    return marks
