"""Labelled recordings as windows that a spectrogram network is trained on.

Windows are computed once and kept as 8 bits: at 80 dB a step is 0.3 dB, and a second of speech at
the default 80 frames of 128 bands takes 10 kB per window instead of 41.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from encoders.audio import AudioError, Samples, read_utterance, resample
from encoders.augmentation import WaveformChanges, changed
from encoders.cnn_spec import SpectrogramCnnSpec
from encoders.spectrogram_cnn import to_unit, trimmed, windows_of
from encoders.store import audio_key
from encoders.utterance import Utterance

STEPS = 255


@dataclass(frozen=True, slots=True)
class Recordings:
    """Windows of all recordings, one recording after the other.

    ``first`` is the number of a recording's first window, ``count`` how many it has, ``truth`` the
    number of its class; ``keys`` are the content keys of the utterances, each once.
    """

    windows: UInt8[Tensor, "windows mels frames"]
    first: Int64[Tensor, "recordings"]
    count: Int64[Tensor, "recordings"]
    truth: Int64[Tensor, "recordings"]
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.truth)

    def unit(self, rows: Int64[Tensor, "rows"]) -> Float32[Tensor, "rows mels frames"]:
        """Some windows from 0 to 1."""
        return self.windows[rows].float() / STEPS

    def owners(self) -> Int64[Tensor, "windows"]:
        """The recording that each window belongs to."""
        return torch.arange(len(self)).repeat_interleave(self.count)

    def one_window_each(
        self, recordings: Int64[Tensor, "some"], random: torch.Generator
    ) -> Int64[Tensor, "some"]:
        """The number of a random window of each of some recordings."""
        share = torch.rand(len(recordings), generator=random, dtype=torch.float64)
        return self.first[recordings] + (share * self.count[recordings]).long()


def prepare(
    utterances: Sequence[Utterance],
    spec: SpectrogramCnnSpec,
    changes: WaveformChanges,
    random: np.random.Generator,
) -> Recordings:
    """Windows of utterances, each followed by the windows of its changed copies.

    Raises:
        AudioError: a recording cannot be read, or holds no sample.
    """
    windows: list[Tensor] = []
    truth: list[int] = []
    keys: list[str] = []
    for utterance in utterances:
        target = utterance.target
        assert target is not None, "finetune refuses what is not labelled"
        audio = read_utterance(utterance)
        keys.append(audio_key(audio))
        samples = resample(audio, spec.sample_rate_hz).samples
        if len(samples) == 0:
            raise AudioError(f"{utterance.id}: a segment of {audio.duration_s:g} s holds no sample")
        for version in _versions(samples, changes, random):
            windows.append(_as_bytes(version, spec))
            truth.append(target.index(max(target)))
    count = torch.tensor([len(one) for one in windows])
    return Recordings(
        windows=torch.cat(windows),
        first=count.cumsum(0) - count,
        count=count,
        truth=torch.tensor(truth),
        keys=tuple(dict.fromkeys(keys)),
    )


def _versions(
    samples: Samples, changes: WaveformChanges, random: np.random.Generator
) -> Iterator[Samples]:
    yield samples
    for _ in range(changes.copies):
        yield changed(samples, changes, random)


def _as_bytes(samples: Samples, spec: SpectrogramCnnSpec) -> UInt8[Tensor, "windows mels frames"]:
    heard = windows_of(samples[trimmed(samples, spec)], spec)
    return torch.cat([(to_unit(some, spec) * STEPS).round().byte() for some in heard])
