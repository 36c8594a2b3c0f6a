"""The learned mix of layers: it finds the layer that tells; of one layer it is no mix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from encoders.pooling import for_head
from encoders.specs import Modality, SpeechSpec
from fusion.batch import Dataset, Standardizer, collate
from fusion.evaluation.selection import selection_score
from fusion.model.fusion_model import FusionModel, HeadEnsemble
from fusion.networks.head import InputShape
from fusion.networks.heads import HEADS
from fusion.splitting.splits import Fold, InnerFolds
from fusion.training import train
from fusion.training.arm_table import ARMS, TrainedArm
from fusion.training.arms import Budget, FittedArm, fit_arm, score
from fusion.training.crossfit import FoldData
from fusion.training.fit_cache import FitPath, load_scores, save_scores
from fusion.training.fit_key import FitKey
from fusion.training.late import fuse_late

LAYERS, DIM, TELLS = 4, 5, 2
#: Enough for some hundred steps, as in a study of a small corpus.
ROWS = {"speakers": 18, "noise": 0.7}
BUDGET = Budget(trials=0, seeds=2)
INPUTS = {"mlp": "audio", "attention": "audio_frames"}
Split = Callable[[Dataset], tuple[Fold, InnerFolds]]


def mix_of(data: Dataset) -> Dataset:
    """The data as layer 2 of 4, beside three layers of louder noise."""
    rng = np.random.default_rng(1)

    def layers(name: str) -> list[torch.Tensor]:
        batch = data.inputs[name]
        rows = [values[own] for values, own in zip(batch.values, batch.mask, strict=True)]
        noise = [3 * rng.standard_normal((LAYERS, *row.shape)).astype(np.float32) for row in rows]
        for row, layer in zip(rows, noise, strict=True):
            layer[TELLS] = row
        return [torch.from_numpy(np.concatenate(list(layer), axis=1)) for layer in noise]

    inputs = {name: collate(layers(name), LAYERS) for name in INPUTS.values()}
    return replace(data, inputs={**data.inputs, **inputs})


@pytest.fixture
def mixed(make_data: Callable[..., Dataset]) -> Dataset:
    return mix_of(make_data())


def fitted(kind: str, data: Dataset, inner: InnerFolds) -> FittedArm:
    return fit_arm(TrainedArm("it", (INPUTS[kind],), kind), data, inner, BUDGET, None)


@pytest.mark.parametrize("kind", INPUTS)
def test_the_mix_finds_the_layer_that_tells_and_does_as_well(kind, make_data, split_data):
    data = make_data(**ROWS)
    fold, inner = split_data(data)
    both = [score(fitted(kind, one, inner), one, fold, 2) for one in (mix_of(data), data)]
    mix, alone = (selection_score(data.task, data.goals[one.test], one.test_scores) for one in both)
    (weights,) = both[0].layer_weights.values()
    assert both[1].layer_weights == {}
    assert int(np.argmax(weights)) == TELLS
    assert weights[TELLS] > 2 / LAYERS
    assert sum(weights) == pytest.approx(1)
    assert mix > alone - 0.05


@pytest.mark.parametrize("kind", INPUTS)
def test_a_mix_of_one_layer_is_no_mix(kind, make_data, split_data, monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 5)
    data, name = make_data(), INPUTS[kind]
    fold, inner = split_data(data)
    batch = data.inputs[name]
    stored = [values[own][None] for values, own in zip(batch.values, batch.mask, strict=True)]
    found = []
    for layer in (-1, "mix"):
        spec = SpeechSpec(storage="frames")
        modality = Modality(name="audio", encoder=spec, layer=layer)
        rows = collate([for_head(one, modality) for one in stored], len(stored[0]))
        found.append(fitted(kind, replace(data, inputs={name: rows}), inner))
    assert "mix_0" not in found[1].heads[0].head.state_dict()
    plain, mix = (score(own, data, fold, 2).test_scores for own in found)
    np.testing.assert_array_equal(plain, mix)


@pytest.mark.parametrize("kind", INPUTS)
def test_gradient_reaches_the_mix_which_starts_even(kind, mixed):
    head = HEADS[kind].network([InputShape(DIM, 2, LAYERS)], 3, HEADS[kind].defaults)
    assert head.layer_weights(0).tolist() == [1 / LAYERS] * LAYERS
    head([mixed.inputs[INPUTS[kind]]]).square().sum().backward()
    assert (head.mix_0.grad.abs() > 0).all()


@given(st.integers(2, 5), st.sampled_from(list(INPUTS)), st.integers(0, 100))
def test_a_mix_is_the_weighted_sum_of_standardised_layers(layers, kind, seed):
    made = torch.Generator().manual_seed(seed)
    frames = 1 if kind == "mlp" else 6
    rows = [2 + torch.randn(frames, layers * DIM, generator=made) for _ in range(3)]
    mix = HEADS[kind].network([InputShape(DIM, 2, layers)], 3, HEADS[kind].defaults)
    plain = HEADS[kind].network([InputShape(DIM, 2)], 3, HEADS[kind].defaults)
    own = {"mix_0", "mean_0", "scale_0"}
    shared = {name: value for name, value in mix.state_dict().items() if name not in own}
    plain.load_state_dict(shared, strict=False)
    with torch.no_grad():
        mix.mix_0.copy_(0.1 * torch.randn(layers, generator=made))
    batch = collate(rows, layers)
    found = Standardizer.fitted(batch)
    mix.standardize_with([found])
    weights = mix.layer_weights(0).detach()[:, None]
    standardised = [(row - found.mean) / found.scale for row in rows]
    summed = [(row.unflatten(1, (layers, DIM)) * weights).sum(dim=1) for row in standardised]
    torch.testing.assert_close(mix([batch]), plain([collate(summed)]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layers", ["mix", "concat"])
def test_for_head_puts_the_layers_side_by_side(layers):
    stored = torch.arange(3 * 1 * 6, dtype=torch.float32).view(3, 1, 6)  # mean, std, max of 2
    mix = Modality(name="audio", encoder=SpeechSpec(), layer=layers, pooling="mean+max")
    each = [for_head(stored, replace(mix, layer=k)) for k in range(3)]
    torch.testing.assert_close(for_head(stored, mix), torch.cat(each, dim=1), rtol=0, atol=0)


def test_a_sequence_of_a_mix_keeps_all_layers():
    mix = Modality(name="audio", encoder=SpeechSpec(), layer="mix").as_sequence()
    assert (mix.layer, mix.encoder.layers, mix.encoder.storage) == ("mix", None, "frames")
    named = Modality(name="audio", encoder=SpeechSpec(layers=(3, 6)), layer="mix").as_sequence()
    assert named.encoder.layers == (3, 6)


@pytest.mark.parametrize("kind", INPUTS)
def test_a_saved_model_mixes_as_before(kind, mixed, split_data, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "MAX_EPOCHS", 2)
    name = INPUTS[kind]
    part = HeadEnsemble.of(fitted(kind, mixed, split_data(mixed)[1]))
    model = FusionModel("audio", mixed.targets, {}, (part,))
    model.save(tmp_path / "model")
    row = mixed.inputs[name].values[0][mixed.inputs[name].mask[0]]
    again = FusionModel.load(tmp_path / "model")
    assert again.parts[0].layers == (LAYERS,)
    assert again.predict_embeddings({name: row}) == model.predict_embeddings({name: row})
    for wrong in ({name: None}, {}, {"voice": row}):
        with pytest.raises(ValueError, match=f"this model reads {name}: expected some of it, got"):
            again.predict_embeddings(wrong)


def test_layer_weights_are_kept_with_the_fit_and_not_those_of_late_fusion(
    mixed, split_data, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(train, "MAX_EPOCHS", 2)
    fold, inner = split_data(mixed)
    audio, text = (
        score(fit_arm(ARMS[name], mixed, inner, BUDGET, None), mixed, fold, 2)
        for name in ("audio", "text")
    )
    path = FitPath(tmp_path, "audio", FitKey("1", "2"))
    save_scores(audio, path)
    kept = load_scores(path, (FoldData(mixed, inner),), fold)
    assert kept.layer_weights == audio.layer_weights
    assert list(audio.layer_weights) == ["audio"]
    assert fuse_late("late", audio, text, mixed, inner, BUDGET)[0].layer_weights == {}
