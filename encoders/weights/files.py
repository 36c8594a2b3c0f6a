"""Files of weights: what a folder must hold to be a model, and hashes of it."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

#: What lies at a path: a folder of transformers, one of CTranslate2, a single file, which the
#: folder that holds it stands for as well, or a Whisper in any of these.
Layout = Literal["transformers", "ctranslate2", "file", "whisper"]
EXPECTED: Mapping[Layout, str] = MappingProxyType(
    {
        "transformers": "a folder with config.json and weights (.safetensors or .bin)",
        "ctranslate2": "a folder with model.bin",
        "file": "a file of weights, or a folder with one (.safetensors, .pt or .pth)",
        "whisper": "a file of openai-whisper (.pt), or a folder of transformers or CTranslate2 "
        "with config.json and weights",
    }
)
#: Files besides the weights that decide an embedding.
CONFIG_FILES = (
    "config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "bpe.codes",
    "added_tokens.json",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "spiece.model",
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    # What fine-tuned weights have seen: those that have seen more are another encoder.
    "provenance.json",
)
#: What faster-whisper reads of a folder.
CTRANSLATE2_FILES = (
    *("model.bin", "config.json", "tokenizer.json", "preprocessor_config.json", "vocabulary.*"),
)
WEIGHT_SUFFIXES = (".safetensors", ".bin")
FILE_SUFFIXES = (".safetensors", ".pt", ".pth")


def model_at(path: Path, layout: Layout) -> Path | None:
    """The folder or file of a model that lies at a path; None where it does not."""
    if layout == "whisper" and (path / "model.bin").is_file():
        return path
    if layout == "file" or (layout == "whisper" and not (path / "config.json").is_file()):
        if not path.is_dir():
            return path if path.is_file() else None
        files = [file for file in path.iterdir() if file.suffix in FILE_SUFFIXES]
        return files[0] if len(files) == 1 else None
    if layout == "ctranslate2":
        return path if (path / "model.bin").is_file() else None
    return path if (path / "config.json").is_file() and weight_files(path) else None


def weight_files(folder: Path) -> list[Path]:
    """Files with the weights: safetensors where there are any, else PyTorch's."""
    for suffix in WEIGHT_SUFFIXES:
        files = sorted(path for path in folder.glob(f"*{suffix}") if "training" not in path.name)
        if files:
            return files
    return []


def file_sha256(path: Path) -> str:
    """Sha256 of the content of one file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def files_sha256(files: Iterable[tuple[str, Path]]) -> str:
    """Sha256 over names and contents of files, in the order given."""
    lines = (f"{name} {file_sha256(path)}\n" for name, path in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
