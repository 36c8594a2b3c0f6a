"""Labelled utterances in the form that training draws from: windows, each of some utterance.

Windows of spectrograms are computed once and kept as 8 bits: at 80 dB a step is 0.3 dB, and a
second of speech at the default 80 frames of 128 bands takes 10 kB per window instead of 41.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from encoders.audio.reading import read_utterance
from encoders.audio.waveform import AudioError, Samples, resample
from encoders.finetuning.augmentation import Masks, WaveformChanges, changed, masked, silenced
from encoders.networks.spectrogram_cnn import to_unit, trimmed, windows_of
from encoders.specs import WindowSpec
from encoders.store import audio_key
from encoders.utterance import Utterance

STEPS = 255
#: Samples at 16 kHz of a frame of speech transformers, of which masks of waveforms are made: 20 ms.
MASKED_SAMPLES = 320


@dataclass(frozen=True, slots=True)
class LabelledWindows:
    """Windows of a recording, a changed copy of one or a text; its target and its content key."""

    windows: Any
    target: tuple[float, ...]
    key: str


@dataclass(frozen=True, slots=True)
class Recordings:
    """What a network is trained or scored on: windows of all recordings, one after the other.

    ``count`` says how many windows a recording has, ``truth`` its target; ``keys`` are
    the content keys of the utterances, each once. A changed copy is a recording of its own here; a
    text is a recording with one window.
    """

    count: Int64[Tensor, "recordings"]
    truth: Float32[Tensor, "recordings targets"]
    keys: tuple[str, ...]
    windows: Any

    def inputs(self, rows: Int64[Tensor, "rows"]) -> Any:  # noqa: ANN401 - what the network takes
        """Some windows as the network takes them."""
        return [self.windows[row] for row in rows.tolist()]

    def masked(self, rows: Int64[Tensor, "rows"], masks: Masks, random: torch.Generator) -> Any:  # noqa: ANN401 - what the network takes
        """Some windows as the network takes them in training."""
        return self.inputs(rows)

    @property
    def first(self) -> Int64[Tensor, "recordings"]:
        """Number of the first window of each recording."""
        return self.count.cumsum(0) - self.count

    def __len__(self) -> int:
        return len(self.truth)

    def owners(self) -> Int64[Tensor, "windows"]:
        """The recording that each window belongs to."""
        return torch.arange(len(self)).repeat_interleave(self.count)

    def one_window_each(
        self, recordings: Int64[Tensor, "some"], random: torch.Generator
    ) -> Int64[Tensor, "some"]:
        """The number of a random window of each of some recordings."""
        share = torch.rand(len(recordings), generator=random, dtype=torch.float64)
        return self.first[recordings] + (share * self.count[recordings]).long()


@dataclass(frozen=True, slots=True)
class Waveforms(Recordings):
    """Windows of samples at 16 kHz."""

    windows: list[Tensor]

    def masked(
        self, rows: Int64[Tensor, "rows"], masks: Masks, random: torch.Generator
    ) -> list[Tensor]:
        """Some windows, stretches of them silenced."""
        return [silenced(wave, masks, MASKED_SAMPLES, random) for wave in self.inputs(rows)]


@dataclass(frozen=True, slots=True)
class Spectrograms(Recordings):
    """Windows of spectrograms."""

    windows: UInt8[Tensor, "windows mels frames"]

    def inputs(self, rows: Int64[Tensor, "rows"]) -> Float32[Tensor, "rows mels frames"]:
        """Some windows from 0 to 1."""
        return self.windows[rows].float() / STEPS

    def masked(
        self, rows: Int64[Tensor, "rows"], masks: Masks, random: torch.Generator
    ) -> Float32[Tensor, "rows mels frames"]:
        """Some windows from 0 to 1, bands and frames masked."""
        return masked(self.inputs(rows), masks, random)


def heard(
    utterances: Sequence[Utterance],
    sample_rate_hz: int,
    changes: WaveformChanges,
    random: np.random.Generator,
    windows_of_samples: Callable[[Samples], Any],
) -> Iterator[LabelledWindows]:
    """Windows of every utterance, followed by those of its changed copies.

    Raises:
        AudioError: a recording cannot be read, or holds no sample.
    """
    for utterance in utterances:
        audio = read_utterance(utterance)
        key, target = audio_key(audio), target_of(utterance)
        samples = resample(audio, sample_rate_hz).samples
        if len(samples) == 0:
            raise AudioError(f"{utterance.id}: a segment of {audio.duration_s:g} s holds no sample")
        yield LabelledWindows(windows_of_samples(samples), target, key)
        for _ in range(changes.copies):
            copy = changed(samples, changes, random)
            yield LabelledWindows(windows_of_samples(copy), target, key)


def counts_targets_keys(
    examples: Sequence[LabelledWindows],
) -> tuple[Int64[Tensor, "recordings"], Float32[Tensor, "recordings targets"], tuple[str, ...]]:
    """What :class:`Recordings` begin with: windows per example, targets, keys without doubles."""
    return (
        torch.tensor([len(example.windows) for example in examples]),
        torch.tensor([example.target for example in examples], dtype=torch.float32),
        tuple(dict.fromkeys(example.key for example in examples)),
    )


def target_of(utterance: Utterance) -> tuple[float, ...]:
    """An utterance's target."""
    assert utterance.target is not None, "finetune refuses what is not labelled"
    return utterance.target


def prepare(
    utterances: Sequence[Utterance],
    spec: WindowSpec,
    changes: WaveformChanges,
    random: np.random.Generator,
) -> Spectrograms:
    """Windows of utterances, each followed by the windows of its changed copies.

    Raises:
        AudioError: a recording cannot be read, or holds no sample.
    """

    def as_bytes(samples: Samples) -> UInt8[Tensor, "windows mels frames"]:
        batches = windows_of(samples[trimmed(samples, spec)], spec)
        return torch.cat([(to_unit(batch, spec) * STEPS).round().byte() for batch in batches])

    examples = list(heard(utterances, spec.sample_rate_hz, changes, random, as_bytes))
    return Spectrograms(
        *counts_targets_keys(examples), torch.cat([example.windows for example in examples])
    )
