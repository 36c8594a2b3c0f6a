"""The encoder half of Whisper as a frozen speech encoder.

Whisper takes 30 s of log-mel frames, shorter recordings followed by silence; only the frames of the
recording itself are kept (one per 20 ms). Every window has the same length, so a batch needs no
mask and changes nothing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from encoders.audio.waveform import Audio, AudioError, resample
from encoders.packing import in_batches
from encoders.pooling import Raw
from encoders.pretrained.wav2vec2 import DTYPES, SAMPLE_RATE_HZ, Layers
from encoders.specs import SpeechSpec

#: Samples of one frame after the two convolutions, the second of stride two.
SAMPLES_PER_FRAME = 320
#: Windows of 30 s in one pass.
BATCH_WINDOWS = 4.0


class WhisperEncoder(nn.Module):
    """All hidden layers of Whisper's encoder, ``[layers, frames, dim]`` per utterance."""

    frame_s = SAMPLES_PER_FRAME / SAMPLE_RATE_HZ

    def __init__(self, model: Any, extractor: Any, spec: SpeechSpec) -> None:  # noqa: ANN401
        super().__init__()
        check_heard(spec, extractor)
        self.model = model.get_encoder().to(DTYPES[spec.precision])
        self.extractor = extractor
        self.layers = Layers(self.model)

    def stop_at(self, layer: int) -> None:
        """Run no layer above this one."""
        self.layers.stop_at(layer)

    def forward(self, inputs: Sequence[Audio]) -> list[Raw]:
        """Hidden layers of every recording."""
        waves = [resample(audio, SAMPLE_RATE_HZ).samples for audio in inputs]
        if min(map(len, waves), default=1) == 0:
            raise AudioError("a segment holds no sample at 16 kHz")
        return in_batches(waves, lambda _: 1.0, BATCH_WINDOWS, self._batch)

    def _batch(self, waves: list[Any]) -> list[Raw]:
        mel = self.extractor(waves, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
        features = mel["input_features"].to(self.model.device, self.model.dtype)
        layers = self.layers(features)
        return [
            row[:, : own_frames(len(wave), layers.shape[2])]
            for row, wave in zip(layers, waves, strict=True)
        ]


def check_heard(spec: SpeechSpec, extractor: Any) -> None:  # noqa: ANN401
    """Compare a spec with what Whisper's encoder can be given.

    Raises:
        ValueError: another back end or longer windows are asked for.
    """
    if spec.backend != "torch":
        raise ValueError(f"{spec.checkpoint}: Whisper's encoder runs with backend=torch only")
    if spec.window_s > extractor.chunk_length:
        raise ValueError(
            f"{spec.checkpoint}: window_s={spec.window_s:g}, but Whisper's encoder takes at "
            f"most {extractor.chunk_length} s"
        )


def own_frames(samples: int, most: int) -> int:
    """Frames of a window that are its recording's own, not the silence behind it."""
    return min(most, -(-samples // SAMPLES_PER_FRAME))


def feature_extractor(config: Any, folder: Path | None) -> Any:  # noqa: ANN401
    """The checkpoint's own, or one of the shape that its architecture asks for."""
    from transformers import WhisperFeatureExtractor

    if folder is not None and (folder / "preprocessor_config.json").is_file():
        return WhisperFeatureExtractor.from_pretrained(folder)
    seconds = config.max_source_positions * SAMPLES_PER_FRAME // SAMPLE_RATE_HZ
    return WhisperFeatureExtractor(feature_size=config.num_mel_bins, chunk_length=seconds)
