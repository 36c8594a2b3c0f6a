"""Acoustic descriptors without weights: log-mel frames with their time differences."""

from collections.abc import Sequence

import torch

from encoders.audio import Audio, AudioError, resample
from encoders.pooling import Hidden
from encoders.specs import LogMelSpec
from encoders.spectrogram import log_mel, with_deltas

NUMERICS_VERSION = 1


def weights_sha256(spec: LogMelSpec) -> str:
    """There are no weights; the spec says everything."""
    return "none"


def load(spec: LogMelSpec, device: torch.device) -> "LogMelEncoder":
    """The encoder of a spec; it computes on the CPU, whatever the device."""
    return LogMelEncoder(spec)


class LogMelEncoder(torch.nn.Module):
    """Log-mel frames, ``[1, frames, n_mels * (1 + deltas)]``, each utterance alone."""

    def __init__(self, spec: LogMelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.frame_s = spec.hop_ms / 1000

    def forward(self, inputs: Sequence[Audio]) -> list[Hidden]:
        """Frames of every recording."""
        return [self._one(audio) for audio in inputs]

    def _one(self, audio: Audio) -> Hidden:
        spec = self.spec
        samples = resample(audio, spec.sample_rate_hz).samples
        if len(samples) == 0:
            raise AudioError(f"a segment of {audio.duration_s:g} s holds no sample")
        frames = log_mel(
            samples,
            sample_rate_hz=spec.sample_rate_hz,
            window_ms=spec.window_ms,
            hop_ms=spec.hop_ms,
            n_mels=spec.n_mels,
        )
        return with_deltas(frames, spec.deltas)[None]
