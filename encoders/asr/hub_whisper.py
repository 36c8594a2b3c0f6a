"""Whisper through transformers: the models of its hub, and those that users fine-tuned."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
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
from encoders.audio.waveform import Audio, Samples
from encoders.weights.locate import locate
from encoders.weights.whisper import (
    WhisperLayoutError,
    WhisperWeights,
    is_ctranslate2,
    read_whisper,
)

#: The token that tells how likely no one speaks, under both of its names.
NO_SPEECH = ("<|nospeech|>", "<|nocaptions|>")
#: Tokens of a model of many languages, at least.
MULTILINGUAL_WORDS = 51865


@dataclass(frozen=True, slots=True)
class HubModel:
    """A Whisper of transformers with what goes before and after it."""

    model: Any
    extractor: Any
    decode: Callable[[Tensor], str]
    no_speech: int | None


def _from_folder(folder: Path) -> HubModel:
    """What lies in a folder of transformers, which says itself how it is to generate."""
    from transformers import WhisperForConditionalGeneration, WhisperProcessor

    try:
        processor: Any = WhisperProcessor.from_pretrained(folder)
        model: Any = WhisperForConditionalGeneration.from_pretrained(folder)
    # Each missing file fails in its own way; to a user they are one.
    except Exception as error:
        raise ValueError(f"{folder}: is no Whisper model of transformers ({error})") from error
    tokenizer = processor.tokenizer
    _complete(model, tokenizer)
    ids = tokenizer.convert_tokens_to_ids(list(NO_SPEECH))
    known = [token for token in ids if token is not None and token != tokenizer.unk_token_id]
    decode = partial(processor.decode, skip_special_tokens=True)
    return HubModel(model, processor.feature_extractor, decode, known[0] if known else None)


def _complete(model: Any, tokenizer: Any) -> None:  # noqa: ANN401 - of transformers
    """Tokens that tell a model language and task, which old folders do not name.

    Without them it would start in the middle of nothing, and could not be asked for a language.
    """
    from whisper.tokenizer import LANGUAGES

    def known(names: Iterable[str]) -> dict[str, int]:
        ids = {name: tokenizer.convert_tokens_to_ids(name) for name in names}
        return {name: k for name, k in ids.items() if k not in (None, tokenizer.unk_token_id)}

    generation = model.generation_config
    if getattr(generation, "no_timestamps_token_id", None) is None:
        (generation.no_timestamps_token_id,) = known(["<|notimestamps|>"]).values() or (None,)
    if getattr(generation, "is_multilingual", None) is None:
        generation.is_multilingual = model.config.vocab_size >= MULTILINGUAL_WORDS
    if not generation.is_multilingual:
        return
    if not getattr(generation, "lang_to_id", None):
        generation.lang_to_id = known(f"<|{code}|>" for code in LANGUAGES)
    if not getattr(generation, "task_to_id", None):
        tasks = known(["<|transcribe|>", "<|translate|>"])
        generation.task_to_id = {name.strip("<|>"): k for name, k in tasks.items()}
    # What they held instead; transformers takes one of both.
    generation.forced_decoder_ids = None


def _from_tensors(path: Path) -> HubModel:
    """The same of tensors in another layout, with the tokens of openai-whisper.

    Raises:
        WhisperLayoutError: there are no tensors of Whisper, or not all.
    """
    weights = read_whisper(path)
    try:
        return _of_tensors(weights)
    except (KeyError, RuntimeError) as error:
        raise WhisperLayoutError(f"{path}: is no whole model of Whisper ({error})") from error


def _of_tensors(weights: WhisperWeights) -> HubModel:
    from transformers import WhisperConfig, WhisperForConditionalGeneration
    from whisper.tokenizer import get_tokenizer

    sizes = weights.config()
    words = sizes["vocab_size"]
    multilingual = words >= MULTILINGUAL_WORDS
    # As openai-whisper counts them (``Whisper.num_languages``).
    tokenizer = get_tokenizer(multilingual, num_languages=words - 51765 - multilingual)
    ids = {"decoder_start_token_id": tokenizer.sot, "eos_token_id": tokenizer.eot}
    ids |= dict.fromkeys(("pad_token_id", "bos_token_id"), tokenizer.eot)
    config = WhisperConfig(**sizes, **ids)
    model: Any = WhisperForConditionalGeneration(config)
    tensors = {name: torch.from_numpy(tensor) for name, tensor in weights.tensors.items()}
    model.model.load_state_dict(tensors)
    model.tie_weights()
    model.generation_config = _generation(tokenizer, ids, multilingual)
    model.generation_config.max_length = sizes["max_target_positions"]

    def decode(tokens: Tensor) -> str:
        return str(tokenizer.decode([token for token in tokens.tolist() if token < tokenizer.eot]))

    return HubModel(model, feature_extractor(model), decode, tokenizer.no_speech)


def feature_extractor(model: Any) -> Any:  # noqa: ANN401 - of transformers
    """Whisper's own spectrogram of 30 s, with the bands of a model."""
    from transformers import WhisperFeatureExtractor

    return WhisperFeatureExtractor(feature_size=model.config.num_mel_bins)


def _generation(tokenizer: Any, ids: Mapping[str, int], multilingual: bool) -> Any:  # noqa: ANN401
    """How the checkpoints of the hub say to generate: tokens that are never said, or not first.

    The lists are those of ``generation_config.json`` there and of ``whisper.decoding``.
    """
    from transformers import GenerationConfig

    spoken = {"transcribe": tokenizer.transcribe, "translate": tokenizer.translate}
    silent = [tokenizer.sot, tokenizer.sot_prev, tokenizer.sot_lm, tokenizer.no_speech]
    languages = zip(tokenizer.all_language_codes, tokenizer.all_language_tokens, strict=True)
    several = {
        "lang_to_id": {f"<|{code}|>": token for code, token in languages},
        "task_to_id": spoken,
    }
    return GenerationConfig(
        **ids,
        **(several if multilingual else {}),
        is_multilingual=multilingual,
        no_timestamps_token_id=tokenizer.no_timestamps,
        suppress_tokens=sorted({*tokenizer.non_speech_tokens, *spoken.values(), *silent}),
        begin_suppress_tokens=[*tokenizer.encode(" "), tokenizer.eot],
    )


class HubWhisperRecogniser:
    """Whisper without timestamps, one window of 30 s at a time.

    A window is one segment: with timestamps transformers gives no probabilities of tokens.
    """

    def __init__(self, spec: RecogniserSpec, device: str = "cpu") -> None:
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        self.spec = spec
        path = locate(recogniser_source(spec))
        own = path.is_dir() and not is_ctranslate2(path)
        self.hub = _from_folder(path) if own else _from_tensors(path)
        self.model = self.hub.model.eval().to(device)
        languages = getattr(self.model.generation_config, "lang_to_id", None) or {}
        self.languages = {int(token): name.strip("<|>") for name, token in languages.items()}
        known = sorted(self.languages.values()) or ["en"]
        check_language(spec.checkpoint, spec.language, known)
        check_task(spec, bool(self.languages))

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
            features = self.hub.extractor(
                samples[start : start + size], sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt"
            ).input_features.to(self.model.device)
            with torch.inference_mode():
                language = self._language(features)
                output = self._generated(features, language)
                words = self.hub.decode(output.sequences[0])
                if (text := normalise(words)) is None:
                    continue
                silent = self._no_speech(features)
            times = round(start_s, 3), round(min(start_s + WINDOW_S, duration_s), 3)
            yield Segment(*times, text, _mean_log_probability(output), silent), language

    def _generated(self, features: Tensor, language: str) -> Any:  # noqa: ANN401 - of transformers
        return self.model.generate(
            features,
            **({"language": language, "task": self.spec.task} if self.languages else {}),
            num_beams=self.spec.beam,
            do_sample=False,
            # The score of a hypothesis is then the mean over its tokens.
            length_penalty=1.0,
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
        if self.hub.no_speech is None:
            return None
        start = torch.tensor([[self.model.config.decoder_start_token_id]], device=features.device)
        logits = self.model(features, decoder_input_ids=start).logits[0, 0]
        return float(logits.softmax(dim=-1)[self.hub.no_speech])


def _mean_log_probability(output: Any) -> float:  # noqa: ANN401 - an output of transformers
    """Mean over the tokens that were generated, the end among them, as openai-whisper has it."""
    if (best := getattr(output, "sequences_scores", None)) is not None:
        return float(best[0])
    said = output.sequences[0, -len(output.scores) :]
    rows = [scores[0].log_softmax(dim=-1) for scores in output.scores]
    return float(np.mean([float(row[token]) for row, token in zip(rows, said, strict=True)]))
