"""The encoder half of Whisper as a frozen speech encoder, exact whatever the batch.

Whisper itself fills every recording up to 30 s with silence. Here its encoder runs on what there
is: positions are cut, the convolutions see each utterance alone, and attention sees no padding.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu
from torch.nn.utils.rnn import pad_sequence

from encoders.audio.waveform import Audio, AudioError, resample
from encoders.packing import in_batches
from encoders.pooling import Raw
from encoders.pretrained.speech import seeded_model, state_sha256
from encoders.pretrained.wav2vec2 import BATCH_SECONDS, DTYPES, SAMPLE_RATE_HZ, Layers
from encoders.provenance import record_of
from encoders.provenance import weights_sha256 as sha256_of
from encoders.specs import WhisperEncoderSpec
from encoders.weights.locate import locate
from encoders.weights.sources import source_of
from encoders.weights.whisper import WhisperWeights, read_whisper

NUMERICS_VERSION = 1
#: Samples of one frame of the transformer: two of the spectrogram.
SAMPLES_PER_FRAME = 320
#: Samples that one Fourier transform sees.
SHORTEST = 400
FRAME_S = SAMPLES_PER_FRAME / SAMPLE_RATE_HZ
CHUNK_S = 30


def weights_sha256(spec: WhisperEncoderSpec) -> str:
    """Hash of the encoder's tensors, whatever they lie in; of one fine-tuned here, of its files."""
    if spec.untrained:
        return state_sha256(seeded_model(spec))
    path = locate(_source(spec))
    if path.is_dir() and record_of(path) is not None:
        return sha256_of(path)
    return read_whisper(path, "encoder").sha256()


def load(spec: WhisperEncoderSpec, device: torch.device) -> nn.Module:
    """The encoder of a spec, from wherever its weights lie, or with random ones.

    Raises:
        MissingWeightsError: they are not to be had.
        ValueError: what is there is no Whisper, or windows are longer than it takes.
    """
    if spec.window_s > CHUNK_S:
        raise ValueError(
            f"{spec.checkpoint}: window_s={spec.window_s:g}, but Whisper's encoder takes at most "
            f"{CHUNK_S} s"
        )
    whole = seeded_model(spec) if spec.untrained else trained_whisper(spec)
    encoder = whole.get_encoder()
    if spec.backend == "openvino":
        from encoders.pretrained.openvino_speech import OpenVinoEncoder

        example = torch.zeros(1, encoder.num_mel_bins, 100)
        return OpenVinoEncoder(Stack(encoder), LogMel(encoder, spec), example, FRAME_S, spec)
    return WhisperEncoder(encoder.to(device), spec)


def trained_whisper(spec: WhisperEncoderSpec) -> Any:  # noqa: ANN401 - a transformers model
    """The weights of a spec in a model of transformers, whose decoder is random."""
    return whisper_model(read_whisper(locate(_source(spec)), "encoder"))


def whisper_model(weights: WhisperWeights) -> Any:  # noqa: ANN401 - a transformers model
    """A ``WhisperModel`` with these weights, in float32 and ready for inference."""
    from transformers import WhisperConfig, WhisperModel

    model: Any = WhisperModel(WhisperConfig(**weights.config()))
    tensors = {name: torch.from_numpy(tensor) for name, tensor in weights.tensors.items()}
    lacking, unknown = model.load_state_dict(tensors, strict=False)
    if unknown or any(name.startswith("encoder.") for name in lacking):
        raise ValueError(f"no Whisper: lacks {lacking[:3]}, has {unknown[:3]} besides")
    return model.eval()


def _source(spec: WhisperEncoderSpec) -> Any:  # noqa: ANN401 - one of the sources
    source = source_of(spec)
    assert source is not None
    return source


def feature_extractor(mels: int) -> Any:  # noqa: ANN401 - of transformers
    """What makes the spectrogram of Whisper, the same for every checkpoint but for its bands."""
    from transformers import WhisperFeatureExtractor

    return WhisperFeatureExtractor(feature_size=mels, chunk_length=CHUNK_S)


class LogMel:
    """Whisper's log-mel spectrogram of one recording, ``[1, mels, frames]``, 10 ms a frame.

    With it the number of the transformer's frames that hold sound of the recording.
    """

    def __init__(self, encoder: Any, spec: WhisperEncoderSpec) -> None:  # noqa: ANN401
        self.extractor = feature_extractor(encoder.num_mel_bins)
        self.padding = "max_length" if spec.window == "30" else "longest"

    def __call__(self, audio: Audio) -> tuple[Tensor, int]:
        """Spectrogram of a recording; with silence up to 30 s where windows have that length."""
        wave = resample(audio, SAMPLE_RATE_HZ).samples
        if len(wave) < SHORTEST:
            raise AudioError(
                f"{len(wave)} samples at 16 kHz are shorter than one frame ({SHORTEST} samples)"
            )
        mel = self.extractor(
            wave, sampling_rate=SAMPLE_RATE_HZ, padding=self.padding, return_tensors="pt"
        )
        features = mel["input_features"]
        own = -(-len(wave) // SAMPLES_PER_FRAME)
        return features, min(own, -(-features.shape[-1] // 2))


class Transformer(nn.Module):
    """The layers of Whisper's encoder and its last norm, for frames of any number."""

    def __init__(self, encoder: Any) -> None:  # noqa: ANN401 - a transformers encoder
        super().__init__()
        self.layers, self.layer_norm = encoder.layers, encoder.layer_norm

    def forward(self, frames: Tensor, attention_mask: Tensor | None = None) -> Any:  # noqa: ANN401
        """All layers over ``[batch, frames, dim]``."""
        from transformers.modeling_outputs import BaseModelOutput

        for layer in self.layers:
            frames = layer(frames, attention_mask)
        return BaseModelOutput(last_hidden_state=self.layer_norm(frames))


class Stack(nn.Module):
    """From one spectrogram ``[1, mels, frames]`` to all hidden layers."""

    def __init__(self, encoder: Any) -> None:  # noqa: ANN401 - a transformers encoder
        super().__init__()
        self.conv1, self.conv2 = encoder.conv1, encoder.conv2
        self.positions = nn.Parameter(encoder.embed_positions.weight.detach().clone(), False)
        self.layers = Layers(Transformer(encoder))

    def front(self, mel: Tensor) -> Tensor:
        """Frames as the first layer takes them, ``[1, frames, dim]``."""
        frames = gelu(self.conv2(gelu(self.conv1(mel)))).transpose(1, 2)
        return frames + self.positions[: frames.shape[1]]

    def forward(self, mel: Tensor) -> Tensor:
        """Hidden layers of one recording, ``[1, layers, frames, dim]``."""
        layers: Tensor = self.layers(self.front(mel))
        return layers


class WhisperEncoder(nn.Module):
    """All hidden layers of Whisper's encoder, ``[layers, frames, dim]`` per utterance.

    Only frames of the recording itself are kept, one per 20 ms. In bfloat16 the convolutions stay
    in float32.
    """

    frame_s = FRAME_S

    def __init__(self, encoder: Any, spec: WhisperEncoderSpec) -> None:  # noqa: ANN401
        super().__init__()
        self.stack = Stack(encoder)
        self.dtype = DTYPES[spec.precision]
        self.stack.layers.to(self.dtype)
        self.log_mel = LogMel(encoder, spec)

    def stop_at(self, layer: int) -> None:
        """Run no layer above this one."""
        self.stack.layers.stop_at(layer)

    def forward(self, inputs: Sequence[Audio]) -> list[Raw]:
        """Hidden layers of every recording."""
        mels = [self.log_mel(audio) for audio in inputs]
        return in_batches(mels, lambda mel: mel[0].shape[-1] / 100, BATCH_SECONDS, self._batch)

    def _batch(self, mels: list[tuple[Tensor, int]]) -> list[Raw]:
        device = self.stack.positions.device
        frames = [self.stack.front(mel.to(device))[0].to(self.dtype) for mel, _ in mels]
        lengths = torch.tensor([len(row) for row in frames], device=device)
        padded = pad_sequence(frames, batch_first=True)
        mask = torch.arange(padded.shape[1], device=device) < lengths[:, None]
        # None where nothing is padded: attention without a mask is faster.
        masked = {} if mask.all() else {"attention_mask": mask[:, None, None]}
        layers = self.stack.layers(padded, **masked)
        return [row[:, :own] for row, (_, own) in zip(layers, mels, strict=True)]
