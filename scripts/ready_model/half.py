"""One half of the model: rows in several copies, heads that are tuned, stopped and scored."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from experiments.comparing.fitting import one_thread
from experiments.corpora.common_sets import COMMON
from fusion.batch import Dataset, collate
from fusion.model.fusion_model import HeadEnsemble
from fusion.splitting.folds import Fold, InnerFold, InnerFolds
from fusion.training.arm_table import trained_arm
from fusion.training.arms import Budget, FittedArm, fit_arm, score
from fusion.training.crossfit import FoldData
from fusion.training.normalise import by_groups

#: Three heads, whose mean speaks. Both halves have many rows: larger batches, fewer steps.
BUDGET = Budget(trials=10, seeds=3, fixed={"batch_size": 256})
#: Classes of both halves.
TARGETS = tuple(COMMON["ekman"].classes)


@dataclass(frozen=True, slots=True)
class Row:
    """One utterance in one copy, with its embedding."""

    utterance: str
    speaker: str
    label: str
    copy: str
    values: Tensor

    @property
    def id(self) -> str:
        """A name of its own."""
        return f"{self.utterance}/{self.copy}"


@dataclass(frozen=True, slots=True)
class Scored:
    """Probabilities of rows that heads did not learn from, with the truth."""

    rows: tuple[Row, ...]
    truth: Int64[np.ndarray, "rows"]
    scores: Float[np.ndarray, "rows targets"]

    def of(self, copy: str) -> "Scored":
        """Rows of one kind of copy."""
        return self.where([row.copy == copy for row in self.rows])

    def where(self, kept: Sequence[bool]) -> "Scored":
        """Some of the rows."""
        index = np.flatnonzero(kept)
        rows = tuple(self.rows[k] for k in index)
        return Scored(rows, self.truth[index], self.scores[index])

    @classmethod
    def joined(cls, parts: Iterable["Scored"]) -> "Scored":
        """Rows of several."""
        every = list(parts)
        return cls(
            tuple(row for part in every for row in part.rows),
            np.concatenate([part.truth for part in every]),
            np.concatenate([part.scores for part in every]),
        )


@dataclass(frozen=True, slots=True)
class Fitted:
    """Heads of one modality with what they say of development and of test rows."""

    arm: FittedArm
    train: tuple[Row, ...]
    dev: Scored
    test: Scored

    def part(self, temperature: float) -> HeadEnsemble:
        """The heads, to be saved."""
        return HeadEnsemble.of(self.arm, temperature)


def fit_half(
    name: str,
    train: Sequence[Row],
    dev: Sequence[Row],
    test: Sequence[Row],
    targets: tuple[str, ...] = TARGETS,
    *,
    by_speaker: bool = False,
) -> Fitted:
    """Tune heads of the arm ``name`` on development rows, train them, score what they never saw.

    Scores have a column for each of ``targets``, which are the classes of the rows. ``by_speaker``
    standardises each by the rows of its speaker in the same copy, as a recording of one would be.
    """
    rows = {row.id: row for row in (*train, *dev, *test)}
    data = _dataset(name, rows, targets)
    inner, fold = (
        InnerFolds((InnerFold(_ids(train), _ids(dev)),)),
        Fold(name, _ids(train), _ids(test)),
    )
    if by_speaker:
        data = replace(data, groups=_groups(rows.values()))
        data = by_groups(FoldData(data, inner), [name], fold).data
    with one_thread():
        fitted = fit_arm(trained_arm(name), data, inner, BUDGET, None)
        scored = score(fitted, data, fold, BUDGET.seeds)
    return Fitted(
        fitted,
        tuple(train),
        _scored(data, rows, scored.dev, scored.dev_scores),
        _scored(data, rows, scored.test, scored.test_scores),
    )


def _groups(rows: Iterable[Row]) -> Int64[np.ndarray, "rows"]:
    """Numbers of speakers, each in one copy."""
    _, numbers = np.unique([f"{row.speaker} {row.copy}" for row in rows], return_inverse=True)
    return numbers.astype(np.int64)


def _dataset(name: str, rows: Mapping[str, Row], targets: tuple[str, ...]) -> Dataset:
    truth = np.array([targets.index(row.label) for row in rows.values()], np.int64)
    batch = collate([row.values for row in rows.values()])
    return Dataset(tuple(rows), targets, truth, {name: batch})


def _ids(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(row.id for row in rows)


def _scored(
    data: Dataset,
    rows: Mapping[str, Row],
    index: Int64[np.ndarray, "rows"],
    scores: Float[np.ndarray, "seeds rows targets"],
) -> Scored:
    chosen = tuple(rows[data.ids[k]] for k in index)
    return Scored(chosen, data.truth[index], scores.mean(axis=0))
