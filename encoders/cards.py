"""What is known of published checkpoints without loading them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

MINILM = "sentence-transformers/all-MiniLM-L6-v2"

#: torchvision's published file of each architecture: ImageNet weights, version 1. The digits are
#: the first of the sha256 of its bytes.
TORCHVISION: Mapping[str, str] = MappingProxyType(
    {
        "alexnet": "alexnet-owt-7be5be79.pth",
        "resnet50": "resnet50-0676ba61.pth",
        "resnext50": "resnext50_32x4d-7cdf4587.pth",
        "densenet201": "densenet201-c1103571.pth",
    }
)
#: The licence of torchvision's code, with which its weights come; its documentation adds that the
#: terms of the data they were trained on may apply to weights.
_VISION_LICENCE = "BSD-3-Clause; ImageNet's terms may apply"


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a checkpoint without loading it; sizes as on its hub page.

    ``config`` are the fields in which it differs from the defaults of its configuration class:
    with them ``:untrained`` builds the true architecture without a hub.
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
        "FacebookAI/roberta-base": Card(
            "roberta-base",
            768,
            13,
            500,
            "MIT",
            "en",
            {
                "model_type": "roberta",
                "vocab_size": 50265,
                "max_position_embeddings": 514,
                "type_vocab_size": 1,
                "layer_norm_eps": 1e-5,
            },
        ),
        MINILM: Card("minilm", 384, 1, 91, "Apache-2.0", "en"),
        TORCHVISION["alexnet"]: Card("alexnet", 256, 1, 244, _VISION_LICENCE, "any"),
        TORCHVISION["resnet50"]: Card("resnet50", 2048, 1, 103, _VISION_LICENCE, "any"),
        TORCHVISION["resnext50"]: Card("resnext50", 2048, 1, 100, _VISION_LICENCE, "any"),
        TORCHVISION["densenet201"]: Card("densenet201", 1920, 1, 81, _VISION_LICENCE, "any"),
    }
)
