"""Specs of descriptors that are computed, not learned: log-mel, MFCC and eGeMAPS."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from encoders.specs.spec import TIME_STATISTICS, Spec, WindowFunction


@dataclass(frozen=True, slots=True, kw_only=True)
class LogMelSpec(Spec):
    """Log-mel frames; pooled over time they are the functionals of the unimodal arm.

    25 ms windows every 10 ms and 80 filters up to half the rate are the front end of Whisper
    (Radford et al. 2022) and of most ASR. ``deltas`` appends that many orders of time differences.
    """

    family: Literal["logmel"] = "logmel"
    sample_rate_hz: int = 16000
    window_ms: float = 25.0
    hop_ms: float = 10.0
    n_mels: int = 80
    deltas: int = 1
    time_pool: int = 1

    default_pooling = "mean+std+max"
    after_forward = ("storage", "storage_dtype", "time_pool")
    sequence = MappingProxyType({"deltas": 0, "time_pool": 4})
    options = (*("sample_rate_hz", "window_ms", "hop_ms", "n_mels", "deltas"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class MfccSpec(Spec):
    """Mel-frequency cepstral coefficients, as ``librosa.feature.mfcc`` computes them.

    The front end is that of :class:`LogMelSpec`; ``n_fft`` None is the window without padding.
    ``axis`` "time" keeps every coefficient's mean, deviation and maximum over the frames;
    "frequency" averages over the coefficients, which leaves one value per frame, and pools these
    into ``n_mfcc`` equal stretches of the utterance. ``trim_db`` first cuts what is that much
    quieter than the loudest frame from both ends; frame times then count from the cut.
    ``mel_sample_rate_hz`` builds the mel filters for another rate than the true one, which is how
    a published study came to filters that end near 1.45 kHz (22050 on audio at 8000 Hz).

    Raises:
        ValueError: the numbers allow no transform; names each of them.
    """

    family: Literal["mfcc"] = "mfcc"
    n_mfcc: int = 40
    sample_rate_hz: int = 16000
    window_ms: float = 25.0
    window: WindowFunction = "hann"
    n_fft: int | None = None
    hop_ms: float = 10.0
    n_mels: int = 80
    mel_sample_rate_hz: int | None = None
    trim_db: float | None = None
    deltas: int = 0
    axis: Literal["time", "frequency"] = "time"
    time_pool: int = 1

    after_forward = ("storage", "storage_dtype", "time_pool")
    sequence = MappingProxyType({"deltas": 0, "time_pool": 4})
    options = (
        *("n_mfcc", "sample_rate_hz", "window_ms", "window", "n_fft", "hop_ms", "n_mels"),
        *("mel_sample_rate_hz", "trim_db", "deltas", "axis"),
    )

    def __post_init__(self) -> None:
        faults = [what for wrong, what in self._checks() if wrong]
        if faults:
            raise ValueError("; ".join(faults))

    def _checks(self) -> Iterator[tuple[bool, str]]:
        yield (
            self.sample_rate_hz < 1 or self.window_samples < 2 or self.hop_samples < 1,
            f"sample_rate_hz={self.sample_rate_hz}, window_ms={self.window_ms:g}, "
            f"hop_ms={self.hop_ms:g}: expected a window of two samples or more, a hop of one",
        )
        yield (
            self.n_fft is not None and self.n_fft < self.window_samples,
            f"n_fft={self.n_fft}: the window alone has {self.window_samples} samples",
        )
        count = f"n_mfcc={self.n_mfcc}: expected 1 to n_mels={self.n_mels}"
        yield not 1 <= self.n_mfcc <= self.n_mels, count
        rate = f"mel_sample_rate_hz={self.mel_sample_rate_hz}: expected 1 or more"
        yield (self.mel_sample_rate_hz or 1) < 1 or self.mel_sample_rate_hz == 0, rate
        yield (
            self.trim_db is not None and self.trim_db <= 0,
            (f"trim_db={self.trim_db}: expected more than 0 dB"),
        )
        yield self.deltas < 0, f"deltas={self.deltas}: expected 0 or more"

    @property
    def window_samples(self) -> int:
        """Length of the window at ``sample_rate_hz``."""
        return round(self.window_ms * self.sample_rate_hz / 1000)

    @property
    def hop_samples(self) -> int:
        """Distance of two frames at ``sample_rate_hz``."""
        return round(self.hop_ms * self.sample_rate_hz / 1000)

    @property
    def statistics(self) -> tuple[str, ...]:
        """Over time, or the course of the mean coefficient in ``n_mfcc`` stretches."""
        return TIME_STATISTICS if self.axis == "time" else (f"course{self.n_mfcc}",)

    @property
    def default_pooling(self) -> str:
        """All statistics that are kept."""
        return "+".join(self.statistics)


@dataclass(frozen=True, slots=True, kw_only=True)
class EgemapsSpec(Spec):
    """eGeMAPSv02 (Eyben et al. 2016) by openSMILE: 88 functionals, or 25 descriptors per 10 ms.

    openSMILE is free for research and other non-commercial use only (audEERING Research License
    Agreement); it is not installed with this package but with its extra ``opensmile``. Its bands
    end at 8 kHz, which is half of ``sample_rate_hz``.
    """

    family: Literal["egemaps"] = "egemaps"
    sample_rate_hz: int = 16000
    time_pool: int = 1

    statistics = ("functionals",)
    default_pooling = "functionals"
    after_forward = ("storage_dtype", "time_pool")
    sequence = MappingProxyType({"time_pool": 4})
