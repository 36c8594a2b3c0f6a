"""wav2vec2 and its relatives through transformers, exact whatever the batch.

wav2vec2-base normalises over time (group norm), so padding another utterance into the batch would
change every frame. The convolutional front end and the positional convolution therefore run on
each utterance alone; the transformer runs on padded frames with a bool frame mask.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from encoders.audio import Audio, AudioError, resample
from encoders.cards import CARDS
from encoders.checkpoints import find_local, locate
from encoders.checkpoints import weights_sha256 as sha256_of
from encoders.packing import in_batches
from encoders.pooling import Hidden
from encoders.specs import SpeechSpec

NUMERICS_VERSION = 1
UNTRAINED_SEED = 0
SAMPLE_RATE_HZ = 16000
#: Padded seconds in one pass of the transformer: 32 s keep a base model under 1.5 GB.
BATCH_SECONDS = 32.0


def weights_sha256(spec: SpeechSpec) -> str:
    """Hash of the checkpoint's files, or of the random weights of an untrained model."""
    if spec.untrained:
        return state_sha256(_untrained(spec), _architecture(spec))
    return sha256_of(locate(spec.checkpoint, spec.revision))


def load(spec: SpeechSpec, device: torch.device) -> "SpeechEncoder":
    """The encoder of a spec, from a folder, the hub's cache or the hub, or with random weights."""
    if spec.untrained:
        return SpeechEncoder(_untrained(spec), normalise=True, device=device)
    from transformers import AutoModel

    folder = locate(spec.checkpoint, spec.revision)
    model = AutoModel.from_pretrained(folder, trust_remote_code=False, dtype=torch.float32)
    return SpeechEncoder(model, normalise=_normalises(folder), device=device)


class PerUtterance(nn.Module):
    """Runs a convolution on the own frames of each row of a padded batch, alone."""

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution
        self.lengths: list[int] = []

    def forward(self, frames: Tensor) -> Tensor:
        """Each row of ``lengths`` frames, padded again."""
        own = [
            self.convolution(row[None, :length])[0]
            for row, length in zip(frames, self.lengths, strict=True)
        ]
        return pad_sequence(own, batch_first=True)


class SpeechEncoder(nn.Module):
    """All hidden layers of a wav2vec2-like model, ``[layers, frames, dim]`` per utterance.

    Index 0 is the input of the first transformer layer; the last index is ``last_hidden_state``,
    after the final norm. Waveforms are brought to zero mean and unit variance, each alone, where
    the checkpoint's feature extractor does so.
    """

    def __init__(self, model: Any, *, normalise: bool, device: torch.device) -> None:  # noqa: ANN401
        super().__init__()
        self.model = model.to(device)
        self.normalise = normalise
        self.device = device
        self.positions = PerUtterance(model.encoder.pos_conv_embed)
        model.encoder.pos_conv_embed = self.positions
        self.frame_s = float(np.prod(model.config.conv_stride)) / SAMPLE_RATE_HZ
        self._layers: list[Tensor] = []
        for number, layer in enumerate(model.encoder.layers):
            if number == 0:
                layer.register_forward_pre_hook(self._keep_input, with_kwargs=True)
            layer.register_forward_hook(self._keep_output)

    def forward(self, inputs: Sequence[Audio]) -> list[Hidden]:
        """Hidden layers of every recording."""
        waves = [resample(audio, SAMPLE_RATE_HZ).samples for audio in inputs]
        return in_batches(
            waves, lambda wave: len(wave) / SAMPLE_RATE_HZ, BATCH_SECONDS, self._batch
        )

    def _batch(self, waves: list[np.ndarray]) -> list[Hidden]:
        own = [self._front_end(wave) for wave in waves]
        lengths = [len(frames) for frames in own]
        mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
        self.positions.lengths = lengths
        self._layers = []
        padded = pad_sequence(own, batch_first=True)
        output = self.model.encoder(padded, attention_mask=mask.to(self.device))
        layers = torch.stack([*self._layers[:-1], output.last_hidden_state], dim=1)
        return [row[:, :length] for row, length in zip(layers, lengths, strict=True)]

    def _front_end(self, wave: np.ndarray) -> Tensor:
        """Projected features of one utterance, ``[frames, dim]``."""
        minimum = receptive_field(self.model.config)
        if len(wave) < minimum:
            raise AudioError(
                f"{len(wave)} samples at 16 kHz are shorter than one frame ({minimum} samples)"
            )
        samples = torch.from_numpy(wave).to(self.device)
        if self.normalise:
            samples = (samples - samples.mean()) / (samples.var(correction=0) + 1e-7).sqrt()
        features = self.model.feature_extractor(samples[None]).transpose(1, 2)
        projected = self.model.feature_projection(features)
        # wav2vec2 returns (projected, normalised features), HuBERT the projected ones alone.
        return (projected[0] if isinstance(projected, tuple) else projected)[0]

    def _keep_input(
        self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._layers.append(args[0] if args else kwargs["hidden_states"])

    def _keep_output(self, _module: nn.Module, _args: object, output: Any) -> None:  # noqa: ANN401
        self._layers.append(output[0] if isinstance(output, tuple) else output)


def receptive_field(config: Any) -> int:  # noqa: ANN401 - a transformers configuration
    """Samples that one frame of the convolutional front end sees (400 for wav2vec2)."""
    width = 1
    for kernel, stride in zip(config.conv_kernel[::-1], config.conv_stride[::-1], strict=True):
        width = (width - 1) * stride + kernel
    return width


def state_sha256(model: nn.Module, architecture: bytes = b"") -> str:
    """Hash of a model's parameters and buffers, names included."""
    digest = hashlib.sha256(architecture)
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def _architecture(spec: SpeechSpec) -> bytes:
    """What the random weights alone do not tell, such as the order of the norms.

    A checkpoint of ours is told by its name, which is a field of the spec.
    """
    folder = None if spec.checkpoint in CARDS else find_local(spec.checkpoint, spec.revision)
    return b"" if folder is None else (folder / "config.json").read_bytes()


def _untrained(spec: SpeechSpec) -> nn.Module:
    from transformers import AutoConfig, AutoModel, Wav2Vec2Config

    folder = find_local(spec.checkpoint, spec.revision)
    if spec.checkpoint in CARDS:
        config = Wav2Vec2Config(**CARDS[spec.checkpoint].config)
    elif folder is not None:
        config = AutoConfig.from_pretrained(folder)
    else:
        raise ValueError(f"{spec.checkpoint}:untrained: its architecture is not known here")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        return AutoModel.from_config(config)


def _normalises(folder: Path) -> bool:
    from transformers import AutoFeatureExtractor

    if not (folder / "preprocessor_config.json").is_file():
        return True
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    return bool(getattr(extractor, "do_normalize", True))
