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

from encoders.audio.waveform import Audio, AudioError, Samples, resample
from encoders.packing import in_batches
from encoders.pooling import Raw
from encoders.pretrained.projection import ProjectedSpeech, read_projection
from encoders.pretrained.speech import seeded_model, state_sha256
from encoders.pretrained.wav2vec2 import BATCH_SECONDS, DTYPES, SAMPLE_RATE_HZ, Layers
from encoders.provenance import record_of, weights_sha256 as sha256_of
from encoders.specs import WhisperEncoderSpec
from encoders.weights.locate import locate
from encoders.weights.sources import source_of
from encoders.weights.whisper import Part, WhisperWeights, read_whisper, whisper_sha256

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
    return whisper_sha256(path, "encoder")


def load(spec: WhisperEncoderSpec, device: torch.device) -> nn.Module:
    """The encoder of a spec, from wherever its weights lie, or with random ones.

    Raises:
        MissingWeightsError: they are not to be had.
        ValueError: what is there is no Whisper, or windows are longer than it takes.
    """
    whole = seeded_model(spec) if spec.untrained else trained_whisper(spec, "encoder")
    encoder = whole.get_encoder()
    check_heard(spec, encoder)
    # Before the encoder is made: its parts may be in bfloat16 then.
    projection = None if spec.untrained else _projection(spec, whole.config.d_model)
    if spec.backend == "openvino":
        from encoders.pretrained.openvino_speech import OpenVinoEncoder

        example = torch.zeros(1, encoder.num_mel_bins, 100)
        whisper: nn.Module = OpenVinoEncoder(
            Stack(encoder), LogMel(encoder, spec), example, FRAME_S, spec
        )
        device = torch.device("cpu")
    else:
        whisper = WhisperEncoder(encoder.to(device), spec)
    return whisper if projection is None else ProjectedSpeech(whisper, projection.to(device))


def check_heard(spec: WhisperEncoderSpec, encoder: Any) -> None:  # noqa: ANN401
    """Compare a spec with what an encoder has positions for.

    Raises:
        ValueError: windows are longer.
    """
    limit_s = encoder.max_source_positions * FRAME_S
    if spec.window_s > limit_s:
        raise ValueError(
            f"{spec.checkpoint}: window_s={spec.window_s:g}, but Whisper's encoder takes at most "
            f"{limit_s:g} s"
        )


def _projection(spec: WhisperEncoderSpec, width: int) -> nn.Linear | None:
    path = locate(_source(spec))
    return read_projection(path, width) if path.is_dir() else None


def trained_whisper(spec: WhisperEncoderSpec, part: Part | None = None) -> Any:  # noqa: ANN401
    """The weights of a spec, or of one part, in a model of transformers; the rest is random."""
    return whisper_model(read_whisper(locate(_source(spec)), part))


def whisper_model(weights: WhisperWeights) -> Any:  # noqa: ANN401 - a transformers model
    """A ``WhisperModel`` with these weights, in float32 and ready for inference."""
    from transformers import WhisperConfig, WhisperModel

    sizes = {"decoder_layers": 1, "decoder_attention_heads": weights.heads, **weights.config()}
    model: Any = WhisperModel(WhisperConfig(**sizes))
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
        return self.of_samples(resample(audio, SAMPLE_RATE_HZ).samples)

    def of_samples(self, wave: Samples) -> tuple[Tensor, int]:
        """The same of samples at 16 kHz."""
        if len(wave) < SHORTEST:
            raise AudioError(
                f"{len(wave)} samples at 16 kHz are shorter than one frame ({SHORTEST} samples)"
            )
        # Spectra are float32 whatever the precision of a network in training.
        with torch.autocast("cpu", enabled=False):
            mel = self.extractor(
                wave, sampling_rate=SAMPLE_RATE_HZ, padding=self.padding, return_tensors="pt"
            )
        features = mel["input_features"]
        own = -(-len(wave) // SAMPLES_PER_FRAME)
        return features, min(own, -(-features.shape[-1] // 2))


def front(encoder: Any, mel: Tensor) -> Tensor:  # noqa: ANN401 - a transformers encoder
    """Frames as the first layer takes them, ``[1, frames, dim]``, of one spectrogram."""
    frames = gelu(encoder.conv2(gelu(encoder.conv1(mel)))).transpose(1, 2)
    return frames + encoder.embed_positions.weight[: frames.shape[1]]


def through_layers(encoder: Any, frames: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: ANN401
    """All layers and the last norm over ``[batch, frames, dim]``."""
    for layer in encoder.layers:
        frames = layer(frames, mask)
    normed: Tensor = encoder.layer_norm(frames)
    return normed


def side_by_side(frames: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    """Frames of several utterances, padded, and which are there, ``[batch, 1, 1, frames]``.

    None where nothing is padded: attention without a mask is faster.
    """
    padded = pad_sequence(list(frames), batch_first=True)
    lengths = torch.tensor([len(row) for row in frames], device=padded.device)
    mask = torch.arange(padded.shape[1], device=padded.device) < lengths[:, None]
    return padded, None if mask.all() else mask[:, None, None]


class Transformer(nn.Module):
    """The layers of Whisper's encoder and its last norm, for frames of any number."""

    def __init__(self, encoder: Any) -> None:  # noqa: ANN401 - a transformers encoder
        super().__init__()
        self.layers, self.layer_norm = encoder.layers, encoder.layer_norm

    def forward(self, frames: Tensor, attention_mask: Tensor | None = None) -> Any:  # noqa: ANN401
        """All layers over ``[batch, frames, dim]``."""
        from transformers.modeling_outputs import BaseModelOutput

        return BaseModelOutput(last_hidden_state=through_layers(self, frames, attention_mask))


class Stack(nn.Module):
    """From one spectrogram ``[1, mels, frames]`` to all hidden layers."""

    def __init__(self, encoder: Any) -> None:  # noqa: ANN401 - a transformers encoder
        super().__init__()
        self.encoder = encoder
        self.layers = Layers(Transformer(encoder))

    def forward(self, mel: Tensor) -> Tensor:
        """Hidden layers of one recording, ``[1, layers, frames, dim]``."""
        layers: Tensor = self.layers(front(self.encoder, mel))
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
        encoder = self.stack.encoder
        frames = [front(encoder, mel.to(encoder.device))[0].to(self.dtype) for mel, _ in mels]
        padded, mask = side_by_side(frames)
        layers = self.stack.layers(padded, **({} if mask is None else {"attention_mask": mask}))
        return [row[:, :own] for row, (_, own) in zip(layers, mels, strict=True)]
