"""Small networks on windows of cepstra: one embedding per window.

Windows are those of :mod:`encoders.networks.spectrogram_cnn`: slices of the trimmed recording's
log-mel frames, each embedded by itself.
"""

import torch
from jaxtyping import Float32
from torch import Tensor

from encoders.networks.cnn_models import WindowNetwork
from encoders.networks.cnn_weights import load_weights, projected
from encoders.networks.mfcc_cnn_models import Frames, build
from encoders.networks.spectrogram_cnn import WindowEncoder, Windows, to_unit
from encoders.pretrained.speech import state_sha256
from encoders.provenance import network_sha256
from encoders.specs import UNTRAINED_SEED, MfccCnnSpec
from encoders.spectra.cepstrum import cosines
from encoders.weights.locate import locate
from encoders.weights.sources import network_source

NUMERICS_VERSION = 1


def weights_sha256(spec: MfccCnnSpec) -> str:
    """Hash of the file's bytes and its record, or of the random weights of an untrained network."""
    if spec.untrained:
        return state_sha256(load_network(spec))
    return network_sha256(locate(network_source(spec.checkpoint, spec.architecture)))


def load(spec: MfccCnnSpec, device: torch.device) -> "MfccCnnEncoder":
    """The encoder of a spec, with trained weights or random ones.

    Raises:
        MissingWeightsError: there is no such file, or the spec names none.
        ValueError: the file holds another network.
    """
    return MfccCnnEncoder(load_network(spec), spec, device)


def load_network(spec: MfccCnnSpec) -> WindowNetwork:
    """The network of a spec: random, or trained, with its projection where it has one.

    Raises:
        MissingWeightsError: there is no such file, or the spec names none.
        ValueError: the file holds another network.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(UNTRAINED_SEED)
        network = build(spec)
    if spec.untrained:
        return network
    path = locate(network_source(spec.checkpoint, spec.architecture))
    load_weights(network, path)
    return projected(network, path)


class MfccCnnEncoder(WindowEncoder):
    """One embedding per window, ``[1, windows, dim]``; ``dim`` is that of the network."""

    def __init__(self, network: WindowNetwork, spec: MfccCnnSpec, device: torch.device) -> None:
        super().__init__(network.to(device), spec, device)
        self.own = spec

    def embed(self, windows: Windows) -> Float32[Tensor, "windows dim"]:
        """Embeddings of windows in decibels."""
        return self.network(to_frames(to_unit(windows, self.own), self.own).to(self.device))


def to_frames(windows: Windows, spec: MfccCnnSpec) -> Frames:
    """Frames that a network takes, of windows from 0 to 1: their bands, or the cepstrum of them."""
    frames = windows.transpose(1, 2)
    if spec.n_mfcc is None:
        return frames
    return frames @ cosines(spec.n_mfcc, spec.n_mels).T
