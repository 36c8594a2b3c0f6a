"""What training of heads costs: against a plain loop, stacked, over sequences, and a whole study.

Rows are random numbers of the sizes of IEMOCAP (5531 utterances, 10 speakers, 4 classes, 768 values
of each modality) with a class's and a speaker's mean in them. Ratios are of processor time on one
thread, arms taking turns; the least of the rounds counts, because other work only adds.
"""

import csv
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from fusion.batch import Dataset, ModalityBatch, Standardizer
from fusion.networks.head import PATCHES, InputShape
from fusion.networks.heads import HEADS
from fusion.networks.losses import class_weights
from fusion.training.gathering import GatherSequences
from fusion.training.length_buckets import HeadRows, side_by_side
from fusion.training.train import MAX_EPOCHS, StackedHeads

ROWS, SPEAKERS, DIM = 5531, 10, 768
CLASSES = ("angry", "happy", "neutral", "sad")
SHARES = (0.20, 0.30, 0.31, 0.19)
ROUNDS = 3
#: Of a study: outer folds, trials, seeds, processes.
FOLDS, TRIALS, SEEDS, CORES = 5, 30, 5, 2
#: Heads of a trial, one for each inner fold.
EACH = 3
STUDIED = ("audio", "text", "concat", "gated", "lowrank")
COMMAND = (
    *("compare", "--manifest", "rows.csv", "--out", "run", "--jobs", str(CORES)),
    *("--audio", "features:audio.npz", "--text", "features:text.npz"),
    *("--arms", ",".join((*STUDIED, "late")), "--trials", str(TRIALS), "--seeds", str(SEEDS)),
)
#: Frames of an utterance at 50 a second: the mean is that of IEMOCAP.
FRAMES, SPREAD, LONGEST, TOKENS = 216, 0.58, 1000, 20
#: Steps of an epoch, and every so many of them of an epoch over long sequences is measured.
STEPS, SAMPLED = 48, 6
#: Frames from the beginning of a row in memory to that of the next, so that no cache holds them.
APART = 64

Way = Callable[[], object]


def measure() -> str:
    """Four tables."""
    torch.set_num_threads(1)
    parts = (_against_a_plain_loop(), _stacked(), _sequences(), _study())
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(one).ru_maxrss for one in whose) / 1024
    return "\n\n".join((*parts, f"Peak memory of a process: {peak:.0f} MB."))


def least(ways: Mapping[str, Way], rounds: int = ROUNDS) -> dict[str, float]:
    """Least processor time of each way in s, after one round that does not count."""
    shortest = {name: float("inf") for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            began = time.process_time()
            way()
            if number:
                shortest[name] = min(shortest[name], time.process_time() - began)
    return shortest


# ---------------------------------------------------------------- rows


@dataclass(frozen=True, slots=True)
class Rows:
    """The data, and the speaker of each row."""

    data: Dataset
    speakers: np.ndarray


def utterances() -> Rows:
    """Utterance-level embeddings of both modalities."""
    rng = np.random.default_rng(0)
    truth = rng.choice(len(CLASSES), ROWS, p=SHARES)
    speakers = np.sort(rng.integers(0, SPEAKERS, ROWS))
    flat = torch.ones(ROWS, 1, dtype=torch.bool)
    inputs = {}
    for name in ("audio", "text"):
        means = 0.05 * rng.standard_normal((len(CLASSES), DIM))
        voices = 0.3 * rng.standard_normal((SPEAKERS, DIM))
        values = means[truth] + voices[speakers] + rng.standard_normal((ROWS, DIM))
        inputs[name] = ModalityBatch(torch.from_numpy(values).float()[:, None], flat, flat[:, 0])
    ids = tuple(map(str, range(ROWS)))
    return Rows(Dataset(ids, CLASSES, truth.astype(np.int64), inputs), speakers)


def members(rows: Rows, count: int) -> list[HeadRows]:
    """Heads that train on five of eight speakers and are stopped on the others, three ways."""
    known = np.flatnonzero(rows.speakers < SPEAKERS - 2)
    group = rows.speakers[known] % 3
    return [HeadRows(known[group != k % 3], known[group == k % 3], k) for k in range(count)]


def stack_of(
    rows: Rows, some: list[HeadRows], hidden: int, batch: int | None = None
) -> StackedHeads:
    """A stack of heads with one hidden layer over both modalities."""
    hyper = replace(HEADS["mlp"].defaults, hidden=hidden, batch_size=batch)
    shapes = [InputShape(DIM)] * 2
    return StackedHeads("mlp", shapes, rows.data, rows.data.inputs, some, hyper)


def epoch_of(stack: StackedHeads) -> Way:
    """One epoch of training after another, and its development loss."""
    stack.best.patience = MAX_EPOCHS
    epochs = stack.epochs()
    return lambda: next(epochs)


# ---------------------------------------------------------------- a plain loop


def _against_a_plain_loop() -> str:
    rows = utterances()
    lines = ["| rows of a batch | heads | hidden | plain, s per epoch | ours | ratio |"]
    lines.append("|---|---|---|---|---|---|")
    for batch, count, hidden in product((64, None), (1, EACH), (64, 256)):
        some = members(rows, count)
        stack = stack_of(rows, some, hidden, batch)
        size = stack.hyper.rows_of_batch(len(some[0].train))
        loops = [_plain(rows, member, hidden, size) for member in some]
        ways: dict[str, Way] = {
            "plain": lambda loops=loops: [loop() for loop in loops],  # type: ignore[misc]
            "ours": epoch_of(stack),
        }
        times = least(ways)
        plain, ours = times["plain"], times["ours"]
        setting = f"{size}{'' if batch else ' (default)'} | {count} | {hidden}"
        lines.append(f"| {setting} | {plain:.3f} | {ours:.3f} | {plain / ours:.2f} |")
    setting = (
        "An epoch on 1536 values and its development loss, against a torch DataLoader that "
        "collates rows, standardised before, and AdamW as it comes, with batches of the same size. "
        f"A trial trains {EACH} heads."
    )
    return f"{setting}\n\n{_lines(lines)}"


def _plain(rows: Rows, member: HeadRows, hidden: int, batch: int) -> Way:
    # The same result: rows are standardised, before the clock starts, and classes weighed.
    train = torch.from_numpy(member.train)
    audio, text = (
        Standardizer.fitted(batch, train)(batch.values[:, 0])
        for batch in rows.data.of(("audio", "text"))
    )
    weights = class_weights(torch.from_numpy(rows.data.goals[member.train]), "cross_entropy")
    items = [
        {"audio": audio[row], "text": text[row], "label": int(rows.data.truth[row])}
        for row in range(ROWS)
    ]
    taught, dev = ([items[row] for row in side] for side in (member.train, member.dev))
    model = nn.Sequential(
        nn.Linear(2 * DIM, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, len(CLASSES))
    )
    optimizer, loss = torch.optim.AdamW(model.parameters(), lr=1e-3), nn.CrossEntropyLoss(weights)
    loaders = [DataLoader(taught, batch, shuffle=True), DataLoader(dev, batch)]  # type: ignore[arg-type, var-annotated]

    def logits(some: dict[str, torch.Tensor]) -> torch.Tensor:
        return model(torch.cat([some["audio"], some["text"]], dim=1))

    def epoch() -> object:
        for some in loaders[0]:
            optimizer.zero_grad()
            loss(logits(some), some["label"]).backward()
            optimizer.step()
        with torch.no_grad():
            return sum(float(loss(logits(some), some["label"])) for some in loaders[1])

    return epoch


# ---------------------------------------------------------------- stacks


def _stacked() -> str:
    rows = utterances()
    some = members(rows, 10)
    lines = ["| hidden | ten alone, s per epoch | one stack | ratio |", "|---|---|---|---|"]
    for hidden in (32, 256):
        alone = [epoch_of(stack_of(rows, [head], hidden)) for head in some]
        ways: dict[str, Way] = {
            "alone": lambda alone=alone: [head() for head in alone],  # type: ignore[misc]
            "stack": epoch_of(stack_of(rows, some, hidden)),
        }
        times = least(ways)
        ratio = times["alone"] / times["stack"]
        lines.append(f"| {hidden} | {times['alone']:.2f} | {times['stack']:.2f} | {ratio:.2f} |")
    return "Ten heads at once.\n\n" + _lines(lines)


# ---------------------------------------------------------------- sequences


def _sequences() -> str:
    """Steps of one epoch; all of them have 64 rows, so that only their lengths tell."""
    ways: dict[str, Way] = {
        "padded to the longest of all rows": _attention(1, by_length=False, everything=True),
        "random batches, each padded to its longest row": _attention(1, by_length=False),
        "length buckets": _attention(1),
        "length buckets, frames pooled by four in the cache": _attention(4),
    }
    times = least(ways, rounds=2)
    base = times["random batches, each padded to its longest row"]
    lines = ["| way | s per step | speed |", "|---|---|---|"]
    lines += [f"| {way} | {s / STEPS * SAMPLED:.3f} | {base / s:.2f} |" for way, s in times.items()]
    setting = (
        f"Attention between {FRAMES} frames on average, {LONGEST} at most, of {DIM} values and "
    )
    setting += f"{TOKENS} tokens: forward, backward, optimiser, and the loss of 64 rows at the end."
    return f"{setting}\n\n{_lines(lines)}"


def _attention(pooled: int, *, by_length: bool = True, everything: bool = False) -> Way:
    stack = _sequence_stack(pooled)
    if everything:
        assert isinstance(stack.gather, GatherSequences)
        longest = stack.batches[0].mask.shape[1]
        stack.gather.lengths[0] = torch.full((len(stack.goals),), longest)
    if not by_length:
        stack.sizes = None
    return epoch_of(stack)


class _Sampled(StackedHeads):
    """Takes every sixth step of an epoch, from the middle of six: batches of all lengths."""

    def rows(self, _: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        index, mask = side_by_side([self.training[0].batches(self.sizes)])
        return [(index[:, k], mask[:, k]) for k in range(SAMPLED // 2, STEPS, SAMPLED)]


def _sequence_stack(pooled: int) -> StackedHeads:
    rng, rows = np.random.default_rng(0), STEPS * 64
    frames = np.clip(
        FRAMES * np.exp(SPREAD * rng.standard_normal(rows) - SPREAD**2 / 2), 20, LONGEST
    )
    lengths = torch.from_numpy(np.ceil(frames / pooled)).long()
    tokens = torch.from_numpy(np.clip(frames * TOKENS / FRAMES, 1, 80)).long()
    inputs = {"audio_frames": _overlapping(lengths, DIM), "text_tokens": _overlapping(tokens, DIM)}
    truth = rng.integers(0, len(CLASSES), rows)
    data = Dataset(tuple(map(str, range(rows))), CLASSES, truth, inputs)
    member = HeadRows(np.arange(rows), np.arange(64), 0)
    shapes = [InputShape(DIM, PATCHES["audio_frames"]), InputShape(DIM)]
    hyper = HEADS["attention"].defaults
    return _Sampled("attention", shapes, data, inputs, [member], hyper)


def _overlapping(lengths: torch.Tensor, dim: int) -> ModalityBatch:
    """Rows whose memory overlaps, because that of all rows would be many gigabytes."""
    rows, longest = len(lengths), int(lengths.max())
    values = _memory(dim).as_strided((rows, longest, dim), (APART * dim, dim, 1))
    mask = torch.arange(longest) < lengths[:, None]
    return ModalityBatch(values, mask, torch.ones(rows, dtype=torch.bool))


@cache
def _memory(dim: int) -> torch.Tensor:
    frames = STEPS * 64 * APART + LONGEST
    return torch.randn(frames * dim, generator=torch.Generator().manual_seed(0))


# ---------------------------------------------------------------- a study


def _study() -> str:
    """The whole command, from embeddings in files to the report, and what arms cost in it."""
    with TemporaryDirectory() as folder:
        _write_study(Path(folder))
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        subprocess.run(
            (sys.executable, "-c", "from experiments.commands.main import main; main()", *COMMAND),
            cwd=folder,
            env={**os.environ, "SERFUSION_CACHE": str(Path(folder) / "cache")},
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        minutes = (time.monotonic() - began) / 60
        busy = (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before) / 60
        costs = json.loads((Path(folder) / "run" / "cost.json").read_text())["arms"]
    lines = ["| arm | s of all trials | s of the heads of all seeds |", "|---|---|---|"]
    for arm in STUDIED:
        trials = sum(sum(fold["trial_seconds"]) for fold in costs[arm])
        final = sum(fold["final_seconds"] for fold in costs[arm])
        lines.append(f"| {arm} | {trials:.0f} | {final:.0f} |")
    note = (
        f"{FOLDS} folds, {TRIALS} trials, {SEEDS} seeds of these arms and late fusion, intervals, "
        f"report and final model: {minutes:.1f} minutes for the whole command with {CORES} "
        f"processes, {busy:.1f} minutes of processor time."
    )
    return _lines(lines) + f"\n\n{note}"


def _write_study(folder: Path) -> None:
    """The utterances as a manifest, a pair of speakers in each fold, and files of embeddings."""
    rows = utterances()
    for name, batch in rows.data.inputs.items():
        np.savez(folder / f"{name}.npz", id=np.array(rows.data.ids), values=batch.values[:, 0])
    with (folder / "rows.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "transcript", "speaker", "label", "fold"])
        for row, truth, speaker in zip(rows.data.ids, rows.data.truth, rows.speakers, strict=True):
            label, fold = CLASSES[truth], speaker * FOLDS // SPEAKERS
            writer.writerow([row, f"words of {row}", f"speaker {speaker}", label, fold])


def _lines(lines: list[str]) -> str:
    return "\n".join(lines)
