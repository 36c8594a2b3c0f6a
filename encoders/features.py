"""Precomputed embeddings from a file: they bypass the store, their hash enters the run's id."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Features:
    """Frames by utterance id, and the hash of the file's bytes."""

    frames: Mapping[str, Float32[Tensor, "frames dim"]]
    sha256: str

    @property
    def sequences(self) -> bool:
        """Whether some utterance has more than one frame."""
        return any(len(rows) > 1 for rows in self.frames.values())


def read_features(path: Path) -> Features:
    """Read an .npz: ``id`` [N], ``values`` [N, D], or [sum of frames, D] with ``lengths`` [N].

    Raises:
        ValueError: the file is missing, is no .npz, or its arrays do not fit together.
    """
    if not path.is_file():
        raise ValueError(f"features:{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"features:{path}: not an .npz of plain arrays ({error})") from error
    ids, values = _checked(path, arrays)
    lengths = arrays.get("lengths", np.ones(len(ids), int))
    if len(lengths) != len(ids) or lengths.sum() != len(values) or (lengths < 1).any():
        raise ValueError(
            f"features:{path}: {len(ids)} ids and lengths that sum to {lengths.sum()}, "
            f"but values has {len(values)} rows; expected one row per id, or 'lengths' beside it"
        )
    rows = torch.from_numpy(values).split([int(length) for length in lengths])
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Features(dict(zip(ids, rows, strict=True)), sha256)


def _checked(path: Path, arrays: Mapping[str, np.ndarray]) -> tuple[list[str], np.ndarray]:
    if "id" not in arrays or "values" not in arrays:
        found = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"features:{path}: expected arrays 'id' and 'values', found {found}")
    ids = [str(name) for name in arrays["id"]]
    values = arrays["values"]
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.number):
        raise ValueError(
            f"features:{path}: values is {values.dtype} {values.shape}, expected [N, D]"
        )
    if len(set(ids)) != len(ids):
        raise ValueError(f"features:{path}: {len(ids) - len(set(ids))} ids are there twice")
    values = values.astype(np.float32)
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).any(axis=1).sum())
        raise ValueError(f"features:{path}: {bad} rows hold values that are not finite")
    return ids, values
