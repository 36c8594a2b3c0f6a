"""Small data sets in memory: rows of several speakers with inputs as heads see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from encoders.utterance import Utterance, one_hot
from fusion.batch import Dataset, collate
from fusion.splitting.splits import Fold, InnerFolds, inner_folds, outer_folds

CLASSES = ("a", "b", "c")

MakeData = Callable[..., Dataset]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As in a comparison; with more, small heads take longer where other work is going on."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def speakers_of(count: int, per_speaker: int) -> list[str]:
    return [f"s{row // per_speaker}" for row in range(count)]


@pytest.fixture
def make_data() -> MakeData:
    """Rows of six speakers; every input carries the label in part, sequences differ in length."""

    def make(speakers: int = 6, per_speaker: int = 9, seed: int = 0, noise: float = 1.0) -> Dataset:
        rng = np.random.default_rng(seed)
        count = speakers * per_speaker
        truth = np.arange(count) % len(CLASSES)
        centre = rng.standard_normal((2, len(CLASSES), 5))

        def frames(kind: int, length: int, label: int) -> torch.Tensor:
            values = centre[kind][label] + noise * rng.standard_normal((length, 5))
            return torch.from_numpy(values.astype(np.float32))

        lengths = rng.integers(2, 11, (2, count))
        sequences = [
            [frames(kind, int(lengths[kind, row]), int(truth[row])) for row in range(count)]
            for kind in (0, 1)
        ]
        inputs = {
            "audio": [rows.mean(dim=0, keepdim=True) for rows in sequences[0]],
            "text": [rows.mean(dim=0, keepdim=True) for rows in sequences[1]],
            "audio_frames": sequences[0],
            "text_tokens": sequences[1],
        }
        return Dataset(
            ids=tuple(f"u{row}" for row in range(count)),
            targets=CLASSES,
            truth=truth.astype(np.int64),
            inputs={name: collate(rows) for name, rows in inputs.items()},
        )

    return make


def utterances_of(data: Dataset, per_speaker: int = 9) -> list[Utterance]:
    names = speakers_of(len(data.ids), per_speaker)
    return [
        Utterance(id=name, speaker=speaker, target=one_hot(data.targets[label], data.targets))
        for name, speaker, label in zip(data.ids, names, data.truth, strict=True)
    ]


@pytest.fixture
def split_data() -> Callable[[Dataset], tuple[Fold, InnerFolds]]:
    """First outer fold of a data set of ``make_data``, with its inner folds."""

    def split(data: Dataset) -> tuple[Fold, InnerFolds]:
        rows = {utterance.id: utterance for utterance in utterances_of(data)}
        fold = outer_folds(list(rows.values()), "groups")[0]
        train = [rows[name] for name in fold.train]
        return fold, inner_folds(train, lambda u: data.targets[u.target.index(1.0)])

    return split
