"""The projection of a fine-tuned speech transformer: its file, and the encoder that it makes.

It is linear and stands before the pooling over time, so that one stored form serves the mean, the
sum and the maximum of the projected frames, whichever the transformer was trained with.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from encoders.audio.waveform import Audio
from encoders.pooling import Raw

#: Beside the weights of the transformer, which stay what transformers itself writes and reads.
FILE = "projection.safetensors"


def read_projection(folder: Path, width: int) -> nn.Linear | None:
    """The projection in a folder of weights; None where there is none.

    Raises:
        ValueError: it is no projection of frames of ``width`` values.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: is no file of weights ({type(error).__name__})") from error
    weight = state.get("weight")
    if state.keys() != {"weight", "bias"} or weight is None or weight.shape[1:] != (width,):
        shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in sorted(state.items()))
        raise ValueError(f"{path}: expected weight [dim, {width}] and bias, found {shapes}")
    projection = nn.Linear(width, len(weight))
    projection.load_state_dict({name: value.float() for name, value in state.items()})
    return projection


def write_projection(projection: nn.Linear, folder: Path, dtype: torch.dtype) -> None:
    """Write a projection beside the weights of its transformer."""
    state = {name: value.to(dtype).cpu() for name, value in projection.state_dict().items()}
    save_file(state, folder / FILE)


class ProjectedSpeech(nn.Module):
    """Projected frames of the last hidden layer, ``[1, frames, dim]``: the others are left out.

    They are not as wide, and a transformer was fine-tuned for this one layer.
    """

    def __init__(self, encoder: nn.Module, projection: nn.Linear) -> None:
        super().__init__()
        self.encoder = encoder
        self.projection = projection
        self.frame_s = encoder.frame_s

    def forward(self, inputs: Sequence[Audio]) -> list[Raw]:
        """Projected frames of every recording."""
        return [self.projection(layers[-1:].float()) for layers in self.encoder(inputs)]
