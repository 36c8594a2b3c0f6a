"""Whisper through transformers: the models of its hub, and those that users fine-tuned."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from encoders.asr.recognisers import HubWhisperSpec, check_language, recogniser_source
from encoders.asr.transcript import (
    NOTHING,
    SAMPLE_RATE_HZ,
    Segment,
    Transcript,
    heard_samples,
    normalise,
)
from encoders.audio.waveform import Audio, Samples
from encoders.weights.locate import locate

#: Whisper hears windows of 30 s.
WINDOW_S = 30.0
#: The token that tells how likely no one speaks, under both of its names.
NO_SPEECH = ("<|nospeech|>", "<|nocaptions|>")


class HubWhisperRecogniser:
    """Whisper with greedy search and without timestamps, one window of 30 s at a time.

    A window is one segment: with timestamps transformers gives no probabilities of tokens.
    """

    def __init__(self, spec: HubWhisperSpec, device: str = "cpu") -> None:
        from transformers import WhisperForConditionalGeneration, WhisperProcessor
        from transformers.utils import logging

        logging.disable_progress_bar()
        self.spec = spec
        folder = locate(recogniser_source(spec))
        try:
            self.processor: Any = WhisperProcessor.from_pretrained(folder)
            model: Any = WhisperForConditionalGeneration.from_pretrained(folder)
        # Each missing file fails in its own way; to a user they are one.
        except Exception as error:
            raise ValueError(f"{folder}: is no Whisper model of transformers ({error})") from error
        self.model = model.eval().to(device)
        languages = getattr(self.model.generation_config, "lang_to_id", None) or {}
        self.languages = {int(token): name.strip("<|>") for name, token in languages.items()}
        known = sorted(self.languages.values()) or ["en"]
        check_language(f"transformers-whisper {spec.checkpoint}", spec.language, known)

    def transcribe(self, audio: Audio) -> Transcript:
        """The transcript of one utterance; what is silent is not shown to the model."""
        samples = heard_samples(audio)
        heard = list(self._heard(samples, audio.duration_s))
        if not heard:
            return NOTHING
        segments, languages = zip(*heard, strict=True)
        lengths = [segment.end_s - segment.start_s for segment in segments]
        sure = [segment.avg_logprob or 0.0 for segment in segments]
        silent = [segment.no_speech_prob for segment in segments]
        return Transcript(
            segments,
            languages[0],
            float(np.average(sure, weights=lengths)),
            None if None in silent else float(np.average(silent, weights=lengths)),
        )

    def _heard(self, samples: Samples, duration_s: float) -> Iterator[tuple[Segment, str]]:
        """A segment per window in which something is said, and the language of each."""
        size = round(WINDOW_S * SAMPLE_RATE_HZ)
        for start in range(0, len(samples), size):
            start_s = start / SAMPLE_RATE_HZ
            features = self.processor(
                samples[start : start + size], sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt"
            ).input_features.to(self.model.device)
            with torch.inference_mode():
                language = self._language(features)
                output = self._generated(features, language)
                words = self.processor.decode(output.sequences[0], skip_special_tokens=True)
                if (text := normalise(words)) is None:
                    continue
                silent = self._no_speech(features)
            times = round(start_s, 3), round(min(start_s + WINDOW_S, duration_s), 3)
            yield Segment(*times, text, _mean_log_probability(output), silent), language

    def _generated(self, features: Tensor, language: str) -> Any:  # noqa: ANN401 - of transformers
        return self.model.generate(
            features,
            **({"language": language, "task": "transcribe"} if self.languages else {}),
            num_beams=1,
            do_sample=False,
            return_timestamps=False,
            condition_on_prev_tokens=False,
            return_dict_in_generate=True,
            output_scores=True,
        )

    def _language(self, features: Tensor) -> str:
        if self.spec.language is not None or not self.languages:
            return self.spec.language or "en"
        return self.languages[int(self.model.detect_language(features)[0])]

    def _no_speech(self, features: Tensor) -> float | None:
        """Probability of the token for no speech where the transcript would start."""
        ids = self.processor.tokenizer.convert_tokens_to_ids(list(NO_SPEECH))
        unknown = self.processor.tokenizer.unk_token_id
        known = [token for token in ids if token is not None and token != unknown]
        if not known:
            return None
        start = torch.tensor([[self.model.config.decoder_start_token_id]], device=features.device)
        logits = self.model(features, decoder_input_ids=start).logits[0, 0]
        return float(logits.softmax(dim=-1)[known[0]])


def _mean_log_probability(output: Any) -> float:  # noqa: ANN401 - an output of transformers
    """Mean over the tokens that were generated, the end among them, as openai-whisper has it."""
    said = output.sequences[0, -len(output.scores) :]
    rows = [scores[0].log_softmax(dim=-1) for scores in output.scores]
    return float(np.mean([float(row[token]) for row, token in zip(rows, said, strict=True)]))
