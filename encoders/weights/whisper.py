"""Whisper's weights, whoever published them: one set of names, one hash.

Three layouts hold the same tensors: a file of openai-whisper, a folder of transformers, and one of
CTranslate2, which faster-whisper reads. Here each becomes tensors in float32 by the names of
transformers, so that one model has one hash, and its embeddings and transcripts are shared.
"""

import hashlib
import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from encoders.weights.files import weight_files

Part = Literal["encoder", "decoder"]
Tensors = Mapping[str, Float32[np.ndarray, "..."]]

#: What transformers calls the parts of openai-whisper, longest first where one begins another.
_OPENAI_NAMES = (
    *(("blocks", "layers"), ("cross_attn_ln", "encoder_attn_layer_norm")),
    *(("cross_attn", "encoder_attn"), ("attn_ln", "self_attn_layer_norm"), ("mlp_ln", "final_")),
    *(("attn.query", "attn.q_proj"), ("attn.key", "attn.k_proj"), ("attn.value", "attn.v_proj")),
)


class WhisperLayoutError(ValueError):
    """What lies at a path are no weights of Whisper that can be read here; says why."""


@dataclass(frozen=True, slots=True)
class WhisperWeights:
    """One model: tensors by transformers' names without ``model.`` before them, in float32."""

    tensors: Tensors
    heads: int

    def sha256(self, part: Part | None = None) -> str:
        """Hash of all tensors, or of those of one part, whatever file they came from."""
        return _sha256(self.tensors, self.heads, part)

    def config(self) -> dict[str, Any]:
        """The fields of transformers' configuration that shapes tell."""
        width, mels, _ = self.tensors["encoder.conv1.weight"].shape
        return {
            "d_model": width,
            "num_mel_bins": mels,
            "encoder_layers": self._layers("encoder"),
            "encoder_attention_heads": self.heads,
            "encoder_ffn_dim": self.tensors["encoder.layers.0.fc1.weight"].shape[0],
            "max_source_positions": len(self.tensors["encoder.embed_positions.weight"]),
            **(self._decoder() if "decoder.embed_tokens.weight" in self.tensors else {}),
        }

    def _decoder(self) -> dict[str, Any]:
        return {
            "decoder_layers": self._layers("decoder"),
            "decoder_attention_heads": self.heads,
            "decoder_ffn_dim": self.tensors["decoder.layers.0.fc1.weight"].shape[0],
            "max_target_positions": len(self.tensors["decoder.embed_positions.weight"]),
            "vocab_size": len(self.tensors["decoder.embed_tokens.weight"]),
        }

    def _layers(self, part: Part) -> int:
        found = re.compile(rf"{part}\.layers\.(\d+)\.")
        return 1 + max((int(m[1]) for m in map(found.match, self.tensors) if m), default=-1)


def read_whisper(path: Path, part: Part | None = None) -> WhisperWeights:
    """The weights at a path, or one part of them, in any of the three layouts.

    Raises:
        WhisperLayoutError: there are none, or they are cut short, quantised, or of a version that
            is not known here.
    """
    published, heads = _as_published(path, part)
    tensors = {name: np.asarray(tensor, np.float32) for name, tensor in published.items()}
    return WhisperWeights(MappingProxyType(tensors), heads)


def whisper_sha256(path: Path, part: Part | None = None) -> str:
    """:meth:`WhisperWeights.sha256` of what lies at a path, or of one part, without a copy of it.

    Remembered while the files stay as they are: every key of a run asks for it.

    Raises:
        WhisperLayoutError: as :func:`read_whisper`.
    """
    files = weight_files(path) if path.is_dir() else [path]
    state = tuple((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    return _sha256_at(path, part, state)


@lru_cache
def _sha256_at(path: Path, part: Part | None, _state: tuple[tuple[str, int, int], ...]) -> str:
    return _sha256(*_as_published(path, part))


def _sha256(tensors: Mapping[str, np.ndarray], heads: int, part: Part | None = None) -> str:
    digest = hashlib.sha256(str(heads).encode())
    for name in sorted(tensors):
        if part is None or name.startswith(f"{part}."):
            tensor = tensors[name]
            digest.update(f"{name} {tensor.shape}".encode())
            digest.update(np.ascontiguousarray(tensor, "<f4").tobytes())
    return digest.hexdigest()


def _as_published(path: Path, part: Part | None = None) -> tuple[dict[str, np.ndarray], int]:
    """The tensors with the numbers of bits in which they lie there, and the number of heads."""
    try:
        named, heads = _read(path)
        tensors = {
            name: tensor for name, tensor in named if part is None or name.startswith(f"{part}.")
        }
        return _with_sinusoids(tensors), heads
    except WhisperLayoutError:
        raise
    # Pickles, archives, JSON and tensors each fail in ways of their own; to a user they are one.
    except Exception as error:
        fault = " ".join(str(error).split()) or type(error).__name__
        raise WhisperLayoutError(f"{path}: holds no weights of Whisper ({fault})") from error


def is_ctranslate2(folder: Path) -> bool:
    """Whether a folder is one of CTranslate2: transformers names the type in its config.json."""
    return (folder / "model.bin").is_file() and not _config(folder).get("model_type")


def is_whisper(path: Path) -> bool:
    """Whether a folder or file looks like Whisper's, without reading its weights."""
    if path.is_file():
        return path.suffix == ".pt"
    return is_ctranslate2(path) or _config(path).get("model_type") == "whisper"


def _config(folder: Path) -> Mapping[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def _read(path: Path) -> tuple[Iterator[tuple[str, Any]], int]:
    if path.is_file():
        return _openai(path)
    return _ctranslate2(path / "model.bin") if is_ctranslate2(path) else _transformers(path)


def _array(tensor: Any) -> np.ndarray:  # noqa: ANN401 - a tensor of torch
    """A tensor's numbers as they are, but bfloat16, which numpy lacks, in float32."""
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()


def _with_sinusoids(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The encoder's positions with the 16 bits in which they were published, if they are those.

    Files hold these constants with 16 or 32 bits; taken as they come, one model had two hashes.
    """
    name = "encoder.embed_positions.weight"
    if name in tensors:
        published = sinusoids(*tensors[name].shape).astype(np.float16).astype(np.float32)
        if np.abs(published - tensors[name]).max() < 1e-3:
            tensors[name] = published
    return tensors


def sinusoids(length: int, width: int) -> Float32[np.ndarray, "length width"]:
    """Positions of Whisper's encoder (``sinusoids`` of openai-whisper's ``model.py``)."""
    step = np.log(10000.0) / (width // 2 - 1)
    angles = np.arange(length)[:, None] * np.exp(-step * np.arange(width // 2))[None]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


# ---------------------------------------------------------------- openai-whisper


def _openai(path: Path) -> tuple[Iterator[tuple[str, Any]], int]:
    import torch

    checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    tensors = checkpoint["model_state_dict"]
    pairs = ((from_openai(name), _array(tensor)) for name, tensor in tensors.items())
    return pairs, int(checkpoint["dims"]["n_audio_head"])


def from_openai(name: str) -> str:
    """The name that transformers has for a tensor of openai-whisper."""
    for theirs, ours in _OPENAI_NAMES:
        name = name.replace(theirs, ours)
    name = name.replace("final_.", "final_layer_norm.").replace(".mlp.0.", ".fc1.")
    name = name.replace(".mlp.2.", ".fc2.").replace("ln_post.", "layer_norm.")
    name = re.sub(r"(?<=layers\.)(\d+)\.attn\.", r"\1.self_attn.", name)
    name = re.sub(r"attn\.out\.", "attn.out_proj.", name)
    name = name.replace("decoder.ln.", "decoder.layer_norm.")
    name = name.replace("token_embedding.", "embed_tokens.")
    return name.replace("positional_embedding", "embed_positions.weight")


# ---------------------------------------------------------------- transformers


def _transformers(folder: Path) -> tuple[Iterator[tuple[str, Any]], int]:
    heads = int(_config(folder)["encoder_attention_heads"])
    return _transformers_tensors(folder), heads


def _transformers_tensors(folder: Path) -> Iterator[tuple[str, Any]]:
    import torch
    from safetensors.torch import load_file

    for path in weight_files(folder):
        safe = path.suffix == ".safetensors"
        tensors = load_file(path) if safe else torch.load(path, "cpu", weights_only=True)
        for name, tensor in tensors.items():
            # Words are tied to the embeddings; what else lies there is none of Whisper's.
            if (ours := name.removeprefix("model.")).startswith(("encoder.", "decoder.")):
                yield ours, _array(tensor)


# ---------------------------------------------------------------- CTranslate2

#: Of the binary format: what its numbers of types stand for.
_TYPES = MappingProxyType({0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"})
_VERSION = 6


def _ctranslate2(path: Path) -> tuple[Iterator[tuple[str, Any]], int]:
    variables = _variables(path)
    return _renamed(variables), int(variables["encoder/num_heads"])


class _Reader:
    """Numbers, words and bytes of a ``model.bin``, one after another; all little-endian."""

    def __init__(self, path: Path) -> None:
        self.path, self.content, self.at = path, np.memmap(path, np.uint8, "r"), 0

    def number(self, code: str) -> int:
        """A whole number by its code of :mod:`struct`."""
        return int(struct.unpack(f"<{code}", self.bytes(struct.calcsize(code)).tobytes())[0])

    def word(self) -> str:
        """A string: its length, its bytes, a zero."""
        return self.bytes(self.number("H"))[:-1].tobytes().decode()

    def bytes(self, size: int) -> np.ndarray:
        """So many bytes, as a view of the file."""
        self.at += size
        if self.at > len(self.content):
            raise WhisperLayoutError(f"{self.path}: is cut short, or no model of CTranslate2")
        return self.content[self.at - size : self.at]


def _variables(path: Path) -> dict[str, np.ndarray]:
    """Tensors of a ``model.bin`` by CTranslate2's names, as views of the file.

    Version, name of the specification, its revision, number of variables; of each its name, rank,
    dimensions, type, bytes and data (``ctranslate2.specs.model_spec`` writes it).
    """
    file = _Reader(path)
    if (version := file.number("I")) != _VERSION:
        raise WhisperLayoutError(f"{path}: version {version} of the format, expected {_VERSION}")
    if (specification := file.word()) != "WhisperSpec":
        raise WhisperLayoutError(f"{path}: holds a {specification[:40]}, expected a WhisperSpec")
    file.number("I")
    return dict(_variable(file) for _ in range(file.number("I")))


def _variable(file: _Reader) -> tuple[str, np.ndarray]:
    name = file.word()
    shape = [file.number("I") for _ in range(file.number("B"))]
    kind, size = file.number("B"), file.number("I")
    if kind not in _TYPES or name.endswith("weight_scale"):
        raise WhisperLayoutError(f"{file.path}: {name} is quantised; expected float16 or float32")
    return name, file.bytes(size).view(_TYPES[kind]).reshape(shape)


_FIXED = MappingProxyType(
    {
        "encoder/position_encodings/encodings": "encoder.embed_positions.weight",
        "decoder/position_encodings/encodings": "decoder.embed_positions.weight",
        "decoder/embeddings/weight": "decoder.embed_tokens.weight",
    }
)
_ENDS = MappingProxyType({"gamma": "weight", "beta": "bias", "weight": "weight", "bias": "bias"})


def _renamed(variables: Mapping[str, np.ndarray]) -> Iterator[tuple[str, Any]]:
    for name, value in variables.items():
        *path, last = name.split("/")
        if name in _FIXED:
            yield _FIXED[name], value
        elif last in _ENDS:
            yield from _layer_tensors(path, _ENDS[last], value)


def _layer_tensors(
    path: list[str], end: str, value: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """One variable under its new name; stacked queries, keys and values taken apart."""
    part, *inner = path
    if not inner[0].startswith("layer_") or inner[0] == "layer_norm":
        yield f"{part}.{inner[0]}.{end}", value
        return
    layer = f"{part}.layers.{inner[0].removeprefix('layer_')}"
    block, place = inner[1:]
    if block == "ffn":
        names = {"layer_norm": "final_layer_norm", "linear_0": "fc1", "linear_1": "fc2"}
        yield f"{layer}.{names[place]}.{end}", value
        return
    attention = "self_attn" if block == "self_attention" else "encoder_attn"
    if place == "layer_norm":
        yield f"{layer}.{attention}_layer_norm.{end}", value
        return
    stacked = {
        "self_attn": {"linear_0": "qkv", "linear_1": "o"},
        "encoder_attn": {"linear_0": "q", "linear_1": "kv", "linear_2": "o"},
    }[attention][place]
    for letter, rows in zip(stacked, np.split(value, len(stacked)), strict=True):
        # Keys have no bias in Whisper: what stands there are zeros.
        if (letter, end) != ("k", "bias"):
            projection = "out_proj" if letter == "o" else f"{letter}_proj"
            yield f"{layer}.{attention}.{projection}.{end}", rows
