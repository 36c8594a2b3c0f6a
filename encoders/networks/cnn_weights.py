"""Weights of image networks: the files that torchvision publishes, found, checked, fetched.

A file is looked for under its own path, then where ``torch.hub`` keeps what it downloads. It is a
state dict in safetensors, or in torch's own format, of which only tensors are read.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor, nn

from encoders.asr.recognisers import answers
from encoders.bundled import ALEXNET
from encoders.cards import BUNDLED_ALEXNET, CARDS
from encoders.checkpoints import MissingWeightsError
from encoders.networks.cnn_models import Projected, WindowNetwork, build
from encoders.specs import TORCHVISION, UNTRAINED_SEED, SpectrogramCnnSpec, WindowSpec

SERVER = "https://download.pytorch.org/models/"
SUFFIXES = (".safetensors", ".pt", ".pth")
#: Parameters of the classifiers, which an embedding does not need.
CLASSIFIERS = ("classifier.", "fc.")
#: Parameters of a projection of the pooled channels, which fine-tuned networks of ours have.
PROJECTION = "projection."
#: Counted in training, of no use in evaluation, and missing in files older than torch 0.4.1.
COUNTERS = "num_batches_tracked"
#: How DenseNet's older files write ``norm1`` and ``conv2``: a dot before the digit.
_OLD_SPELLING = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.")
SHOWN = 5


def locate_file(spec: WindowSpec) -> Path:
    """File with the weights of a spec.

    Raises:
        MissingWeightsError: it is not on this machine, or a folder holds none or several.
    """
    if not spec.checkpoint:
        raise MissingWeightsError(
            f"{spec.architecture}: nobody publishes weights of it. Train it "
            "(encoders.finetuning.finetune.finetune) and name what came of it by @weights=FOLDER, "
            "or put :untrained behind its name (random weights, a control)"
        )
    bundled = spec.checkpoint == BUNDLED_ALEXNET
    path = ALEXNET if bundled else Path(spec.checkpoint).expanduser()
    if path.is_dir():
        return _only_file(path)
    if path.is_file():
        return path
    if spec.checkpoint not in TORCHVISION.values():
        raise MissingWeightsError(
            f"{spec.architecture}@weights={spec.checkpoint}: no such file or folder"
        )
    assert isinstance(spec, SpectrogramCnnSpec), "torchvision has image networks only"
    published = published_path(spec.checkpoint)
    if not published.is_file():
        raise MissingWeightsError(_missing(spec))
    return _checked(published)


def published_path(name: str) -> Path:
    """Where ``torch.hub``, and torchvision through it, keeps a published file."""
    return Path(torch.hub.get_dir()) / "checkpoints" / name


def fetch_file(name: str) -> Path:
    """Download a published file by its name; it is complete and checked, or not there.

    Raises:
        MissingWeightsError: in under five seconds where its server does not answer.
    """
    path = published_path(name)
    if path.is_file():
        return _checked(path)
    if not answers(SERVER + name):
        raise MissingWeightsError(f"{SERVER}{name} cannot be reached")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(SERVER + name, str(path), _digits(name), progress=False)
    except (URLError, OSError, RuntimeError) as error:
        raise MissingWeightsError(f"{SERVER}{name}: the download failed ({error})") from error
    return path


def file_sha256(path: Path) -> str:
    """Sha256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def load_network(spec: SpectrogramCnnSpec) -> WindowNetwork:
    """The network of a spec: random, with published weights, or fine-tuned with its projection.

    Raises:
        MissingWeightsError: there is no such file.
        ValueError: the file holds another network.
    """
    network = build(spec.architecture, UNTRAINED_SEED)
    if spec.untrained:
        return network
    path = locate_file(spec)
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
    found = Projected(network, len(weight))
    found.projection.load_state_dict(state)
    return found


def load_weights(network: nn.Module, path: Path) -> None:
    """Fill a network from a file with torchvision's state dict; its classifier is left out.

    Raises:
        ValueError: the file is no state dict, or parameters are missing, of another shape, or
            those of another network; all of them are counted, the first are named.
    """
    own = network.state_dict()
    found = {
        _OLD_SPELLING.sub(r"\1\2.", name): tensor
        for name, tensor in _read(path).items()
        if not name.startswith((*CLASSIFIERS, PROJECTION)) and not name.endswith(COUNTERS)
    }
    _compare({name: one for name, one in own.items() if not name.endswith(COUNTERS)}, found, path)
    network.load_state_dict(found, strict=False)


def _compare(own: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    faults = [f"{name} is missing" for name in own if name not in found]
    faults += [f"{name} is of another network" for name in found if name not in own]
    faults += [
        f"{name} is {tuple(found[name].shape)}, expected {tuple(own[name].shape)}"
        for name in own
        if name in found and found[name].shape != own[name].shape
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


def _only_file(folder: Path) -> Path:
    files = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
    if len(files) != 1:
        names = ", ".join(path.name for path in files) or "none"
        raise MissingWeightsError(
            f"{folder}: expected one file of weights ({', '.join(SUFFIXES)}), found {names}"
        )
    return files[0]


def _digits(name: str) -> str:
    """First digits of the sha256 of a published file, which end its name."""
    return Path(name).stem.rsplit("-", 1)[-1]


def _checked(path: Path) -> Path:
    if (found := file_sha256(path)).startswith(_digits(path.name)):
        return path
    raise MissingWeightsError(
        f"{path}: sha256 {found}, expected {_digits(path.name)}...: cut short, or not the "
        "published file; remove it and fetch it again"
    )


def _missing(spec: SpectrogramCnnSpec) -> str:
    file = spec.checkpoint
    name = CARDS[file].short_name
    return (
        f"{name}: torchvision's weights {file} (about {CARDS[file].size_mb} MB) are not in "
        f"{published_path(file).parent}. Where there is a network run: serfusion models fetch "
        f"{name}, or download {SERVER}{file}; a file anywhere is named by "
        f"{name}@weights=FILE. {name}:untrained needs none (random weights, a control)."
    )
