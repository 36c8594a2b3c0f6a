"""Weights of networks on windows: read, compared, put into a network; names are torchvision's.

A file is a state dict in safetensors, or in torch's own format, of which only tensors are read.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from encoders.networks import mfcc_cnn_models
from encoders.networks.cnn_models import Projected, WindowNetwork, build
from encoders.specs import UNTRAINED_SEED, MfccCnnSpec, SpectrogramCnnSpec
from encoders.weights.locate import locate
from encoders.weights.sources import network_source

NetworkSpec = SpectrogramCnnSpec | MfccCnnSpec
#: Parameters of the classifiers, which an embedding does not need.
CLASSIFIERS = ("classifier.", "fc.")
#: Parameters of a projection of the pooled channels, which fine-tuned networks of ours have.
PROJECTION = "projection."
#: Counted in training, of no use in evaluation, and missing in files older than torch 0.4.1.
COUNTERS = "num_batches_tracked"
#: How DenseNet's older files write ``norm1`` and ``conv2``: a dot before the digit.
_OLD_SPELLING = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.")
SHOWN = 5


def load_network(spec: NetworkSpec) -> WindowNetwork:
    """The network of a spec: random, with published weights, or trained with its projection.

    Raises:
        MissingWeightsError: there is no such file, or the spec names none.
        ValueError: the file holds another network.
    """
    if isinstance(spec, SpectrogramCnnSpec):
        network: WindowNetwork = build(spec.architecture, UNTRAINED_SEED)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(UNTRAINED_SEED)
            network = mfcc_cnn_models.build(spec)
    if spec.untrained:
        return network
    path = locate(network_source(spec.checkpoint, spec.architecture))
    load_weights(network, path)
    return projected(network, path)


def projected(network: WindowNetwork, path: Path) -> WindowNetwork:
    """The network with the projection that a file holds; itself where it holds none.

    Raises:
        ValueError: it is that of another network.
    """
    state = {k.removeprefix(PROJECTION): v for k, v in _read(path).items() if PROJECTION in k}
    if not state:
        return network
    weight = state.get("weight")
    if state.keys() != {"weight", "bias"} or weight is None or weight.shape[1:] != (network.dim,):
        raise ValueError(
            f"{path}: expected {PROJECTION}weight of [dim, {network.dim}] and {PROJECTION}bias, "
            f"found {', '.join(f'{k} {tuple(v.shape)}' for k, v in sorted(state.items()))}"
        )
    extended = Projected(network, len(weight))
    extended.projection.load_state_dict(state)
    return extended


def load_weights(network: nn.Module, path: Path) -> None:
    """Fill a network from a file with torchvision's state dict; its classifier is left out.

    Raises:
        ValueError: the file is no state dict, or parameters are missing, of another shape, or
            those of another network; all of them are counted, the first are named.
    """
    expected = network.state_dict()
    stored = {
        _OLD_SPELLING.sub(r"\1\2.", name): tensor
        for name, tensor in _read(path).items()
        if not name.startswith((*CLASSIFIERS, PROJECTION)) and not name.endswith(COUNTERS)
    }
    _compare(
        {name: value for name, value in expected.items() if not name.endswith(COUNTERS)},
        stored,
        path,
    )
    network.load_state_dict(stored, strict=False)


def _compare(expected: Mapping[str, Tensor], stored: Mapping[str, Tensor], path: Path) -> None:
    faults = [f"{name} is missing" for name in expected if name not in stored]
    faults += [f"{name} is of another network" for name in stored if name not in expected]
    faults += [
        f"{name} is {tuple(stored[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in expected
        if name in stored and stored[name].shape != expected[name].shape
    ]
    if faults:
        shown = "; ".join(faults[:SHOWN]) + ("; ..." if len(faults) > SHOWN else "")
        raise ValueError(
            f"{path}: not the state dict of this network, {len(faults)} parameters differ: {shown}"
        )


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    # Pickles, archives and headers each fail in their own way; to a user they are one.
    except Exception as error:
        raise ValueError(f"{path}: is no file of weights ({type(error).__name__})") from error
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise ValueError(
            f"{path}: holds {type(content).__name__}, expected a state dict: tensors by name, "
            "as in torch.save(model.state_dict(), path)"
        )
    return content
