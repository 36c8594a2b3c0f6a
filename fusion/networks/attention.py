"""Fusion over sequences: attention between the frames of one modality and the tokens of another."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from fusion.batch import ModalityBatch, Standardizer
from fusion.networks.head import (
    Head,
    Hyperparameters,
    Inputs,
    InputShape,
    Keep,
    Logits,
    dropped_out,
)
from fusion.networks.layers import FrameLinear, FrameNorm, RowLinear, full_precision


class AttentionHead(Head):
    """Cross-modal attention over frames and tokens, attentive statistics pooling, one classifier.

    Patches of frames are embedded (Gong et al. 2021, arXiv 2104.01778); each modality queries the
    other (Tsai et al. 2019, arXiv 1906.00295), a single one itself; of several, all frames and
    tokens, marked with their modality, then attend to all; what comes out is pooled over time to
    weighted mean and deviation (Okabe et al. 2018, arXiv 1803.10963).
    """

    def __init__(self, shapes: Sequence[InputShape], classes: int, hyper: Hyperparameters) -> None:
        width = hyper.hidden
        super().__init__(shapes, width, classes)
        self.embed = nn.ModuleList(PatchEmbedding(shape, width) for shape in shapes)
        self.attend = nn.ModuleList(CrossAttention(width) for _ in shapes)
        self.pool = nn.ModuleList(AttentivePooling(width) for _ in shapes)
        self.join = RowLinear(2 * width * len(shapes), width)
        if len(shapes) > 1:
            self.kinds = nn.Parameter(torch.zeros(len(shapes), width))
            self.together = CrossAttention(width)

    def forward(self, inputs: Inputs, keep: Keep = None) -> Logits:
        """Joined statistics of every modality after it has attended to the next one and to all."""
        assert not isinstance(inputs, Tensor), "it reads sequences"
        embedded = [
            embed(batch, self.standardizer(number), self.layer_weights(number))
            for number, (embed, batch) in enumerate(zip(self.embed, inputs, strict=True))
        ]
        pairs = zip(self.attend, embedded, embedded[1:] + embedded[:1], strict=True)
        mixed = [
            attend(modality.values, other.values, other.mask) for attend, modality, other in pairs
        ]
        masks = [modality.mask for modality in embedded]
        if len(mixed) > 1:
            # Each is marked with its modality, and attends to all that is in any.
            kinds = self.kinds[..., None, None, :].unbind(dim=-4)
            marked = torch.cat(
                [frames + kind for frames, kind in zip(mixed, kinds, strict=True)], dim=-2
            )
            every = self.together(marked, marked, torch.cat(masks, dim=-1))
            mixed = every.split([frames.shape[-2] for frames in mixed], dim=-2)
        pairs = zip(self.pool, mixed, masks, strict=True)
        pooled = [pool(values, mask) for pool, values, mask in pairs]
        hidden = functional.relu(self.join(torch.cat(pooled, dim=-1)))
        return self.classify(dropped_out(hidden, keep))


class PatchEmbedding(nn.Module):
    """Consecutive frames embedded together, with their position; a token where all is missing.

    Standardisation and the mix of layers are folded into the weights, because frames are many.
    """

    def __init__(self, shape: InputShape, width: int) -> None:
        super().__init__()
        self.patch = shape.patch
        self.weight = nn.Linear(shape.patch * shape.dim, width)
        self.token = nn.Parameter(torch.zeros(width))

    def forward(
        self,
        batch: ModalityBatch,
        fitted: Standardizer,
        mix: Float[Tensor, "*heads layers"] | None = None,
    ) -> ModalityBatch:
        """Embedded patches, ``[..., batch, patches, width]``, with their mask."""
        missing = -batch.values.shape[-2] % self.patch
        values, mask = batch.values, batch.mask
        if missing:
            values = functional.pad(values, (0, 0, 0, missing))
            mask = functional.pad(mask, (0, missing))
        patch_mask = mask.unflatten(-1, (-1, self.patch))
        weight = self.weight.weight.unflatten(-1, (self.patch, -1))  # [..., width, patch, dim]
        if mix is not None:
            weight = (weight[..., None, :] * mix[..., None, None, :, None]).flatten(-2)
        weight = weight / fitted.scale[..., None, None, :]
        patches = values.unflatten(-2, (-1, self.patch)).flatten(-2)
        # In bfloat16 the difference of both products has no digits left where means are large.
        with full_precision(values.device):
            # Frames beyond the end are zeros and must weigh nothing, not minus the mean.
            shift = (weight @ fitted.mean[..., None, :, None])[..., 0].mT  # [..., patch, width]
            rows = patches.flatten(-3, -2) @ weight.flatten(-2).mT + self.weight.bias[..., None, :]
            rows = rows - patch_mask.flatten(-3, -2).to(values.dtype) @ shift
        embedded = functional.relu(rows).unflatten(-2, patches.shape[-3:-1])
        token = self.token[..., None, None, :]
        embedded = torch.where(batch.present[..., None, None], embedded, token)
        frames, width = embedded.shape[-2:]
        embedded = embedded + positions(frames, width, embedded.device)
        return ModalityBatch(embedded, patch_mask.any(dim=-1), batch.present)


class CrossAttention(nn.Module):
    """One block of multi-head attention with a residual and a norm; queries need no mask."""

    HEADS = 2

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = FrameLinear(width, width)
        self.key_value = FrameLinear(width, 2 * width)
        self.out = FrameLinear(width, width)
        self.norm = FrameNorm(width)

    def forward(
        self,
        queried_by: Float[Tensor, "*heads batch queries width"],
        context: Float[Tensor, "*heads batch keys width"],
        mask: Tensor,
    ) -> Float[Tensor, "*heads batch queries width"]:
        """Queries enriched by the context's own frames."""
        query = self._split(self.query(queried_by))
        key, value = map(self._split, self.key_value(context).chunk(2, dim=-1))
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5  # [..., HEADS, Q, K]
        weights = scores.masked_fill(~mask[..., None, None, :], -torch.inf).softmax(dim=-1)
        mixed = (weights @ value).transpose(-3, -2).flatten(-2)
        return self.norm(queried_by + self.out(mixed))

    def _split(self, values: Tensor) -> Tensor:
        # [..., batch, HEADS, frames, width / HEADS]
        return values.unflatten(-1, (self.HEADS, -1)).transpose(-3, -2)


class AttentivePooling(nn.Module):
    """Weighted mean and deviation over a row's own frames."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = FrameLinear(width, 1)

    def forward(
        self, frames: Float[Tensor, "*heads batch frames width"], mask: Tensor
    ) -> Float[Tensor, "*heads batch wide"]:
        """Mean and deviation side by side, ``[..., batch, 2 * width]``."""
        scores = self.score(frames)[..., 0].masked_fill(~mask, -torch.inf)
        weights = scores.softmax(dim=-1)[..., None]
        mean = (weights * frames).sum(dim=-2)
        variance = (weights * (frames - mean[..., None, :]).square()).sum(dim=-2)
        return torch.cat([mean, (variance + 1e-6).sqrt()], dim=-1)


def positions(
    frames: int | torch.SymInt, width: int, device: torch.device | None = None
) -> Float[Tensor, "frames width"]:
    """Sinusoidal positions (Vaswani et al. 2017); ``frames`` is a symbol in a traced graph."""
    # torch's own annotation knows no symbols.
    steps = torch.arange(frames, device=device)[:, None]  # type: ignore[arg-type]
    rates = torch.exp(torch.arange(0, width, 2, device=device) * (-9.21034 / width))  # 1 to 1e-4
    return torch.stack([(steps * rates).sin(), (steps * rates).cos()], dim=-1).flatten(1)[:, :width]
