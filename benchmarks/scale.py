"""What a large study needs of memory and time: predictions, reports, checks, certificates.

`python -m benchmarks scale` makes predictions of 1 000, 10 000 and 100 000 utterances, six arms and
five seeds, as a comparison does, and computes all numbers of a report from each file; then texts
that are checked, and rows with drawn signatures, landmarks and words whose folds are certified.
Each size has a process of its own.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fusion.evaluation.columns import Place, Predictions, Subject, joined
from fusion.evaluation.predictions import PREDICTIONS, read, stored_scores, write

if TYPE_CHECKING:
    from encoders.utterance import Utterance
    from fusion.leakage.evidence import Evidence

#: As many as a recording of RAVDESS has (benchmarks/results/copies.md).
LANDMARKS = 172
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
    certificates = ["| recordings with words | pairs alike, CPU s | sharing a stretch | "
                    "nearly equal words | all else of a certificate | GB at most |",
                    "|--" * 6 + "|"]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for utterances in UTTERANCES:
            path = Path(folder) / PREDICTIONS
            write(made(utterances), path)
            lines.append(f"| {utterances:,} | {_alone('computed', path)} |")
            path = Path(folder) / "texts.csv"
            _write_texts(path, utterances)
            checks.append(f"| {utterances:,} | {_alone('checked', path)} |")
            certificates.append(f"| {utterances:,} | {_alone('certified', path)} |")
    return "\n".join([*lines, "", *checks, "", *certificates])


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


def certified(path: Path) -> str:
    """A line of the table: what the parts of a certificate take, of rows with those words."""
    from experiments.corpora import load_source
    from fusion.leakage.certificate import certify
    from fusion.splitting.splits import outer_folds

    corpus = load_source(None, str(path), None)
    evidence = _evidence(corpus.utterances)
    folds, times = outer_folds(corpus.utterances, f"groups:{FOLDS}"), [time.process_time()]
    for work in (
        lambda: evidence.sounding_alike,
        lambda: evidence.sharing,
        evidence.nearly_equal_texts,
        lambda: certify(evidence, folds, "groups"),
    ):
        work()
        times.append(time.process_time())
    parts = np.diff(times)
    # The certificate compares words again.
    parts[3] -= parts[2]
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return " | ".join([*(f"{part:.1f}" for part in parts), f"{most:.2f}"])


def _evidence(utterances: "Sequence[Utterance]") -> "Evidence":
    """What is known of rows whose recordings are as unlike each other as chance makes them."""
    from encoders.analysis.fingerprints import signature_of
    from encoders.analysis.landmarks import Landmarks
    from encoders.audio.waveform import Audio
    from fusion.leakage.evidence import Evidence

    rng = np.random.default_rng(1)
    real = signature_of(Audio(rng.standard_normal(3 * 16000).astype("f4"), 16000))
    heard = [
        (
            replace(real, moved=_unit(rng, real.moved.shape), narrow=_unit(rng, real.narrow.shape),
                    active_s=rng.uniform(1, 6), change=0.5),
            Landmarks(rng.integers(1 << 22, size=LANDMARKS, dtype=np.int32),
                      np.sort(rng.integers(300, size=LANDMARKS, dtype=np.int32))),
        )
        for _ in utterances
    ]  # fmt: skip
    ids = [utterance.id for utterance in utterances]
    return Evidence(
        utterances,
        keys={name: name for name in ids},
        signatures={name: signed for name, (signed, _) in zip(ids, heard, strict=True)},
        landmarks={name: marks for name, (_, marks) in zip(ids, heard, strict=True)},
        gold={u.id: u.transcript or "" for u in utterances},
    )


def _unit(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    drawn = rng.standard_normal(shape).astype("f4")
    return drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)
