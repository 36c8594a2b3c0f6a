"""BERT, RoBERTa and sentence-transformers: a sentence in, hidden layers over its tokens out.

Padding changes nothing here: attention is masked, and nothing else looks across tokens.
"""

import logging
import math
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from encoders.packing import in_batches
from encoders.pooling import Hidden
from encoders.pretrained.speech import state_sha256
from encoders.provenance import weights_sha256 as sha256_of
from encoders.specs import UNTRAINED_SEED, BertSpec, Cleaning, SentenceSpec
from encoders.store import TokenCount
from encoders.weights.cards import CARDS
from encoders.weights.locate import locate
from encoders.weights.sources import checkpoint_source

NUMERICS_VERSION = 1
#: Padded tokens in one pass.
BATCH_TOKENS = 4096.0
_PUNCTUATION = str.maketrans("", "", string.punctuation)


class TextError(ValueError):
    """Nothing of a transcript is left to be read."""


def clean_text(text: str, how: Cleaning) -> str:
    """The text as it is, or without punctuation and characters outside ASCII ("s4").

    Characters are dropped, not replaced: "don't" becomes "dont", "café" becomes "caf".

    Raises:
        TextError: cleaning leaves nothing; an empty string would stand for a missing transcript.
    """
    if how == "none":
        return text
    plain = text.encode("ascii", "ignore").decode().translate(_PUNCTUATION)
    cleaned = " ".join(plain.split())
    if not cleaned:
        raise TextError(f"clean={how} leaves nothing of the transcript {text!r}; use clean=none")
    return cleaned


def weights_sha256(spec: BertSpec | SentenceSpec) -> str:
    """Hash of the checkpoint's files, or of the random weights of an untrained model."""
    if isinstance(spec, BertSpec) and spec.untrained:
        return state_sha256(_seeded(spec))
    return sha256_of(locate(checkpoint_source(spec.checkpoint, spec.revision)))


def load(spec: BertSpec | SentenceSpec, device: torch.device) -> nn.Module:
    """The encoder of a spec, from a folder, the hub's cache or the hub, or with random weights."""
    if isinstance(spec, BertSpec) and spec.untrained:
        return BertEncoder(_seeded(spec), untrained_tokenizer(), spec, device)
    folder = locate(checkpoint_source(spec.checkpoint, spec.revision))
    if isinstance(spec, SentenceSpec):
        from sentence_transformers import SentenceTransformer

        return SentenceEncoder(SentenceTransformer(str(folder), device=str(device)), spec)
    return BertEncoder(trained_model(folder), tokenizer_of(folder), spec, device)


def trained_model(folder: Path) -> nn.Module:
    """The model of a folder, in float32."""
    from transformers import AutoModel

    return AutoModel.from_pretrained(folder, trust_remote_code=False, dtype=torch.float32)


def tokenizer_of(folder: Path) -> Any:  # noqa: ANN401 - a transformers tokenizer
    """The tokenizer of a folder; BERTweet's with the normalisation that it was trained with.

    The package emoji, which BERTweet's would ask to spell emoji, is left out of it: what it says
    differs between its versions, and a transcript would get another embedding where it is absent.
    """
    from transformers import AutoTokenizer, BertweetTokenizer

    logging.getLogger(BertweetTokenizer.__module__).setLevel(logging.ERROR)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if isinstance(tokenizer, BertweetTokenizer):
        tokenizer.normalization = True
        tokenizer.demojizer = None
    return tokenizer


class BertEncoder(nn.Module):
    """All hidden layers of a BERT-like model, ``[layers, tokens, dim]`` per sentence.

    Tokens include the special ones at both ends; a text longer than ``max_length`` is cut there.
    """

    frame_s = None

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - a transformers model
        tokenizer: Any,  # noqa: ANN401 - a transformers tokenizer
        spec: BertSpec,
        device: torch.device,
    ) -> None:
        super().__init__()
        self.model = model.to(device)
        self.tokenizer = tokenizer
        limit = min(float(tokenizer.model_max_length), position_limit(model))
        self.max_length = _checked(spec, limit, position_limit(model))
        self.clean = spec.clean

    def forward(self, inputs: Sequence[str]) -> list[Hidden]:
        """Hidden layers of every text."""
        return in_batches(self.token_ids(inputs), len, BATCH_TOKENS, self._batch)

    def token_ids(self, inputs: Sequence[str]) -> list[list[int]]:
        """Tokens of every text, cleaned and cut, special ones included."""
        texts = [clean_text(text, self.clean) for text in inputs]
        most = int(self.max_length)
        return [
            self.tokenizer(text, truncation=True, max_length=most)["input_ids"] for text in texts
        ]

    def extents(self, inputs: Sequence[str]) -> list[TokenCount]:
        """Tokens of every text after cleaning, and how many of them are read."""
        texts = [clean_text(text, self.clean) for text in inputs]
        counts = [len(self.tokenizer(text, verbose=False)["input_ids"]) for text in texts]
        return [TokenCount(count, int(min(count, self.max_length))) for count in counts]

    def run(self, ids: list[list[int]]) -> Any:  # noqa: ANN401 - what a transformers model returns
        """The model's output for a padded batch, its hidden states included."""
        longest = max(map(len, ids))
        padding = self.tokenizer.pad_token_id
        padded = torch.tensor([row + [padding] * (longest - len(row)) for row in ids])
        mask = torch.arange(longest)[None] < torch.tensor([len(row) for row in ids])[:, None]
        device = self.model.device
        return self.model(
            input_ids=padded.to(device),
            attention_mask=mask.long().to(device),
            output_hidden_states=True,
        )

    def _batch(self, ids: list[list[int]]) -> list[Hidden]:
        layers = torch.stack(self.run(ids).hidden_states, dim=1)  # [batch, layers, tokens, dim]
        return [row[:, : len(tokens)] for row, tokens in zip(layers, ids, strict=True)]


class SentenceEncoder(nn.Module):
    """A sentence-transformers model: ``[1, 1, dim]`` its own embedding, or ``[1, tokens, dim]``."""

    frame_s = None

    def __init__(self, model: Any, spec: SentenceSpec) -> None:  # noqa: ANN401
        super().__init__()
        self.model = model
        self.output = "sentence_embedding" if spec.storage == "pooled" else "token_embeddings"
        self.clean = spec.clean
        most = position_limit(getattr(model[0], "auto_model", None))
        limit = min(float(model.max_seq_length or math.inf), most)
        self.max_length = _checked(spec, limit, most)
        if self.max_length < math.inf:
            model.max_seq_length = int(self.max_length)

    def forward(self, inputs: Sequence[str]) -> list[Hidden]:
        """Hidden layers of every text."""
        texts = [clean_text(text, self.clean) for text in inputs]
        rows = self.model.encode(
            texts, output_value=self.output, convert_to_tensor=True, show_progress_bar=False
        )
        if self.output == "sentence_embedding":
            return [row[None, None] for row in rows]
        return [row[None] for row in rows]

    def extents(self, inputs: Sequence[str]) -> list[TokenCount | None]:
        """Tokens of every text after cleaning, and how many are read; None without a limit."""
        if self.max_length == math.inf:
            return [None] * len(inputs)
        counts = [self._count(clean_text(text, self.clean)) for text in inputs]
        return [TokenCount(count, int(min(count, self.max_length))) for count in counts]

    def _count(self, text: str) -> int:
        # As encode() does it, prompt and all, but whole.
        prompt = self.model.prompts.get(self.model.default_prompt_name)
        whole = {"text": {"truncation": False, "verbose": False}}
        features = self.model.preprocess([text], prompt=prompt, processing_kwargs=whole)
        return int(features["input_ids"].shape[1])


# ---------------------------------------------------------------- how much is read


def position_limit(model: Any) -> float:  # noqa: ANN401 - a transformers model
    """Tokens for which a model has positions; infinite where it needs none.

    RoBERTa and its relatives count positions from the one after padding, so that of 514 they
    can use 512.
    """
    positions = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    if positions is None:
        return math.inf
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    return float(positions if padding is None else positions - padding - 1)


def _checked(spec: BertSpec | SentenceSpec, limit: float, most: float) -> float:
    """The limit that a spec asks for, or else the model's own, in tokens.

    Raises:
        ValueError: the model has no position for the last token.
    """
    asked = spec.max_length
    if asked is None:
        return limit
    if asked > most:
        raise ValueError(
            f"{spec.checkpoint}: max_length={asked}, but it has positions for {most:g} tokens; "
            f"expected that or less, or none for its own limit of {limit:g}"
        )
    return float(asked)


# ---------------------------------------------------------------- without a hub


def _seeded(spec: BertSpec) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        return untrained_model(spec)


def untrained_model(spec: BertSpec) -> nn.Module:
    """A model of the spec's architecture with random weights, drawn from torch's own state.

    Raises:
        ValueError: its architecture is not known here.
    """
    from transformers import AutoConfig, AutoModel

    if spec.checkpoint not in CARDS:
        raise ValueError(f"{spec.checkpoint}:untrained: its architecture is not known here")
    fields = {"model_type": "bert", **CARDS[spec.checkpoint].config}
    return AutoModel.from_config(AutoConfig.for_model(fields.pop("model_type"), **fields))


def untrained_tokenizer() -> Any:  # noqa: ANN401 - a transformers tokenizer
    """Characters as word pieces: the real vocabulary would have to be downloaded.

    With random weights no vocabulary means anything; this one covers printable ASCII, and every
    other character becomes the unknown token.
    """
    from transformers import BertTokenizer

    characters = [c for c in string.printable if not c.isspace() and not c.isupper()]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    pieces += [f"##{character}" for character in characters]
    return BertTokenizer(vocab={piece: index for index, piece in enumerate(pieces)})
