"""The one place where a model becomes a frozen encoder."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from encoders.audio.waveform import Audio
from encoders.context import TextInContext
from encoders.messages import printable
from encoders.plugins import code_of
from encoders.pooling import Hidden
from encoders.specs import (
    FAMILIES,
    Spec,
    WhisperEncoderSpec,
    WindowSpec,
    fingerprint,
    is_own,
    model_part,
)
from encoders.store import TokenCount
from encoders.weights.locate import locate
from encoders.weights.sources import source_of

#: What the module of a family has.
FACE = ("load", "weights_sha256", "NUMERICS_VERSION")


class Encoder:
    """A family's module in evaluation mode, without gradients: same input, same embedding.

    ``frame_s`` is the distance of two frames in seconds, None where frames are tokens. Every input
    is independent of the others.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module.eval().requires_grad_(False)
        self.frame_s: float | None = getattr(module, "frame_s", None)

    def offset_s(self, content: Audio | str | TextInContext) -> float:
        """Seconds before the first frame of an input; 0 where the family trims nothing."""
        offset: float = getattr(self.module, "offset_s", lambda _content: 0.0)(content)
        return offset

    @torch.inference_mode()
    def encode(self, inputs: Sequence[Any]) -> list[Hidden]:
        """Hidden layers of every input, ``[layers, frames, dim]`` on the CPU, in float32."""
        with warnings.catch_warnings():
            # WavLM hands torch a bool mask beside a float one; the result is right.
            warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
            every = list(self.module(inputs))
        name = type(self.module).__name__
        if len(every) != len(inputs):
            raise ValueError(f"{name} gave {len(every)} embeddings of {len(inputs)} inputs")
        for hidden in every:
            if not isinstance(hidden, torch.Tensor) or hidden.ndim != 3 or not hidden.numel():
                what = f"of shape {list(hidden.shape)}" if hasattr(hidden, "shape") else ""
                raise ValueError(
                    f"{name} gave an embedding {what} ({type(hidden).__name__}): expected a torch "
                    "tensor [layers, frames, dim] of each input"
                )
        return [hidden.float().cpu() for hidden in every]

    def extents(self, inputs: Sequence[Any]) -> list[TokenCount | None]:
        """How much of each input the module reads; audio is read whole."""
        measure = getattr(self.module, "extents", None)
        return [None] * len(inputs) if measure is None else measure(inputs)


def load_encoder(spec: Spec, device: str = "cpu", depth: int | None = None) -> Encoder:
    """Load the model that a spec names; what the spec says of storage is not its business.

    ``depth`` is the highest hidden layer that is wanted, None for all of them.

    Raises:
        MissingWeightsError: the checkpoint is neither on this machine nor to be had from a hub.
        ValueError: its file of weights is damaged, or holds something else.
    """
    from safetensors import SafetensorError
    from transformers.utils import logging

    # Extraction shows one bar of its own.
    logging.disable_progress_bar()
    family = import_module(FAMILIES[spec.family].module)
    try:
        module = family.load(model_part(spec), torch.device(device))
    except (UnpicklingError, SafetensorError, EOFError) as error:
        raise ValueError(
            f"{spec.checkpoint}: its weights cannot be read ({printable(error)[:120]}); expected "
            "tensors alone (.safetensors, or a .bin without other objects); no file's code is run"
        ) from error
    if depth is not None and hasattr(module, "stop_at"):
        module.stop_at(depth)
    return Encoder(module)


def locate_weights(spec: Spec) -> Path | None:
    """Folder or file of what a spec computes with, fetched if need be; None where that is nothing.

    Raises:
        MissingWeightsError: they are neither on this machine nor to be had.
    """
    source = source_of(spec)
    return None if source is None else locate(source)


def fingerprint_of(spec: Spec) -> str:
    """Cache fingerprint of a spec with the weights that lie on this machine now."""
    family = import_module(FAMILIES[spec.family].module)
    lacking = [name for name in FACE if not hasattr(family, name)]
    if lacking:
        raise ValueError(
            f"{family.__name__}: an encoder's module has {', '.join(FACE)}; this one lacks "
            f"{', '.join(lacking)} (docs/adding.md shows one)"
        )
    weights, version = family.weights_sha256(spec), family.NUMERICS_VERSION
    if is_own(spec):
        weights += code_of(family)
    return fingerprint(_without_place(spec), weights, version)


def _without_place(spec: Spec) -> Spec:
    """The spec without where its weights lie: that says nothing about what they compute."""
    if isinstance(spec, WhisperEncoderSpec) and not spec.untrained:
        # Its tensors are hashed by themselves, whoever published them.
        return replace(spec, checkpoint="", revision=None)
    # Of an image network not even a name is needed: the architecture is a field of its own.
    nameless = isinstance(spec, WindowSpec)
    if nameless or (spec.checkpoint is not None and Path(spec.checkpoint).expanduser().is_dir()):
        changed: dict[str, Any] = {"checkpoint": ""}
        return replace(spec, **changed)
    return spec
