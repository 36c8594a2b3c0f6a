"""Precomputed embeddings from a file: they bypass the store, their hash enters the run's id."""

import hashlib
import io
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipInfo

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from encoders.messages import composed, quoted

EXPECTED = (
    "expected an .npz with 'id' [N] of texts or whole numbers and 'values' [N, D] of real numbers, "
    "or 'values' [sum of frames, D] with 'lengths' [N] of whole numbers from 1 on"
)
#: Kinds of numpy's types that are texts or whole numbers, whole numbers, and real numbers.
NAMES, WHOLE, REAL = "UiuS", "iu", "fiu"
#: What comes of columns of a data frame.
OBJECTS = (
    "Python objects instead of plain arrays: convert them before they are saved, as in "
    "frame.id.to_numpy(dtype=str) and numpy.stack(frame.vector).astype('float32')"
)
#: What an archive may always unpack to, and how many times as much as it holds: compressed
#: embeddings of speech are two to four times as large, ids in numpy's fixed width up to a hundred.
UNPACKED_BYTES, UNPACKED_TIMES = 256_000_000, 100


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
        ValueError: the file is missing, is no .npz, or its arrays do not fit together; says what
            was expected and what came.
    """
    if not path.is_file():
        raise ValueError(f"features:{path}: no such file; {EXPECTED}")
    content = path.read_bytes()
    try:
        arrays = _arrays(content)
        ids, lengths = _ids(arrays), _lengths(arrays)
        values = _values(arrays, len(ids), lengths)
    except _Unfit as error:
        raise ValueError(f"features:{path}: {EXPECTED}; found {error}") from error
    rows = torch.from_numpy(values).split(lengths)
    return Features(dict(zip(ids, rows, strict=True)), hashlib.sha256(content).hexdigest())


class _Unfit(Exception):
    """What came instead of what was expected."""


def _arrays(content: bytes) -> dict[str, np.ndarray]:
    try:
        with warnings.catch_warnings(), np.load(io.BytesIO(content), allow_pickle=False) as archive:
            warnings.simplefilter("ignore")
            named = [name for name in ("id", "values", "lengths") if name in archive.files]
            if not {"id", "values"} <= set(named):
                raise _Unfit(f"arrays {', '.join(archive.files) or 'none'}")
            _check_unpacked(archive.zip.infolist(), len(content))
            return {name: np.asarray(archive[name]) for name in named}
    except _Unfit:
        raise
    # Zip, zlib, headers and pickles each fail in their own way, and numpy advises to trust them.
    except Exception as error:
        objects = "Object arrays" in str(error)
        raise _Unfit(OBJECTS if objects else _what_came(content)) from error


def _check_unpacked(members: Sequence[ZipInfo], packed: int) -> None:
    """Before memory is spent on it: an archive of a few kilobytes may unpack to terabytes."""
    unpacked = sum(member.file_size for member in members)
    if unpacked > max(UNPACKED_BYTES, UNPACKED_TIMES * packed):
        raise _Unfit(
            f"an archive of {packed / 1e6:.1f} MB that unpacks to {unpacked / 1e6:.0f} MB, more "
            f"than {UNPACKED_TIMES} times as much: write it with numpy.savez"
        )


def _what_came(content: bytes) -> str:
    if content.startswith(b"\x93NUMPY"):
        return "a single array, as of an .npy"
    if not content.startswith(b"PK"):
        return f"no archive (it starts with {content[:8]!r})"
    return "an archive that is damaged or cut short"


def _shape(name: str, array: np.ndarray) -> str:
    return f"'{name}' {array.dtype} {list(array.shape)}"


def _ids(arrays: Mapping[str, np.ndarray]) -> list[str]:
    array = arrays["id"]
    if array.ndim != 1 or array.dtype.kind not in NAMES:
        raise _Unfit(_shape("id", array))
    try:
        ids = [
            value.decode() if isinstance(value, bytes) else str(value) for value in array.tolist()
        ]
    except UnicodeDecodeError:
        raise _Unfit(f"{_shape('id', array)} that is not UTF-8") from None
    # As manifests have them.
    ids = [composed(name).strip() for name in ids]
    doubled = [name for name, count in Counter(ids).items() if count > 1]
    if doubled:
        raise _Unfit(f"{len(doubled)} ids more than once, first {quoted(doubled[0])}")
    return ids


def _lengths(arrays: Mapping[str, np.ndarray]) -> list[int]:
    if "lengths" not in arrays:
        return [1] * len(arrays["id"])
    array = arrays["lengths"]
    if array.shape != arrays["id"].shape or array.dtype.kind not in WHOLE:
        raise _Unfit(f"{_shape('id', arrays['id'])} and {_shape('lengths', array)}")
    lengths = [int(length) for length in array]
    if min(lengths, default=1) < 1:
        raise _Unfit(f"'lengths' with {min(lengths)}: an utterance has at least one frame")
    return lengths


def _values(arrays: Mapping[str, np.ndarray], ids: int, lengths: list[int]) -> np.ndarray:
    array = arrays["values"]
    if array.ndim != 2 or array.dtype.kind not in REAL or 0 in array.shape:
        raise _Unfit(_shape("values", array))
    if sum(lengths) != len(array):
        raise _Unfit(f"{ids} ids whose lengths sum to {sum(lengths)}, and {len(array)} rows")
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    bad = int((~np.isfinite(values)).any(axis=1).sum())
    if bad:
        raise _Unfit(f"{bad} rows of 'values' that are not finite as float32")
    return values
