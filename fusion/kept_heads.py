"""Fitted heads on disk, so that rows that are heard otherwise are scored without a new training."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from encoders.store import write_atomically
from fusion.arms import FittedArm
from fusion.batch import Dataset
from fusion.buckets import Member
from fusion.model import Part
from fusion.networks.head import Head, Hyperparameters, InputShape
from fusion.networks.heads import HEADS
from fusion.splitting.splits import InnerFolds
from fusion.stopping import Curve
from fusion.train import PATCHES, FittedHead
from fusion.training.arm_table import TrainedArm
from fusion.tune import Study, Trial

ABOUT = "about"


def save_heads(fitted: FittedArm, path: Path) -> None:
    """Write the heads of an arm with what chose them, and a checksum over all of it."""
    part = Part.of(fitted)
    tensors = {
        f"{number}.{name}": values.contiguous()
        for number, head in enumerate(part.heads)
        for name, values in head.state_dict().items()
    }
    about = {
        "dims": part.dims,
        "layers": part.layers,
        "hyperparameters": asdict(fitted.hyperparameters),
        "best": dict(fitted.study.best),
        "trials": [asdict(trial) for trial in fitted.study.trials],
        "seconds": fitted.seconds,
        "epochs": [one.epoch for one in fitted.heads],
        "losses": [one.dev_loss for one in fitted.heads],
        "curves": [asdict(one.curve) for one in fitted.heads],
    }
    told = json.dumps(about, sort_keys=True)
    kept = json.dumps({"about": told, "sha256": _checksum(told, tensors)})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save(tensors, metadata={ABOUT: kept}))


def load_heads(
    path: Path, arm: TrainedArm, data: Dataset, inner: InnerFolds, seeds: int
) -> FittedArm | None:
    """What :func:`save_heads` wrote of this arm; None where it is not there or not whole."""
    try:
        with safe_open(path, framework="pt") as file:
            kept = json.loads(file.metadata()[ABOUT])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        if kept["sha256"] != _checksum(kept["about"], tensors):
            return None
        return _fitted(arm, data, inner, seeds, json.loads(kept["about"]), tensors)
    # Absent or damaged, in whatever way, the heads are trained again.
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError):
        return None


def _fitted(
    arm: TrainedArm,
    data: Dataset,
    inner: InnerFolds,
    seeds: int,
    about: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
) -> FittedArm | None:
    members = tuple(
        Member(data.index(fold.train), data.index(fold.dev), seed * len(inner.folds) + number)
        for seed in range(seeds)
        for number, fold in enumerate(inner.folds)
    )
    if len(members) != len(about["epochs"]):
        return None
    hyper = Hyperparameters(**about["hyperparameters"])
    found = zip(about["epochs"], about["losses"], map(Curve.of, about["curves"]), strict=True)
    heads = tuple(
        FittedHead(
            _head(arm, number, len(data.targets), hyper, about, tensors),
            epoch,
            loss,
            data.task,
            curve,
        )
        for number, (epoch, loss, curve) in enumerate(found)
    )
    study = Study(about["best"], tuple(Trial(**trial) for trial in about["trials"]))
    return FittedArm(arm, hyper, study, members, heads, about["seconds"])


def _head(
    arm: TrainedArm,
    number: int,
    classes: int,
    hyper: Hyperparameters,
    about: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
) -> Head:
    shapes = [
        InputShape(dim // count, PATCHES.get(name, 1), count)
        for name, dim, count in zip(arm.inputs, about["dims"], about["layers"], strict=True)
    ]
    head = HEADS[arm.head].network(shapes, classes, hyper)
    start = f"{number}."
    state = {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
    head.load_state_dict(state)
    return head.eval()


def _checksum(about: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(about.encode())
    for name in sorted(tensors):
        digest.update(f"{name}{tuple(tensors[name].shape)}".encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()
