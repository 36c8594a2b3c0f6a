"""Fits kept by what their heads see, so that cells share those that none of them changes.

A comparison keeps its fits under the hash of its whole study: two cells that differ in the text
encoder would train the audio arm twice. Here the name of a fit is the hash of the rows' content as
the arm's heads read it, their classes, the folds and the budget, and of the code that trains.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64

from experiments.comparing.fitting import Fits, Place, code_hash
from experiments.comparing.plan import Plan, Views
from fusion.arms import FoldScores, arm_of
from fusion.batch import Dataset, ModalityBatch
from fusion.crossfit import View
from fusion.splitting.splits import Fold

#: Folder of these fits beside those of comparisons.
SHARED = "shared"
ABSENT = b"missing"


def place_of(plan: Plan, root: Path) -> Place:
    """Where the fits of a plan lie below ``root``."""
    rows = _RowDigests()
    budget = json.dumps(
        [plan.budget.trials, plan.budget.seeds, plan.budget.study_seed, dict(plan.budget.fixed)],
        sort_keys=True,
    )

    def place(arm: str, fold: Fold, views: Sequence[View]) -> Path:
        digest = hashlib.sha256(f"{code_hash()}|{arm}|{fold.name}|{budget}".encode())
        for view in views:
            _add_view(digest, arm, view, fold, rows)
        return root / "fits" / SHARED / f"{arm}-{digest.hexdigest()[:32]}.npz"

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


def _add_view(digest: "hashlib._Hash", arm: str, view: View, fold: Fold, rows: _RowDigests) -> None:
    data = view.data
    read = [data.inputs[name] for name in arm_of(arm).inputs]
    digest.update(json.dumps([len(data.targets), *((b.dim, b.layers) for b in read)]).encode())
    known = [rows.of(batch) for batch in read]

    def add(index: Int64[np.ndarray, "some"], *, places: bool) -> None:
        digest.update(b"|")
        for row in index:
            # Places of rows that are scored are stored with the scores.
            digest.update(f"{row if places else ''}:{data.truth[row]}".encode())
            for own in known:
                digest.update(own[row])

    for inner in view.inner.folds:
        add(data.index(inner.train), places=False)
        add(data.index(inner.dev), places=True)
    add(data.index(fold.test), places=True)


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
    )
    assert len(both.truth) == 2 * count
    folds = tuple(replace(fold, test=tuple(map(_second, fold.test))) for fold in plan.folds)
    views = tuple(Views(View(both, views.whole.inner)) for views in plan.views)
    return replace(plan, inputs=replace(plan.inputs, data=both), folds=folds, views=views)


def counted_once(fits: Fits, count: int) -> Fits:
    """Scores of :func:`scored_on` with their rows as those of the first dataset."""
    return replace(fits, scores=tuple(_once(one, count) for one in fits.scores))


def _once(scores: FoldScores, count: int) -> FoldScores:
    return replace(scores, test=scores.test - count)


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
