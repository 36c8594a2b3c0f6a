"""A model's heads as one ONNX graph: embeddings in, answers out.

Encoders are not in it: they run where they run best, and their embeddings are what the graph reads.
"""

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from encoders.utterance import Task
from fusion.batch import ModalityBatch, Standardizer
from fusion.model.fusion_model import FusionModel
from fusion.model.part import HeadEnsemble
from fusion.networks.heads import HEADS
from fusion.networks.losses import answers
from fusion.training.combination import SHARED_OUT, Combination
from fusion.training.windows import WINDOWS

#: Largest difference of an answer between the graph and torch, of large ones relative.
TOLERANCE = 1e-5
#: Rows and frames of the inputs that the graph is traced and then checked with.
TRACED, CHECKED = (2, 9), (3, 14)
FLOOR = float(np.finfo(np.float32).tiny)
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def export_onnx(model: FusionModel, path: Path) -> None:
    """Write the heads of a model as ONNX, after the graph was compared with torch.

    For every input of the model, such as ``audio``, the graph reads ``audio`` [batch, frames, dim],
    ``audio_mask`` [batch, frames] (true at a row's own frames) and ``audio_present`` [batch] (false
    where the modality is missing); utterance-level embeddings have one frame, windows one each. It
    gives ``answers`` [batch, targets]: calibrated probabilities, or what ``meaning`` says. Targets,
    encoders, thresholds of answers and of sets stand in the graph's metadata as JSON, under
    ``serfusion``.

    Raises:
        ValueError: a package of the extra ``onnx`` is missing, the model standardises by groups of
            rows, or the graph departs from torch.
    """
    _check_packages()
    if model.normaliser is not None:
        raise ValueError(
            f"the model standardises by {model.normaliser.by}, which a graph of single rows cannot "
            "know; export one that was trained with --normalise training"
        )
    graph = _Graph(model).eval()
    traced = _example(model, *TRACED)
    with _quiet():
        program = torch.onnx.export(
            graph,
            traced,
            dynamo=True,
            verbose=False,
            input_names=_names(model),
            output_names=["answers"],
            dynamic_shapes=(_axes(model),),
        )
    assert program is not None
    program.model.metadata_props["serfusion"] = json.dumps(_about(model))
    content = program.model_proto.SerializeToString()
    _check(content, graph, _example(model, *CHECKED))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


class _Graph(nn.Module):
    """What :meth:`FusionModel.verdict` computes, for many rows at once."""

    def __init__(self, model: FusionModel) -> None:
        super().__init__()
        self.model = model
        self.heads = nn.ModuleList(head for part in model.parts for head in part.heads)

    def forward(self, *tensors: Tensor) -> Float[Tensor, "batch targets"]:
        """Answers from three tensors per input, in the order of :func:`_names`."""
        model, batches = self.model, {}
        for number, (name, layers) in enumerate(_inputs(model).items()):
            values, mask, present = tensors[3 * number : 3 * number + 3]
            batches[name] = ModalityBatch(values, mask, present, layers)
        own = [[batches[name] for name in part.inputs] for part in model.parts]
        scores = [_averaged(part, read) for part, read in zip(model.parts, own, strict=True)]
        if len(scores) == 1:
            return _tempered(scores[0], model.temperature)
        pairs = zip(scores, model.parts, strict=True)
        alone = [_tempered(one, part.temperature) for one, part in pairs]
        if model.combination is None:
            fused = _combined(alone, Combination("product", (1.0,), (1.0,)), model.task)
        else:
            fused = _combined(scores, model.combination, model.task)
        heard = [_any_present(read)[:, None] for read in own]
        found = torch.where(heard[1], _tempered(fused, model.temperature), alone[0])
        return torch.where(heard[0], found, alone[1])


def _averaged(part: HeadEnsemble, batches: Sequence[ModalityBatch]) -> Tensor:
    windows = part.inputs == (WINDOWS,)
    rows = [_each_window(batches[0])] if windows else batches
    scores = torch.stack([answers(head(rows), part.task) for head in part.heads]).mean(dim=0)
    if not windows:
        return scores
    own = batches[0].mask.float()
    by_window = scores.unflatten(0, (own.shape[0], own.shape[1]))
    return (by_window * own[:, :, None]).sum(dim=1) / own.sum(dim=1, keepdim=True)


def _each_window(batch: ModalityBatch) -> ModalityBatch:
    """A row for each window, those that only pad a recording included."""
    values = batch.values.flatten(0, 1)[:, None]
    present = batch.present[:, None].expand(batch.mask.shape).flatten()
    return ModalityBatch(values, torch.ones_like(present)[:, None], present, batch.layers)


def _tempered(scores: Tensor, temperature: float) -> Tensor:
    if temperature == 1.0:
        return scores
    return (scores.clamp_min(FLOOR).log() / temperature).softmax(dim=1)


def _combined(scores: Sequence[Tensor], how: Combination, task: Task) -> Tensor:
    """The same as :class:`Combination` does with arrays."""
    if how.rule == "max":
        largest = torch.maximum(*scores)
        return largest / largest.sum(dim=1, keepdim=True) if task in SHARED_OUT else largest
    audio, text = (torch.tensor(weights, dtype=torch.float32) for weights in (how.audio, how.text))
    if how.rule == "mean":
        return audio * scores[0] + text * scores[1]
    logs = [one.clamp_min(FLOOR).log() for one in scores]
    return (audio * logs[0] + text * logs[1]).softmax(dim=1)


def _any_present(batches: Sequence[ModalityBatch]) -> Tensor:
    return torch.stack([batch.present for batch in batches]).any(dim=0)


def _inputs(model: FusionModel) -> dict[str, int]:
    """Hidden layers side by side in a frame, by the name of the input."""
    pairs = [pair for part in model.parts for pair in zip(part.inputs, part.layers, strict=True)]
    return dict(pairs)


def _names(model: FusionModel) -> list[str]:
    return [f"{name}{end}" for name in _inputs(model) for end in ("", "_mask", "_present")]


def _is_sequence(model: FusionModel, name: str) -> bool:
    sequences = (part.inputs for part in model.parts if HEADS[part.kind].sequences)
    return name == WINDOWS or any(name in inputs for inputs in sequences)


def _axes(model: FusionModel) -> tuple[dict[int, Any], ...]:
    batch, axes = torch.export.Dim("batch"), []
    for name in _inputs(model):
        frames = {1: torch.export.Dim(f"{name}_frames")} if _is_sequence(model, name) else {}
        axes += [{0: batch, **frames}, {0: batch, **frames}, {0: batch}]
    return tuple(axes)


def _example(model: FusionModel, rows: int, frames: int) -> tuple[Tensor, ...]:
    """Random embeddings, of rows of unequal length, the last of which lacks every second input."""
    dims = dict(pair for part in model.parts for pair in zip(part.inputs, part.dims, strict=True))
    chance, made = torch.Generator().manual_seed(0), []
    for number, name in enumerate(_inputs(model)):
        longest = frames + number if _is_sequence(model, name) else 1
        lengths = torch.arange(rows).remainder(longest) + 1
        present = torch.ones(rows, dtype=torch.bool)
        present[-1] = number % 2 == 0
        lengths = torch.where(present, lengths, 1)
        lengths[0] = longest
        mask = torch.arange(longest) < lengths[:, None]
        values = torch.randn(rows, longest, dims[name], generator=chance)
        # As in training: far outside of it rounding is all that there is to compare.
        fitted = _standardizer(model, name)
        values = values * fitted.scale + fitted.mean
        made += [values * (mask & present[:, None])[:, :, None], mask, present]
    return tuple(made)


def _standardizer(model: FusionModel, name: str) -> Standardizer:
    part = next(part for part in model.parts if name in part.inputs)
    return part.heads[0].standardizer(part.inputs.index(name))


def _check(content: bytes, graph: _Graph, example: Sequence[Tensor]) -> None:
    onnxruntime = import_module("onnxruntime")
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = _names(graph.model)
    given = {name: one.numpy() for name, one in zip(names, example, strict=True)}
    (found,) = session.run(["answers"], given)
    with torch.inference_mode():
        expected = graph(*example).numpy()
    # Values have the corpus's units, and their rounding grows with them.
    apart = float((np.abs(found - expected) / np.maximum(1.0, np.abs(expected))).max())
    if not apart <= TOLERANCE:
        raise ValueError(
            f"the ONNX graph departs from torch by {apart:.1e} (expected at most {TOLERANCE:.0e}); "
            "nothing was written. Other versions of onnx and onnxruntime may help"
        )


def _about(model: FusionModel) -> dict[str, Any]:
    return {
        "targets": model.targets,
        "meaning": model.meaning,
        "modalities": {name: asdict(one) for name, one in model.modalities.items()},
        "abstention": asdict(model.abstention) if model.abstention else None,
        "levels": [asdict(rule) for rule in model.levels],
        "sets": asdict(model.sets) if model.sets else None,
    }


def _check_packages() -> None:
    from importlib.util import find_spec

    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ValueError(
            f"ONNX export needs {', '.join(missing)}: pip install 'serfusion[onnx]' and try again"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Torch's exporter warns of itself: of torchvision, of names of axes, of its own functions."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
