"""Files of weights as torchvision publishes them: loaded unchanged, or refused with a reason."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import encoders.networks.cnn_weights as cnn_weights
from encoders.audio.waveform import Audio
from encoders.encoder import fingerprint_of, load_encoder
from encoders.networks.cnn_models import build
from encoders.networks.cnn_weights import load_weights
from encoders.specs import SpectrogramCnnSpec
from tests.encoders.networks.torchvision_tables import CLASSIFIERS, TABLES

RECORDING = Audio(torch.linspace(-1, 1, 9000).sin().numpy(), 8000)


def published(name: str) -> dict[str, torch.Tensor]:
    """A state dict as torchvision's older files hold it: no counters, classifiers, old names."""
    random = torch.Generator().manual_seed(7)
    state = {
        old_spelling(key): torch.rand(shape, generator=random) / 10
        for key, shape in TABLES[name].items()
    }
    # An expanded zero stands for a classifier of up to 235 MB.
    return state | {key: torch.zeros(()).expand(shape) for key, shape in CLASSIFIERS[name].items()}


def old_spelling(key: str) -> str:
    for part in ("norm1", "norm2", "conv1", "conv2"):
        key = key.replace(f".{part}.", f".{part[:-1]}.{part[-1]}.") if "denselayer" in key else key
    return key


@pytest.fixture
def alexnet_file(tmp_path) -> Path:
    torch.save(published("alexnet"), tmp_path / "alexnet.pth")
    return tmp_path / "alexnet.pth"


def spec_of(path: Path, **changes: object) -> SpectrogramCnnSpec:
    return SpectrogramCnnSpec(checkpoint=str(path), image_size=63, **changes)


# ---------------------------------------------------------------- what is loaded


@pytest.mark.parametrize("name", TABLES)
def test_a_published_file_fills_the_network(name, tmp_path):
    state = published(name)
    torch.save(state, tmp_path / "file.pth")
    network = build(name, seed=0)
    load_weights(network, tmp_path / "file.pth")
    own = network.state_dict()
    for key in TABLES[name]:
        assert torch.equal(own[key], state[old_spelling(key)]), key


def test_densenets_published_names_differ_from_its_own():
    """Without this the test above would not see a missing renaming."""
    names = published("densenet201")
    assert "features.denseblock1.denselayer1.norm.1.weight" in names
    assert "features.denseblock1.denselayer1.norm1.weight" not in names


def test_densenets_new_names_are_loaded_too(tmp_path):
    state = {key: torch.full(shape, 0.5) for key, shape in TABLES["densenet201"].items()}
    torch.save(state, tmp_path / "file.pt")
    network = build("densenet201", seed=0)
    load_weights(network, tmp_path / "file.pt")
    assert (network.state_dict()["features.denseblock4.denselayer32.norm2.bias"] == 0.5).all()


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_a_file_of_any_format_gives_the_same_embedding(alexnet_file, tmp_path, suffix):
    state = {key: tensor.contiguous() for key, tensor in published("alexnet").items()}
    kept = {key: tensor for key, tensor in state.items() if key in TABLES["alexnet"]}
    path = tmp_path / f"other{suffix}"
    if suffix == ".safetensors":
        save_file(kept, path)
    else:
        torch.save(kept, path)
    found, expected = (
        load_encoder(spec_of(file)).encode([RECORDING])[0] for file in (path, alexnet_file)
    )
    assert torch.equal(found, expected)


def test_half_precision_becomes_float32(tmp_path):
    state = {key: torch.full(shape, 0.5).half() for key, shape in TABLES["alexnet"].items()}
    torch.save(state, tmp_path / "half.pth")
    network = build("alexnet", seed=0)
    load_weights(network, tmp_path / "half.pth")
    assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.float32}


def test_weights_change_an_embedding(alexnet_file):
    found = load_encoder(spec_of(alexnet_file)).encode([RECORDING])[0]
    random = load_encoder(spec_of(alexnet_file, untrained=True)).encode([RECORDING])[0]
    assert not torch.allclose(found, random)


# ---------------------------------------------------------------- what is refused


def refused(tmp_path: Path, content: object, name: str = "alexnet") -> str:
    torch.save(content, tmp_path / "bad.pth")
    with pytest.raises(ValueError, match=r"bad\.pth: ") as caught:
        load_weights(build(name, seed=0), tmp_path / "bad.pth")
    return str(caught.value)


def test_missing_parameters_are_named(tmp_path):
    state = published("alexnet")
    del state["features.8.bias"], state["features.0.weight"]
    said = refused(tmp_path, state)
    assert "2 parameters differ" in said
    assert "features.0.weight is missing; features.8.bias is missing" in said


def test_parameters_of_another_shape_are_named(tmp_path):
    state = published("alexnet") | {"features.3.weight": torch.zeros(192, 48, 5, 5)}
    said = refused(tmp_path, state)
    assert "features.3.weight is (192, 48, 5, 5), expected (192, 64, 5, 5)" in said


def test_a_deeper_network_is_not_taken_for_a_part_of_itself(tmp_path):
    """ResNet-101 holds every parameter of ResNet-50, of the same shape."""
    state = published("resnet50") | {"layer3.6.conv1.weight": torch.zeros(256, 1024, 1, 1)}
    assert "layer3.6.conv1.weight is of another network" in refused(tmp_path, state, "resnet50")


def test_many_faults_are_counted_and_some_shown(tmp_path):
    said = refused(tmp_path, published("resnet50"), "resnext50")
    assert "; ..." in said
    assert said.count("expected") == cnn_weights.SHOWN


def test_the_checkpoint_of_a_training_run_is_no_state_dict(tmp_path):
    said = refused(tmp_path, {"epoch": 3, "state_dict": published("alexnet")})
    assert "expected a state dict: tensors by name" in said


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_damaged_file_is_told(tmp_path, suffix):
    (tmp_path / f"bad{suffix}").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=rf"bad\{suffix}: is no file of weights"):
        load_weights(build("alexnet", seed=0), tmp_path / f"bad{suffix}")


class Malicious:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


def test_a_pickle_runs_nothing(tmp_path):
    said = refused(tmp_path, {"features.0.weight": Malicious(str(tmp_path / "made"))})
    assert "is no file of weights" in said
    assert not (tmp_path / "made").exists()


# ---------------------------------------------------------------- keys


def test_the_key_is_that_of_the_bytes_wherever_they_lie(alexnet_file, tmp_path):
    elsewhere = tmp_path / "folder" / "renamed.pth"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(alexnet_file.read_bytes())
    keys = {fingerprint_of(spec_of(p)) for p in (alexnet_file, elsewhere, elsewhere.parent)}
    assert len(keys) == 1


def test_other_bytes_are_another_key(alexnet_file):
    before = fingerprint_of(spec_of(alexnet_file))
    state = published("alexnet") | {"features.0.bias": torch.ones(64)}
    torch.save(state, alexnet_file)
    assert fingerprint_of(spec_of(alexnet_file)) != before


def test_random_weights_are_another_key(alexnet_file):
    spec = spec_of(alexnet_file)
    assert fingerprint_of(spec) != fingerprint_of(replace(spec, untrained=True))
