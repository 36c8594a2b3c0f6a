"""Fits on disk, by their content: scores of an arm in a fold, and heads that may score other rows.

Both are safetensors with what is said of the tensors as JSON in their header, its format and the
fit's key among it, and a checksum over all of it. What is absent, damaged, of another format or of
another fit is None, and is fitted again: a cache heals itself. No name of a row, of a fold or of a
target is kept, nor which rows are windows of one recording: equal rows may have others.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from encoders.files import write_atomically
from fusion.networks.head import Hyperparameters, InputShape
from fusion.networks.heads import restored_head
from fusion.splitting.splits import Fold
from fusion.training.arm_table import TrainedArm
from fusion.training.arms import FittedArm, FoldScores, members_of
from fusion.training.crossfit import FoldData
from fusion.training.early_stopping import Curve
from fusion.training.fit_key import FitKey
from fusion.training.train import FittedHead
from fusion.tuning.storage import StudyStorage
from fusion.tuning.tune import Trial, TuningResult

FORMAT_VERSION = 1
#: Begins the names of scores of one input alone.
ALONE = "alone:"
#: Digits of a hash in the name of a file.
DIGITS = 32


@dataclass(frozen=True, slots=True)
class FitPath:
    """Where a fit is kept, by its key: its scores, and its heads where ``keeps_heads``.

    ``storage`` is where its study is, None: in a journal beside them until the fit is done.
    """

    folder: Path
    arm: str
    key: FitKey
    keeps_heads: bool = False
    storage: str | None = field(default=None, repr=False)

    @property
    def scores(self) -> Path:
        """File of the scores."""
        return self.folder / f"{self.arm}-{self.key.scored[:DIGITS]}.scores"

    @property
    def heads(self) -> Path:
        """File of the heads, the same whatever rows they score."""
        return self.folder / f"{self.arm}-{self.key.trained[:DIGITS]}.heads"

    @property
    def study(self) -> StudyStorage:
        """Place of the study that chooses their hyperparameters."""
        if self.storage is None:
            return StudyStorage(journal=self.heads.with_suffix(".journal"))
        return StudyStorage(storage=self.storage, name=self.heads.stem)


def save_scores(scores: FoldScores, path: FitPath) -> None:
    """Write the scores of one arm in one fold."""
    fields = asdict(scores)
    for name in ("arm", "fold", "dev", "test", "dev_windows", "test_windows"):
        del fields[name]
    arrays = {f"{ALONE}{name}": values for name, values in fields.pop("alone").items()}
    arrays |= {name: fields.pop(name) for name in ("dev_scores", "test_scores")}
    tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
    _write(path.scores, path.key.scored, fields, tensors)


def load_scores(path: FitPath, views: Sequence[FoldData], fold: Fold) -> FoldScores | None:
    """What :func:`save_scores` wrote, as scores of this fold of the rows of these views."""
    kept = _read(path.scores, path.key.scored)
    if kept is None:
        return None
    about, tensors = kept
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    data, inner = views[0].data, views[0].inner
    dev = np.concatenate([data.index(one.dev) for one in inner.folds])
    test, utterances, windows = data.index(fold.test), data.utterances, data.windows
    return FoldScores(
        arm=path.arm,
        fold=fold.name,
        hyperparameters=about["hyperparameters"],
        trials=tuple(Trial(**trial) for trial in about["trials"]),
        epochs=tuple(about["epochs"]),
        dev=utterances[dev],
        dev_scores=arrays.pop("dev_scores"),
        test=utterances[test],
        test_scores=arrays.pop("test_scores"),
        layer_weights=about["layer_weights"],
        curves=tuple(map(Curve.of, about["curves"])),
        seconds=about["seconds"],
        alone={name.removeprefix(ALONE): values for name, values in arrays.items()},
        dev_windows=None if windows is None else windows[dev],
        test_windows=None if windows is None else windows[test],
    )


def save_heads(fitted: FittedArm, path: FitPath) -> None:
    """Write the heads of an arm with what chose them."""
    about = {
        "hyperparameters": asdict(fitted.hyperparameters),
        "best": dict(fitted.study.best),
        "trials": [asdict(trial) for trial in fitted.study.trials],
        "heads": [[one.epoch, one.dev_loss, asdict(one.curve)] for one in fitted.heads],
        "seconds": fitted.seconds,
    }
    tensors = {
        f"{number}.{name}": values.contiguous()
        for number, one in enumerate(fitted.heads)
        for name, values in one.head.state_dict().items()
    }
    _write(path.heads, path.key.trained, about, tensors)


def load_heads(path: FitPath, arm: TrainedArm, view: FoldData, seeds: int) -> FittedArm | None:
    """What :func:`save_heads` wrote, as heads of this arm and of the rows of this view."""
    kept = _read(path.heads, path.key.trained)
    if kept is None:
        return None
    (about, tensors), data = kept, view.data
    hyper = Hyperparameters(**about["hyperparameters"])
    shapes = [
        InputShape.of(name, batch.dim, batch.layers)
        for name, batch in zip(arm.inputs, data.of(arm.inputs), strict=True)
    ]
    heads = []
    for number, (epoch, loss, curve) in enumerate(about["heads"]):
        head = restored_head(
            arm.head, shapes, len(data.targets), hyper, tensors, prefix=f"{number}."
        )
        heads.append(FittedHead(head, epoch, loss, data.task, Curve.of(curve)))
    study = TuningResult(about["best"], tuple(Trial(**trial) for trial in about["trials"]))
    members = tuple(members_of(data, view.inner, range(seeds)))
    return FittedArm(arm, hyper, study, members, tuple(heads), about["seconds"])


def _write(path: Path, key: str, about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    text = json.dumps({"format": FORMAT_VERSION, "key": key, **about})
    header = {"about": text, "sha256": _checksum(text, tensors)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save(dict(tensors), metadata=header))


def _read(path: Path, key: str) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    kept = read_fit(path)
    if kept is None:
        return None
    wanted = (FORMAT_VERSION, key)
    return kept if (kept[0].get("format"), kept[0].get("key")) == wanted else None


def read_fit(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """What a kept fit says and its tensors, of whatever key; None where it is absent or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        whole = header["sha256"] == _checksum(header["about"], tensors)
        return (json.loads(header["about"]), tensors) if whole else None
    # Whatever safetensors, torch and JSON raise of a damaged file: each means the same.
    except Exception:
        return None


def _checksum(about: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(about.encode())
    for name in sorted(tensors):
        digest.update(f"{name}{tensors[name].dtype}{tuple(tensors[name].shape)}".encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()
