"""wav2vec2-like encoders through OpenVINO, one recording at a time.

In float32 equal to torch within 2e-6 and about 1.2 times as fast; in bfloat16 within 1e-2 and
several times as fast on processors with matrix units (``benchmarks/results/speech.md``).
"""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import logging

from encoders.audio.waveform import Audio
from encoders.pooling import Hidden
from encoders.pretrained.wav2vec2 import SAMPLE_RATE_HZ, Layers, frame_s, front_end, waveform
from encoders.specs import SpeechSpec

PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
#: Largest relative error of the converted model to the original before it is refused.
TOLERANCES = {"float32": 1e-4, "bfloat16": 5e-2}
#: Traced at one length, checked at another: a length that became a constant shows there.
TRACED_S, CHECKED_S = 1.0, 1.7


class WholeModel(nn.Module):
    """From samples to all hidden layers, ``[1, layers, frames, dim]``."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - a transformers model
        super().__init__()
        self.model = model
        self.layers = Layers(model.encoder)

    def forward(self, samples: Tensor) -> Tensor:
        """Hidden layers of one recording, ``samples`` ``[1, samples]``."""
        layers: Tensor = self.layers(front_end(self.model, samples[0]))
        return layers


class OpenVinoEncoder(nn.Module):
    """All hidden layers of a wav2vec2-like model, ``[layers, frames, dim]`` per utterance."""

    def __init__(self, model: Any, spec: SpeechSpec, *, normalise: bool) -> None:  # noqa: ANN401
        super().__init__()
        self.whole = WholeModel(model)
        self.spec = spec
        self.normalise = normalise
        self.frame_s = frame_s(model.config)
        self._compiled: Any = None

    def stop_at(self, layer: int) -> None:
        """Run no layer above this one."""
        self.whole.layers.stop_at(layer)

    def forward(self, inputs: Sequence[Audio]) -> list[Hidden]:
        """Hidden layers of every recording."""
        config = self.whole.model.config
        return [self._run(waveform(audio, config, self.normalise)) for audio in inputs]

    def _run(self, wave: Tensor) -> Hidden:
        if self._compiled is None:
            self._compiled = self._convert()
        return torch.from_numpy(self._compiled(wave[None].numpy())[0])[0]

    def _convert(self) -> Any:  # noqa: ANN401 - a compiled model
        openvino = _openvino()
        # It remarks on a field of the configuration that only training reads.
        logging.set_verbosity_error()
        with torch.no_grad(), warnings.catch_warnings():
            # Tracing warns of every Python branch; the check below finds those that matter.
            warnings.simplefilter("ignore")
            converted = openvino.convert_model(
                self.whole, example_input=torch.zeros(1, round(TRACED_S * SAMPLE_RATE_HZ))
            )
        converted.reshape({0: openvino.PartialShape([1, -1])})
        # Its own default on such processors is bfloat16 without a word.
        hint = {"INFERENCE_PRECISION_HINT": PRECISIONS[self.spec.precision]}
        hint["INFERENCE_NUM_THREADS"] = str(torch.get_num_threads())
        compiled = openvino.Core().compile_model(converted, "CPU", hint)
        self._check(compiled)
        return compiled

    def _check(self, compiled: Any) -> None:  # noqa: ANN401 - a compiled model
        samples = torch.randn(
            1, round(CHECKED_S * SAMPLE_RATE_HZ), generator=torch.Generator().manual_seed(0)
        )
        expected = self.whole(samples)
        error = (torch.from_numpy(compiled(samples.numpy())[0]) - expected).norm()
        relative = float(error / expected.norm())
        if not relative <= TOLERANCES[self.spec.precision]:
            raise ValueError(
                f"{self.spec.checkpoint}: converted to OpenVINO it errs by {relative:.1e} of its "
                "hidden layers; use backend=torch"
            )


def _openvino() -> Any:  # noqa: ANN401 - a module without types
    try:
        import openvino
    except ImportError as error:
        raise ValueError("backend=openvino: pip install 'serfusion[openvino]'") from error
    return openvino
