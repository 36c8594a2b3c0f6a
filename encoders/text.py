"""BERT, RoBERTa and sentence-transformers: a sentence in, hidden layers over its tokens out.

Padding changes nothing here: attention is masked, and nothing else looks across tokens.
"""

import string
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from encoders.cards import CARDS
from encoders.checkpoints import locate
from encoders.checkpoints import weights_sha256 as sha256_of
from encoders.packing import in_batches
from encoders.pooling import Hidden
from encoders.specs import BertSpec, SentenceSpec
from encoders.speech import UNTRAINED_SEED, state_sha256

NUMERICS_VERSION = 1
#: Padded tokens in one pass.
BATCH_TOKENS = 4096.0


def weights_sha256(spec: BertSpec | SentenceSpec) -> str:
    """Hash of the checkpoint's files, or of the random weights of an untrained model."""
    if isinstance(spec, BertSpec) and spec.untrained:
        return state_sha256(_untrained_model(spec))
    return sha256_of(locate(spec.checkpoint, spec.revision))


def load(spec: BertSpec | SentenceSpec, device: torch.device) -> nn.Module:
    """The encoder of a spec, from a folder, the hub's cache or the hub, or with random weights."""
    if isinstance(spec, SentenceSpec):
        from sentence_transformers import SentenceTransformer

        folder = locate(spec.checkpoint, spec.revision)
        return SentenceEncoder(SentenceTransformer(str(folder), device=str(device)), spec)
    if spec.untrained:
        return BertEncoder(_untrained_model(spec), _untrained_tokenizer(spec), spec, device)
    from transformers import AutoModel, AutoTokenizer

    folder = locate(spec.checkpoint, spec.revision)
    model = AutoModel.from_pretrained(folder, trust_remote_code=False, dtype=torch.float32)
    return BertEncoder(model, AutoTokenizer.from_pretrained(folder), spec, device)


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
        self.max_length = spec.max_length
        self.device = device

    def forward(self, inputs: Sequence[str]) -> list[Hidden]:
        """Hidden layers of every text."""
        ids = [
            self.tokenizer(t, truncation=True, max_length=self.max_length)["input_ids"]
            for t in inputs
        ]
        return in_batches(ids, len, BATCH_TOKENS, self._batch)

    def _batch(self, ids: list[list[int]]) -> list[Hidden]:
        longest = max(map(len, ids))
        padding = self.tokenizer.pad_token_id
        padded = torch.tensor([row + [padding] * (longest - len(row)) for row in ids])
        mask = torch.arange(longest)[None] < torch.tensor([len(row) for row in ids])[:, None]
        output = self.model(
            input_ids=padded.to(self.device),
            attention_mask=mask.long().to(self.device),
            output_hidden_states=True,
        )
        layers = torch.stack(output.hidden_states, dim=1)  # [batch, layers, tokens, dim]
        return [row[:, : len(own)] for row, own in zip(layers, ids, strict=True)]


class SentenceEncoder(nn.Module):
    """A sentence-transformers model: ``[1, 1, dim]`` its own embedding, or ``[1, tokens, dim]``."""

    frame_s = None

    def __init__(self, model: Any, spec: SentenceSpec) -> None:  # noqa: ANN401
        super().__init__()
        self.model = model
        self.output = "sentence_embedding" if spec.storage == "pooled" else "token_embeddings"

    def forward(self, inputs: Sequence[str]) -> list[Hidden]:
        """Hidden layers of every text."""
        rows = self.model.encode(
            list(inputs), output_value=self.output, convert_to_tensor=True, show_progress_bar=False
        )
        if self.output == "sentence_embedding":
            return [row[None, None] for row in rows]
        return [row[None] for row in rows]


# ---------------------------------------------------------------- without a hub


def _config(spec: BertSpec) -> Any:  # noqa: ANN401 - a transformers configuration
    from transformers import BertConfig, RobertaConfig

    if spec.checkpoint not in CARDS:
        raise ValueError(f"{spec.checkpoint}:untrained: its architecture is not known here")
    fields = dict(CARDS[spec.checkpoint].config)
    if fields.pop("model_type", "bert") == "roberta":
        return RobertaConfig(**fields)
    return BertConfig(**fields)


def _untrained_model(spec: BertSpec) -> nn.Module:
    from transformers import AutoModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        return AutoModel.from_config(_config(spec))


def _untrained_tokenizer(spec: BertSpec) -> Any:  # noqa: ANN401 - a transformers tokenizer
    """Characters as word pieces: the real vocabulary would have to be downloaded.

    With random weights no vocabulary means anything; this one covers printable ASCII, and every
    other character becomes the unknown token.
    """
    from transformers import BertTokenizer

    characters = [c for c in string.printable if not c.isspace() and not c.isupper()]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    pieces += [f"##{character}" for character in characters]
    return BertTokenizer(vocab={piece: index for index, piece in enumerate(pieces)})
