"""The package's heads as a scikit-learn estimator, for its searches, validations and pipelines.

Tables of ``serfusion compare`` come of the same arms, fitted the same way: heads are stopped on
development rows of inner folds, and an answer is the mean over them.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from encoders.manifest_rows import did_you_mean
from encoders.utterance import Utterance
from fusion.batch import Dataset, ModalityBatch
from fusion.networks.head import Hyperparameters
from fusion.networks.heads import HEADS
from fusion.splitting.splits import INNER_GROUPS, Fold, InnerFold, InnerFolds, inner_folds
from fusion.training.arm_table import ARMS, Arm, LateFusionArm, TrainedArm, trained_arm
from fusion.training.arms import Budget, FittedArm, fit_arm, score, scores_of
from fusion.training.combination import Combination
from fusion.training.late import fuse_late

MODALITIES = ("audio", "text")
#: Rows of numbers, or those of audio and of text beside each other.
Rows = Any
Scores = Float[np.ndarray, "rows classes"]


def arms_of_rows() -> dict[str, Arm]:
    """Arms that read one vector per row and modality, by name."""
    return {
        name: arm
        for name, arm in ARMS.items()
        if isinstance(arm, LateFusionArm)
        or (isinstance(arm, TrainedArm) and not (HEADS[arm.head].sequences or arm.crossfitted))
    }


class FusionClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier over embeddings of one modality, or of audio and text beside each other.

    ``X`` is ``[rows, dims]``; with ``split`` its first ``split`` columns are audio and the others
    text, and a row whose columns of one modality are all NaN lacks it. A pair ``(audio, text)`` of
    two arrays says the same without ``split``. ``arm`` is one of ``serfusion compare`` over
    utterance-level embeddings: ``audio``, ``text``, ``concat``, ``gated``, ``lowrank``, ``late`` …
    [``concat`` of two modalities, else a head with one hidden layer].

    Development rows, on which heads are stopped and tuned, are of other ``groups`` (speakers) than
    training rows where ``fit`` is told the groups; else they are drawn by class. ``trials`` is the
    number of Optuna's trials on them, 0 takes the documented defaults; hyperparameters that are
    given (:class:`fusion.networks.head.Hyperparameters`) are not tuned. Answers are means over
    heads of all inner folds and ``seeds``. The same rows give the same classifier.

    Attributes:
        classes_: Classes in the order of the columns of ``predict_proba``.
        arm_: Name of the arm that was fitted.
        split_: Number of columns that are audio, None where there is one modality.
        hyperparameters_: What each fitted arm was trained with, by its name.
        n_features_in_: Number of columns.
    """

    def __init__(
        self,
        *,
        arm: str | None = None,
        split: int | None = None,
        trials: int = 0,
        seeds: int = 1,
        hidden: int | None = None,
        dropout: float | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        batch_size: int | None = None,
        loss: str | None = None,
        focal_gamma: float | None = None,
        modality_dropout: float | None = None,
        unimodal_loss: float | None = None,
    ) -> None:
        self.arm = arm
        self.split = split
        self.trials = trials
        self.seeds = seeds
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.loss = loss
        self.focal_gamma = focal_gamma
        self.modality_dropout = modality_dropout
        self.unimodal_loss = unimodal_loss

    def __sklearn_tags__(self) -> Tags:
        """Rows may lack a modality where there are two."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.split is not None
        return tags

    def fit(self, X: Rows, y: Any, groups: Any = None) -> "FusionClassifier":  # noqa: ANN401
        """Train on rows with a class each; ``groups`` are their speakers, who are kept apart.

        Raises:
            ValueError: fewer than two classes, a class or speakers too few for development rows,
                an arm that is none or reads what is not there, values that cannot be.
        """
        rows, self.split_ = _side_by_side(X, self.split)
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        rows, y = validate_data(self, rows, y, dtype=np.float32, **_missing(self.split_))
        if self.split_ is not None and not 0 < self.split_ < rows.shape[1]:
            raise ValueError(
                f"split={self.split_} of {rows.shape[1]} feature(s): expected 1 or more columns of "
                "audio and of text"
            )
        check_classification_targets(y)
        self.classes_, truth = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("y holds one class: expected two or more")
        arm = _arm(self.arm, self.split_)
        data = self._dataset(rows, arm, truth)
        inner = _inner_folds(truth, self.classes_, groups)
        budget = Budget(self.trials, self.seeds, fixed=self._fixed())
        names = arm.beside if isinstance(arm, LateFusionArm) else (arm.name,)
        self._parts = [fit_arm(trained_arm(name), data, inner, budget, None) for name in names]
        self._combination = (
            _combined(arm.name, self._parts, data, inner, budget) if len(names) > 1 else None
        )
        self.arm_ = arm.name
        self.hyperparameters_ = {one.arm.name: one.hyperparameters for one in self._parts}
        return self

    def predict_proba(self, X: Rows) -> Scores:
        """Probabilities of ``classes_``, a row each."""
        check_is_fitted(self)
        rows, split = _side_by_side(X, self.split_)
        if split != self.split_:
            raise ValueError(f"{split} columns of audio: expected {self.split_}, as in fit")
        rows = validate_data(self, rows, dtype=np.float32, reset=False, **_missing(split))
        data = self._dataset(rows, ARMS[self.arm_], np.full(len(rows), -1))
        answers = [_mean(part, data) for part in self._parts]
        if self._combination is None:
            return answers[0]
        return self._combination("single-label", *answers)

    def predict(self, X: Rows) -> Shaped[np.ndarray, "rows"]:
        """The class with the highest probability of each row."""
        answers = self.predict_proba(X)
        return np.asarray(self.classes_[answers.argmax(axis=1)])

    def _fixed(self) -> Mapping[str, Any]:
        given = {field.name: getattr(self, field.name) for field in fields(Hyperparameters)}
        return {name: value for name, value in given.items() if value is not None}

    def _dataset(self, rows: np.ndarray, arm: Arm, truth: np.ndarray) -> Dataset:
        sides = [rows] if self.split_ is None else np.split(rows, [self.split_], axis=1)
        names = arm.inputs if self.split_ is None else MODALITIES
        inputs = {name: _batch(name, side) for name, side in zip(names, sides, strict=True)}
        ids = tuple(map(str, range(len(rows))))
        return Dataset(ids, tuple(map(str, self.classes_)), truth.astype(np.int64), inputs)


def _side_by_side(rows: Rows, split: int | None) -> tuple[Rows, int | None]:
    """A pair of arrays as one, and how many of its columns are audio."""
    if not isinstance(rows, tuple) or len(rows) != 2 or any(np.ndim(side) != 2 for side in rows):
        return rows, split
    check_consistent_length(*rows)
    audio, text = map(np.asarray, rows)
    return np.hstack([audio, text]), audio.shape[1]


def _missing(split: int | None) -> dict[str, Any]:
    """How rows are validated: NaN is a missing modality where there are two."""
    return {"ensure_all_finite": True if split is None else "allow-nan"}


def _arm(name: str | None, split: int | None) -> Arm:
    known = arms_of_rows()
    name = name or ("audio" if split is None else "concat")
    if name not in known:
        raise ValueError(f"arm={name!r}: no arm over vectors; {did_you_mean(str(name), known)}")
    if split is None and known[name].fused:
        raise ValueError(
            f"arm={name!r} reads audio and text: expected split=, the number of columns that are "
            "audio, or X=(audio, text)"
        )
    return known[name]


def _batch(name: str, values: np.ndarray) -> ModalityBatch:
    """One modality of all rows, a frame each; those that are all NaN are missing."""
    present = ~np.isnan(values).all(axis=1)
    if np.isnan(values[present]).any():
        raise ValueError(
            f"{name}: some values of a row are NaN, not all: expected all where a row lacks {name}"
        )
    filled = torch.from_numpy(np.where(present[:, None], values, 0))
    mask = torch.ones(len(values), 1, dtype=torch.bool)
    return ModalityBatch(filled[:, None], mask, torch.from_numpy(present))


def _inner_folds(truth: np.ndarray, classes: np.ndarray, groups: Any) -> InnerFolds:  # noqa: ANN401
    """Folds of other speakers where they are known, else of rows drawn by class."""
    if groups is not None:
        check_consistent_length(truth, groups)
        pairs = enumerate(np.asarray(groups).tolist())
        rows = [Utterance(id=str(number), speaker=str(speaker)) for number, speaker in pairs]
        return inner_folds(rows, lambda row: str(classes[truth[int(row.id)]]))
    counts = np.bincount(truth)
    if counts.min() < 2:
        rare = classes[counts.argmin()]
        raise ValueError(f"class {rare!s} has one row: expected two or more, one to be stopped on")
    folds = StratifiedKFold(min(INNER_GROUPS, int(counts.min())), shuffle=True, random_state=0)
    return InnerFolds(
        tuple(
            InnerFold(tuple(map(str, train)), tuple(map(str, dev)))
            for train, dev in folds.split(truth, truth)
        )
    )


def _combined(
    name: str, parts: list[FittedArm], data: Dataset, inner: InnerFolds, budget: Budget
) -> Combination:
    """What late fusion learns on development rows."""
    everything = Fold("all", data.ids, data.ids)
    audio, text = (score(part, data, everything, budget.seeds) for part in parts)
    return fuse_late(name, audio, text, data, inner, budget)[1]


def _mean(part: FittedArm, data: Dataset) -> Scores:
    every = np.arange(len(data.ids))
    answers = scores_of(part.arm, data, part.heads, [every] * len(part.heads))
    means: Scores = np.mean(answers, axis=0)
    return means
