"""Rows standardised by their own corpus, speaker or recording, before heads see them.

Heads standardise by training rows, which leaves in place what sets a room, a language or a person
apart. Here each group of rows, of test rows among them, is standardised by its own mean and
variance first, for which no label is read (speaker normalisation: Busso et al. 2011, Proc. ICASSP).
Results are transductive: a row's score depends on other rows of its group.

Groups are taken on one side of a fold at a time: what heads are trained and stopped on by what else
they are trained and stopped on, test rows by test rows. So no test row reaches training.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast, get_args

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from encoders.messages import number
from fusion.batch import Dataset, ModalityBatch, Moments, Standardizer, collate
from fusion.splitting.splits import Fold
from fusion.training.arm_table import Normalise
from fusion.training.crossfit import FoldData

Rows = Int64[np.ndarray, "_some"]
#: What standardises the utterances of one group, by input name.
Baseline = Mapping[str, Standardizer]
#: Utterances that training statistics weigh like, beside a group's own, and the fewest that have
#: statistics of their own. Measured on RAVDESS and EmoDB (``logmel``, test speakers cut to groups
#: of n rows, UAR by training .425 and .531): with a prior of 3 groups of 1 give .398 and .526, of
#: 2 .435 and .523, of 3 .460 and .545, whole speakers .551 and .585; priors of 0.5 and 30 give
#: .439 and .498, .426 and .536 for groups of 3.
PRIOR, LEAST = 3.0, 3
#: Begins the names of a model's moments, and what each has.
STORED, MOMENTS = "normalise.", tuple(one.name for one in fields(Moments))


def shrunk(own: Moments, utterances: int, training: Moments, prior: float = PRIOR) -> Standardizer:
    """What standardises a group of so many utterances.

    Mean and variance are ``(n own + k training) / (n + k)``, where k is ``prior``: those of
    training of a group of fewer utterances than :data:`LEAST`, nearly its own of a large one.
    Frames of one utterance are alike, so that utterances are counted.
    """
    counted = utterances if utterances >= LEAST else 0
    return own.weighed(counted / (counted + prior), training).standardizer()


def taught_rows(view: FoldData) -> Rows:
    """Rows that heads of a fold are trained or stopped on."""
    sides = [view.data.index(side) for one in view.inner.folds for side in (one.train, one.dev)]
    return np.unique(np.concatenate(sides))


def by_groups(view: FoldData, inputs: Sequence[str], fold: Fold) -> FoldData:
    """A fold's rows with some inputs standardised by groups; as they are where there are none."""
    data = view.data
    if data.groups is None:
        return view
    taught = taught_rows(view)
    sides = (taught, np.setdiff1d(data.index(fold.test), taught))
    fresh = {name: _by_groups(data, data.inputs[name], sides) for name in inputs}
    return replace(view, data=replace(data, inputs={**data.inputs, **fresh}))


def _by_groups(data: Dataset, batch: ModalityBatch, sides: tuple[Rows, Rows]) -> ModalityBatch:
    assert data.groups is not None
    utterances, values = data.utterances, batch.values.clone()
    training = Moments.of(batch, torch.from_numpy(sides[0]))
    for side in sides:
        there = side[batch.present[side].numpy()]
        for group in np.unique(data.groups[there]):
            own = there[data.groups[there] == group]
            rows, count = torch.from_numpy(own), len(np.unique(utterances[own]))
            standardizer = shrunk(Moments.of(batch, rows), count, training)
            values[rows] = standardizer(batch.values[rows]) * batch.mask[rows][..., None]
    return replace(batch, values=values)


def group_hash(view: FoldData, test: Rows | None = None) -> str:
    """Which rows of a view are of one group, whatever its name, and what they are drawn by.

    Those that are taught, in their order, and some test rows behind them.
    """
    data = view.data
    assert data.groups is not None
    sides = [data.index(side) for one in view.inner.folds for side in (one.train, one.dev)]
    rows = np.concatenate([*sides, *([] if test is None else [test])])
    _, first, numbers = np.unique(data.groups[rows], return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))[numbers]
    known = np.isin(rows, taught_rows(view))
    content = f"{PRIOR} {LEAST} {order.tolist()} {known.tolist()}"
    return hashlib.sha256(content.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Normaliser:
    """What a saved model standardises by, before its heads: a group's own, drawn to training.

    ``training`` are the moments of each input over training rows.
    """

    by: Normalise
    training: Mapping[str, Moments]
    prior: float = PRIOR

    @classmethod
    def of(cls, by: Normalise, view: FoldData, inputs: Sequence[str]) -> "Normaliser":
        """That of heads which :func:`by_groups` gave these inputs."""
        rows = torch.from_numpy(taught_rows(view))
        return cls(by, {name: Moments.of(view.data.inputs[name], rows) for name in inputs})

    def baseline(self, utterances: Sequence[Mapping[str, Tensor | None]]) -> Baseline:
        """What standardises a group by its utterances, each ``[frames, dim]`` by input name."""
        return {name: self._baseline(name, utterances) for name in self.training}

    def _baseline(
        self, name: str, utterances: Sequence[Mapping[str, Tensor | None]]
    ) -> Standardizer:
        there = [frames for one in utterances if (frames := one.get(name)) is not None]
        if not there:
            return self.training[name].standardizer()
        # One row of all frames: rows of their own would be padded to the longest.
        own = Moments.of(collate([torch.cat(there)]))
        return shrunk(own, len(there), self.training[name], self.prior)

    def __call__(
        self,
        inputs: Mapping[str, Tensor | None],
        baseline: Baseline | None = None,
    ) -> dict[str, Tensor | None]:
        """Inputs of an utterance by the baseline of its group; by training without one."""
        by = self.baseline(()) if baseline is None else baseline
        return {
            name: None if frames is None else by[name](frames) for name, frames in inputs.items()
        }

    @property
    def about(self) -> dict[str, Any]:
        """What ``model.json`` says of it; its moments lie beside the weights of heads."""
        return {"by": self.by, "prior": self.prior}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Moments by the names under which they lie there."""
        return {
            f"{STORED}{name}.{moment}": getattr(moments, moment)
            for name, moments in self.training.items()
            for moment in MOMENTS
        }


def normaliser_of(
    about: object, inputs: Sequence[str], tensors: Mapping[str, Tensor]
) -> tuple[Normaliser | None, dict[str, Tensor]]:
    """The normaliser of a model that reads these inputs, and the tensors that are none of it.

    Raises:
        ValueError: it is none that this version knows; KeyError: moments are missing.
    """
    others = {name: values for name, values in tensors.items() if not name.startswith(STORED)}
    if about is None:
        return None, dict(tensors)
    by = about.get("by") if isinstance(about, Mapping) else None
    if not isinstance(about, Mapping) or by not in get_args(Normalise)[1:]:
        raise ValueError(f"normalise: expected corpus, speaker or recording, got {by!r:.80}")
    training = {
        name: Moments(*(tensors[f"{STORED}{name}.{moment}"] for moment in MOMENTS))
        for name in inputs
    }
    return Normaliser(cast(Normalise, by), training, number(about["prior"], "prior", 0.0)), others
