"""Speech encoders through OpenVINO, one recording at a time.

In float32 equal to torch within 2e-6 and about 1.2 times as fast; in bfloat16 within 1e-2 and
several times as fast on processors with matrix units (``benchmarks/results/speech.md``).
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import logging

from encoders.audio.waveform import Audio
from encoders.pooling import Hidden
from encoders.pretrained.wav2vec2 import Layers, front_end
from encoders.specs import SpeechSpec

PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
#: Largest relative error of the converted model to the original before it is refused.
TOLERANCES = {"float32": 1e-4, "bfloat16": 5e-2}
#: Traced at one length, checked at one so many times as long: what became a constant shows there.
CHECKED = 1.7

#: A recording as a model takes it, and how many frames of the answer are its own; None: all.
Prepared = tuple[Tensor, int | None]


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
    """All hidden layers of a model, ``[layers, frames, dim]`` per utterance.

    ``whole`` goes from what ``prepare`` makes of a recording, time last as in ``example``, to
    hidden layers with a batch of one in front; its ``layers`` are those that can be left out.
    """

    def __init__(
        self,
        whole: Any,  # noqa: ANN401 - a module with layers
        prepare: Callable[[Audio], Prepared],
        example: Tensor,
        frame_s: float,
        spec: SpeechSpec,
    ) -> None:
        super().__init__()
        self.whole, self.prepare, self.example = whole, prepare, example
        self.spec, self.frame_s = spec, frame_s
        self._compiled: Any = None

    def stop_at(self, layer: int) -> None:
        """Run no layer above this one."""
        self.whole.layers.stop_at(layer)

    def forward(self, inputs: Sequence[Audio]) -> list[Hidden]:
        """Hidden layers of every recording."""
        return [self._run(*self.prepare(audio)) for audio in inputs]

    def _run(self, prepared: Tensor, own: int | None) -> Hidden:
        if self._compiled is None:
            self._compiled = self._convert()
        return torch.from_numpy(self._compiled(prepared.numpy())[0])[0][:, :own]

    def _convert(self) -> Any:  # noqa: ANN401 - a compiled model
        openvino = _openvino()
        # It remarks on a field of the configuration that only training reads.
        logging.set_verbosity_error()
        with torch.no_grad(), warnings.catch_warnings():
            # Tracing warns of every Python branch; the check below finds those that matter.
            warnings.simplefilter("ignore")
            converted = openvino.convert_model(self.whole, example_input=self.example)
        converted.reshape({0: openvino.PartialShape([*self.example.shape[:-1], -1])})
        # Its own default on such processors is bfloat16 without a word.
        hint = {"INFERENCE_PRECISION_HINT": PRECISIONS[self.spec.precision]}
        hint["INFERENCE_NUM_THREADS"] = str(torch.get_num_threads())
        compiled = openvino.Core().compile_model(converted, "CPU", hint)
        self._check(compiled)
        return compiled

    def _check(self, compiled: Any) -> None:  # noqa: ANN401 - a compiled model
        shape = (*self.example.shape[:-1], round(CHECKED * self.example.shape[-1]))
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        expected = self.whole(noise)
        error = (torch.from_numpy(compiled(noise.numpy())[0]) - expected).norm()
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
