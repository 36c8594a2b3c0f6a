"""Image networks: torchvision's parameters, and a forward pass that others compute too."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from encoders.networks.cnn_models import DIMS, build
from tests.encoders.networks.torchvision_tables import (
    CLASSIFIERS,
    GIGA_OPERATIONS,
    PARAMETERS,
    STATISTICS,
    TABLES,
)

TOLERANCE = 1e-5


@cache
def network(name: str) -> nn.Module:
    """A network whose norms have statistics as after training, not 0 and 1."""
    built = build(name, seed=3)
    random = torch.Generator().manual_seed(4)
    for key, tensor in built.state_dict().items():
        if key.endswith(("running_mean", "running_var", "bias")):
            tensor.copy_(torch.rand(tensor.shape, generator=random) + 0.5)
    return built.eval().requires_grad_(False)


def images(size: int, count: int = 2) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(5))


def relative_error(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape
    return float((found - expected).norm() / expected.norm())


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize("name", TABLES)
def test_names_and_shapes_are_torchvisions(name):
    own = {key: tuple(tensor.shape) for key, tensor in network(name).state_dict().items()}
    counters = {key for key in own if key.endswith("num_batches_tracked")}
    assert {key: own[key] for key in own if key not in counters} == TABLES[name]


@pytest.mark.parametrize("name", TABLES)
def test_the_number_of_parameters_is_torchvisions(name):
    own = sum(parameter.numel() for parameter in network(name).parameters())
    classifier = sum(math.prod(shape) for shape in CLASSIFIERS[name].values())
    assert own + classifier == PARAMETERS[name]


def test_alexnets_convolutions_have_their_number_of_parameters():
    assert sum(parameter.numel() for parameter in network("alexnet").parameters()) == 2_469_696


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_agree_with_the_published_number(name):
    own = {k: shape for k, shape in TABLES[name].items() if not k.endswith(STATISTICS)}
    both = own | CLASSIFIERS[name]
    assert sum(math.prod(shape) for shape in both.values()) == PARAMETERS[name]


# ---------------------------------------------------------------- the forward pass


@pytest.mark.parametrize("name", TABLES)
def test_a_pass_takes_torchvisions_number_of_multiplications(name):
    """Sizes of all maps are in this number, and so every stride, padding and pooling."""
    counted = []

    def count(module: nn.Conv2d, _inputs: object, maps: Tensor) -> None:
        counted.append(maps[0].numel() * module.weight[0].numel())

    convolutions = [m for m in network(name).modules() if isinstance(m, nn.Conv2d)]
    handles = [convolution.register_forward_hook(count) for convolution in convolutions]
    network(name)(images(224, count=1))
    for handle in handles:
        handle.remove()
    classifier = sum(math.prod(s) for k, s in CLASSIFIERS[name].items() if k.endswith("weight"))
    assert (sum(counted) + classifier) / 1e9 == pytest.approx(GIGA_OPERATIONS[name], abs=1e-3)


@pytest.mark.parametrize(
    ("name", "maps"),
    [("alexnet", 6), ("resnet50", 7), ("resnext50", 7), ("densenet201", 7)],
)
def test_the_last_maps_have_their_size(name, maps):
    assert network(name).maps(images(224, count=1)).shape == (1, DIMS[name], maps, maps)


@pytest.mark.parametrize("name", TABLES)
def test_an_embedding_is_the_mean_of_the_last_maps(name):
    one = images(96)
    assert relative_error(network(name)(one), network(name).maps(one).mean((2, 3))) < TOLERANCE
    assert (network(name)(one) >= 0).all(), "the last maps are rectified"


def test_resnet_computes_what_transformers_computes():
    from transformers import ResNetConfig, ResNetModel

    with torch.device("meta"):
        other = ResNetModel(ResNetConfig(layer_type="bottleneck", depths=[3, 4, 6, 3])).eval()
    own = network("resnet50").state_dict()
    renamed = {transformers_name(name): tensor for name, tensor in own.items()}
    other.load_state_dict(renamed, assign=True)
    with torch.inference_mode():
        expected = other(images(96)).pooler_output.flatten(1)
    assert relative_error(network("resnet50")(images(96)), expected) < TOLERANCE


def transformers_name(name: str) -> str:
    """Name of a parameter of torchvision's ResNet in that of transformers."""
    if not name.startswith("layer"):
        part = "convolution" if name.startswith("conv") else "normalization"
        return f"embedder.embedder.{part}.{name.rpartition('.')[2]}"
    stage, block, part, *rest = name.split(".")
    own = f"encoder.stages.{int(stage[-1]) - 1}.layers.{block}"
    if part == "downsample":
        kind = "convolution" if rest[0] == "0" else "normalization"
        return f"{own}.shortcut.{kind}.{rest[1]}"
    kind = "convolution" if part.startswith("conv") else "normalization"
    return f"{own}.layer.{int(part[-1]) - 1}.{kind}.{rest[0]}"


@pytest.mark.parametrize("stage", ["layer1", "layer3"])
def test_a_block_of_resnext_is_that_of_transformers_with_zeros_between_groups(stage):
    from transformers.models.resnet.modeling_resnet import ResNetBottleNeckLayer

    block = getattr(network("resnext50"), stage)[0]
    own = {f"{stage}.0.{name}": tensor for name, tensor in block.state_dict().items()}
    own[f"{stage}.0.conv2.weight"] = dense(block.conv2.weight, groups=32)
    before, after = block.conv1.in_channels, block.conv3.out_channels
    other = ResNetBottleNeckLayer(before, after, stride=block.conv2.stride[0], reduction=2).eval()
    prefix = f"encoder.stages.{int(stage[-1]) - 1}.layers.0."
    other.load_state_dict(
        {transformers_name(name).removeprefix(prefix): tensor for name, tensor in own.items()}
    )
    maps = torch.randn(2, before, 12, 12, generator=torch.Generator().manual_seed(6))
    with torch.inference_mode():
        assert relative_error(block(maps.clone()), other(maps.clone())) < TOLERANCE


def dense(grouped: Tensor, groups: int) -> Tensor:
    """A grouped convolution's weight as that of one over all channels."""
    parts = grouped.chunk(groups)
    whole = torch.zeros(grouped.shape[0], groups * grouped.shape[1], *grouped.shape[2:])
    for index, part in enumerate(parts):
        rows, columns = part.shape[:2]
        whole[index * rows : (index + 1) * rows, index * columns : (index + 1) * columns] = part
    return whole


def test_densenet_computes_the_equations_of_its_paper():
    """Written a second time, from the state dict alone, without modules."""
    state = network("densenet201").state_dict()

    def composite(maps: Tensor, norm: str, conv: str, padding: int = 0) -> Tensor:
        return functional.conv2d(rectified(maps, norm), state[f"{conv}.weight"], padding=padding)

    def rectified(maps: Tensor, norm: str) -> Tensor:
        mean, variance = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
        scale = state[f"{norm}.weight"] / (variance + 1e-5).sqrt()
        shift = state[f"{norm}.bias"] - mean * scale
        return (maps * scale[:, None, None] + shift[:, None, None]).relu()

    maps = functional.conv2d(images(64), state["features.conv0.weight"], stride=2, padding=3)
    maps = functional.max_pool2d(rectified(maps, "features.norm0"), 3, stride=2, padding=1)
    for block, layers in enumerate((6, 12, 48, 32), start=1):
        for layer in range(1, layers + 1):
            name = f"features.denseblock{block}.denselayer{layer}"
            inner = composite(maps, f"{name}.norm1", f"{name}.conv1")
            new = composite(inner, f"{name}.norm2", f"{name}.conv2", padding=1)
            maps = torch.cat([maps, new], dim=1)
        if block < 4:
            name = f"features.transition{block}"
            maps = functional.avg_pool2d(composite(maps, f"{name}.norm", f"{name}.conv"), 2)
    expected = rectified(maps, "features.norm5").mean((2, 3))
    assert relative_error(network("densenet201")(images(64)), expected) < TOLERANCE


def test_alexnet_computes_five_convolutions():
    state = network("alexnet").state_dict()
    maps = images(96)
    for index, stride, padding, pooled in (
        *((0, 4, 2, True), (3, 1, 2, True), (6, 1, 1, False)),
        *((8, 1, 1, False), (10, 1, 1, True)),
    ):
        weight, bias = state[f"features.{index}.weight"], state[f"features.{index}.bias"]
        maps = functional.conv2d(maps, weight, bias, stride=stride, padding=padding).relu()
        maps = functional.max_pool2d(maps, 3, stride=2) if pooled else maps
    assert relative_error(network("alexnet")(images(96)), maps.mean((2, 3))) < TOLERANCE


# ---------------------------------------------------------------- random weights


@pytest.mark.parametrize("name", TABLES)
def test_a_seed_gives_the_same_weights_whatever_the_random_state(name):
    torch.manual_seed(1)
    one = build(name, seed=0).state_dict()
    left = torch.rand(3)
    other = build(name, seed=0).state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), left), "the random state of the caller is left alone"
    first = next(iter(one))
    assert not torch.equal(one[first], network(name).state_dict()[first]), "drawn from seed 3"


@pytest.mark.parametrize(
    ("name", "layer", "deviation"),
    [
        # He's normal, sqrt(2 / fan): 512 * 9 outputs a weight goes to, or 64 * 49 inputs it has.
        ("resnet50", "layer4.1.conv2", math.sqrt(2 / (512 * 9))),
        ("resnext50", "layer4.1.conv1", math.sqrt(2 / 1024)),
        ("densenet201", "features.denseblock4.denselayer32.conv1", math.sqrt(2 / 1888)),
        # Uniform between plus and minus 1 / sqrt(fan in): a deviation of that by sqrt 3.
        ("alexnet", "features.6", 1 / math.sqrt(3 * 192 * 9)),
    ],
)
def test_random_weights_have_the_spread_of_torchvisions(name, layer, deviation):
    weight = build(name, seed=0).state_dict()[f"{layer}.weight"]
    assert float(weight.std()) == pytest.approx(deviation, rel=0.02)
    assert abs(float(weight.mean())) < 0.02 * deviation


@pytest.mark.parametrize("name", ["resnet50", "resnext50", "densenet201"])
def test_random_norms_start_as_the_identity(name):
    for module in build(name, seed=0).modules():
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert (module.bias == 0).all()
            assert (module.running_mean == 0).all()
            assert (module.running_var == 1).all()
