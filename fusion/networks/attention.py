"""Fusion over sequences: attention between the frames of one modality and the tokens of another."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from fusion.batch import ModalityBatch, Standardizer
from fusion.networks.head import Head, Hyperparameters, InputShape
from fusion.networks.layers import FlatLinear


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
        self.join = nn.Linear(2 * width * len(shapes), width)
        if len(shapes) > 1:
            self.kinds = nn.Parameter(torch.zeros(len(shapes), width))
            self.together = CrossAttention(width)

    def represent(self, batches: Sequence[ModalityBatch]) -> Float[Tensor, "batch width"]:
        """Joined statistics of every modality after it has attended to the next one and to all."""
        embedded = [
            embed(batch, self.standardizer(number), self.layer_weights(number))
            for number, (embed, batch) in enumerate(zip(self.embed, batches, strict=True))
        ]
        pairs = zip(self.attend, embedded, embedded[1:] + embedded[:1], strict=True)
        mixed = [attend(own.values, other.values, other.mask) for attend, own, other in pairs]
        masks = [own.mask for own in embedded]
        if len(mixed) > 1:
            mixed = self._together(mixed, masks)
        pairs = zip(self.pool, mixed, masks, strict=True)
        pooled = [pool(values, mask) for pool, values, mask in pairs]
        return functional.relu(self.join(torch.cat(pooled, dim=1)))

    def _together(self, mixed: Sequence[Tensor], masks: Sequence[Tensor]) -> list[Tensor]:
        """Both sequences, each marked with its modality, attend to all that is in either."""
        marked = torch.cat([one + kind for one, kind in zip(mixed, self.kinds, strict=True)], dim=1)
        found = self.together(marked, marked, torch.cat(list(masks), dim=1))
        return list(found.split([one.shape[1] for one in mixed], dim=1))


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
        mix: Float[Tensor, "layers"] | None = None,
    ) -> ModalityBatch:
        """Embedded patches, ``[batch, patches, width]``, with their mask."""
        missing = -batch.values.shape[1] % self.patch
        values, mask = batch.values, batch.mask
        if missing:
            values = functional.pad(values, (0, 0, 0, missing))
            mask = functional.pad(mask, (0, missing))
        own = mask.unflatten(1, (-1, self.patch))
        weight = self.weight.weight.unflatten(1, (self.patch, -1))
        if mix is not None:
            weight = (weight[:, :, None] * mix[:, None]).flatten(2)
        weight = weight / fitted.scale
        # Frames beyond the end are zeros and must weigh nothing, not minus the mean.
        shift = (weight @ fitted.mean).T  # [patch, width]
        patches = values.unflatten(1, (-1, self.patch)).flatten(2)
        rows = functional.linear(patches.flatten(0, 1), weight.flatten(1), self.weight.bias)
        rows = rows - own.flatten(0, 1).to(values.dtype) @ shift
        embedded = functional.relu(rows).unflatten(0, patches.shape[:2])
        embedded = torch.where(batch.present[:, None, None], embedded, self.token)
        embedded = embedded + positions(embedded.shape[1], embedded.shape[2])
        return ModalityBatch(embedded, own.any(dim=2), batch.present)


class CrossAttention(nn.Module):
    """One block of multi-head attention with a residual and a norm; queries need no mask."""

    HEADS = 2

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = FlatLinear(width, width)
        self.key_value = FlatLinear(width, 2 * width)
        self.out = FlatLinear(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        queried_by: Float[Tensor, "batch queries width"],
        context: Float[Tensor, "batch keys width"],
        mask: Tensor,
    ) -> Float[Tensor, "batch queries width"]:
        """Queries enriched by the context's own frames."""
        query = self._split(self.query(queried_by))
        key, value = map(self._split, self.key_value(context).chunk(2, dim=-1))
        scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5  # [B, heads, Q, K]
        weights = scores.masked_fill(~mask[:, None, None], -torch.inf).softmax(dim=-1)
        mixed = (weights @ value).transpose(1, 2).flatten(2)
        return self.norm(queried_by + self.out(mixed))

    def _split(self, values: Tensor) -> Tensor:
        return values.unflatten(-1, (self.HEADS, -1)).transpose(1, 2)  # [B, heads, T, width/heads]


class AttentivePooling(nn.Module):
    """Weighted mean and deviation over a row's own frames."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = FlatLinear(width, 1)

    def forward(
        self, frames: Float[Tensor, "batch frames width"], mask: Tensor
    ) -> Float[Tensor, "batch wide"]:
        """Mean and deviation side by side, ``[batch, 2 * width]``."""
        scores = self.score(frames)[..., 0].masked_fill(~mask, -torch.inf)
        weights = scores.softmax(dim=1)[..., None]
        mean = (weights * frames).sum(dim=1)
        variance = (weights * (frames - mean[:, None]).square()).sum(dim=1)
        return torch.cat([mean, (variance + 1e-6).sqrt()], dim=1)


def positions(frames: int | torch.SymInt, width: int) -> Float[Tensor, "frames width"]:
    """Sinusoidal positions (Vaswani et al. 2017); ``frames`` is a symbol in a traced graph."""
    # torch's own annotation knows no symbols.
    steps = torch.arange(frames)[:, None]  # type: ignore[arg-type]
    rates = torch.exp(torch.arange(0, width, 2) * (-9.21034 / width))  # 1 to 1/10000
    return torch.stack([(steps * rates).sin(), (steps * rates).cos()], dim=-1).flatten(1)[:, :width]
