"""Fold scores on disk while a run is unfinished, so that it goes on where it stopped."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from encoders.store import write_atomically
from fusion.arms import FoldScores
from fusion.stopping import Curve
from fusion.tune import Trial

ARRAYS = ("dev", "dev_scores", "test", "test_scores")
#: Begins the names of scores of one input alone.
ALONE = "alone:"


def save_scores(scores: FoldScores, path: Path) -> None:
    """Write the scores of one arm in one fold, with a checksum over all of them."""
    fields = asdict(scores)
    arrays = {name: fields.pop(name) for name in ARRAYS}
    arrays |= {f"{ALONE}{name}": values for name, values in fields.pop("alone").items()}
    about = {"fields": fields, "sha256": _checksum(fields, arrays)}
    content = io.BytesIO()
    np.savez(content, about=np.array(json.dumps(about)), **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content.getvalue())


def load_scores(path: Path, arm: str, fold: str) -> FoldScores | None:
    """Read what :func:`save_scores` wrote of this arm and fold; None where it is not whole.

    What is damaged is fitted again: a cache heals itself.
    """
    if not path.is_file():
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            about = json.loads(str(archive["about"]))
            names = (*ARRAYS, *(name for name in archive.files if name.startswith(ALONE)))
            arrays = {name: archive[name] for name in names}
        fields = about["fields"]
        whole = about["sha256"] == _checksum(fields, arrays)
    # What numpy, zip and JSON raise of damaged bytes; each means the same here.
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
    if not whole or (fields["arm"], fields["fold"]) != (arm, fold):
        return None
    fields["trials"] = tuple(Trial(**trial) for trial in fields["trials"])
    fields["epochs"] = tuple(fields["epochs"])
    fields["curves"] = tuple(map(Curve.of, fields["curves"]))
    alone = {n.removeprefix(ALONE): arrays.pop(n) for n in tuple(arrays) if n.startswith(ALONE)}
    return FoldScores(**fields, **arrays, alone=alone)


def _checksum(fields: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
