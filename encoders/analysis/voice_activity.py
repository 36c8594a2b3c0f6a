"""Where speech is, by Silero VAD 6 (Silero Team, 2025), whose weights lie in its package.

The package runs its network window by window; here the windows of a block go through the
convolutions together, and only the recurrence runs in order: equal to rounding (a test compares)
and several times as fast. Importing the package would set torch to one thread, so that only its
file is opened.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import inf
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor
from torch.nn import functional

from encoders.audio.waveform import Samples
from encoders.weights.locate import locate
from encoders.weights.sources import SILERO

SAMPLE_RATE_HZ = 16000
#: Samples that one probability speaks for, and of those before them that the network sees too.
WINDOW, CONTEXT = 512, 64
#: Seconds between two probabilities.
WINDOW_S = WINDOW / SAMPLE_RATE_HZ
#: Samples added by reflection at the end of a window, and the hop of the network's spectrum.
PADDING, HOP, BINS = 64, 128, 129
STRIDES = (1, 2, 2, 1)
#: Names of the weights in the package's TorchScript file: its model for 16 kHz.
PREFIX = "_model."


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityOptions:
    """When speech starts and ends; the defaults are those of ``silero_vad.get_speech_timestamps``.

    Speech starts where the probability reaches ``threshold``, and ends where it stays below
    ``threshold - 0.15`` for ``min_pause_s``. Speech shorter than ``min_speech_s`` is none; each
    stretch is extended by ``padding_s`` on both sides, or to half the pause.
    """

    threshold: float = 0.5
    min_pause_s: float = 0.1
    min_speech_s: float = 0.25
    padding_s: float = 0.03


SILERO_DEFAULTS = ActivityOptions()


@dataclass(frozen=True, slots=True)
class Stretch:
    """From one time to another, in seconds."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """Its length in seconds."""
        return self.end_s - self.start_s


class VoiceActivity:
    """Probability of speech in each window of 32 ms of one stream at 16 kHz."""

    def __init__(self) -> None:
        weights = _weights(locate(SILERO))
        self._weights = weights
        self._recurrence = torch.nn.LSTM(128, 128, batch_first=True).requires_grad_(False)
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        state = {f"{name}_l0": weights[f"decoder.rnn.{name}"] for name in names}
        self._recurrence.load_state_dict(state)
        self._state: tuple[Tensor, Tensor] | None = None
        self._context = torch.zeros(CONTEXT)
        self._rest = torch.zeros(0)

    @torch.inference_mode()
    def probabilities(self, samples: Samples, last: bool = False) -> Float32[np.ndarray, "windows"]:
        """Probabilities of the windows that these samples complete; ``last`` adds zeros."""
        joined = torch.cat([self._rest, torch.from_numpy(np.ascontiguousarray(samples))])
        if last and len(joined) % WINDOW:
            joined = functional.pad(joined, (0, WINDOW - len(joined) % WINDOW))
        count = len(joined) // WINDOW
        self._rest = joined[count * WINDOW :].clone()
        if count == 0:
            return np.zeros(0, np.float32)
        seen = torch.cat([self._context, joined[: count * WINDOW]])
        self._context = seen[-CONTEXT:].clone()
        values: Float32[np.ndarray, windows] = self._run(seen.unfold(0, CONTEXT + WINDOW, WINDOW))
        return values

    def _run(self, windows: Float32[Tensor, "windows seen"]) -> Float32[np.ndarray, "windows"]:
        weights = self._weights
        padded = functional.pad(windows[:, None], (0, PADDING), mode="reflect")
        spectrum = functional.conv1d(padded, weights["stft.forward_basis_buffer"], stride=HOP)
        hidden = (spectrum[:, :BINS].square() + spectrum[:, BINS:].square()).sqrt()
        for number, stride in enumerate(STRIDES):
            name = f"encoder.{number}.reparam_conv"
            kernel, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
            hidden = functional.conv1d(hidden, kernel, bias, stride=stride, padding=1).relu()
        steps, self._state = self._recurrence(hidden.squeeze(-1)[None], self._state)
        kernel, bias = weights["decoder.decoder.2.weight"], weights["decoder.decoder.2.bias"]
        logits = steps[0].relu() @ kernel[0] + bias
        return logits.sigmoid()[:, 0].numpy()


class SpeechSegmenter:
    """Stretches of speech from probabilities that come one after the other."""

    def __init__(self, options: ActivityOptions | None = None) -> None:
        self.options = options or ActivityOptions()
        self._seen = 0
        self._start: int | None = None
        self._pause: int | None = None

    @property
    def open_s(self) -> float:
        """No stretch that has not ended yet will start before this, padding included."""
        start = self._seen if self._start is None else self._start
        return start * WINDOW_S - self.options.padding_s

    def push(self, probabilities: Float32[np.ndarray, "windows"]) -> list[Stretch]:
        """What ends in these windows, without padding; what is too short is left out."""
        options, stretches = self.options, []
        enters = probabilities >= options.threshold
        stays = probabilities >= max(options.threshold - 0.15, 0.01)
        for number, (enter, stay) in enumerate(zip(enters, stays, strict=True), self._seen):
            if enter:
                self._start, self._pause = number if self._start is None else self._start, None
            elif self._start is not None and not stay:
                self._pause = number if self._pause is None else self._pause
                if (number + 1 - self._pause) * WINDOW_S >= options.min_pause_s:
                    stretches.append(Stretch(self._start * WINDOW_S, self._pause * WINDOW_S))
                    self._start = self._pause = None
        self._seen += len(probabilities)
        return [stretch for stretch in stretches if stretch.length_s >= options.min_speech_s]

    def rest(self) -> list[Stretch]:
        """What the last window leaves open."""
        if self._start is None:
            return []
        last = Stretch(self._start * WINDOW_S, (self._pause or self._seen) * WINDOW_S)
        return [last] if last.length_s >= self.options.min_speech_s else []


def speech_in(
    probabilities: Float32[np.ndarray, "windows"],
    duration_s: float,
    options: ActivityOptions | None = None,
) -> tuple[Stretch, ...]:
    """Stretches of speech in a recording, in their order, without overlap."""
    segmenter = SpeechSegmenter(options)
    stretches = [*segmenter.push(probabilities), *segmenter.rest()]
    return tuple(padded(stretches, duration_s, segmenter.options.padding_s))


def padded(stretches: list[Stretch], duration_s: float, padding_s: float) -> list[Stretch]:
    """Each stretch a little longer; where a pause is too short for both, they share it."""
    longer = []
    for number, stretch in enumerate(stretches):
        before = stretches[number - 1].end_s if number else -inf
        after = stretches[number + 1].start_s if number + 1 < len(stretches) else inf
        # The middle of a pause is one number for both, or they overlap in the last digit.
        start_s = max(stretch.start_s - padding_s, (before + stretch.start_s) / 2)
        end_s = min(stretch.end_s + padding_s, (stretch.end_s + after) / 2)
        if start_s < duration_s:
            longer.append(Stretch(max(0.0, start_s), min(end_s, duration_s)))
    return longer


@cache
def _weights(path: Path) -> Mapping[str, Tensor]:
    # TorchScript of an installed package is as much its code as its modules are.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`torch.jit.load`", category=DeprecationWarning)
        model = torch.jit.load(str(path), map_location="cpu")
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {
        name.removeprefix(PREFIX): values.detach().clone()
        for name, values in state.items()
        if name.startswith(PREFIX)
    }
