"""What a fit is kept by: what its heads see and how they are trained, no name of a row or a study.

Two runs that differ in the text encoder share the fits of the audio arm, and an upgrade that leaves
the arithmetic of training alone trains nothing anew.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from encoders.device import other_arithmetic
from encoders.plugins import files_of_plugins
from encoders.weights.files import file_sha256
from fusion.batch import Dataset, ModalityBatch
from fusion.networks.heads import HEADS
from fusion.splitting.splits import Fold
from fusion.training.arm_table import TrainedArm
from fusion.training.arms import Budget
from fusion.training.crossfit import FoldData
from fusion.training.normalise import group_hash

#: To be raised whenever heads that are trained on the same rows score otherwise than before, were
#: it in the last digits: another loss, optimiser, order of random draws, stopping or pruning rule,
#: search space or default. Kept fits of another number are not read.
NUMERICS_VERSION = 2
#: Read once of each package: its file would be parsed for every fit.
version = cache(metadata.version)
#: What trains heads besides our own code: another version may give other last digits.
LIBRARIES = ("torch", "numpy", "optuna")
#: What of an arm decides its heads; the rest is for readers.
DECISIVE = ("name", "head", "inputs", "crossfitted")


def arithmetic() -> dict[str, Any]:
    """What decides the digits of a fit besides its rows, its budget and a user's own head."""
    libraries = {name: version(name) for name in LIBRARIES}
    return {"numerics": NUMERICS_VERSION, "device": other_arithmetic(), **libraries}


def own_code(arm: TrainedArm) -> dict[str, str]:
    """Hashes of the files of a user's own head, which has no version; none of other heads."""
    module = HEADS[arm.head].network.__module__
    if module.partition(".")[0] == "fusion":
        return {}
    return {path.name: file_sha256(path) for path in files_of_plugins()}


def hash_of(content: object) -> str:
    """Sha256 of canonical JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class FitKey:
    """Hash of all that heads are trained, stopped and selected on; and of the rows scored too."""

    trained: str
    scored: str


class FitKeys:
    """Keys of the fits of one plan; each input is read once for all of them."""

    def __init__(self) -> None:
        # The batches are kept, so that no other one can get the identity of one that is gone.
        self._known: dict[int, tuple[ModalityBatch, UInt8[np.ndarray, "rows 32"]]] = {}

    def of(self, arm: TrainedArm, views: Sequence[FoldData], fold: Fold, budget: Budget) -> FitKey:
        """The key of an arm in a fold whose rows are seen as these views show them."""
        spent = [budget.trials, budget.seeds, budget.study_seed, dict(budget.fixed)]
        # Without trials nothing of a head is chosen by it; a task's own metric has no name here.
        chosen_by = [budget.goal] if budget.goal is not None and budget.trials else []
        content = {
            "arithmetic": arithmetic(),
            "arm": {name: getattr(arm, name) for name in DECISIVE},
            "budget": [*spent, *chosen_by],
            "views": [self._view(arm, view) for view in views],
        }
        if code := own_code(arm):
            content["code"] = code
        test = [self._test(arm, view, fold) for view in views]
        return FitKey(hash_of(content), hash_of({**content, "test": test}))

    def _view(self, arm: TrainedArm, view: FoldData) -> dict[str, Any]:
        """Rows of training and development, in the order in which heads are given them."""
        data = view.data
        sides = [(data.index(inner.train), data.index(inner.dev)) for inner in view.inner.folds]
        grouped = {} if data.groups is None else {"groups": group_hash(view)}
        return {
            "task": data.task,
            "targets": len(data.targets),
            "layers": [batch.layers for batch in data.of(arm.inputs)],
            "inner": [[self._rows(arm, data, rows) for rows in both] for both in sides],
            **grouped,
        }

    def _test(self, arm: TrainedArm, view: FoldData, fold: Fold) -> str:
        """Hash of the rows scored, and of whose statistics standardise them."""
        rows = view.data.index(fold.test)
        grouped = "" if view.data.groups is None else group_hash(view, rows)
        return self._rows(arm, view.data, rows) + grouped

    def _rows(self, arm: TrainedArm, data: Dataset, index: Int64[np.ndarray, "some"]) -> str:
        """Hash of what some rows teach, to the last bit, and of what an arm reads of them."""
        digest = hashlib.sha256(data.goals[index].tobytes())
        if data.windows is not None:
            # How many windows each recording has: they start at 0 again with the next one.
            digest.update(data.windows[index].tobytes())
        for batch in data.of(arm.inputs):
            digest.update(self._hashes(batch)[index].tobytes())
        return f"{len(index)}:{digest.hexdigest()}"

    def _hashes(self, batch: ModalityBatch) -> UInt8[np.ndarray, "rows 32"]:
        if id(batch) not in self._known:
            every = b"".join(_row_hash(batch, row) for row in range(len(batch.present)))
            self._known[id(batch)] = (batch, np.frombuffer(every, np.uint8).reshape(-1, 32))
        return self._known[id(batch)][1]


def _row_hash(batch: ModalityBatch, row: int) -> bytes:
    """Of a row's own frames, however far they are padded; width and all if the row is missing."""
    if not batch.present[row]:
        return hashlib.sha256(f"missing, {batch.dim}".encode()).digest()
    frames = batch.values[row][batch.mask[row]].contiguous().numpy()
    return hashlib.sha256(f"{frames.shape}".encode() + frames.tobytes()).digest()
