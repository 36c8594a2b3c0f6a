"""Tiny models of the true classes, tiny corpora, and the way to real speech."""

from __future__ import annotations

import gc
import os
import string
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import settings

from encoders.audio.waveform import Audio
from encoders.store import EmbeddingStore
from encoders.utterance import Corpus, Utterance, one_hot

# No law is about the clock: on a busy machine any example may be slow.
settings.register_profile("clockless", deadline=None)
settings.load_profile("clockless")

REPOSITORY = Path(__file__).resolve().parents[1]
RATE = 16000

Checkpoints = Callable[[str], Path]
WriteTone = Callable[..., Path]


def _forbid_networks(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse whatever leaves this machine; sockets of files and loopback are no network."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto"):
        host = arguments[1][0] if isinstance(arguments[1], tuple) else None
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if name and name not in ("localhost", "::1", "0.0.0.0") and not name.startswith("127."):
        raise RuntimeError(f"a test asked for {name}: the suite has no network")


# For every library and thread of this process; a hook of this kind is never taken away.
sys.addaudithook(_forbid_networks)


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's cache, and none waits for a hub or for a disk."""
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    # What is left after a power cut no test sees; those of the calls themselves have their own.
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


#: Files of a few long tests, for another process to do all else meanwhile.
LONG = ("test_tutorials.py", "test_encoders_of_folds.py", "test_onnx_export.py", "test_cluster.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONG)


def pytest_collection_finish() -> None:
    # Modules and tests live to the end: no collection of garbage need look at them again.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder with real speech; a test that asks for it is skipped where it is absent."""
    folder = Path(os.environ.get("SERFUSION_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real speech in {folder}: set SERFUSION_DATA")
    return folder


# ---------------------------------------------------------------- audio


def tone(seconds: float, rate: int = RATE, hertz: float = 220.0, seed: int = 0) -> np.ndarray:
    """A sine with some noise, so that no two frames are equal."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * hertz * time) + 0.02 * rng.standard_normal(len(time))
    return wave.astype(np.float32)


@pytest.fixture(scope="session")
def make_tone() -> Callable[..., np.ndarray]:
    return tone


@pytest.fixture(scope="session")
def make_audio() -> Callable[..., Audio]:
    def make(seconds: float, rate: int = RATE, **how: float) -> Audio:
        return Audio(tone(seconds, rate, **how), rate)

    return make


@pytest.fixture
def write_tone(tmp_path: Path) -> WriteTone:
    """Write a tone below ``tmp_path``; the suffix chooses the format."""

    def write(name: str, seconds: float = 1.0, rate: int = RATE, **how: float) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tone(seconds, rate, **how), rate)
        return path

    return write


@pytest.fixture
def tone_corpus(tmp_path: Path, write_tone: WriteTone) -> Corpus:
    """Twelve tones of four speakers in two classes, with transcripts."""
    targets = ("high", "low")
    utterances = []
    for index in range(12):
        label = targets[index % 2]
        hertz = 400.0 if label == "high" else 150.0
        path = write_tone(f"corpus/{index}.wav", 0.2 + 0.02 * index, hertz=hertz, seed=index)
        utterances.append(
            Utterance(
                id=f"u{index}",
                audio=path,
                transcript=f"{label} tone number {string.ascii_lowercase[index]}",
                speaker=f"s{index // 3}",
                target=one_hot(label, targets),
            )
        )
    return Corpus(
        name="tones",
        root=tmp_path / "corpus",
        task="single-label",
        targets=targets,
        utterances=tuple(utterances),
    )


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    return EmbeddingStore(tmp_path / "store")


# ---------------------------------------------------------------- tiny models of the true classes

TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
#: Kernels and strides stay those of the true models, seven convolutions; only they are narrow.
SPEECH = {
    "wav2vec2-group-norm": ("Wav2Vec2", {}),
    "wav2vec2-layer-norm": (
        "Wav2Vec2",
        {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True},
    ),
    "hubert": ("Hubert", {}),
    "hubert-layer-norm": (
        "Hubert",
        {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True},
    ),
    "data2vec": ("Data2VecAudio", {}),
    "wavlm": ("WavLM", {}),
}
WHISPER = {
    "d_model": 32,
    "encoder_layers": 3,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_layers": 1,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 64,
    "num_mel_bins": 8,
    "max_source_positions": 1500,
}
#: Labels of tiny classifiers, as IEMOCAP and SUPERB abbreviate them.
CLASSES = ("neu", "hap", "ang", "sad")
WORDS = ("the", "horse", "said", "no", "very", "loud")


@pytest.fixture(scope="session")
def speech_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    """Folder of a tiny speech model by the names of ``SPEECH``, built once a session."""
    root = tmp_path_factory.mktemp("speech")

    @cache
    def build(name: str) -> Path:
        import torch
        import transformers

        if name == "whisper":
            return _whisper(root / name)
        family, fields = SPEECH[name]
        config = getattr(transformers, f"{family}Config")(**TINY, conv_dim=(16,) * 7, **fields)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            model = getattr(transformers, f"{family}Model")(config)
        extractor = transformers.Wav2Vec2FeatureExtractor(sampling_rate=RATE, do_normalize=True)
        _save(root / name, model, extractor)
        return root / name

    return build


@pytest.fixture(scope="session")
def speech_classifier(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Folder of a tiny speech classifier by the names of ``SPEECH``, or ``whisper``."""
    root = tmp_path_factory.mktemp("speech-classifiers")

    @cache
    def build(name: str, labels: tuple[str, ...] = CLASSES, **fields: object) -> Path:
        import transformers

        if name == "whisper":
            config = transformers.WhisperConfig(**WHISPER)
            extractor = transformers.WhisperFeatureExtractor(feature_size=8)
        else:
            family, own = SPEECH[name]
            fields = {**own, "classifier_proj_size": 8, **fields}
            config = getattr(transformers, f"{family}Config")(**TINY, conv_dim=(16,) * 7, **fields)
            extractor = transformers.Wav2Vec2FeatureExtractor(sampling_rate=RATE)
        folder = root / f"{len(list(root.iterdir()))}"
        _save(folder, _classifier("AudioClassification", config, labels), extractor)
        return folder

    return build


@pytest.fixture(scope="session")
def text_classifier(
    tmp_path_factory: pytest.TempPathFactory, text_checkpoint: Checkpoints
) -> Checkpoints:
    """Folder of a tiny text classifier by the names of ``TOKENIZERS``."""
    root = tmp_path_factory.mktemp("text-classifiers")

    @cache
    def build(name: str) -> Path:
        import transformers

        config = transformers.AutoConfig.from_pretrained(text_checkpoint(name))
        tokenizer = transformers.AutoTokenizer.from_pretrained(text_checkpoint(name))
        _save(root / name, _classifier("SequenceClassification", config, CLASSES), tokenizer)
        return root / name

    return build


def _classifier(task: str, config: Any, labels: tuple[str, ...]) -> Any:
    """A classifier whose head is random enough for its logits to differ between utterances."""
    import torch
    import transformers

    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = getattr(transformers, f"AutoModelFor{task}").from_config(config)
        for name, weight in model.named_parameters():
            if not name.startswith(model.base_model_prefix):
                torch.nn.init.normal_(weight)
    return model


def _whisper(folder: Path) -> Path:
    import torch
    import transformers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = transformers.WhisperModel(transformers.WhisperConfig(**WHISPER))
    _save(folder, model, transformers.WhisperFeatureExtractor(feature_size=8))
    return folder


@pytest.fixture(scope="session")
def text_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    """Folder of a tiny text model by the names of ``TOKENIZERS``, or ``sentence`` (on bert) and
    ``sentence-mpnet``, built once a session."""
    root = tmp_path_factory.mktemp("text")

    @cache
    def build(name: str) -> Path:
        if name.startswith("sentence"):
            return _sentence(root / name, build(name.partition("-")[2] or "bert"))
        import torch
        import transformers

        tokenizer = TOKENIZERS[name](root)
        family, fields = TEXT_CONFIGS[name]
        config = getattr(transformers, f"{family}Config")(
            **{**TINY, "vocab_size": len(tokenizer), **fields}
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            model = transformers.AutoModel.from_config(config)
        _save(root / name, model, tokenizer)
        return root / name

    return build


def _bert_tokenizer(_root: Path) -> Any:
    import transformers

    letters = [*string.ascii_lowercase, *(f"##{c}" for c in string.ascii_lowercase)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *WORDS]
    return transformers.BertTokenizer(vocab=_numbered(pieces))


def _roberta_tokenizer(_root: Path) -> Any:
    import transformers

    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *string.ascii_lowercase, "Ġ"]
    return transformers.RobertaTokenizer(vocab=_numbered(pieces), merges=[])


def _mpnet_tokenizer(_root: Path) -> Any:
    import transformers

    letters = [*string.ascii_lowercase, *(f"##{c}" for c in string.ascii_lowercase)]
    pieces = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>", *letters, *WORDS]
    return transformers.MPNetTokenizer(vocab=_numbered(pieces))


def _bertweet_tokenizer(root: Path) -> Any:
    import transformers

    characters = [c for c in string.printable if not c.isspace()]
    lines = [f"{piece} 1" for c in characters for piece in (c, f"{c}@@")]
    (root / "vocab.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (root / "bpe.codes").write_text("", encoding="utf-8")
    return transformers.BertweetTokenizer(str(root / "vocab.txt"), str(root / "bpe.codes"))


TOKENIZERS: dict[str, Callable[[Path], Any]] = {
    "bert": _bert_tokenizer,
    "roberta": _roberta_tokenizer,
    "distilroberta": _roberta_tokenizer,
    "bertweet": _bertweet_tokenizer,
    "mpnet": _mpnet_tokenizer,
}
_ROBERTA = {"type_vocab_size": 1, "pad_token_id": 1, "layer_norm_eps": 1e-5}
TEXT_CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", {}),
    "roberta": ("Roberta", {**_ROBERTA, "max_position_embeddings": 200}),
    "distilroberta": (
        "Roberta",
        {**_ROBERTA, "max_position_embeddings": 200, "num_hidden_layers": 2},
    ),
    # 128 tokens and the two positions up to padding, as in the true one.
    "bertweet": ("Roberta", {**_ROBERTA, "max_position_embeddings": 130}),
    "mpnet": ("MPNet", {"max_position_embeddings": 66}),
}


def _numbered(pieces: Sequence[str]) -> dict[str, int]:
    return {piece: number for number, piece in enumerate(pieces)}


def _save(folder: Path, *parts: object) -> None:
    from transformers.utils import logging

    logging.disable_progress_bar()
    for part in parts:
        part.save_pretrained(folder)  # type: ignore[attr-defined]


def _sentence(folder: Path, bert: Path) -> Path:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    modules = [Transformer(str(bert)), Pooling(TINY["hidden_size"]), Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder))
    return folder
