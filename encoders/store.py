"""The embedding store: immutable safetensors shards under a key of encoder and content.

``ROOT/<family>-<fingerprint>/<hash>.safetensors``. A shard is written to a temporary name, synced
and renamed, and never touched again; its header is the index, so that there is no manifest to
disagree with. Many writers can only produce duplicates, of which the first by name is read.
Resuming is asking which keys are missing.
"""

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from jaxtyping import Float, Float32
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from encoders.audio.waveform import Audio
from encoders.context import TextInContext
from encoders.specs import Spec

FORMAT_VERSION = 1
#: Environment variable with the folder of the cache.
CACHE_VARIABLE = "SERFUSION_CACHE"
CHECKSUM, START_S, FRAME_COUNT = ".sha256", ".start_s", ".frames"


@dataclass(frozen=True, slots=True)
class TokenCount:
    """How long a text is in tokens, special ones included, and how many of them were read.

    ``turns_cut`` turns around the words were left out first, so that these were read whole.
    """

    tokens: int
    tokens_read: int
    turns_cut: int = 0

    @property
    def cut(self) -> bool:
        """Whether the end of the text was not read."""
        return self.tokens_read < self.tokens


@dataclass(frozen=True, slots=True)
class Embedding:
    """What is stored under one key.

    ``frame_count`` is the number of frames before pooling; ``start_s`` the start of each stored
    frame in seconds, empty for pooled storage and for tokens; ``extent`` how much of a text was
    read, None where everything always is.
    """

    values: Float[np.ndarray, "layers frames dim"]
    frame_count: int
    start_s: Float32[np.ndarray, "starts"]
    extent: TokenCount | None = None


class StoreError(ValueError):
    """The store cannot hold or return what was asked."""


def audio_key(audio: Audio) -> str:
    """Sha256 of little-endian float32 samples and their rate."""
    digest = hashlib.sha256(struct.pack("<I", audio.sample_rate_hz))
    digest.update(np.ascontiguousarray(audio.samples, dtype="<f4").tobytes())
    return digest.hexdigest()


def text_key(text: str | TextInContext) -> str:
    """Sha256 of a transcript as :func:`encoders.asr.transcription.normalise` leaves it.

    Of one in context, of its words and all turns around them.
    """
    # No transcript holds line breaks: none has the key of another one in context.
    content = text if isinstance(text, str) else json.dumps(asdict(text), indent=1)
    return hashlib.sha256(content.encode()).hexdigest()


class EmbeddingStore:
    """A folder of spaces, one per encoder fingerprint."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).expanduser()

    def space(self, spec: Spec, fingerprint: str) -> "Space":
        """The embeddings of one encoder; nothing is created before something is written."""
        return Space(self.root / f"{spec.family}-{fingerprint[:32]}", spec)

    def spaces(self) -> Iterator["Space"]:
        """Every space on disk."""
        for path in sorted(self.root.glob("*/spec.json")):
            yield Space(path.parent, None)


class Space:
    """All embeddings of one encoder, by content key."""

    def __init__(self, folder: Path, spec: Spec | None) -> None:
        self.folder = folder
        self.spec = spec

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Keys that have no embedding yet, each once, in their order."""
        return [key for key in dict.fromkeys(keys) if key not in self._index]

    def __len__(self) -> int:
        return len(self._index)

    @cached_property
    def _index(self) -> dict[str, Path]:
        unreadable = foreign_format(self.folder)
        if unreadable is not None:
            raise StoreError(f"{self.folder}: {unreadable}, or {elsewhere()}")
        index: dict[str, Path] = {}
        for path in self.shards():
            for key in shard_keys(path):
                index.setdefault(key, path)
        return index

    def shards(self) -> list[Path]:
        """Shards that can be read, in the order of their names."""
        return sorted(path for path in self.folder.glob("*.safetensors") if _opens(path))

    def write(self, entries: Mapping[str, Embedding], provenance: Mapping[str, Any]) -> Path | None:
        """Write one shard; entries are complete on disk or not there at all.

        Raises:
            StoreError: a value does not fit the storage type (float16 ends at 65 504).
        """
        if not entries:
            return None
        tensors: dict[str, np.ndarray] = {}
        for key in sorted(entries):
            tensors.update(_tensors(key, entries[key], self._dtype()))
        index = self._index
        content = save(tensors)
        make_folder(self.folder)
        self._describe(provenance)
        path = self.folder / f"{hashlib.sha256(content).hexdigest()[:32]}.safetensors"
        write_atomically(path, content)
        # As a reader of the folder will have it: of duplicates, the first by name.
        index.update({key: min(index.get(key, path), path) for key in entries})
        return path

    def read(self, keys: Sequence[str]) -> list[Embedding]:
        """Embeddings in the order of the keys, each checked against its checksum.

        Raises:
            StoreError: a key is not in the store, or its bytes are not those that were written.
        """
        absent = self.missing(keys)
        if absent:
            raise StoreError(f"{self.folder}: {len(absent)} keys are missing, first {absent[0]}")
        embeddings: dict[str, Embedding] = {}
        for path in sorted({self._index[key] for key in keys}):
            wanted = [key for key in dict.fromkeys(keys) if self._index[key] == path]
            embeddings.update(_read_shard(path, wanted))
        return [embeddings[key] for key in keys]

    def _dtype(self) -> str:
        return "float32" if self.spec is None else self.spec.storage_dtype

    def _describe(self, provenance: Mapping[str, Any]) -> None:
        path = self.folder / "spec.json"
        if path.exists() or self.spec is None:
            return
        content = {
            "format": FORMAT_VERSION,
            "spec": asdict(self.spec),
            "provenance": {**provenance},
        }
        write_atomically(path, json.dumps(content, indent=2).encode())


def foreign_format(folder: Path) -> str | None:
    """Why this version cannot read the space in a folder; None where it can.

    A description that is absent or damaged names no format: the shards speak for themselves then,
    and the next run writes it again.
    """
    try:
        content = json.loads((folder / "spec.json").read_bytes())
        written = content["format"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    if written == FORMAT_VERSION:
        return None
    return (
        f"of store format {written!r:.20}, but this version of serfusion reads format "
        f"{FORMAT_VERSION}: use the version that wrote it"
    )


def shard_keys(path: Path) -> list[str]:
    """Keys of a shard, from its header alone."""
    with safe_open(path, framework="np") as shard:
        return [name for name in shard.keys() if "." not in name]


def damaged_keys(path: Path) -> list[str]:
    """Keys of a shard whose bytes are not those that were written."""
    damaged = []
    for key in shard_keys(path):
        try:
            _read_shard(path, [key])
        except StoreError:
            damaged.append(key)
    return damaged


def why_not_storable(entry: Embedding, dtype: str) -> str | None:
    """What keeps an embedding from being stored as ``dtype``; None where nothing does."""
    with np.errstate(over="ignore"):
        if np.isfinite(entry.values.astype(dtype)).all():
            return None
    if np.isfinite(entry.values).all():
        return f"holds values that are not finite as {dtype}; store float32"
    return "holds values that are not finite: its input is damaged, or the encoder overflows on it"


def make_folder(folder: Path) -> None:
    """Make a folder of the cache, with those above it.

    Raises:
        StoreError: nothing can be written there; names the variable that chooses another place.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        why = None if os.access(folder, os.W_OK) else "no permission to write"
    except OSError as error:
        why = error.strerror or type(error).__name__
    if why is not None:
        raise StoreError(f"{folder}: the cache cannot be written there ({why}); {elsewhere()}")


def elsewhere() -> str:
    """What to do where the cache lies badly."""
    now = os.environ.get(CACHE_VARIABLE)
    return (
        f"set {CACHE_VARIABLE} to a folder that you can write to "
        f"(now {now if now else 'not set, which is ~/.cache/serfusion'})"
    )


def write_atomically(path: Path, content: bytes) -> None:
    """Write to a temporary name beside ``path``, sync, rename: readers see all of it or nothing.

    Raises:
        OSError: with the path, also where the system names none (as on a full disk).
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _opens(path: Path) -> bool:
    try:
        with safe_open(path, framework="np"):
            return True
    except (SafetensorError, OSError):
        return False


def _tensors(key: str, entry: Embedding, dtype: str) -> dict[str, np.ndarray]:
    why = why_not_storable(entry, dtype)
    if why is not None:
        raise StoreError(f"{key}: {why}")
    values = np.ascontiguousarray(entry.values, dtype=dtype)
    start_s = entry.start_s.astype(np.float32)
    extent = () if entry.extent is None else astuple(entry.extent)
    # As it was before there was context: the third number only where it says something.
    extent = extent if any(extent[2:]) else extent[:2]
    frame_count = np.array([entry.frame_count, *extent], np.int64)
    checksum = _checksum(values, start_s, frame_count)
    return {
        key: values,
        key + CHECKSUM: np.frombuffer(checksum, np.uint8),
        key + START_S: start_s,
        key + FRAME_COUNT: frame_count,
    }


def _checksum(*arrays: np.ndarray) -> bytes:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.digest()


def _read_shard(path: Path, keys: Sequence[str]) -> dict[str, Embedding]:
    embeddings: dict[str, Embedding] = {}
    with safe_open(path, framework="np") as shard:
        for key in keys:
            try:
                parts = [shard.get_tensor(key + part) for part in ("", START_S, FRAME_COUNT)]
                whole = _checksum(*parts) == shard.get_tensor(key + CHECKSUM).tobytes()
            except SafetensorError as error:
                raise StoreError(f"{path}: {key} is not complete ({error})") from error
            if not whole:
                raise StoreError(
                    f"{path}: the bytes of {key} have changed since they were written; "
                    "'serfusion cache gc' removes damaged shards, the next run encodes them again"
                )
            values, start_s, counts = parts
            extent = TokenCount(*map(int, counts[1:])) if len(counts) > 1 else None
            embeddings[key] = Embedding(values.astype(np.float32), int(counts[0]), start_s, extent)
    return embeddings
