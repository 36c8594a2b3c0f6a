"""Whisper through its authors' package or faster-whisper: what is said, and when each word is.

Both search greedily at temperature 0, with no memory of what was heard before. openai-whisper
computes with float32, faster-whisper the same models with 8 bits, several times as fast on a CPU.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from encoders.asr.recognisers import (
    FasterWhisperSpec,
    WhisperSpec,
    check_language,
    recogniser_source,
)
from encoders.asr.transcript import NOTHING, Segment, Transcript, heard_samples, normalise
from encoders.asr.window_packing import spoken, timed
from encoders.audio.waveform import Audio, Samples
from encoders.weights.locate import locate
from encoders.weights.sources import MissingWeightsError


class TimedWhisper(ABC):
    """A Whisper that cuts what is longer than 30 s into windows itself."""

    @abstractmethod
    def _heard(self, samples: Samples, **options: bool) -> tuple[Iterable[Any], str]:
        """Segments with the fields that faster-whisper gives them, and the language of all."""

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

    def __init__(self, spec: FasterWhisperSpec, device: str = "cpu") -> None:
        if find_spec("faster_whisper") is None:
            raise MissingWeightsError(
                "faster-whisper is not installed: pip install 'serfusion[fast]', or take "
                "--asr whisper-base"
            )
        from faster_whisper import WhisperModel

        self.spec = spec
        folder = locate(recogniser_source(spec))
        kind, _, number = device.partition(":")
        try:
            self.model = WhisperModel(
                str(folder),
                device=kind,
                device_index=int(number or 0),
                compute_type=spec.compute,
            )
        # CTranslate2 and the tokenizer fail in ways of their own; to a user they are one.
        except Exception as error:
            raise ValueError(f"{folder}: is no model of faster-whisper ({error})") from error
        known = self.model.supported_languages if self.model.model.is_multilingual else ["en"]
        check_language(f"faster-whisper {spec.checkpoint}", spec.language, known)

    def _heard(self, samples: Samples, **options: bool) -> tuple[Iterable[Any], str]:
        segments, about = self.model.transcribe(
            samples,
            language=self.spec.language,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            **options,
        )
        return segments, str(about.language)


# ---------------------------------------------------------------- openai-whisper


class WhisperRecogniser(TimedWhisper):
    """openai-whisper."""

    def __init__(self, spec: WhisperSpec, device: str = "cpu") -> None:
        import whisper
        from whisper.tokenizer import LANGUAGES

        self.spec = spec
        path = locate(recogniser_source(spec))
        try:
            # By path, because by name whisper would download again what it does not recognise.
            self.model = whisper.load_model(str(path), device=device).eval()
        # Pickles, archives and missing entries each fail in their own way; to a user they are one.
        except Exception as error:
            raise ValueError(f"{path}: is no checkpoint of openai-whisper ({error})") from error
        self.model.encoder = _Remembering(self.model.encoder)
        languages = list(LANGUAGES)[: self.model.num_languages]
        known = languages if self.model.is_multilingual else ["en"]
        check_language(f"whisper {spec.checkpoint}", spec.language, known)

    def _heard(self, samples: Samples, **options: bool) -> tuple[Iterable[Any], str]:
        if options:
            _start_numba()
        with warnings.catch_warnings():
            # Our caller chose the device.
            warnings.filterwarnings("ignore", message="Performing inference on CPU")
            result = self.model.transcribe(
                samples,
                language=self.spec.language,
                temperature=0.0,
                condition_on_previous_text=False,
                fp16=False,
                verbose=None,
                **options,
            )
        segments = [SimpleNamespace(**row) for row in result["segments"]]
        for segment in segments:
            segment.words = [SimpleNamespace(**word) for word in getattr(segment, "words", ())]
        return segments, str(result["language"])


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
