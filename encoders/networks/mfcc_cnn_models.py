"""Networks over frames of cepstra in plain torch: their layers are the tables below.

The study that names them (3, 5 and 8 convolutions in one dimension, 2 and 6 in two, convolutions
and an LSTM with and without attention) prints no sizes: these are ours. Every convolution is
followed by a batch norm, a rectifier and, where the table says so, a maximum over frames.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Float
from torch import Tensor, nn

from encoders.networks.cnn_models import WindowNetwork
from encoders.specs import MfccArchitecture, MfccCnnSpec

Frames = Float[Tensor, "windows frames inputs"]
#: Units of an LSTM in each of its two directions.
UNITS = 128


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution: its channels, its kernel, and how many frames are then joined into one."""

    channels: int
    kernel: int
    join: int = 1


#: Over time; an embedding is the mean of the last layer's frames, 256 values.
ONE_DIMENSION: Mapping[str, Sequence[Layer]] = MappingProxyType(
    {
        "cnn1d-3": (Layer(64, 5, 2), Layer(128, 5, 2), Layer(256, 5)),
        "cnn1d-5": (
            *(Layer(64, 5), Layer(64, 5, 2), Layer(128, 5), Layer(128, 5, 2)),
            Layer(256, 5),
        ),
        "cnn1d-8": (
            *(Layer(64, 5), Layer(64, 5, 2), Layer(128, 5), Layer(128, 5, 2)),
            *(Layer(256, 3), Layer(256, 3, 2), Layer(256, 3), Layer(256, 3)),
        ),
    }
)
#: Over time and coefficients; an embedding is the mean over frames, every coefficient that is left
#: with channels of its own: 64 x 10 or 64 x 5 of 40 coefficients.
TWO_DIMENSIONS: Mapping[str, Sequence[Layer]] = MappingProxyType(
    {
        "cnn2d-2": (Layer(32, 5, 2), Layer(64, 5, 2)),
        "cnn2d-6": (
            *(Layer(16, 3), Layer(16, 3, 2), Layer(32, 3), Layer(32, 3, 2)),
            *(Layer(64, 3), Layer(64, 3, 2)),
        ),
    }
)
#: Before an LSTM, whose frames are then four of the input's.
BEFORE_LSTM = (Layer(64, 5, 2), Layer(128, 5, 2))


def build(spec: MfccCnnSpec) -> WindowNetwork:
    """The network of a spec, drawn from torch's own state."""
    network = _NETWORKS[spec.architecture](spec)
    for module in network.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d):
            # He et al. 2015, eq. 10: as the image networks are drawn for training.
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
    return network


class Convolutions1d(WindowNetwork):
    """Convolutions over time, then the mean over time."""

    def __init__(self, spec: MfccCnnSpec) -> None:
        super().__init__()
        layers = ONE_DIMENSION[spec.architecture]
        self.layers = _over_time(spec.inputs, layers)
        self.dim = layers[-1].channels

    def forward(self, frames: Frames) -> Float[Tensor, "windows dim"]:
        """Mean of the last layer's frames."""
        return self.layers(frames.transpose(1, 2)).mean(dim=2)


class Convolutions2d(WindowNetwork):
    """Convolutions over time and coefficients, then the mean over time."""

    def __init__(self, spec: MfccCnnSpec) -> None:
        super().__init__()
        layers = TWO_DIMENSIONS[spec.architecture]
        # One norm per coefficient: of one for all the first coefficient would leave nothing.
        self.norm = nn.BatchNorm1d(spec.inputs)
        self.layers = nn.Sequential()
        before, rows = 1, spec.inputs
        for layer in layers:
            self.layers.extend(_two_dimensional(before, layer))
            before, rows = layer.channels, rows // layer.join
        self.dim = before * rows

    def forward(self, frames: Frames) -> Float[Tensor, "windows dim"]:
        """Mean over time of every channel of every coefficient that is left."""
        maps = self.layers(self.norm(frames.transpose(1, 2))[:, None])
        return maps.mean(dim=3).flatten(start_dim=1)


class Lstm(WindowNetwork):
    """Convolutions over time, then an LSTM in both directions: its last states."""

    dim = 2 * UNITS

    def __init__(self, spec: MfccCnnSpec) -> None:
        super().__init__()
        self.layers = _over_time(spec.inputs, BEFORE_LSTM)
        self.lstm = nn.LSTM(BEFORE_LSTM[-1].channels, UNITS, batch_first=True, bidirectional=True)

    def forward(self, frames: Frames) -> Float[Tensor, "windows dim"]:
        """The state after the last frame of each direction."""
        _, (last, _) = self.lstm(self.layers(frames.transpose(1, 2)).transpose(1, 2))
        return torch.cat([last[0], last[1]], dim=1)


class AttentiveLstm(Lstm):
    """The same, but all states, weighed: softmax of v tanh(W h) (Bahdanau et al. 2015, eq. 6)."""

    def __init__(self, spec: MfccCnnSpec) -> None:
        super().__init__(spec)
        self.weigh = nn.Sequential(
            nn.Linear(self.dim, UNITS), nn.Tanh(), nn.Linear(UNITS, 1, bias=False)
        )

    def forward(self, frames: Frames) -> Float[Tensor, "windows dim"]:
        """Weighted mean of the states of all frames."""
        states, _ = self.lstm(self.layers(frames.transpose(1, 2)).transpose(1, 2))
        return (self.weigh(states).softmax(dim=1) * states).sum(dim=1)


def _over_time(inputs: int, layers: Sequence[Layer]) -> nn.Sequential:
    stack = nn.Sequential(nn.BatchNorm1d(inputs))
    before = inputs
    for layer in layers:
        stack.extend(
            [
                nn.Conv1d(before, layer.channels, layer.kernel, padding=layer.kernel // 2),
                nn.BatchNorm1d(layer.channels),
                nn.ReLU(),
            ]
        )
        if layer.join > 1:
            stack.append(nn.MaxPool1d(layer.join))
        before = layer.channels
    return stack


def _two_dimensional(before: int, layer: Layer) -> nn.Sequential:
    block = nn.Sequential(
        nn.Conv2d(before, layer.channels, layer.kernel, padding=layer.kernel // 2),
        nn.BatchNorm2d(layer.channels),
        nn.ReLU(),
    )
    if layer.join > 1:
        block.append(nn.MaxPool2d(layer.join))
    return block


_NETWORKS: Mapping[MfccArchitecture, type[WindowNetwork]] = MappingProxyType(
    {
        "cnn1d-3": Convolutions1d,
        "cnn1d-5": Convolutions1d,
        "cnn1d-8": Convolutions1d,
        "cnn2d-2": Convolutions2d,
        "cnn2d-6": Convolutions2d,
        "cnn-lstm": Lstm,
        "cnn-lstm-attention": AttentiveLstm,
    }
)
