"""Fold scores on disk while a run is unfinished, so that it goes on where it stopped."""

import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from encoders.store import write_atomically
from fusion.arms import FoldScores

ARRAYS = ("dev", "dev_scores", "test", "test_scores")


def save_scores(scores: FoldScores, path: Path) -> None:
    """Write the scores of one arm in one fold."""
    fields = asdict(scores)
    arrays = {name: fields.pop(name) for name in ARRAYS}
    content = io.BytesIO()
    np.savez(content, about=np.array(json.dumps(fields)), **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content.getvalue())


def load_scores(path: Path) -> FoldScores | None:
    """Read what :func:`save_scores` wrote; None where there is nothing."""
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as archive:
        about = json.loads(str(archive["about"]))
        arrays = {name: archive[name] for name in ARRAYS}
    about["trials"], about["epochs"] = tuple(about["trials"]), tuple(about["epochs"])
    return FoldScores(**about, **arrays)
