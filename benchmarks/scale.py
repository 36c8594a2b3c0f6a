"""Predictions at the size of a large study: the file, and what a report needs of memory and time.

`python -m benchmarks scale` makes predictions of 1 000, 10 000 and 100 000 utterances, six arms and
five seeds, as a comparison does, and computes all numbers of a report from each file, in a process
of its own.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from fusion.evaluation.columns import Place, Predictions, Subject, joined
from fusion.evaluation.predictions import PREDICTIONS, read, stored_scores, write

ARMS = ("audio", "text", "concat", "late", "attention", "gated")
SEEDS, FOLDS, INNER, CLASSES, SPEAKERS = 5, 5, 4, 4, 200
UTTERANCES = (1_000, 10_000, 100_000)


def made(utterances: int) -> Predictions:
    """Every row tested in one fold, and on the development side of the others."""
    rng = np.random.default_rng(0)
    truth = rng.integers(CLASSES, size=utterances)
    speaker = np.arange(utterances) % SPEAKERS
    subjects = tuple(
        Subject("c", f"u{n:06d}", f"s{speaker[n]}", None, None, None, tuple(np.eye(CLASSES)[k]))
        for n, k in enumerate(truth)
    )
    return joined(
        [
            _part(rng, subjects, truth, speaker, (arm, fold, seed))
            for arm in ARMS
            for fold in range(FOLDS)
            for seed in range(SEEDS)
        ]
    )


def _part(
    rng: np.random.Generator,
    subjects: tuple[Subject, ...],
    truth: np.ndarray,
    speaker: np.ndarray,
    where: tuple[str, int, int],
) -> Predictions:
    arm, fold, seed = where
    test = speaker % FOLDS == fold
    places = [Place("r", arm, str(fold), inner, seed, "dev") for inner in range(INNER)]
    place = np.where(test, INNER, speaker // FOLDS % INNER).astype(np.int32)
    scores = rng.dirichlet(np.ones(CLASSES), len(truth))
    scores[np.arange(len(truth)), truth] += 0.3
    return Predictions(
        subjects,
        (*places, Place("r", arm, str(fold), None, seed, "test")),
        np.arange(len(truth), dtype=np.int32),
        place,
        np.full(len(truth), -1, np.int32),
        stored_scores(scores / 1.3, "single-label"),
    )


def computed(path: Path) -> str:
    """A line of the table: what all numbers of a report take, from the file."""
    from experiments.reporting.results import summarise, with_best
    from experiments.reporting.results_schema import Facts, RunFacts

    known: dict[str, Any] = dict.fromkeys(("folds", "encoded", "cached", "recognised"), 0)
    known |= dict.fromkeys(("synthetic", "untrained", "contaminated", "leaky"), False)
    known |= {name: {} for name in ("trained_on", "encoders", "checkpoints", "published", "study")}
    known |= {"protocol": "groups", "finetuned": (), "recogniser": None, "text_probe": None}
    facts = Facts(**known, groups={}, training_overlap=1.25)
    started = time.perf_counter()
    rows = read(path)
    loaded = time.perf_counter()
    about = RunFacts(
        run="r", corpus="c", task="single-label", targets=("a", "b", "c", "d"), dropped=(),
        warnings=(), fits={}, facts=facts, certificate=None,
    )  # fmt: skip
    summarise(with_best(rows), about)
    took, most = time.perf_counter() - loaded, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = path.stat().st_size / 2**20
    return f"{len(rows):,} | {size:.0f} | {loaded - started:.1f} | {took:.0f} | {most / 2**20:.2f}"


def measure() -> str:
    """Both tables, every row in a process of its own."""
    lines = ["| utterances | rows | MB | read, s | all numbers, s | GB at most |", "|--" * 6 + "|"]
    checks = ["| rows of text | check, CPU s | GB at most |", "|--" * 3 + "|"]
    with tempfile.TemporaryDirectory() as folder:
        for utterances in UTTERANCES:
            path = Path(folder) / PREDICTIONS
            write(made(utterances), path)
            lines.append(f"| {utterances:,} | {_alone('computed', path)} |")
            path = Path(folder) / "texts.csv"
            _write_texts(path, utterances)
            checks.append(f"| {utterances:,} | {_alone('checked', path)} |")
    return "\n".join([*lines, "", *checks])


def _alone(name: str, path: Path) -> str:
    imports = "import pathlib, benchmarks.scale as scale"
    call = f"{imports}; print(scale.{name}(pathlib.Path({str(path)!r})))"
    words = [sys.executable, "-c", call]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def _write_texts(path: Path, rows: int) -> None:
    """Sentences of 4 to 15 words out of 5 000, as unlike each other as chance makes them."""
    rng = np.random.default_rng(0)
    lines = ["id,transcript,speaker,label"]
    for n in range(rows):
        words = " ".join(f"w{k}" for k in rng.integers(5000, size=rng.integers(4, 16)))
        lines.append(f"u{n},{words},s{n % SPEAKERS},{'abcd'[rng.integers(4)]}")
    path.write_text("\n".join(lines))


def checked(path: Path) -> str:
    """A line of the table: what ``check`` of a manifest takes."""
    from experiments.checking.check import check_corpus
    from experiments.corpora import load_source

    started = time.process_time()
    check_corpus(load_source(None, str(path), None))
    took, most = time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{took:.1f} | {most / 2**20:.2f}"
