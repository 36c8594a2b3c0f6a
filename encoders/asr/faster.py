"""Whisper through faster-whisper: the same models with 8 bits, several times as fast on a CPU."""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import numpy as np

from encoders.asr.recognisers import FasterWhisperSpec, check_language, recogniser_source
from encoders.asr.transcript import NOTHING, Segment, Transcript, heard_samples, normalise
from encoders.asr.window_packing import spoken, timed
from encoders.audio.waveform import Audio, Samples
from encoders.weights.locate import locate
from encoders.weights.sources import MissingWeightsError


class FasterWhisperRecogniser:
    """faster-whisper with greedy search, temperature 0, and no memory of what was heard before."""

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

    def transcribe(self, audio: Audio) -> Transcript:
        """The transcript of one utterance; what is silent is not shown to the model."""
        samples = heard_samples(audio)
        if len(samples) == 0:
            return NOTHING
        segments, about = self._heard(samples)
        kept = [segment for segment in segments if normalise(segment.text)]
        if not kept:
            return NOTHING
        tokens = [max(1, len(segment.tokens)) for segment in kept]
        return Transcript(
            tuple(_segment(segment, audio.duration_s) for segment in kept),
            str(about.language),
            float(np.average([segment.avg_logprob for segment in kept], weights=tokens)),
            float(np.average([segment.no_speech_prob for segment in kept], weights=tokens)),
        )

    def words(self, audio: Audio) -> Transcript:
        """The same with a segment per word; nothing where times and text disagree."""
        samples = heard_samples(audio)
        if len(samples) == 0:
            return NOTHING
        segments, about = self._heard(samples, word_timestamps=True)
        rows = list(segments)
        words = [
            timed(word.word, word.start, word.end, word.probability, row.no_speech_prob)
            for row in rows
            for word in row.words or ()
        ]
        return spoken(words, " ".join(row.text for row in rows), str(about.language))

    def _heard(self, samples: Samples, **options: bool) -> tuple[Iterable[Any], Any]:
        """Segments of faster-whisper, computed as they are asked for, and what holds for all."""
        segments, about = self.model.transcribe(
            samples,
            language=self.spec.language,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            **options,
        )
        return segments, about


def _segment(segment: Any, duration_s: float) -> Segment:  # noqa: ANN401 - a segment of faster-whisper
    # As openai-whisper, it may hear a word end in the padding.
    start_s, end_s = (
        round(min(float(time), duration_s), 3) for time in (segment.start, segment.end)
    )
    text = normalise(segment.text) or ""
    return Segment(start_s, end_s, text, float(segment.avg_logprob), float(segment.no_speech_prob))
