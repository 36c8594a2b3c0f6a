"""wav2vec2 and its relatives, and Whisper's encoder, in training, exact whatever the batch.

The convolutional front end is frozen, as published fine-tuning of these models freezes it (Baevski
et al. 2020, section 4.3), and runs on each recording alone; so does the positional convolution.
transformers' Trainer pads what it batches before both, which changes the frames of every model
with a group norm (:mod:`encoders.pretrained.speech`): hence steps of our own.
"""

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import Wav2Vec2FeatureExtractor

from encoders.audio.waveform import Audio, Samples, resample
from encoders.finetuning.augmentation import WaveformChanges
from encoders.finetuning.labelled_audio import Waveforms, counts_targets_keys, heard
from encoders.finetuning.settings import FinetuneError, Pooling, Settings
from encoders.finetuning.training import TrainableEncoder
from encoders.packing import in_batches
from encoders.pretrained.projection import FILE, write_projection
from encoders.pretrained.speech import normalises, trained_model, untrained_model
from encoders.pretrained.wav2vec2 import (
    BATCH_SECONDS,
    SAMPLE_RATE_HZ,
    PerUtterance,
    features_of,
    frame_s,
    project,
    waveform,
)
from encoders.pretrained.whisper_encoder import (
    BATCH_WINDOWS,
    SAMPLES_PER_FRAME,
    check_heard,
    feature_extractor,
    own_frames,
)
from encoders.provenance import claim_record
from encoders.specs import SpeechSpec
from encoders.utterance import Utterance
from encoders.weights.files import weight_files
from encoders.weights.locate import locate
from encoders.weights.sources import checkpoint_source
from encoders.windows import cut

#: Samples of one window; each is as long as it is.
Wave = Float32[Tensor, "_"]


def start(spec: SpeechSpec, settings: Settings) -> "SpeechPupil":
    """The transformer that training starts from; random weights are drawn from torch's own state.

    Raises:
        MissingWeightsError: its weights are not to be had.
        FinetuneError: it is of a type that is not trained here, or hears shorter windows.
    """
    source = checkpoint_source(spec.checkpoint, spec.revision)
    folder = None if spec.untrained else locate(source)
    model = untrained_model(spec) if folder is None else trained_model(folder)
    if model.config.model_type == "whisper":
        return WhisperPupil(model, feature_extractor(model.config, folder), spec, settings)
    if not hasattr(model, "feature_projection"):
        raise FinetuneError(
            f"{spec.checkpoint}: is a {model.config.model_type} model, which cannot be trained "
            "here; expected wav2vec2, HuBERT, WavLM, data2vec-audio or Whisper"
        )
    return Wav2Vec2Pupil(model, spec, settings, normalise=folder is None or normalises(folder))


class SpeechPupil(TrainableEncoder):
    """A transformer, a linear map of its last frames, and their mean, sum or maximum.

    ``frame_s`` is the distance of two frames in seconds.
    """

    frame_s: float

    def __init__(self, model: Any, spec: SpeechSpec, settings: Settings) -> None:  # noqa: ANN401
        super().__init__()
        assert settings.pooling is not None, "check_fit asks for one"
        self.network = model
        self.spec = spec
        self.pooling: Pooling = settings.pooling
        width = int(model.config.hidden_size)
        self.dim = settings.projection_dim or width
        self.projection: nn.Module = nn.Identity()
        if settings.projection_dim is not None:
            self.projection = nn.Linear(width, self.dim)

    @abstractmethod
    def window(self, audio: Audio) -> Wave:
        """Samples at 16 kHz as the network takes them.

        Raises:
            AudioError: they are fewer than one frame needs.
        """

    @abstractmethod
    def frames(self, inputs: list[Wave]) -> list[Float[Tensor, "_ dim"]]:
        """Projected frames of every window, its own alone."""

    @abstractmethod
    def save_network(self, folder: Path, dtype: torch.dtype) -> None:
        """Write what transformers itself would write."""

    def prepare(
        self, utterances: Sequence[Utterance], changes: WaveformChanges, random: np.random.Generator
    ) -> Waveforms:
        """Windows of waveforms, of utterances and of changed copies of them.

        Raises:
            AudioError: a recording cannot be read, or is shorter than a frame.
        """
        examples = list(heard(utterances, SAMPLE_RATE_HZ, changes, random, self._windows))
        waves = [wave for example in examples for wave in example.windows]
        return Waveforms(*counts_targets_keys(examples), waves)

    def forward(self, inputs: list[Wave]) -> Float[Tensor, "windows dim"]:
        """Pooled frames of every window, each over its own."""
        return torch.stack([pooled(row, self.pooling) for row in self.frames(inputs)])

    def _windows(self, samples: Samples) -> list[Wave]:
        audio = Audio(samples, SAMPLE_RATE_HZ)
        windows = cut(audio, self.spec.window_s, self.spec.overlap_s, self.frame_s)
        return [
            self.window(window.content) for window in windows if isinstance(window.content, Audio)
        ]

    def save(self, folder: Path, dtype: torch.dtype) -> None:
        """Write what transformers itself would write, and the projection beside it."""
        self.save_network(folder, dtype)
        # One that was left by another training would be taken for this one's.
        (folder / FILE).unlink(missing_ok=True)
        if isinstance(self.projection, nn.Linear):
            write_projection(self.projection, folder, dtype)

    def saved_spec(self, folder: str) -> SpeechSpec:
        """The same windows with the weights of a folder; projected frames are one layer."""
        layers = self.spec.layers if isinstance(self.projection, nn.Identity) else None
        return replace(self.spec, checkpoint=folder, revision=None, untrained=False, layers=layers)


class Wav2Vec2Pupil(SpeechPupil):
    """wav2vec2, HuBERT, WavLM or data2vec-audio, its front end frozen."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - a transformers model
        spec: SpeechSpec,
        settings: Settings,
        *,
        normalise: bool,
    ) -> None:
        super().__init__(model, spec, settings)
        self.normalise = normalise
        self.frame_s = frame_s(model.config)
        model.feature_extractor.requires_grad_(False)
        self.positions = PerUtterance(model.encoder.pos_conv_embed)
        model.encoder.pos_conv_embed = self.positions

    def window(self, audio: Audio) -> Wave:
        """Samples of zero mean and unit variance where the checkpoint takes them so."""
        return waveform(audio, self.network.config, self.normalise)

    def frames(self, inputs: list[Wave]) -> list[Float[Tensor, "_ dim"]]:
        """Frames of windows that are batched behind the convolutions."""
        with warnings.catch_warnings():
            # WavLM hands torch a bool mask beside a float one; the result is right.
            warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
            return in_batches(
                inputs, lambda wave: len(wave) / SAMPLE_RATE_HZ, BATCH_SECONDS, self._batch
            )

    def _batch(self, waves: list[Wave]) -> list[Float[Tensor, "_ dim"]]:
        features = [self._front(wave.to(self.device)) for wave in waves]
        lengths = [len(frames) for frames in features]
        mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
        self.positions.lengths = lengths
        hidden = self.network.encoder(
            pad_sequence(features, batch_first=True), attention_mask=mask.to(self.device)
        ).last_hidden_state
        return [self.projection(row[:length]) for row, length in zip(hidden, lengths, strict=True)]

    def _front(self, wave: Wave) -> Float[Tensor, "frames wide"]:
        # Frozen, so without gradients; in float32, as the frozen encoder computes it.
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            features = features_of(self.network, wave)
        return project(self.network, features)[0]

    def save_network(self, folder: Path, dtype: torch.dtype) -> None:
        """Write the model, its positional convolution in its own place, and what it takes."""
        self.network.encoder.pos_conv_embed = self.positions.convolution
        try:
            save_model(self.network, folder, dtype)
        finally:
            self.network.encoder.pos_conv_embed = self.positions
        extractor = Wav2Vec2FeatureExtractor(do_normalize=self.normalise)
        extractor.save_pretrained(folder)


class WhisperPupil(SpeechPupil):
    """Whisper's encoder on windows of 30 s, the rest of them silence, its convolutions frozen.

    As the frozen encoder hears them: every window has the same length, so that a batch changes
    nothing, and only a recording's own frames are pooled. The decoder is kept with the weights, for
    transformers to read them, and not trained.
    """

    frame_s = SAMPLES_PER_FRAME / SAMPLE_RATE_HZ

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - a transformers model
        extractor: Any,  # noqa: ANN401 - a transformers feature extractor
        spec: SpeechSpec,
        settings: Settings,
    ) -> None:
        try:
            check_heard(spec, extractor)
        except ValueError as error:
            raise FinetuneError(str(error)) from error
        super().__init__(model, spec, settings)
        self.extractor = extractor
        model.requires_grad_(False)
        for part in (model.encoder.layers, model.encoder.layer_norm):
            part.requires_grad_(True)

    def window(self, audio: Audio) -> Wave:
        """Samples as they are."""
        return torch.from_numpy(resample(audio, SAMPLE_RATE_HZ).samples)

    def frames(self, inputs: list[Wave]) -> list[Float[Tensor, "_ dim"]]:
        """Frames of windows, of four at a time."""
        return in_batches(inputs, lambda _: 1.0, BATCH_WINDOWS, self._batch)

    def _batch(self, waves: list[Wave]) -> list[Float[Tensor, "_ dim"]]:
        samples = [wave.numpy() for wave in waves]
        # Spectra are computed by torch, too, and are float32 whatever the network's precision.
        with torch.autocast("cpu", enabled=False):
            mel = self.extractor(samples, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
        hidden = self.network.encoder(mel["input_features"].to(self.device)).last_hidden_state
        return [
            self.projection(row[: own_frames(len(wave), len(row))])
            for row, wave in zip(hidden, waves, strict=True)
        ]

    def save_network(self, folder: Path, dtype: torch.dtype) -> None:
        """Write the model, and what makes its frames."""
        save_model(self.network, folder, dtype)
        self.extractor.save_pretrained(folder)


def pooled(frames: Float[Tensor, "frames dim"], pooling: Pooling) -> Float[Tensor, "dim"]:
    """One vector of all frames."""
    if pooling == "max":
        return frames.amax(dim=0)
    if pooling == "cls":
        return frames[0]
    return frames.mean(dim=0) if pooling == "mean" else frames.sum(dim=0)


def save_model(model: Any, folder: Path, dtype: torch.dtype) -> None:  # noqa: ANN401
    """Write a transformers model whose file says that its record must lie beside it."""
    state = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    model.save_pretrained(folder, state_dict=state)
    for path in weight_files(folder):
        claim_record(path)
