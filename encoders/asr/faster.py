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
        found, about = self._heard(samples)
        kept = [one for one in found if normalise(one.text)]
        if not kept:
            return NOTHING
        tokens = [max(1, len(one.tokens)) for one in kept]
        return Transcript(
            tuple(_segment(one, audio.duration_s) for one in kept),
            str(about.language),
            float(np.average([one.avg_logprob for one in kept], weights=tokens)),
            float(np.average([one.no_speech_prob for one in kept], weights=tokens)),
        )

    def words(self, audio: Audio) -> Transcript:
        """The same with a segment per word; nothing where times and text disagree."""
        samples = heard_samples(audio)
        if len(samples) == 0:
            return NOTHING
        found, about = self._heard(samples, word_timestamps=True)
        rows = list(found)
        words = [
            timed(one.word, one.start, one.end, one.probability, row.no_speech_prob)
            for row in rows
            for one in row.words or ()
        ]
        return spoken(words, " ".join(row.text for row in rows), str(about.language))

    def _heard(self, samples: Samples, **options: bool) -> tuple[Iterable[Any], Any]:
        """Segments of faster-whisper, computed as they are asked for, and what holds for all."""
        found, about = self.model.transcribe(
            samples,
            language=self.spec.language,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            **options,
        )
        return found, about


def _segment(one: Any, duration_s: float) -> Segment:  # noqa: ANN401 - a segment of faster-whisper
    # As openai-whisper, it may hear a word end in the padding.
    start_s, end_s = (round(min(float(time), duration_s), 3) for time in (one.start, one.end))
    text = normalise(one.text) or ""
    return Segment(start_s, end_s, text, float(one.avg_logprob), float(one.no_speech_prob))
