"""wav2vec2 and its relatives through transformers, exact whatever the batch.

wav2vec2-base normalises over time (group norm), so padding another utterance into the batch would
change every frame. The convolutional front end and the positional convolution therefore run on
each utterance alone; the transformer runs on padded frames with a bool frame mask.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from encoders.audio.waveform import Audio, AudioError, resample
from encoders.packing import in_batches
from encoders.pooling import Raw
from encoders.specs import SpeechSpec

SAMPLE_RATE_HZ = 16000
#: Padded seconds in one pass of the transformer: 32 s keep a base model under 1.5 GB.
BATCH_SECONDS = 32.0
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class PerUtterance(nn.Module):
    """Runs a convolution on the own frames of each row of a padded batch, alone, in float32."""

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution
        self.lengths: list[int] = []

    def forward(self, frames: Tensor) -> Tensor:
        """Each row of ``lengths`` frames, padded again."""
        features = [
            self.convolution(row[None, :length].float())[0]
            for row, length in zip(frames, self.lengths, strict=True)
        ]
        return pad_sequence(features, batch_first=True).to(frames.dtype)


class Layers(nn.Module):
    """A transformer that returns all its hidden layers, ``[batch, layers, frames, dim]``.

    Index 0 is the input of the first transformer layer; the last index is ``last_hidden_state``,
    after the final norm. Hooks, because transformers 5 no longer returns hidden states here.
    """

    def __init__(self, transformer: Any) -> None:  # noqa: ANN401 - a transformers encoder
        super().__init__()
        self.transformer = transformer
        self.whole = True
        self._seen: list[Tensor] = []
        transformer.layers[0].register_forward_pre_hook(self._keep_input, with_kwargs=True)
        for layer in transformer.layers:
            layer.register_forward_hook(self._keep_output)

    def stop_at(self, layer: int) -> None:
        """Leave out the layers above one; those below stay exactly what they were."""
        if layer < len(self.transformer.layers):
            self.transformer.layers = self.transformer.layers[: max(layer, 1)]
            self.whole = False

    def forward(self, *inputs: Tensor, **options: Any) -> Tensor:  # noqa: ANN401 - handed on
        """Hidden layers for what the transformer itself takes."""
        self._seen = []
        output = self.transformer(*inputs, **options)
        seen, self._seen = self._seen, []
        if self.whole:
            seen[-1] = output.last_hidden_state
        return torch.stack(seen, dim=1)

    def _keep_input(
        self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._seen.append(args[0] if args else kwargs["hidden_states"])

    def _keep_output(self, _module: nn.Module, _args: object, output: Any) -> None:  # noqa: ANN401
        self._seen.append(output[0] if isinstance(output, tuple) else output)


class SpeechEncoder(nn.Module):
    """All hidden layers of a wav2vec2-like model, ``[layers, frames, dim]`` per utterance.

    Waveforms are brought to zero mean and unit variance, each alone, where the checkpoint's
    feature extractor does so. In bfloat16 the convolutions stay in float32: they are no slower
    there (measured), and the norm of the positional one's weights would lose its precision.
    """

    def __init__(self, model: Any, spec: SpeechSpec, *, normalise: bool) -> None:  # noqa: ANN401
        super().__init__()
        self.model = model
        self.dtype = DTYPES[spec.precision]
        for name, part in model.encoder.named_children():
            if name != "pos_conv_embed":
                part.to(self.dtype)
        self.normalise = normalise
        self.positions = PerUtterance(model.encoder.pos_conv_embed)
        model.encoder.pos_conv_embed = self.positions
        self.layers = Layers(model.encoder)
        self.frame_s = frame_s(model.config)

    def stop_at(self, layer: int) -> None:
        """Run no layer above this one."""
        self.layers.stop_at(layer)

    def forward(self, inputs: Sequence[Audio]) -> list[Raw]:
        """Hidden layers of every recording."""
        waves = [waveform(audio, self.model.config, self.normalise) for audio in inputs]
        return in_batches(
            waves, lambda wave: len(wave) / SAMPLE_RATE_HZ, BATCH_SECONDS, self._batch
        )

    def _batch(self, waves: list[Tensor]) -> list[Raw]:
        device = self.model.device
        features = [front_end(self.model, wave.to(device))[0].to(self.dtype) for wave in waves]
        lengths = [len(frames) for frames in features]
        mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
        self.positions.lengths = lengths
        layers = self.layers(pad_sequence(features, True), attention_mask=mask.to(device))
        return [row[:, :length] for row, length in zip(layers, lengths, strict=True)]


def waveform(audio: Audio, config: Any, normalise: bool) -> Tensor:  # noqa: ANN401
    """Samples at 16 kHz as a model takes them, ``[samples]``.

    Raises:
        AudioError: they are fewer than one frame needs.
    """
    wave = resample(audio, SAMPLE_RATE_HZ).samples
    minimum = receptive_field(config)
    if len(wave) < minimum:
        raise AudioError(
            f"{len(wave)} samples at 16 kHz are shorter than one frame ({minimum} samples)"
        )
    samples = torch.from_numpy(wave)
    if not normalise:
        return samples
    return (samples - samples.mean()) / (samples.var(correction=0) + 1e-7).sqrt()


def front_end(model: Any, samples: Tensor) -> Tensor:  # noqa: ANN401 - a transformers model
    """Projected convolutional features of one utterance, ``[1, frames, dim]``."""
    return project(model, features_of(model, samples))


def features_of(model: Any, samples: Tensor) -> Tensor:  # noqa: ANN401 - a transformers model
    """Convolutional features of one utterance, ``[1, frames, channels]``."""
    return model.feature_extractor(samples[None]).transpose(1, 2)


def project(model: Any, features: Tensor) -> Tensor:  # noqa: ANN401 - a transformers model
    """Features as the transformer takes them, ``[1, frames, dim]``."""
    projected = model.feature_projection(features)
    # wav2vec2 returns (projected, normalised features), HuBERT the projected ones alone.
    return projected[0] if isinstance(projected, tuple) else projected


def frame_s(config: Any) -> float:  # noqa: ANN401 - a transformers configuration
    """Distance of two frames in seconds (0.02 for wav2vec2)."""
    return float(np.prod(config.conv_stride)) / SAMPLE_RATE_HZ


def receptive_field(config: Any) -> int:  # noqa: ANN401 - a transformers configuration
    """Samples that one frame of the convolutional front end sees (400 for wav2vec2)."""
    width = 1
    for kernel, stride in zip(config.conv_kernel[::-1], config.conv_stride[::-1], strict=True):
        width = (width - 1) * stride + kernel
    return width
