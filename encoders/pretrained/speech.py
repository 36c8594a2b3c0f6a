"""wav2vec2 and its relatives through transformers, exact whatever the batch.

wav2vec2-base normalises over time (group norm), so padding another utterance into the batch would
change every frame. The convolutional front end and the positional convolution therefore run on
each utterance alone; the transformer runs on padded frames with a bool frame mask.

Relative error to float32 in torch, pooled over time, random weights of wav2vec2-base: OpenVINO in
float32 2e-6; bfloat16 in torch and in OpenVINO 1e-2 (cosine above 0.9999).
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from encoders.audio.waveform import Audio, AudioError, resample
from encoders.packing import in_batches
from encoders.pooling import Raw
from encoders.pretrained.projection import ProjectedSpeech, read_projection
from encoders.provenance import weights_sha256 as sha256_of
from encoders.specs import UNTRAINED_SEED, SpeechSpec
from encoders.weights.cards import CARDS
from encoders.weights.locate import find, locate
from encoders.weights.sources import checkpoint_source

NUMERICS_VERSION = 1
SAMPLE_RATE_HZ = 16000
#: Padded seconds in one pass of the transformer: 32 s keep a base model under 1.5 GB.
BATCH_SECONDS = 32.0
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def weights_sha256(spec: SpeechSpec) -> str:
    """Hash of the checkpoint's files, or of the random weights of an untrained model."""
    if spec.untrained:
        return state_sha256(seeded_model(spec), _architecture(spec))
    return sha256_of(locate(checkpoint_source(spec.checkpoint, spec.revision)))


def load(spec: SpeechSpec, device: torch.device) -> nn.Module:
    """The encoder of a spec, from a folder, the hub's cache or the hub, or with random weights.

    OpenVINO computes on the CPU, whatever the device.

    Raises:
        MissingWeightsError: the checkpoint is not to be had; ValueError: its code is not in
            transformers, or the back end does not take it.
    """
    folder = None if spec.untrained else locate(checkpoint_source(spec.checkpoint, spec.revision))
    model = seeded_model(spec) if folder is None else trained_model(folder)
    if spec.backend == "openvino":
        device = torch.device("cpu")
    model = model.to(device)
    if model.config.model_type == "whisper":
        from encoders.pretrained.whisper_encoder import WhisperEncoder, feature_extractor

        return WhisperEncoder(model, feature_extractor(model.config, folder), spec)
    if not hasattr(model, "feature_projection"):
        raise ValueError(
            f"{spec.checkpoint}: is a {model.config.model_type} model; expected wav2vec2, HuBERT, "
            "WavLM, data2vec-audio or Whisper"
        )
    normalise = folder is None or normalises(folder)
    # Before the encoder is made: its parts may be in bfloat16 then.
    projection = None if folder is None else read_projection(folder, model.config.hidden_size)
    encoder = _encoder(model, spec, normalise)
    return encoder if projection is None else ProjectedSpeech(encoder, projection.to(device))


def _encoder(model: Any, spec: SpeechSpec, normalise: bool) -> nn.Module:  # noqa: ANN401
    if spec.backend == "openvino":
        from encoders.pretrained.openvino_speech import OpenVinoEncoder

        return OpenVinoEncoder(model, spec, normalise=normalise)
    return SpeechEncoder(model, spec, normalise=normalise)


def trained_model(folder: Path) -> Any:  # noqa: ANN401 - a transformers model
    """The model of a folder, in float32.

    Raises:
        ValueError: its code is not in transformers.
    """
    from transformers import AutoModel

    config = json.loads((folder / "config.json").read_text())
    if "AutoModel" in config.get("auto_map", {}) or "model_type" not in config:
        raise ValueError(
            f"{folder}: this checkpoint needs code of its own from the hub, which is never run "
            "here; use one whose class is in transformers, such as microsoft/wavlm-large"
        )
    return AutoModel.from_pretrained(folder, trust_remote_code=False, dtype=torch.float32)


class PerUtterance(nn.Module):
    """Runs a convolution on the own frames of each row of a padded batch, alone, in float32."""

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution
        self.lengths: list[int] = []

    def forward(self, frames: Tensor) -> Tensor:
        """Each row of ``lengths`` frames, padded again."""
        own = [
            self.convolution(row[None, :length].float())[0]
            for row, length in zip(frames, self.lengths, strict=True)
        ]
        return pad_sequence(own, batch_first=True).to(frames.dtype)


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
        own = [front_end(self.model, wave.to(device))[0].to(self.dtype) for wave in waves]
        lengths = [len(frames) for frames in own]
        mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
        self.positions.lengths = lengths
        layers = self.layers(pad_sequence(own, True), attention_mask=mask.to(device))
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
    if spec.checkpoint in CARDS:
        return b""
    folder = find(checkpoint_source(spec.checkpoint, spec.revision))
    return b"" if folder is None else (folder / "config.json").read_bytes()


def seeded_model(spec: SpeechSpec) -> Any:  # noqa: ANN401 - a transformers model
    """The random weights that every ``:untrained`` encoder of a spec has."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        return untrained_model(spec)


def untrained_model(spec: SpeechSpec) -> Any:  # noqa: ANN401 - a transformers model
    """A model of the spec's architecture with random weights, drawn from torch's own state.

    Raises:
        ValueError: its architecture is not known here.
    """
    from transformers import AutoConfig, AutoModel

    folder = find(checkpoint_source(spec.checkpoint, spec.revision))
    if spec.checkpoint in CARDS:
        fields = {"model_type": "wav2vec2", **CARDS[spec.checkpoint].config}
        config = AutoConfig.for_model(fields.pop("model_type"), **fields)
    elif folder is not None:
        config = AutoConfig.from_pretrained(folder)
    else:
        raise ValueError(f"{spec.checkpoint}:untrained: its architecture is not known here")
    return AutoModel.from_config(config)


def normalises(folder: Path) -> bool:
    """Whether a checkpoint takes waveforms of zero mean and unit variance."""
    from transformers import AutoFeatureExtractor

    if not (folder / "preprocessor_config.json").is_file():
        return True
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    return bool(getattr(extractor, "do_normalize", True))
