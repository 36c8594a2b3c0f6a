"""The ONNX graph of a model says what the model says, whatever is missing and however long."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import util

import numpy as np
import pytest
import torch

from fusion.evaluation.calibration import Abstention
from fusion.model import onnx_export
from fusion.model.fusion_model import FusionModel, HeadEnsemble, late_model
from fusion.model.onnx_export import export_onnx
from fusion.model.outputs import OutputType
from fusion.networks.head import Hyperparameters, InputShape
from fusion.networks.heads import HEADS
from fusion.training.combination import Combination

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

TARGETS = ("calm", "cross", "sad")
PATCH = 4
HYPER = Hyperparameters(hidden=8)
#: What a name reads: dimension and frames.
SHAPES = {
    **{"audio": (5, 1), "text": (3, 1), "audio_frames": (5, 11), "text_tokens": (3, 6)},
    "audio_windows": (5, 4),
}


def part(
    kind: str, *names: str, seeds: int = 1, layers: int = 1, temperature: float = 1.0
) -> HeadEnsemble:
    heads, dims = [], tuple(SHAPES[name][0] * layers for name in names)
    for seed in range(seeds):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            patch = PATCH if kind == "attention" else 1
            shapes = [
                InputShape(SHAPES[name][0], patch if name == "audio_frames" else 1, layers)
                for name in names
            ]
            head = HEADS[kind].network(shapes, len(TARGETS), HYPER).eval()
            for own in head.parameters():
                own.data += 0.3 * torch.randn(own.shape)
            heads.append(head)
    each = (layers,) * len(names)
    return HeadEnsemble(kind, names, dims, each, HYPER, tuple(heads), temperature)


def single(kind: str, *names: str, **fields) -> FusionModel:
    how = {name: fields.pop(name) for name in ("seeds", "layers") if name in fields}
    return FusionModel("concat", TARGETS, {}, (part(kind, *names, **how),), **fields)


def late(how: Combination | None) -> FusionModel:
    parts = (part("mlp", "audio", seeds=2, temperature=1.6), part("mlp", "text", temperature=0.7))
    return replace(late_model(TARGETS, {}, parts, how), temperature=1.3)


def late_of_windows() -> FusionModel:
    parts = (part("mlp", "audio_windows", temperature=1.6), part("mlp", "text"))
    return late_model(TARGETS, {}, parts, Combination.weighted("single-label", (0.4,)))


def of_task(task: str) -> FusionModel:
    parts = [replace(part("mlp", name, seeds=2), task=task) for name in ("audio", "text")]
    three = (0.5,) * len(TARGETS)
    outputs = OutputType(task, thresholds=three, lowest=three, highest=three)
    return replace(
        late_model(TARGETS, {}, parts, Combination.weighted(task, (0.3,))), outputs=outputs
    )


MODELS = {
    "mlp": single("mlp", "audio"),
    "concat": single("mlp", "audio", "text", seeds=2, temperature=0.8),
    "mix": single("mlp", "audio", "text", layers=3),
    "gated": single("gated", "audio", "text"),
    "lowrank": single("lowrank", "audio", "text"),
    "attention": single("attention", "audio_frames", "text_tokens"),
    "late": late(Combination.weighted("single-label", (0.4,))),
    "late_mean": late(Combination("mean")),
    "late_max": late(Combination("max")),
    "late_per_class": late(Combination("product", (0.2, 1.0, 0.0), (0.9, 0.1, 1.3))),
    "halves": late(None),
    "windows": single("mlp", "audio_windows"),
    "late_of_windows": late_of_windows(),
    "labels": of_task("multi-label"),
    "values": of_task("regression"),
}


def inputs_of(model: FusionModel) -> dict[str, int]:
    return {n: d for one in model.parts for n, d in zip(one.inputs, one.dims, strict=True)}


def length(name: str, extra: int) -> int:
    frames = SHAPES[name][1]
    return frames + extra if frames > 1 else 1


def run(session, model: FusionModel, inputs: dict[str, torch.Tensor | None]) -> np.ndarray:
    """One row through the graph; a modality that is None is marked missing."""
    given = {}
    for name, dim in inputs_of(model).items():
        value = inputs[name]
        frames = torch.zeros(1, dim) if value is None else value
        given[name] = frames[None].numpy()
        given[f"{name}_mask"] = np.ones((1, len(frames)), bool)
        given[f"{name}_present"] = np.array([value is not None])
    (found,) = session.run(["answers"], given)
    return found[0]


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_says_what_the_model_says(name, tmp_path):
    model = MODELS[name]
    export_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    names, chance = inputs_of(model), torch.Generator().manual_seed(1)
    for missing in (None, *names) if len(names) > 1 else (None,):
        # 11, 12 and 18 frames in patches of four: with and without padding.
        for extra in (0, 1, 7):
            inputs = {
                one: torch.randn(length(one, extra), dim, generator=chance)
                for one, dim in names.items()
            }
            inputs = {**inputs, **({} if missing is None else {missing: None})}
            expected = list(model.predict_embeddings(inputs).values())
            np.testing.assert_allclose(run(session, model, inputs), expected, atol=1e-5)


def test_the_graph_carries_targets_and_threshold(tmp_path):
    model = single("mlp", "audio", abstention=Abstention(0.6, 0.8, 0.8, 0.7, True))
    export_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    about = json.loads(session.get_modelmeta().custom_metadata_map["serfusion"])
    assert about["targets"] == list(TARGETS)
    assert about["abstention"]["threshold"] == 0.6


def test_a_graph_that_departs_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "TOLERANCE", -1.0)
    with pytest.raises(ValueError, match="departs from torch"):
        export_onnx(MODELS["mlp"], tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_without_its_packages_the_next_step_is_said(tmp_path, monkeypatch):
    found = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "onnx" else found(name))
    with pytest.raises(ValueError, match=r"needs onnx: pip install 'serfusion\[onnx\]'"):
        export_onnx(MODELS["mlp"], tmp_path / "model.onnx")


def test_values_of_any_size_are_compared_by_their_size(tmp_path):
    model = of_task("regression")
    for one in model.parts:
        for head in one.heads:
            head.standardizer(0).scale[0] = 3e-9
            head.classify.weight.data *= 1e5
    export_onnx(model, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").is_file()
