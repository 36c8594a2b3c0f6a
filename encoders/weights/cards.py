"""What is known of published checkpoints without loading them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from encoders.specs import TORCHVISION

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MPNET = "sentence-transformers/all-mpnet-base-v2"
MULTILINGUAL_MINILM = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"

#: AlexNet on log-mel windows that ships with the package (``encoders/bundled``).
BUNDLED_ALEXNET = "serfusion/alexnet-ravdess"

#: The licence of torchvision's code, with which its weights come; its documentation adds that the
#: terms of the data they were trained on may apply to weights.
_VISION_LICENCE = "BSD-3-Clause; ImageNet's terms may apply"


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of an encoder without loading it; sizes of weights as on their hub page.

    ``dim`` is that of a frame before pooling; ``config`` are the fields in which it differs from
    the defaults of its configuration class: with them ``:untrained`` builds the true architecture
    without a hub. ``heard`` are the corpora of emotions that it was trained on, by our names.
    """

    short_name: str
    dim: int
    layers: int
    size_mb: int
    licence: str
    language: str
    config: Mapping[str, Any] = field(default_factory=dict)
    heard: tuple[str, ...] = ()

    @property
    def code(self) -> str | None:
        """Code of the one language that it learned from; None of several, and of any."""
        word = self.language.partition(" ")[0]
        return word if len(word) == 2 and word.isalpha() else None


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
_HUBERT = {"model_type": "hubert"}
_WAVLM = {"model_type": "wavlm"}
_DATA2VEC = {"model_type": "data2vec-audio"}
#: Where the licence was not read in a published file.
SEE_PAGE = "see its hub page"


def _whisper(width: int, layers: int, heads: int, mels: int = 80) -> dict[str, Any]:
    """Sizes of Radford et al. 2022, table 1; the decoder is not used and kept at one layer."""
    return {
        "model_type": "whisper",
        "d_model": width,
        "encoder_layers": layers,
        "encoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * width,
        "num_mel_bins": mels,
        "decoder_layers": 1,
        "decoder_attention_heads": heads,
        "decoder_ffn_dim": 4 * width,
    }


SPEECH_CARDS: Mapping[str, Card] = MappingProxyType(
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
        "facebook/wav2vec2-large-xlsr-53": Card(
            "wav2vec2-xlsr-53", 1024, 25, 1270, "Apache-2.0", "53 languages", _LARGE_STABLE
        ),
        "jonatasgrosman/wav2vec2-large-xlsr-53-english": Card(
            "wav2vec2-xlsr-53-english", 1024, 25, 1270, SEE_PAGE, "en", _LARGE_STABLE
        ),
        "facebook/hubert-base-ls960": Card(
            "hubert-base", 768, 13, 380, "Apache-2.0", "en", _HUBERT
        ),
        "facebook/hubert-large-ll60k": Card(
            "hubert-large", 1024, 25, 1270, "Apache-2.0", "en", {**_HUBERT, **_LARGE_STABLE}
        ),
        "microsoft/wavlm-base": Card("wavlm-base", 768, 13, 380, SEE_PAGE, "en", _WAVLM),
        "microsoft/wavlm-base-plus": Card("wavlm-base-plus", 768, 13, 380, SEE_PAGE, "en", _WAVLM),
        "microsoft/wavlm-large": Card(
            *("wavlm-large", 1024, 25, 1270, SEE_PAGE, "en"),
            {**_WAVLM, **_LARGE_STABLE, "conv_bias": False},
        ),
        "facebook/data2vec-audio-base": Card(
            "data2vec-audio-base", 768, 13, 380, "Apache-2.0", "en", _DATA2VEC
        ),
        "facebook/data2vec-audio-large": Card(
            "data2vec-audio-large", 1024, 25, 1260, "Apache-2.0", "en", {**_DATA2VEC, **_LARGE}
        ),
        "openai/whisper-tiny": Card(
            "whisper-tiny-encoder", 384, 5, 150, "MIT", "99 languages", _whisper(384, 4, 6)
        ),
        "openai/whisper-tiny.en": Card(
            "whisper-tiny.en-encoder", 384, 5, 76, "MIT", "en", _whisper(384, 4, 6)
        ),
        "openai/whisper-base.en": Card(
            "whisper-base.en-encoder", 512, 7, 145, "MIT", "en", _whisper(512, 6, 8)
        ),
        "openai/whisper-base": Card(
            "whisper-base-encoder", 512, 7, 290, "MIT", "99 languages", _whisper(512, 6, 8)
        ),
        "openai/whisper-small": Card(
            "whisper-small-encoder", 768, 13, 970, "MIT", "99 languages", _whisper(768, 12, 12)
        ),
        "openai/whisper-medium": Card(
            "whisper-medium-encoder", 1024, 25, 3060, "MIT", "99 languages", _whisper(1024, 24, 16)
        ),
        "openai/whisper-large-v3": Card(
            *("whisper-large-v3-encoder", 1280, 33, 3090, "MIT", "99 languages"),
            _whisper(1280, 32, 20, mels=128),
        ),
        # Fine-tuned on emotions, on the corpora that their pages name.
        "ehcalabres/wav2vec2-lg-xlsr-en-speech-emotion-recognition": Card(
            *("ser-ehcalabres", 1024, 25, 1270, SEE_PAGE, "en", _LARGE_STABLE),
            heard=("ravdess",),
        ),
        "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim": Card(
            *("ser-audeering-dim", 1024, 13, 660, SEE_PAGE, "en"),
            {**_LARGE_STABLE, "num_hidden_layers": 12},
            heard=("msp-podcast",),
        ),
        "superb/hubert-large-superb-er": Card(
            *("ser-hubert-large", 1024, 25, 1270, SEE_PAGE, "en", {**_HUBERT, **_LARGE_STABLE}),
            heard=("iemocap",),
        ),
    }
)
CARDS: Mapping[str, Card] = MappingProxyType(
    {
        **SPEECH_CARDS,
        BUNDLED_ALEXNET: Card(
            *("alexnet", 256, 1, 5, "CC BY-NC-SA 4.0", "en (acted)"), heard=("ravdess",)
        ),
        TORCHVISION["alexnet"]: Card("alexnet-imagenet", 256, 1, 244, _VISION_LICENCE, "any"),
        TORCHVISION["resnet50"]: Card("resnet50", 2048, 1, 103, _VISION_LICENCE, "any"),
        TORCHVISION["resnext50"]: Card("resnext50", 2048, 1, 100, _VISION_LICENCE, "any"),
        TORCHVISION["densenet201"]: Card("densenet201", 1920, 1, 81, _VISION_LICENCE, "any"),
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
        "FacebookAI/xlm-roberta-base": Card(
            *("xlm-roberta-base", 768, 13, 1120, "MIT", "100 languages"),
            {**_ROBERTA, "model_type": "xlm-roberta", "vocab_size": 250002},
        ),
        MINILM: Card("minilm", 384, 1, 91, "Apache-2.0", "en"),
        MULTILINGUAL_MINILM: Card("multilingual-minilm", 384, 1, 470, "Apache-2.0", "50 languages"),
        MPNET: Card("mpnet", 768, 1, 440, "Apache-2.0", "en"),
    }
)
_OURS = (1, 0, "Apache-2.0", "any")
#: Descriptors without weights, and networks of which nobody publishes any, by short name.
DESCRIPTORS: Mapping[str, Card] = MappingProxyType(
    {
        "logmel": Card("logmel", 160, 1, 0, "Apache-2.0", "any"),
        "mfcc": Card("mfcc", 40, 1, 0, "Apache-2.0", "any"),
        "mfcc13": Card("mfcc13", 13, 1, 0, "Apache-2.0", "any"),
        "egemaps": Card("egemaps", 88, 1, 0, "audEERING (research only)", "any"),
        "mfcc-cnn1d-3": Card("mfcc-cnn1d-3", 256, *_OURS),
        "mfcc-cnn1d-5": Card("mfcc-cnn1d-5", 256, *_OURS),
        "mfcc-cnn1d-8": Card("mfcc-cnn1d-8", 256, *_OURS),
        "mfcc-cnn2d-2": Card("mfcc-cnn2d-2", 640, *_OURS),
        "mfcc-cnn2d-6": Card("mfcc-cnn2d-6", 320, *_OURS),
        "mfcc-cnn-lstm": Card("mfcc-cnn-lstm", 256, *_OURS),
        "mfcc-cnn-lstm-attention": Card("mfcc-cnn-lstm-attention", 256, *_OURS),
    }
)
