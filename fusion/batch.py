"""What a head sees: embeddings of several modalities side by side, missing ones marked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

from encoders.utterance import Task

#: Values that are computed on at once where nothing is gained by more: they stay in the cache.
CACHED_VALUES = 1 << 18
#: Deviations below this share of others are rounding: three of MiniLM's 384 dimensions are constant
#: but for 1e-7 of the median deviation or less, the next one varies by half of it.
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class ModalityBatch:
    """One modality of some rows, of one head or, with a leading axis, of each head of a stack.

    ``mask`` is True at a row's own frames. Where ``present`` is False the modality is missing: its
    values are zeros with one frame, for which a head puts its learned token. ``layers`` is how many
    hidden layers stand side by side in a frame, for a head to weigh.
    """

    values: Float[Tensor, "*heads batch frames dim"]
    mask: Bool[Tensor, "*heads batch frames"]
    present: Bool[Tensor, "*heads batch"]
    layers: int = 1

    @property
    def dim(self) -> int:
        """Width of one frame, of all its layers."""
        return self.values.shape[-1]

    @property
    def lengths(self) -> Int64[Tensor, "batch"]:
        """Own frames of each row."""
        return self.mask.sum(dim=1)

    def to(self, device: torch.device) -> "ModalityBatch":
        """The same on a device."""
        values, mask, present = (p.to(device) for p in (self.values, self.mask, self.present))
        return ModalityBatch(values, mask, present, self.layers)

    def rows(self, index: Tensor) -> "ModalityBatch":
        """Some of the rows, padded to the longest of them."""
        cut = self.cut_to(index)
        return ModalityBatch(cut.values[index], cut.mask[index], cut.present[index], cut.layers)

    def cut_to(self, index: Tensor) -> "ModalityBatch":
        """All rows, cut to the longest of some of them."""
        longest = int(self.mask[index].sum(dim=1).max()) if len(index) else 1
        values, mask = self.values[:, :longest], self.mask[:, :longest]
        return ModalityBatch(values, mask, self.present, self.layers)

    def hidden(self, rows: Bool[Tensor, "*heads batch"]) -> "ModalityBatch":
        """The same with some rows missing: one frame, for which a head puts its token."""
        first = torch.arange(self.mask.shape[-1], device=self.mask.device) == 0
        mask = torch.where(rows[..., None], first, self.mask)
        return ModalityBatch(self.values, mask, self.present & ~rows, self.layers)


@dataclass(frozen=True, slots=True)
class Dataset:
    """All rows of a comparison in memory: ids, targets, and each input that some arm reads.

    ``truth`` is the class of each row, -1 where it has none: several labels, a value, a tie of
    votes. Targets of tasks other than single-label are ``values``: 0 or 1, shares, or numbers.
    Where rows are windows, ``windows`` are their numbers and ``ids`` those of their utterances.
    ``groups`` are numbers of corpora, speakers or recordings whose own statistics standardise rows
    (:mod:`fusion.training.normalise`), None: those of training rows do.
    ``standardizers`` remembers those of training rows: every trial and seed asks for them again.
    """

    ids: tuple[str, ...]
    targets: tuple[str, ...]
    truth: Int64[np.ndarray, "rows"]
    inputs: Mapping[str, ModalityBatch]
    task: Task = "single-label"
    values: Float64[np.ndarray, "rows targets"] | None = None
    windows: Int64[np.ndarray, "rows"] | None = None
    groups: Int64[np.ndarray, "rows"] | None = None
    standardizers: "dict[tuple[str, int, bytes], Standardizer]" = field(
        init=False, default_factory=dict, repr=False, compare=False
    )

    @property
    def goals(self) -> Float64[np.ndarray, "rows targets"]:
        """Targets as numbers, whatever the task: a class is 1 at its place and 0 elsewhere."""
        return np.eye(len(self.targets))[self.truth] if self.values is None else self.values

    def index(self, ids: Sequence[str]) -> Int64[np.ndarray, "some"]:
        """Positions of ids, of each those of all its windows."""
        positions: dict[str, list[int]] = {}
        for number, name in enumerate(self.ids):
            positions.setdefault(name, []).append(number)
        return np.array([number for name in ids for number in positions[name]], np.int64)

    @property
    def utterances(self) -> Int64[np.ndarray, "rows"]:
        """Number of the utterance that each row is, or is a window of."""
        number = {name: k for k, name in enumerate(dict.fromkeys(self.ids))}
        return np.array([number[name] for name in self.ids], np.int64)

    def of(self, names: Sequence[str]) -> tuple[ModalityBatch, ...]:
        """Inputs by name, in the order asked for."""
        return tuple(self.inputs[name] for name in names)

    def standardizers_of(
        self, inputs: "Mapping[str, ModalityBatch]", rows: Int64[np.ndarray, "rows"]
    ) -> "list[Standardizer]":
        """Those of training rows, in the order of the inputs, each fitted once."""
        known = self.standardizers
        # The width belongs to it: sums over blocks of rows round as the blocks are cut.
        keys = {name: (name, one.mask.shape[1], rows.tobytes()) for name, one in inputs.items()}
        for name, key in keys.items():
            if key not in known:
                known[key] = Standardizer.fitted(inputs[name], torch.from_numpy(rows))
        return [known[key] for key in keys.values()]


def collate(
    sequences: Sequence[Float32[Tensor, "_frames _dim"] | None], layers: int = 1
) -> ModalityBatch:
    """Pad sequences to the longest; None is a missing modality.

    Raises:
        ValueError: nothing is present, or the widths differ.
    """
    widths = {sequence.shape[1] for sequence in sequences if sequence is not None}
    if len(widths) != 1:
        found = ", ".join(map(str, sorted(widths))) or "no embedding at all"
        raise ValueError(f"embeddings of one modality need one width, found {found}")
    lengths = [1 if sequence is None else len(sequence) for sequence in sequences]
    values = torch.zeros(len(sequences), max(lengths), widths.pop())
    for row, sequence in zip(values, sequences, strict=True):
        if sequence is not None:
            row[: len(sequence)] = sequence
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return ModalityBatch(values, mask, torch.tensor([s is not None for s in sequences]), layers)


@dataclass(frozen=True, slots=True)
class Standardizer:
    """Mean and deviation of each dimension over the frames of training rows."""

    mean: Float[Tensor, "*heads dim"]
    scale: Float[Tensor, "*heads dim"]

    def __call__(
        self, values: Float[Tensor, "*heads batch dim"], out: Tensor | None = None
    ) -> Float[Tensor, "*heads batch dim"]:
        """Rows standardised, into ``out`` where it is given."""
        centred = torch.sub(values, self.mean[..., None, :], out=out)
        return torch.div(centred, self.scale[..., None, :], out=out)

    @classmethod
    def fitted(
        cls, batch: ModalityBatch, rows: Int64[Tensor, "rows"] | None = None
    ) -> "Standardizer":
        """Fit on training rows [all]; a dimension that never varies keeps its scale."""
        return Moments.of(batch, rows).standardizer()


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean, variance and mean size of each dimension over the frames of some rows; 0 without any.

    All are ``[dim]`` in float64; the size is that of absolute values, by which rounding is judged.
    """

    mean: Float64[Tensor, "dim"]
    variance: Float64[Tensor, "dim"]
    size: Float64[Tensor, "dim"]

    @classmethod
    def of(cls, batch: ModalityBatch, rows: Int64[Tensor, "rows"] | None = None) -> "Moments":
        """Those of some rows [all]."""
        rows = torch.arange(len(batch.present)) if rows is None else rows
        count = int((batch.lengths * batch.present)[rows].sum())
        mean, size, squares = torch.zeros(3, batch.dim, dtype=torch.float64)
        if count == 0:
            return cls(mean, squares, size)
        for frames in _own_frames(batch, rows):
            mean += frames.sum(dim=0) / count
            size += frames.abs().sum(dim=0) / count
        for frames in _own_frames(batch, rows):
            squares += (frames - mean).square().sum(dim=0)
        return cls(mean, squares / count, size)

    def weighed(self, share: float, others: "Moments") -> "Moments":
        """This share of each of these, the rest of others: no variance is made of the means."""
        rest = 1 - share
        return Moments(
            share * self.mean + rest * others.mean,
            share * self.variance + rest * others.variance,
            share * self.size + rest * others.size,
        )

    def standardizer(self) -> Standardizer:
        """What standardises by these.

        What varies less than float32 rounds, by its own mean or by the median of all deviations,
        counts as constant: divided by its deviation it would be noise as loud as the others.
        """
        scale = self.variance.sqrt()
        floor = ROUNDING * torch.maximum(self.size.clamp_min(1e-6), scale.median())
        return Standardizer(self.mean.float(), torch.where(scale > floor, scale, 1.0).float())


def _own_frames(batch: ModalityBatch, rows: Tensor) -> Iterator[Float64[Tensor, "_frames dim"]]:
    """Frames of rows that are there, in parts that a processor's cache can hold."""
    longest = int(batch.lengths[rows].max())
    for part in rows.split(max(1, CACHED_VALUES // (longest * batch.dim))):
        some = batch.rows(part)
        yield some.values[some.mask & some.present[:, None]].double()
