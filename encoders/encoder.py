"""The Encoder protocol, and the one place where a model becomes frozen."""

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from encoders.audio import Audio
from encoders.checkpoints import locate
from encoders.pooling import Hidden
from encoders.specs import (
    FAMILIES,
    LogMelSpec,
    Spec,
    SpectrogramCnnSpec,
    fingerprint,
    model_part,
)


@runtime_checkable
class Encoder(Protocol):
    """Anything that turns inputs into ``[layers, frames, dim]``, each independent of the others.

    ``frame_s`` is the distance of two frames in seconds, None where frames are tokens. An encoder
    that leaves out the start of a recording says how much by a method ``offset_s(audio)``.
    """

    frame_s: float | None

    def encode(self, inputs: Sequence[Audio] | Sequence[str]) -> list[Hidden]:
        """One array per input, in their order."""
        ...


class FrozenEncoder:
    """A family's module in evaluation mode, without gradients: same input, same embedding."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module.eval().requires_grad_(False)
        self.frame_s: float | None = getattr(module, "frame_s", None)

    def offset_s(self, content: Audio | str) -> float:
        """Seconds before the first frame of an input; 0 where the family trims nothing."""
        offset: float = getattr(self.module, "offset_s", lambda _content: 0.0)(content)
        return offset

    @torch.inference_mode()
    def encode(self, inputs: Sequence[Audio] | Sequence[str]) -> list[Hidden]:
        """Hidden layers of every input, ``[layers, frames, dim]`` on the CPU, in float32."""
        return [hidden.float().cpu() for hidden in self.module(inputs)]


def load_encoder(spec: Spec, device: str = "cpu") -> Encoder:
    """Load the model that a spec names; what the spec says of storage is not its business.

    Raises:
        MissingWeightsError: the checkpoint is neither on this machine nor to be had from a hub.
    """
    from transformers.utils import logging

    # Extraction shows one bar of its own.
    logging.disable_progress_bar()
    family = import_module(FAMILIES[spec.family])
    return FrozenEncoder(family.load(model_part(spec), torch.device(device)))


def locate_weights(spec: Spec) -> Path | None:
    """Folder or file of a spec's weights, fetched where a hub has them; None where it has none.

    Raises:
        MissingWeightsError: they are neither on this machine nor to be had.
    """
    if isinstance(spec, LogMelSpec) or getattr(spec, "untrained", False):
        return None
    if isinstance(spec, SpectrogramCnnSpec):
        from encoders.cnn_weights import locate_file

        return locate_file(spec)
    return locate(spec.checkpoint, spec.revision)


def fingerprint_of(spec: Spec) -> str:
    """Cache fingerprint of a spec with the weights that lie on this machine now."""
    family = import_module(FAMILIES[spec.family])
    weights = family.weights_sha256(spec)
    return fingerprint(_without_place(spec), weights, family.NUMERICS_VERSION)


def _without_place(spec: Spec) -> Spec:
    """The spec without where its weights lie: that says nothing about what they compute."""
    if isinstance(spec, SpectrogramCnnSpec):
        # Not even a name that is no path is needed: the architecture is a field of its own.
        return replace(spec, checkpoint="")
    if not isinstance(spec, LogMelSpec) and Path(spec.checkpoint).expanduser().is_dir():
        return replace(spec, checkpoint="")
    return spec
