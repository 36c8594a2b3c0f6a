"""Networks on windows of a spectrogram in training: images, and frames of cepstra."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from encoders.finetuning.augmentation import WaveformChanges
from encoders.finetuning.labelled_audio import Spectrograms, prepare
from encoders.finetuning.settings import FinetuneError, Settings
from encoders.finetuning.training import TrainableEncoder
from encoders.networks.cnn_models import Projected, WindowNetwork
from encoders.networks.cnn_weights import PROJECTION, NetworkSpec, load_network
from encoders.networks.mfcc_cnn_models import build
from encoders.networks.spectrogram_cnn import from_unit, to_frames
from encoders.provenance import PROVENANCE, WEIGHTS
from encoders.specs import MfccCnnSpec, SpectrogramCnnSpec
from encoders.utterance import Utterance


def start(spec: NetworkSpec, settings: Settings) -> "WindowPupil":
    """The network that training starts from; random weights are drawn from torch's own state.

    Raises:
        MissingWeightsError: its published weights are not there.
        FinetuneError: it has weights that training would not start from.
    """
    network: WindowNetwork = _start(spec)
    if settings.projection_dim is not None:
        network = Projected(network, settings.projection_dim)
    return WindowPupil(network, spec)


class WindowPupil(TrainableEncoder):
    """A network on windows, with its projection where it has one."""

    def __init__(self, network: WindowNetwork, spec: NetworkSpec) -> None:
        super().__init__()
        if isinstance(spec, SpectrogramCnnSpec):
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network = network
        self.spec = spec
        self.dim = network.dim

    def prepare(
        self, utterances: Sequence[Utterance], changes: WaveformChanges, random: np.random.Generator
    ) -> Spectrograms:
        """Windows of utterances and of changed copies of them."""
        return prepare(utterances, self.spec, changes, random)

    def forward(
        self, inputs: Float32[Tensor, "windows mels frames"]
    ) -> Float[Tensor, "windows dim"]:
        """Embeddings of windows from 0 to 1."""
        if isinstance(self.spec, MfccCnnSpec):
            return self.network(to_frames(inputs, self.spec).to(self.device))
        images = from_unit(inputs, self.spec).to(self.device)
        return self.network(images.contiguous(memory_format=torch.channels_last))

    def save(self, folder: Path, dtype: torch.dtype) -> None:
        """Write the weights under the names of the network's own file."""
        from safetensors.torch import save_file

        network, projection = self.network, dict[str, Tensor]()
        if isinstance(network, Projected):
            projection = {
                f"{PROJECTION}{name}": value
                for name, value in network.projection.state_dict().items()
            }
            network = network.network
        state = {**network.state_dict(), **projection}
        kept = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
        # Channels last is how a network computes, not how a file is compared.
        plain = {name: value.cpu().contiguous() for name, value in kept.items()}
        save_file(plain, folder / WEIGHTS, metadata={"record": PROVENANCE})

    def saved_spec(self, folder: str) -> NetworkSpec:
        """The same preprocessing with the weights of a folder."""
        return replace(self.spec, checkpoint=folder, untrained=False)


def _start(spec: NetworkSpec) -> WindowNetwork:
    if isinstance(spec, MfccCnnSpec):
        if spec.checkpoint:
            raise FinetuneError(
                f"{spec.checkpoint}: training starts from random weights; leave the checkpoint out"
            )
        return build(spec)
    network = load_network(spec)
    if spec.untrained:
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                # Torch's own draw leaves a sixth of the mean square per layer, He's all of it
                # (2015, eq. 10), and AlexNet has no norms to make up for that.
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    return network
