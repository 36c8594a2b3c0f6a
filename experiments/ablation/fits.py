"""Fits kept by what their heads see, so that cells share those that none of them changes.

A comparison keeps its fits under the hash of its whole study: two cells that differ in the text
encoder would train the audio arm twice. Here the name of a fit is the hash of the rows' content as
the arm's heads read it, their targets, the folds and the budget, and of the code that trains.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64

from experiments.comparing.fitting import Fits, Place, Spot, code_hash
from experiments.comparing.plan import Plan, Views
from fusion.batch import Dataset, ModalityBatch
from fusion.crossfit import View
from fusion.splitting.splits import Fold
from fusion.training.arm_table import arm_of

#: Folder of these fits beside those of comparisons.
SHARED = "shared"
ABSENT = b"missing"


def place_of(plan: Plan, root: Path, count: int, *, keep_heads: bool) -> Place:
    """Where the fits of a plan lie below ``root``.

    ``count`` are the rows of a dataset that is not doubled (:func:`scored_on`). With ``keep_heads``
    heads have a place that does not depend on the rows that they score.
    """
    rows = _RowDigests()
    budget = json.dumps(
        [plan.budget.trials, plan.budget.seeds, plan.budget.study_seed, dict(plan.budget.fixed)],
        sort_keys=True,
    )

    def place(arm: str, fold: Fold, views: Sequence[View]) -> Spot:
        digest = hashlib.sha256(f"{code_hash()}|{arm}|{fold.name}|{budget}".encode())
        reads = [_Read(view.data, arm, rows, count) for view in views]
        for view, read in zip(views, reads, strict=True):
            read.add_training(digest, view)
        trained = digest.hexdigest()[:32]
        for view, read in zip(views, reads, strict=True):
            read.add(digest, view.data.index(fold.test), places=True)
        folder, keep = root / "fits" / SHARED, keep_heads and not arm_of(arm).crossfitted
        heads = folder / f"{arm}-{trained}.safetensors" if keep else None
        return Spot(folder / f"{arm}-{digest.hexdigest()[:32]}.npz", heads)

    return place


class _RowDigests:
    """Sha256 of what a head reads of each row, by input; each input is read once."""

    def __init__(self) -> None:
        # The batches are kept, so that no other one can get the identity of one that is gone.
        self._known: dict[int, tuple[ModalityBatch, list[bytes]]] = {}

    def of(self, batch: ModalityBatch) -> list[bytes]:
        """One digest a row."""
        if id(batch) not in self._known:
            self._known[id(batch)] = (
                batch,
                [_row_digest(batch, k) for k in range(len(batch.mask))],
            )
        return self._known[id(batch)][1]


def _row_digest(batch: ModalityBatch, row: int) -> bytes:
    if not batch.present[row]:
        return hashlib.sha256(ABSENT).digest()
    own = batch.values[row][batch.mask[row]].contiguous().numpy()
    return hashlib.sha256(f"{own.shape}".encode() + own.tobytes()).digest()


@dataclass(frozen=True, slots=True)
class _Read:
    """What an arm reads of a dataset whose rows may be there twice."""

    data: Dataset
    arm: str
    rows: _RowDigests
    count: int

    def add_training(self, digest: "hashlib._Hash", view: View) -> None:
        """Add what heads are trained, stopped and selected on."""
        read = self.data.of(arm_of(self.arm).inputs)
        shape = [len(self.data.targets), *((one.dim, one.layers) for one in read)]
        # A class stays the number it was, so that fits of classes keep their names.
        task = [] if self.data.values is None else [self.data.task]
        digest.update(json.dumps([*shape, *task]).encode())
        for inner in view.inner.folds:
            self.add(digest, self.data.index(inner.train), places=False)
            self.add(digest, self.data.index(inner.dev), places=True)

    def add(
        self, digest: "hashlib._Hash", index: Int64[np.ndarray, "some"], *, places: bool
    ) -> None:
        """Add rows with their targets; places of rows that are scored are kept with the scores."""
        known = [self.rows.of(one) for one in self.data.of(arm_of(self.arm).inputs)]
        digest.update(b"|")
        for row in index:
            digest.update(f"{row % self.count if places else ''}:{self._target(row)}".encode())
            for own in known:
                digest.update(own[row])

    def _target(self, row: int) -> str:
        """What heads are taught of a row, to the last bit."""
        values = self.data.values
        return f"{self.data.truth[row]}" if values is None else values[row].tobytes().hex()


# ---------------------------------------------------------------- other rows where it is scored


def scored_on(plan: Plan, other: Dataset) -> Plan:
    """The plan with the test rows of another dataset: the same rows, as they are heard in a test.

    Its dataset holds every row twice, so that one fold trains on the first and scores the second.
    """
    data = plan.inputs.data
    assert data.ids == other.ids
    count = len(data.ids)
    both = Dataset(
        ids=(*data.ids, *map(_second, data.ids)),
        targets=data.targets,
        truth=np.concatenate([data.truth, data.truth]),
        inputs={name: stacked(batch, other.inputs[name]) for name, batch in data.inputs.items()},
        task=data.task,
        values=None if data.values is None else np.concatenate([data.values, data.values]),
    )
    assert len(both.truth) == 2 * count
    folds = tuple(replace(fold, test=tuple(map(_second, fold.test))) for fold in plan.folds)
    views = tuple(Views(View(both, views.whole.inner)) for views in plan.views)
    return replace(plan, inputs=replace(plan.inputs, data=both), folds=folds, views=views)


def counted_once(fits: Fits, count: int) -> Fits:
    """Scores with their rows as those of a dataset that is not doubled.

    A fit may have been made by a cell that doubled its rows and be read by one that did not.
    """
    scores = tuple(replace(one, test=one.test % count) for one in fits.scores)
    return replace(fits, scores=scores)


def _second(name: str) -> str:
    # A control character no id has: manifests refuse it.
    return f"{name}\x00scored"


def stacked(one: ModalityBatch, other: ModalityBatch) -> ModalityBatch:
    """Rows of two batches one after the other, padded to the longest of both.

    Raises:
        ValueError: their frames are of different widths.
    """
    if (one.dim, one.layers) != (other.dim, other.layers):
        raise ValueError(f"frames of {one.dim} and {other.dim} values cannot be stacked")
    longest = max(one.mask.shape[1], other.mask.shape[1])
    padded = [_padded(batch, longest) for batch in (one, other)]
    return ModalityBatch(
        torch.cat([batch.values for batch in padded]),
        torch.cat([batch.mask for batch in padded]),
        torch.cat([batch.present for batch in padded]),
        one.layers,
    )


def _padded(batch: ModalityBatch, longest: int) -> ModalityBatch:
    more = longest - batch.mask.shape[1]
    values = torch.nn.functional.pad(batch.values, (0, 0, 0, more))
    mask = torch.nn.functional.pad(batch.mask, (0, more))
    return ModalityBatch(values, mask, batch.present, batch.layers)
