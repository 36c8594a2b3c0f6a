"""What reading the cache costs: indexing, reading and verifying many embeddings of one encoder.

Shards as commands write them, 64 utterances each; one large shard as other tools may make it. Files
are in the memory of the system, as after a first reading.
"""

import hashlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from safetensors.numpy import save_file

from encoders.extraction import CHUNK
from encoders.specs import LogMelSpec
from encoders.store import Embedding, EmbeddingStore, Space, _tensors, damaged_keys

NO_STARTS = np.zeros(0, np.float32)


def measure() -> str:
    """One row per size: seconds of wall clock and of the processor."""
    lines = ["| embeddings | values | shards | what | s | s of the processor |", "|---" * 6 + "|"]
    with TemporaryDirectory() as root:
        for count, values in ((20_000, 768), (100_000, 768), (1_000_000, 1)):
            space = _written(Path(root) / f"{count}", count, values)
            shards = len(list(space.folder.glob("*.safetensors")))
            about = f"| {count} | {values} | {shards} |"
            lines.append(f"{about} index | {_timed(space.__len__)}")
            if values > 1:
                lines.append(f"{about} read | {_timed(partial(_read, space, count))}")
        path = _one_shard(Path(root) / "one.safetensors", 100_000)
        lines.append(f"| 100000 | 16 | 1 | verify | {_timed(lambda: damaged_keys(path))}")
    return "\n".join(lines)


def _timed(act: Callable[[], object]) -> str:
    wall, processor = time.monotonic(), time.process_time()
    act()
    return f"{time.monotonic() - wall:.1f} | {time.process_time() - processor:.1f} |"


def _read(space: Space, count: int) -> None:
    space.read(_keys(count))


def _keys(count: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]


def _entry(number: int, values: int) -> Embedding:
    return Embedding(np.full((1, 1, values), number, np.float32), 1, NO_STARTS)


def _written(root: Path, count: int, values: int) -> Space:
    folder = EmbeddingStore(root).space(LogMelSpec(), "0" * 64).folder
    folder.mkdir(parents=True)
    keys = _keys(count)
    for first in range(0, count, CHUNK):
        tensors: dict[str, np.ndarray] = {}
        for number, key in enumerate(keys[first : first + CHUNK], start=first):
            tensors.update(_tensors(key, _entry(number, values), "float32"))
        save_file(tensors, folder / f"{first:032x}.safetensors")
    return EmbeddingStore(root).space(LogMelSpec(), "0" * 64)


def _one_shard(path: Path, count: int) -> Path:
    tensors: dict[str, np.ndarray] = {}
    for number, key in enumerate(_keys(count)):
        tensors.update(_tensors(key, _entry(number, 16), "float32"))
    save_file(tensors, path)
    return path
