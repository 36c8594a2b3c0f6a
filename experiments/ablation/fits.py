"""Heads that score other rows than their fold has: the same ones, as they are heard in a test."""

from dataclasses import replace

import numpy as np
import torch

from experiments.comparing.fitting import Fits
from experiments.comparing.plan import FoldViews, Plan
from fusion.batch import Dataset, ModalityBatch
from fusion.training.crossfit import FoldData


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
    views = tuple(FoldViews(FoldData(both, views.whole.inner)) for views in plan.views)
    return replace(plan, inputs=replace(plan.inputs, data=both), folds=folds, views=views)


def counted_once(fits: Fits, count: int) -> Fits:
    """Scores with the rows of a dataset of ``count`` rows, which :func:`scored_on` doubled."""
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
