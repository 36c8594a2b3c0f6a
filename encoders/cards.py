"""What is known of published checkpoints without loading them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MPNET = "sentence-transformers/all-mpnet-base-v2"


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of an encoder without loading it; sizes of weights as on their hub page.

    ``dim`` is that of a frame before pooling; ``config`` are the fields in which it differs from
    the defaults of its configuration class: with them ``:untrained`` builds the true architecture
    without a hub.
    """

    short_name: str
    dim: int
    layers: int
    size_mb: int
    licence: str
    language: str
    config: Mapping[str, Any] = field(default_factory=dict)


_LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
_LARGE_STABLE = {
    **_LARGE,
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
    "conv_bias": True,
}
_ROBERTA = {
    "model_type": "roberta",
    "vocab_size": 50265,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}
CARDS: Mapping[str, Card] = MappingProxyType(
    {
        "facebook/wav2vec2-base": Card("wav2vec2-base", 768, 13, 380, "Apache-2.0", "en"),
        "facebook/wav2vec2-large": Card(
            "wav2vec2-large", 1024, 25, 1270, "Apache-2.0", "en", _LARGE
        ),
        "facebook/wav2vec2-large-lv60": Card(
            "wav2vec2-large-lv60", 1024, 25, 1270, "Apache-2.0", "en", _LARGE_STABLE
        ),
        "facebook/wav2vec2-xls-r-300m": Card(
            "wav2vec2-xls-r-300m", 1024, 25, 1270, "Apache-2.0", "128 languages", _LARGE_STABLE
        ),
        "google-bert/bert-base-uncased": Card("bert-base", 768, 13, 440, "Apache-2.0", "en"),
        "google-bert/bert-large-uncased": Card(
            "bert-large", 1024, 25, 1340, "Apache-2.0", "en", _LARGE
        ),
        "FacebookAI/roberta-base": Card("roberta-base", 768, 13, 500, "MIT", "en", _ROBERTA),
        "FacebookAI/roberta-large": Card(
            "roberta-large", 1024, 25, 1420, "MIT", "en", {**_ROBERTA, **_LARGE}
        ),
        "distilbert/distilroberta-base": Card(
            "distilroberta", 768, 7, 330, "Apache-2.0", "en", {**_ROBERTA, "num_hidden_layers": 6}
        ),
        "vinai/bertweet-base": Card(
            *("bertweet", 768, 13, 540, "MIT", "en (tweets)"),
            {**_ROBERTA, "vocab_size": 64001, "max_position_embeddings": 130},
        ),
        MINILM: Card("minilm", 384, 1, 91, "Apache-2.0", "en"),
        MPNET: Card("mpnet", 768, 1, 440, "Apache-2.0", "en"),
    }
)
#: Descriptors without weights, by short name.
DESCRIPTORS: Mapping[str, Card] = MappingProxyType(
    {
        "logmel": Card("logmel", 160, 1, 0, "Apache-2.0", "any"),
        "mfcc": Card("mfcc", 40, 1, 0, "Apache-2.0", "any"),
        "mfcc13": Card("mfcc13", 13, 1, 0, "Apache-2.0", "any"),
        "egemaps": Card("egemaps", 88, 1, 0, "audEERING (research only)", "any"),
    }
)
