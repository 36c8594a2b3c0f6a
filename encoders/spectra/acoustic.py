"""Acoustic descriptors without weights: log-mel frames, MFCC, eGeMAPS."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch

from encoders.audio.waveform import Audio, AudioError, Samples, resample
from encoders.pooling import Hidden
from encoders.specs import EgemapsSpec, LogMelSpec, MfccSpec
from encoders.spectra.cepstrum import mfcc
from encoders.spectra.mel import MelSetting, trim_bounds
from encoders.spectra.spectrogram import log_mel, with_deltas
from encoders.weights.files import files_sha256
from encoders.weights.locate import locate
from encoders.weights.sources import OPENSMILE

NUMERICS_VERSION = 1
#: eGeMAPS measures voicing in windows of 60 ms; openSMILE returns no value for less than one.
EGEMAPS_WINDOW_S = 0.06
#: Distance of two frames of low-level descriptors in eGeMAPS (Eyben et al. 2016).
EGEMAPS_HOP_S = 0.01
#: Folders of openSMILE's configuration that eGeMAPSv02.conf includes, itself among them.
EGEMAPS_PARTS = ("egemaps/v02", "gemaps/v01b", "shared")

AcousticSpec = LogMelSpec | MfccSpec | EgemapsSpec


def weights_sha256(spec: AcousticSpec) -> str:
    """There are no weights; of eGeMAPS, the hash of openSMILE's own description of the set.

    Raises:
        MissingWeightsError: eGeMAPS without openSMILE.
    """
    return _egemaps_sha256() if isinstance(spec, EgemapsSpec) else "none"


def load(spec: AcousticSpec, device: torch.device) -> "Descriptors":
    """The encoder of a spec; it computes on the CPU, whatever the device."""
    if isinstance(spec, MfccSpec):
        return MfccEncoder(spec)
    return EgemapsEncoder(spec) if isinstance(spec, EgemapsSpec) else LogMelEncoder(spec)


class Descriptors(torch.nn.Module, ABC):
    """Frames of descriptors, ``[1, frames, dim]``, each utterance alone at its encoder's rate."""

    def __init__(self, sample_rate_hz: int, frame_s: float) -> None:
        super().__init__()
        self.sample_rate_hz = sample_rate_hz
        self.frame_s = frame_s

    @abstractmethod
    def forward(self, inputs: Sequence[Audio]) -> list[Hidden]:
        """Frames of every recording."""

    def samples(self, audio: Audio) -> Samples:
        """Samples at ``sample_rate_hz``.

        Raises:
            AudioError: there are none.
        """
        samples = resample(audio, self.sample_rate_hz).samples
        if len(samples) == 0:
            raise AudioError(f"a segment of {audio.duration_s:g} s holds no sample")
        return samples


class LogMelEncoder(Descriptors):
    """Log-mel frames, ``[1, frames, n_mels * (1 + deltas)]``."""

    def __init__(self, spec: LogMelSpec) -> None:
        super().__init__(spec.sample_rate_hz, spec.hop_ms / 1000)
        self.spec = spec

    def forward(self, inputs: Sequence[Audio]) -> list[Hidden]:
        """Log power of the mel bands and its time differences."""
        spec, hidden = self.spec, []
        for audio in inputs:
            bands = log_mel(
                self.samples(audio),
                sample_rate_hz=spec.sample_rate_hz,
                window_ms=spec.window_ms,
                hop_ms=spec.hop_ms,
                n_mels=spec.n_mels,
            )
            hidden.append(with_deltas(bands, spec.deltas)[None])
        return hidden


class MfccEncoder(Descriptors):
    """MFCC, ``[1, frames, n_mfcc * (1 + deltas)]``; their mean, ``[1, frames, 1 + deltas]``."""

    def __init__(self, spec: MfccSpec) -> None:
        super().__init__(spec.sample_rate_hz, spec.hop_samples / spec.sample_rate_hz)
        self.spec = spec
        self.setting = MelSetting(
            sample_rate_hz=spec.sample_rate_hz,
            n_fft=spec.n_fft or spec.window_samples,
            win_length=spec.window_samples,
            hop_length=spec.hop_samples,
            n_mels=spec.n_mels,
            window_function=spec.window,
            mel_sample_rate_hz=spec.mel_sample_rate_hz,
        )

    def forward(self, inputs: Sequence[Audio]) -> list[Hidden]:
        """Coefficients, or their mean, with time differences."""
        hidden = []
        for audio in inputs:
            samples = self.samples(audio)
            if self.spec.trim_db is not None:
                first, end = trim_bounds(samples, self.spec.trim_db)
                samples = samples[first:end]
            cepstra = mfcc(samples, self.spec.n_mfcc, self.setting)
            if self.spec.axis == "frequency":
                cepstra = cepstra.mean(dim=1, keepdim=True)
            hidden.append(with_deltas(cepstra, self.spec.deltas)[None])
        return hidden


class EgemapsEncoder(Descriptors):
    """eGeMAPSv02 through openSMILE: ``[1, 1, 88]`` functionals, or ``[1, frames, 25]``."""

    def __init__(self, spec: EgemapsSpec) -> None:
        super().__init__(spec.sample_rate_hz, EGEMAPS_HOP_S)
        locate(OPENSMILE)
        import opensmile

        level = opensmile.FeatureLevel
        self.smile = opensmile.Smile(
            feature_set=opensmile.FeatureSet.eGeMAPSv02,
            feature_level=(
                level.Functionals if spec.storage == "pooled" else level.LowLevelDescriptors
            ),
        )

    def forward(self, inputs: Sequence[Audio]) -> list[Hidden]:
        """Functionals or low-level descriptors, in openSMILE's order."""
        shortest, hidden = round(EGEMAPS_WINDOW_S * self.sample_rate_hz), []
        for audio in inputs:
            samples = self.samples(audio)
            if len(samples) < shortest:
                raise AudioError(
                    f"{len(samples)} samples at {self.sample_rate_hz} Hz: eGeMAPS needs "
                    f"{shortest} ({1000 * EGEMAPS_WINDOW_S:g} ms) or more"
                )
            table = self.smile.process_signal(samples, self.sample_rate_hz)
            hidden.append(torch.from_numpy(table.to_numpy(dtype="float32", copy=True))[None])
        return hidden


def _egemaps_sha256() -> str:
    configuration = locate(OPENSMILE)
    return files_sha256(
        (f"{part}/{path.name}", path)
        for part in EGEMAPS_PARTS
        for path in sorted((configuration / part).iterdir())
    )
