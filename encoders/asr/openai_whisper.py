"""Whisper through the package of its authors: greedy search, temperature 0, float32."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from encoders.asr.recognisers import WhisperSpec, check_language
from encoders.asr.transcript import NOTHING, Segment, Transcript, heard_samples, normalise
from encoders.asr.window_packing import spoken, timed
from encoders.audio.waveform import Audio, Samples
from encoders.weights.locate import locate
from encoders.weights.sources import whisper_source


class WhisperRecogniser:
    """openai-whisper; what is longer than 30 s it cuts into windows itself."""

    def __init__(self, spec: WhisperSpec, device: str = "cpu") -> None:
        from whisper.tokenizer import LANGUAGES

        self.spec = spec
        self.model = _load_whisper(spec.checkpoint, device)
        self.model.encoder = _Remembering(self.model.encoder)
        languages = list(LANGUAGES)[: self.model.num_languages]
        known = languages if self.model.is_multilingual else ["en"]
        check_language(f"whisper {spec.checkpoint}", spec.language, known)

    def transcribe(self, audio: Audio) -> Transcript:
        """The transcript of one utterance; what is silent is not shown to the model."""
        samples = heard_samples(audio)
        if len(samples) == 0:
            return NOTHING
        return _whisper_transcript(self._heard(samples), audio.duration_s)

    def words(self, audio: Audio) -> Transcript:
        """The same with a segment per word; nothing where times and text disagree."""
        samples = heard_samples(audio)
        if len(samples) == 0:
            return NOTHING
        _start_numba()
        return _whisper_words(self._heard(samples, word_timestamps=True))

    def _heard(self, samples: Samples, word_timestamps: bool = False) -> Mapping[str, Any]:
        with warnings.catch_warnings():
            # Our caller chose the device.
            warnings.filterwarnings("ignore", message="Performing inference on CPU")
            result: Mapping[str, Any] = self.model.transcribe(
                samples,
                language=self.spec.language,
                temperature=0.0,
                condition_on_previous_text=False,
                word_timestamps=word_timestamps,
                fp16=False,
                verbose=None,
            )
        return result


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


def _load_whisper(checkpoint: str, device: str) -> Any:  # noqa: ANN401 - a model of whisper's
    import whisper

    path = locate(whisper_source(checkpoint))
    try:
        # By path, because by name whisper would download again what it does not recognise.
        return whisper.load_model(str(path), device=device).eval()
    # Pickles, archives and missing entries each fail in their own way; to a user they are one.
    except Exception as error:
        raise ValueError(f"{path}: is no checkpoint of openai-whisper ({error})") from error


def _whisper_transcript(result: Mapping[str, Any], duration_s: float) -> Transcript:
    kept = [row for row in result["segments"] if normalise(row["text"])]
    if not kept:
        return NOTHING
    segments = tuple(_whisper_segment(row, duration_s) for row in kept)
    tokens = [len(row["tokens"]) for row in kept]
    return Transcript(
        segments,
        str(result["language"]),
        float(np.average([row["avg_logprob"] for row in kept], weights=tokens)),
        float(np.average([row["no_speech_prob"] for row in kept], weights=tokens)),
    )


def _whisper_segment(row: Mapping[str, Any], duration_s: float) -> Segment:
    # Whisper pads to 30 s and may hear a word end in the padding.
    start_s, end_s = (round(min(float(row[name]), duration_s), 3) for name in ("start", "end"))
    text = normalise(row["text"]) or ""
    return Segment(start_s, end_s, text, float(row["avg_logprob"]), float(row["no_speech_prob"]))


def _whisper_words(result: Mapping[str, Any]) -> Transcript:
    rows = result["segments"]
    words = [
        timed(word["word"], word["start"], word["end"], word["probability"], row["no_speech_prob"])
        for row in rows
        for word in row["words"]
    ]
    return spoken(words, " ".join(row["text"] for row in rows), str(result["language"]))


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
