"""Whisper through its authors' package or faster-whisper: what is said, and when each word is.

Both follow several hypotheses at temperature 0, with no memory of what was heard before.
openai-whisper computes with float32, faster-whisper the same models with 8 bits, several times as
fast on a CPU. What fits into a window is decoded without times: a model that need not write them
makes fewer words up.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from encoders.asr.recognisers import RecogniserSpec, check_language, check_task, recogniser_source
from encoders.asr.transcript import (
    NOTHING,
    SAMPLE_RATE_HZ,
    WINDOW_S,
    Segment,
    Transcript,
    heard_samples,
    normalise,
)
from encoders.asr.window_packing import spoken, timed
from encoders.audio.waveform import Audio, Samples
from encoders.weights.locate import locate
from encoders.weights.sources import MissingWeightsError
from encoders.weights.whisper import (
    WhisperLayoutError,
    WhisperWeights,
    from_openai,
    is_ctranslate2,
    read_whisper,
)

#: Of openai-whisper's ``transcribe``: what fails its checks is decoded again at the next one.
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


class TimedWhisper(ABC):
    """A Whisper that cuts what is longer than 30 s into windows itself."""

    spec: RecogniserSpec

    @abstractmethod
    def _heard(self, samples: Samples, **options: bool) -> tuple[Iterable[Any], str]:
        """Segments with the fields that faster-whisper gives them, and the language of all."""

    def _decoding(self, samples: Samples) -> dict[str, Any]:
        """How to decode, in words that both packages know."""
        return {
            "language": self.spec.language,
            "task": self.spec.task,
            "beam_size": self.spec.beam,
            "temperature": TEMPERATURES if self.spec.fallback else 0.0,
            "condition_on_previous_text": False,
            # Behind the first window times say where the next one starts.
            "without_timestamps": len(samples) <= round(WINDOW_S * SAMPLE_RATE_HZ),
        }

    def transcribe(self, audio: Audio) -> Transcript:
        """The transcript of one utterance; what is silent is not shown to the model."""
        samples = heard_samples(audio)
        if len(samples) == 0:
            return NOTHING
        segments, language = self._heard(samples)
        kept = [segment for segment in segments if normalise(segment.text)]
        if not kept:
            return NOTHING
        tokens = [max(1, len(segment.tokens)) for segment in kept]
        return Transcript(
            tuple(_placed(segment, audio.duration_s) for segment in kept),
            language,
            float(np.average([segment.avg_logprob for segment in kept], weights=tokens)),
            float(np.average([segment.no_speech_prob for segment in kept], weights=tokens)),
        )

    def words(self, audio: Audio) -> Transcript:
        """The same with a segment per word; nothing where times and text disagree."""
        samples = heard_samples(audio)
        if len(samples) == 0:
            return NOTHING
        heard, language = self._heard(samples, word_timestamps=True)
        segments = list(heard)
        words = [
            timed(word.word, word.start, word.end, word.probability, segment.no_speech_prob)
            for segment in segments
            for word in segment.words or ()
        ]
        return spoken(words, " ".join(segment.text for segment in segments), language)


def _placed(segment: Any, duration_s: float) -> Segment:  # noqa: ANN401 - as faster-whisper has it
    # Whisper pads to 30 s and may hear a word end in the padding.
    start_s, end_s = (
        round(min(float(time), duration_s), 3) for time in (segment.start, segment.end)
    )
    text = normalise(segment.text) or ""
    return Segment(start_s, end_s, text, float(segment.avg_logprob), float(segment.no_speech_prob))


# ---------------------------------------------------------------- faster-whisper


class FasterWhisperRecogniser(TimedWhisper):
    """faster-whisper; segments are computed as they are asked for."""

    def __init__(self, spec: RecogniserSpec, device: str = "cpu") -> None:
        if find_spec("faster_whisper") is None:
            raise MissingWeightsError(
                "faster-whisper is not installed: pip install 'serfusion[fast]', or put "
                "@engine=openai behind the recogniser's name"
            )
        from faster_whisper import WhisperModel

        self.spec = spec
        folder = locate(recogniser_source(spec))
        if not is_ctranslate2(folder):
            raise ValueError(
                f"{folder}: engine=faster reads folders of CTranslate2 (model.bin), and this is "
                "none: leave the engine out, or convert it with ct2-transformers-converter"
            )
        kind, _, number = device.partition(":")
        try:
            self.model = WhisperModel(
                str(folder),
                device=kind,
                device_index=int(number or 0),
                compute_type=spec.compute or "int8",
            )
        # CTranslate2 and the tokenizer fail in ways of their own; to a user they are one.
        except Exception as error:
            raise ValueError(f"{folder}: is no model of faster-whisper ({error})") from error
        multilingual = self.model.model.is_multilingual
        known = self.model.supported_languages if multilingual else ["en"]
        check_language(spec.checkpoint, spec.language, known)
        check_task(spec, multilingual)

    def _heard(self, samples: Samples, **options: bool) -> tuple[Iterable[Any], str]:
        segments, about = self.model.transcribe(samples, **self._decoding(samples), **options)
        return segments, str(about.language)


# ---------------------------------------------------------------- openai-whisper


class OpenAIRecogniser(TimedWhisper):
    """openai-whisper, with weights of any layout."""

    def __init__(self, spec: RecogniserSpec, device: str = "cpu") -> None:
        from whisper.tokenizer import LANGUAGES

        self.spec = spec
        path = locate(recogniser_source(spec))
        self.model = openai_model(read_whisper(path), spec.checkpoint, path).to(device).eval()
        self.model.encoder = _Remembering(self.model.encoder)
        languages = list(LANGUAGES)[: self.model.num_languages]
        known = languages if self.model.is_multilingual else ["en"]
        check_language(spec.checkpoint, spec.language, known)
        check_task(spec, self.model.is_multilingual)

    def _heard(self, samples: Samples, **options: bool) -> tuple[Iterable[Any], str]:
        if options:
            _start_numba()
        with warnings.catch_warnings():
            # Our caller chose the device.
            warnings.filterwarnings("ignore", message="Performing inference on CPU")
            # Its ranking of hypotheses sorts tensors by numpy.
            warnings.filterwarnings("ignore", message="__array_wrap__", category=DeprecationWarning)
            result = self.model.transcribe(
                samples, fp16=False, verbose=None, **self._decoding(samples), **options
            )
        segments = [SimpleNamespace(**row) for row in result["segments"]]
        for segment in segments:
            segment.words = [SimpleNamespace(**word) for word in getattr(segment, "words", ())]
        return segments, str(result["language"])


def openai_model(weights: WhisperWeights, name: str, path: Path) -> Any:  # noqa: ANN401 - untyped
    """A ``Whisper`` of openai-whisper with these tensors.

    Times of words are aligned with the heads that its authors chose for its published models, and
    with all heads of the upper half of the layers in others.

    Raises:
        WhisperLayoutError: a tensor is missing, or has another shape.
    """
    from whisper import _ALIGNMENT_HEADS
    from whisper.model import ModelDimensions, Whisper

    try:
        model = Whisper(ModelDimensions(**_dimensions(weights)))
        state = {
            key: torch.from_numpy(weights.tensors[from_openai(key)]) for key in model.state_dict()
        }
        model.load_state_dict(state)
    except (KeyError, RuntimeError) as error:
        raise WhisperLayoutError(f"{path}: is no whole model of Whisper ({error})") from error
    if name in _ALIGNMENT_HEADS:
        model.set_alignment_heads(_ALIGNMENT_HEADS[name])
    return model


def _dimensions(weights: WhisperWeights) -> dict[str, int]:
    shapes = weights.config()
    return {
        "n_mels": shapes["num_mel_bins"],
        "n_audio_ctx": shapes["max_source_positions"],
        "n_audio_state": shapes["d_model"],
        "n_audio_head": weights.heads,
        "n_audio_layer": shapes["encoder_layers"],
        "n_vocab": shapes["vocab_size"],
        "n_text_ctx": shapes["max_target_positions"],
        "n_text_state": shapes["d_model"],
        "n_text_head": weights.heads,
        "n_text_layer": shapes["decoder_layers"],
    }


def _start_numba() -> None:
    """Start the threads that times of words are aligned with, and keep the number of torch's.

    Numba sets OpenMP's number of threads to that of the processor's when it starts, and torch
    computes with the same OpenMP: left to the first alignment, all that a process computes after
    it would be other in its last digits, and on threads that nobody asked for.
    """
    import numba

    threads = torch.get_num_threads()
    numba.get_num_threads()  # Starts them where they are not running yet.
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


class _Remembering(torch.nn.Module):
    """Whisper's encoder with its last answer: times of words ask for the same window again."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self._last: tuple[Tensor, Tensor] | None = None

    def forward(self, mel: Tensor) -> Tensor:
        if self._last is None or not torch.equal(mel, self._last[0]):
            self._last = mel, self.encoder(mel)
        return self._last[1]
