"""BERT, RoBERTa and their relatives in training, on transcripts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from encoders.asr.transcript import normalise
from encoders.audio.reading import read_utterance
from encoders.finetuning.augmentation import WaveformChanges
from encoders.finetuning.labelled_audio import (
    LabelledWindows,
    Recordings,
    counts_targets_keys,
    target_of,
)
from encoders.finetuning.settings import FinetuneError, Pooling, Settings
from encoders.finetuning.speech import pooled, save_model
from encoders.finetuning.training import TrainableEncoder
from encoders.packing import in_batches
from encoders.pretrained.text import (
    BATCH_TOKENS,
    BertEncoder,
    TextError,
    tokenizer_of,
    trained_model,
    untrained_model,
    untrained_tokenizer,
)
from encoders.specs import BertSpec
from encoders.store import audio_key, text_key
from encoders.utterance import Utterance
from encoders.weights.locate import locate
from encoders.weights.sources import checkpoint_source

#: Utterances that a message names.
SHOWN = 5


def start(spec: BertSpec, settings: Settings) -> "TextPupil":
    """The transformer that training starts from; random weights are drawn from torch's own state.

    Raises:
        MissingWeightsError: its weights are not to be had.
    """
    if spec.untrained:
        return TextPupil(untrained_model(spec), untrained_tokenizer(), spec, settings)
    folder = locate(checkpoint_source(spec.checkpoint, spec.revision))
    return TextPupil(trained_model(folder), tokenizer_of(folder), spec, settings)


class TextPupil(TrainableEncoder):
    """A transformer, and its first token or the mean, sum or maximum of all."""

    rectified = False

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,  # noqa: ANN401 - a transformers tokenizer
        spec: BertSpec,
        settings: Settings,
    ) -> None:
        super().__init__()
        assert settings.pooling is not None, "check_fit asks for one"
        #: Cuts and cleans as the frozen encoder will.
        self.encoder = BertEncoder(model, tokenizer, spec, torch.device("cpu"))
        self.network = model
        self.spec = spec
        self.pooling: Pooling = settings.pooling
        self.dim = int(self.encoder.model.config.hidden_size)

    def prepare(
        self, utterances: Sequence[Utterance], changes: WaveformChanges, random: np.random.Generator
    ) -> Recordings:
        """Transcripts of utterances as numbers of tokens, special ones included.

        Raises:
            FinetuneError: some have none, or nothing is left of one.
            AudioError: a recording, whose key tells the utterance, cannot be read.
        """
        examples = [
            LabelledWindows(
                [self._ids(utterance, text)], target_of(utterance), _key(utterance, text)
            )
            for utterance, text in zip(utterances, _transcripts(utterances), strict=True)
        ]
        return Recordings(
            *counts_targets_keys(examples), [example.windows[0] for example in examples]
        )

    def forward(self, inputs: list[list[int]]) -> Float[Tensor, "texts dim"]:
        """Pooled tokens of every text, each over its own."""
        return torch.stack(in_batches(inputs, len, float(BATCH_TOKENS), self._batch))

    def _ids(self, utterance: Utterance, text: str) -> list[int]:
        try:
            return self.encoder.token_ids([text])[0]
        except TextError as error:
            raise FinetuneError(f"{utterance.id}: {error}") from error

    def _batch(self, ids: list[list[int]]) -> list[Float[Tensor, "dim"]]:
        hidden = self.encoder.run(ids).last_hidden_state
        return [
            pooled(row[: len(tokens)], self.pooling)
            for row, tokens in zip(hidden, ids, strict=True)
        ]

    def save(self, folder: Path, dtype: torch.dtype) -> None:
        """Write what transformers itself would write, tokenizer included."""
        save_model(self.network, folder, dtype)
        self.encoder.tokenizer.save_pretrained(folder)

    def saved_spec(self, folder: str) -> BertSpec:
        """The same reading of text with the weights of a folder."""
        return replace(self.spec, checkpoint=folder, revision=None, untrained=False)


def _transcripts(utterances: Sequence[Utterance]) -> list[str]:
    texts = [normalise(utterance.transcript or "") for utterance in utterances]
    lacking = [
        utterance.id for utterance, text in zip(utterances, texts, strict=True) if text is None
    ]
    if lacking:
        more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
        raise FinetuneError(
            f"{len(lacking)} of {len(texts)} utterances have no transcript: "
            f"{', '.join(lacking[:SHOWN])}{more}; a text encoder is trained on transcripts: "
            "recognise them first (--asr), or leave the rows out"
        )
    return [text for text in texts if text is not None]


def _key(utterance: Utterance, text: str) -> str:
    """What tells an utterance from others: its samples, and its words where there are no samples.

    Words alone would not: "yes" is said by many, and who says it in a test was not heard here.
    """
    return text_key(text) if utterance.audio is None else audio_key(read_utterance(utterance))
