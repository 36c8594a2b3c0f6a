"""The embedding store: immutable safetensors shards under a key of encoder and content.

``ROOT/<family>-<fingerprint>/<hash>.safetensors``. A shard is written to a temporary name, synced
and renamed, and never touched again; its header is the index, so that there is no manifest to
disagree with. Many writers can only produce duplicates, of which the first by name is read: names
of imported shards begin with ``imported-``, and come after all that was encoded here.
Resuming is asking which keys are missing.
"""

import hashlib
import json
import os
import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from encoders.audio.waveform import Audio
from encoders.context import TextInContext
from encoders.files import (
    StoreError,
    elsewhere,
    make_folder,
    read_sealed,
    seal_broken,
    sealed,
    write_atomically,
)
from encoders.manifest_rows import parse_json
from encoders.specs import Spec

FORMAT_VERSION = 1
CHECKSUM, START_S, FRAME_COUNT = ".sha256", ".start_s", ".frames"
#: Tensors of an entry: its values and the three above.
PARTS = 4
#: Begins the names of shards that came from another place.
IMPORTED = "imported-"
#: Names of spaces: a family, and 32 hexadecimal digits of a fingerprint.
SPACE = re.compile(r"([a-z][a-z0-9_-]*)-[0-9a-f]{32}")
#: What to do about a shard that is damaged.
RENEWED = "'serfusion cache gc' removes damaged shards, the next run encodes them again"


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


def audio_key(audio: Audio) -> str:
    """Sha256 of little-endian float32 samples and their rate."""
    digest = hashlib.sha256(struct.pack("<I", audio.sample_rate_hz))
    digest.update(np.ascontiguousarray(audio.samples, dtype="<f4").data)
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
        for folder in sorted(self.root.glob("*-*")):
            if SPACE.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink():
                yield Space(folder, None)


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

    def reread(self) -> None:
        """Look again at what lies there: others write too."""
        vars(self).pop("_index", None)

    @cached_property
    def _index(self) -> dict[str, Path]:
        unreadable = foreign_format(self.folder)
        if unreadable is not None:
            raise StoreError(f"{self.folder}: {unreadable}, or {elsewhere()}")
        index: dict[str, Path] = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            for key in _indexed_keys(path) or ():
                index.setdefault(key, path)
        return index

    def shards(self) -> list[Path]:
        """Shards that can be read, in the order of their names: own ones before imported ones."""
        paths = sorted(self.folder.glob("*.safetensors"))
        return [path for path in paths if _indexed_keys(path) is not None]

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
        self.describe(provenance)
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
        wanted: dict[Path, list[str]] = {}
        for key in dict.fromkeys(keys):
            wanted.setdefault(self._index[key], []).append(key)
        embeddings: dict[str, Embedding] = {}
        for path in sorted(wanted):
            embeddings.update(_read_shard(path, wanted[path]))
        return [embeddings[key] for key in keys]

    def _dtype(self) -> str:
        return "float32" if self.spec is None else self.spec.storage_dtype

    def describe(self, provenance: Mapping[str, Any]) -> None:
        """Write what the encoder is beside its shards, unless it stands there whole."""
        path = self.folder / "spec.json"
        if self.spec is None or read_sealed(path) is not None or path.is_dir():
            return
        content = {
            "format": FORMAT_VERSION,
            "spec": asdict(self.spec),
            "provenance": {**provenance},
        }
        write_atomically(path, json.dumps(sealed(content), indent=2).encode())


class HeldSpace(Space):
    """Embeddings of one encoder that stay in memory, and leave nothing on disk."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(Path(), spec)
        self._held: dict[str, Embedding] = {}

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Keys that have no embedding yet, each once, in their order."""
        return [key for key in dict.fromkeys(keys) if key not in self._held]

    def write(self, entries: Mapping[str, Embedding], provenance: Mapping[str, Any]) -> None:
        """Hold embeddings, as exactly as a shard would."""
        del provenance
        for key, entry in entries.items():
            values = _tensors(key, entry, self._dtype())[key].astype(np.float32)
            self._held[key] = replace(entry, values=values)

    def read(self, keys: Sequence[str]) -> list[Embedding]:
        """Embeddings in the order of the keys."""
        return [self._held[key] for key in keys]

    def describe(self, provenance: Mapping[str, Any]) -> None:
        """Nothing is written."""
        del provenance


class HeldStore(EmbeddingStore):
    """A store in memory, for what must not lie on any disk."""

    def __init__(self) -> None:
        super().__init__(Path())
        self._spaces: dict[str, HeldSpace] = {}

    def space(self, spec: Spec, fingerprint: str) -> Space:
        """The embeddings of one encoder."""
        return self._spaces.setdefault(fingerprint, HeldSpace(spec))


def foreign_format(folder: Path) -> str | None:
    """Why this version cannot read the space in a folder; None where it can.

    A description that is absent or damaged names no format: the shards speak for themselves then,
    and the next run writes it again.
    """
    try:
        content = parse_json((folder / "spec.json").read_bytes())
        written = content["format"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    if written == FORMAT_VERSION or seal_broken(content):
        return None
    return (
        f"of store format {written!r:.20}, but this version of serfusion reads format "
        f"{FORMAT_VERSION}: use the version that wrote it"
    )


def shard_names(path: Path) -> list[str]:
    """Names of all tensors of a shard, from its header alone."""
    with safe_open(path, framework="np") as shard:
        return list(shard.keys())


def shard_keys(path: Path) -> list[str]:
    """Keys of a shard, from its header alone."""
    return [name for name in shard_names(path) if "." not in name]


def damaged_keys(path: Path) -> list[str]:
    """Keys of a shard whose bytes are not those that were written."""
    keys = shard_keys(path)
    with safe_open(path, framework="np") as shard:
        return [key for key in keys if isinstance(_entry(shard, key), str)]


def why_not_storable(entry: Embedding, dtype: str) -> str | None:
    """What keeps an embedding from being stored as ``dtype``; None where nothing does."""
    with np.errstate(over="ignore"):
        if np.isfinite(entry.values.astype(dtype)).all():
            return None
    if np.isfinite(entry.values).all():
        return f"holds values that are not finite as {dtype}; store float32"
    return "holds values that are not finite: its input is damaged, or the encoder overflows on it"


def _indexed_keys(path: Path) -> list[str] | None:
    """Keys of a shard by their checksums, from its header; None where it is not a whole file.

    The text is searched, not parsed: a cache of a million entries is indexed in seconds.
    """
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            whole = os.fstat(file.fileno()).st_size
            header = file.read(size) if size <= whole else b""
    except OSError:
        return None
    # Tensors stand in the order of their bytes: the last one ends where the file does.
    ends = header[header.rfind(b",") + 1 : header.rfind(b"]")]
    if not ends.isdigit() or 8 + size + int(ends) != whole:
        return None
    parts = header.split(f'{CHECKSUM}":'.encode())[:-1]
    return [part[part.rfind(b'"') + 1 :].decode(errors="replace") for part in parts]


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
    try:
        with safe_open(path, framework="np") as shard:
            for key in keys:
                entry = _entry(shard, key)
                if isinstance(entry, str):
                    raise StoreError(f"{path}: {key} {entry}; {RENEWED}")
                embeddings[key] = entry
    except (SafetensorError, OSError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); {RENEWED}") from error
    return embeddings


def _entry(shard: Any, key: str) -> Embedding | str:  # noqa: ANN401 - the library names no type
    """What an open shard holds under a key, or what is wrong with it."""
    try:
        parts = [shard.get_tensor(key + part) for part in ("", START_S, FRAME_COUNT)]
        whole = _checksum(*parts) == shard.get_tensor(key + CHECKSUM).tobytes()
    except SafetensorError as error:
        return f"is not complete ({error})"
    if not whole:
        return "holds bytes that have changed since they were written"
    values, start_s, counts = parts
    extent = TokenCount(*map(int, counts[1:])) if len(counts) > 1 else None
    return Embedding(values.astype(np.float32), int(counts[0]), start_s, extent)
