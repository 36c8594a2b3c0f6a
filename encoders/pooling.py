"""The only place that reduces time."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from encoders.specs import TIME_STATISTICS, Modality, Spec

Hidden = Float32[Tensor, "layers frames dim"]
#: Hidden layers in the precision of the model that made them.
Raw = Float[Tensor, "layers frames dim"]
Stored = Float32[Tensor, "kept_layers kept_frames kept_dim"]


def for_storage(hidden: Hidden, spec: Spec) -> Stored:
    """What the store keeps of all hidden layers: the layers named, and time as the spec says."""
    reduction = Reduction(spec)
    reduction.add(hidden)
    return reduction.stored()


class Reduction:
    """What the store keeps of consecutive stretches of one input, held in memory as little."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._kept: list[Stored] = []
        self._frames: list[int] = []

    def add(self, hidden: Hidden) -> None:
        """Take the next stretch; only what is kept of it stays in memory."""
        self._kept.append(_kept(hidden, self.spec))
        self._frames.append(hidden.shape[1])

    @property
    def frame_count(self) -> int:
        """Frames of all stretches before pooling."""
        return sum(self._frames)

    def stored(self) -> Stored:
        """Frames of all stretches, or their statistics merged."""
        if self.spec.storage == "frames":
            return mean_by(torch.cat(self._kept, dim=1), self.spec.time_pool)
        return (
            self._kept[0] if len(self._kept) == 1 else _merged(self._kept, self._frames, self.spec)
        )


def _kept(hidden: Hidden, spec: Spec) -> Stored:
    if spec.layers is not None:
        hidden = torch.stack([_layer(hidden, layer, spec.family) for layer in spec.layers])
    if spec.storage == "frames":
        return hidden
    return torch.cat([_statistic(hidden, name) for name in spec.statistics], dim=2)


def _merged(kept: Sequence[Stored], frames: Sequence[int], spec: Spec) -> Stored:
    """Statistics over all stretches from those of each."""
    weights = torch.tensor(frames, dtype=torch.float64) / sum(frames)
    blocks = [stretch.double().chunk(len(spec.statistics), dim=2) for stretch in kept]
    by_name = {
        name: torch.stack([block[number] for block in blocks], dim=-1)
        for number, name in enumerate(spec.statistics)
    }  # each [layers, 1, dim, stretches]
    mean = (by_name["mean"] * weights).sum(dim=-1)
    square = by_name["std"].square() + (by_name["mean"] - mean[..., None]).square()
    merged = {
        "mean": mean,
        "std": (square * weights).sum(dim=-1).sqrt(),
        "max": by_name["max"].amax(dim=-1),
    }
    return torch.cat([merged[name] for name in spec.statistics], dim=2).float()


def mean_by(hidden: Hidden, factor: int) -> Float32[Tensor, "layers groups dim"]:
    """Mean over consecutive groups of ``factor`` frames; the last group may be shorter."""
    if factor == 1:
        return hidden
    return torch.stack([group.mean(dim=1) for group in hidden.split(factor, dim=1)], dim=1)


def _layer(hidden: Hidden, layer: int, name: str) -> Float32[Tensor, "frames dim"]:
    layers = hidden.shape[0]
    if not -layers <= layer < layers:
        raise ValueError(f"layer {layer} of {name}: there are {layers} layers, 0 to {layers - 1}")
    return hidden[layer]


def _statistic(hidden: Hidden, name: str) -> Float32[Tensor, "layers 1 wide"]:
    if name == "mean":
        return hidden.mean(dim=1, keepdim=True)
    if name == "std":
        # A single frame has no spread; the population formula says 0 where the sample one says NaN.
        return hidden.std(dim=1, keepdim=True, correction=0)
    if name == "max":
        return hidden.amax(dim=1, keepdim=True)
    if name == "cls":
        return hidden[:, :1]
    if name.startswith("course"):
        return _course(hidden, int(name.removeprefix("course")))
    assert name in ("sentence", "functionals", "logits"), f"unknown statistic {name}"
    assert hidden.shape[1] == 1, f"{name}: one frame expected, {hidden.shape[1]} came"
    return hidden


def _course(hidden: Hidden, stretches: int) -> Float32[Tensor, "layers 1 wide"]:
    """Mean of each of ``stretches`` equal parts of the utterance, one part after the other.

    Parts overlap by up to a frame where the frames cannot be shared out evenly.
    """
    parts = torch.nn.functional.adaptive_avg_pool1d(hidden.transpose(1, 2), stretches)
    return parts.transpose(1, 2).flatten(start_dim=1)[:, None]


def for_head(
    stored: Stored, modality: Modality, frame_count: int | None = None
) -> Float32[Tensor, "kept_frames wide"]:
    """One layer of what is stored, and of pooled storage the statistics that the modality names.

    Several layers stand side by side, ``[frames, layers * wide]``, the first layer first.
    ``frame_count`` is the number of frames before pooling; the sum over them, which alone needs
    it, is their mean times it.
    """
    if isinstance(modality.layer, str):
        each = [_of_layer(stored, k, modality, frame_count) for k in range(len(stored))]
        return torch.cat(each, dim=1)
    return _of_layer(stored, modality.layer, modality, frame_count)


def _of_layer(
    stored: Stored, layer: int, modality: Modality, frame_count: int | None
) -> Float32[Tensor, "kept_frames wide"]:
    frames = _layer(stored, layer, modality.name)
    if modality.encoder.storage == "frames":
        return frames
    blocks = frames.chunk(len(modality.encoder.statistics), dim=1)
    kept = dict(zip(modality.encoder.statistics, blocks, strict=True))
    names = modality.pooling.split("+")
    if "sum" in names:
        assert frame_count is not None, "a sum needs the number of frames"
        kept["sum"] = kept["mean"] * frame_count
    return torch.cat([kept[name] for name in names], dim=1)


def statistics_of(frames: Float32[Tensor, "frames dim"]) -> Float32[Tensor, "1 wide"]:
    """Mean, deviation and maximum over time side by side, for precomputed sequences."""
    return torch.cat([_statistic(frames[None], name)[0] for name in TIME_STATISTICS], dim=1)
