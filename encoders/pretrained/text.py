"""BERT, RoBERTa and sentence-transformers: a sentence in, hidden layers over its tokens out.

Texts of as many tokens are read together, so that what is kept of one is the same bit for bit
whatever is read with it.
An utterance in context is read whole, turns around it included, and only the frames of its own
words are kept, with the special tokens at both ends: its words as they are understood there.
"""

import logging
import math
import string
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from encoders.context import TextInContext, Turn
from encoders.packing import in_equal_batches
from encoders.pooling import Hidden
from encoders.pretrained.speech import state_sha256
from encoders.provenance import weights_sha256 as sha256_of
from encoders.specs import UNTRAINED_SEED, BertSpec, Cleaning, SentenceSpec
from encoders.store import TokenCount
from encoders.weights.cards import CARDS
from encoders.weights.locate import locate
from encoders.weights.sources import checkpoint_source

NUMERICS_VERSION = 1
#: Tokens in one pass.
BATCH_TOKENS = 4096
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


#: A text as it is typed, or amid the turns around it.
Text = str | TextInContext


@dataclass(frozen=True, slots=True)
class Readable:
    """What is read of a text: cleaned, and with as many turns around it as there is room for."""

    text: Text
    turns_cut: int = 0

    @property
    def whole(self) -> str:
        """All that is read."""
        return self.text if isinstance(self.text, str) else self.text.whole


def readable(text: Text, how: Cleaning, most: float, count: Callable[[str], int]) -> Readable:
    """A text, and where it is longer than ``most`` tokens as few turns fewer as leave it whole.

    Raises:
        TextError: cleaning leaves nothing of its words.
    """
    if isinstance(text, str):
        return Readable(clean_text(text, how))
    clean = TextInContext(
        clean_text(text.words, how), *(_clean(turns, how) for turns in (text.before, text.after))
    )
    left = clean
    while left.turns and count(left.whole) > most:
        left = left.shorter()
    return Readable(left if left.turns else left.words, clean.turns - left.turns)


def _clean(turns: Sequence[Turn], how: Cleaning) -> tuple[Turn, ...]:
    """Turns with cleaned words; one of which nothing is left is no turn."""
    cleaned = []
    for mark, words in turns:
        with suppress(TextError):
            cleaned.append((mark, clean_text(words, how)))
    return tuple(cleaned)


def own_places(
    text: TextInContext, special: Sequence[int], bare: Callable[[str], int], prompt: str = ""
) -> list[int]:
    """Where the words of a text and special tokens lie among all tokens of it.

    ``special`` marks tokens that are no text, ``bare`` counts the others. Tokenizers part texts at
    blanks first, so that words are the same tokens whatever follows them.
    """
    head = f"{prompt}{text.head}"
    first = special.index(0)
    start, end = first + bare(head), first + bare(f"{head} {text.words}")
    return [n for n, mark in enumerate(special) if mark or start <= n < end]


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

    def forward(self, inputs: Sequence[Text]) -> list[Hidden]:
        """Hidden layers of every text, of one in context those of its own words."""
        texts = [self._readable(text).text for text in inputs]
        hidden = in_equal_batches(self.token_ids(texts), len, BATCH_TOKENS, self._batch)
        return [
            rows if isinstance(text, str) else rows[:, self._own(text)]
            for text, rows in zip(texts, hidden, strict=True)
        ]

    def token_ids(self, inputs: Sequence[Text]) -> list[list[int]]:
        """Tokens of every text, cleaned and cut, special ones included."""
        texts = [self._readable(text).whole for text in inputs]
        most = int(self.max_length)
        return [
            self.tokenizer(text, truncation=True, max_length=most)["input_ids"] for text in texts
        ]

    def extents(self, inputs: Sequence[Text]) -> list[TokenCount]:
        """Tokens of every text after cleaning, how many are read, and turns that are left out."""
        texts = [self._readable(text) for text in inputs]
        counts = [self._count(text.whole) for text in texts]
        return [
            TokenCount(count, int(min(count, self.max_length)), text.turns_cut)
            for count, text in zip(counts, texts, strict=True)
        ]

    def _readable(self, text: Text) -> Readable:
        return readable(text, self.clean, self.max_length, self._count)

    def _count(self, text: str) -> int:
        return len(self.tokenizer(text, verbose=False)["input_ids"])

    def _own(self, text: TextInContext) -> list[int]:
        return own_places(text, special_mask(self.tokenizer, text.whole), bare_of(self.tokenizer))

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

    def forward(self, inputs: Sequence[Text]) -> list[Hidden]:
        """Hidden layers of every text, of one in context those of its own words."""
        texts = [self._readable(text).text for text in inputs]
        alone = [text for text in texts if isinstance(text, str)]
        amid = [text for text in texts if not isinstance(text, str)]
        rows = iter(in_equal_batches(alone, self._size, BATCH_TOKENS, self._alone))
        own = iter(in_equal_batches(amid, self._size, BATCH_TOKENS, self._own_words))
        return [next(rows if isinstance(text, str) else own) for text in texts]

    def extents(self, inputs: Sequence[Text]) -> list[TokenCount | None]:
        """Tokens of every text after cleaning, and how many are read; None without a limit."""
        if self.max_length == math.inf:
            return [None] * len(inputs)
        texts = [self._readable(text) for text in inputs]
        counts = [self._count(text.whole) for text in texts]
        return [
            TokenCount(count, int(min(count, self.max_length)), text.turns_cut)
            for count, text in zip(counts, texts, strict=True)
        ]

    def _alone(self, texts: list[str]) -> list[Hidden]:
        rows = self.model.encode(
            texts,
            output_value=self.output,
            convert_to_tensor=True,
            show_progress_bar=False,
            batch_size=len(texts),
        )
        pooled = self.output == "sentence_embedding"
        return [row[None, None] if pooled else row[None] for row in rows]

    def _own_words(self, texts: list[TextInContext]) -> list[Hidden]:
        """The transformer reads all tokens; what comes behind it sees those of the own words."""
        first, *others = self.model
        features = self._features([text.whole for text in texts])
        features = first({name: v.to(self.model.device) if isinstance(v, torch.Tensor) else v
                          for name, v in features.items()})  # fmt: skip
        own = self._own_mask(texts, features["attention_mask"])
        features["attention_mask"] = own
        for module in others:
            features = module(features)
        if self.output == "sentence_embedding":
            most = self.model.truncate_dim
            return [row[None, None, :most] for row in features["sentence_embedding"]]
        pairs = zip(features["token_embeddings"], own.bool(), strict=True)
        return [row[mask][None] for row, mask in pairs]

    def _own_mask(self, texts: Sequence[TextInContext], mask: Tensor) -> Tensor:
        own = torch.zeros_like(mask)
        tokenizer, prompt = self.model.tokenizer, self._prompt or ""
        for row, text in enumerate(texts):
            special = special_mask(tokenizer, f"{prompt}{text.whole}")
            places = own_places(text, special, bare_of(tokenizer), prompt)
            # Padding may be on either side.
            own[row, mask[row].nonzero().flatten()[places]] = 1
        return own

    def _readable(self, text: Text) -> Readable:
        return readable(text, self.clean, self.max_length, self._count)

    def _size(self, text: Text) -> int:
        """Tokens that are read; of a model without a limit all texts are one size."""
        if self.max_length == math.inf:
            return 1
        whole = text if isinstance(text, str) else text.whole
        return min(self._count(whole), int(self.max_length))

    def _count(self, text: str) -> int:
        whole = {"text": {"truncation": False, "verbose": False}}
        return int(self._features([text], processing_kwargs=whole)["input_ids"].shape[1])

    @property
    def _prompt(self) -> str | None:
        prompt: str | None = self.model.prompts.get(self.model.default_prompt_name)
        return prompt

    def _features(self, texts: list[str], **how: Any) -> Mapping[str, Any]:  # noqa: ANN401
        # As encode() does it, prompt and all.
        features: Mapping[str, Any] = self.model.preprocess(texts, prompt=self._prompt, **how)
        return features


def special_mask(tokenizer: Any, text: str) -> list[int]:  # noqa: ANN401
    """1 for every token that a tokenizer adds to a text, 0 for those of the text."""
    read = tokenizer(text, return_special_tokens_mask=True, verbose=False)
    return list(read["special_tokens_mask"])


def bare_of(tokenizer: Any) -> Callable[[str], int]:  # noqa: ANN401 - a transformers tokenizer
    """Counts the tokens of a text without those that are added to it."""
    return lambda text: len(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


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
