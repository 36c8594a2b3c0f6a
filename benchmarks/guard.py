"""Keep the runs of one tree and hold another tree's against them: a change of no result is proved.

``python -m benchmarks.guard run FOLDER [--tree TREE] [--only NAME,…]`` makes the runs below, with
the code of a tree (a checkout of any commit) and a cache in the folder;
``python -m benchmarks.guard compare OLD NEW`` tells every difference between two such folders:
numbers beyond 1e-12 of their size, other texts and keys, pages line by line. Names of runs
(hashes of the code among others), times, paths and versions are left out of the comparison. Both
folders must come from one machine: another processor gives other last digits.
"""

import argparse
import csv
import difflib
import json
import math
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.functionals import DATA
from experiments.demo import FOLDER as DEMO

TOLERANCE = 1e-12
#: What one utterance is worth, by its class: valence and arousal on [-1, 1].
VALUES = {"angry": (-0.7, 0.8), "happy": (0.8, 0.6), "neutral": (0.0, 0.0), "sad": (-0.6, -0.5)}
#: Differs between two runs of the same code: ids, clocks, versions, memory.
RUN_DEPENDENT = re.compile(
    r"\b[0-9a-f]{12,64}\b|\d+(\.\d+)? ?(ms|s|min|h|GB|MB)\b|/\S*/(old|new|guard)\S*"
    # Seconds of the table of costs, and where corpora lie.
    r"|(<td>\d+\.\d</td>){3}|--(root|manifest|out) \S+"
)
LEFT_OUT = {"run", "runs", "made", "environment", "seconds", "cost", "out", "root", "manifest"}
PAGES = ("report.html", "ablation.html", "interview.html", "table.md", "table.tex", "segments.csv")
NUMBERS = (
    "results.json",
    "predictions.safetensors",
    "folds.json",
    "ablation.json",
    "timeline.json",
)
USUAL = ("--audio", "logmel", "--text", "minilm", "--trials", "0", "--seeds", "2")
ARMS = "audio,text,audio_frames,concat,gated,lowrank,late,attention"


def commands(folder: Path) -> dict[str, tuple[str, ...]]:
    """The runs, by name: all kinds of targets, all arms, tuning, an ablation, an interview."""
    demo, emodb, mosi = str(DEMO), str(DATA / "emodb"), str(DATA / "mosi")
    values, sets = str(folder / "values.csv"), str(folder / "sets.csv")
    features = f"features:{folder / 'opensmile73.npz'}"
    few = ("--arms", "audio,text,concat,late", "--folds", "groups")
    ablation = ("--over", "head", "--values", "concat,late", "--over", "pooling", "--values")
    talk = str(DATA / "interview" / "sample.wav")
    turns = str(DATA / "interview" / "sample.rttm")
    return {
        "demo": ("demo",),
        "emodb": ("compare", "--corpus", "emodb", "--root", emodb, *USUAL, "--arms", ARMS),
        "mosi": (
            *("compare", "--corpus", "mosi", "--root", mosi, "--audio", features),
            *("--text", "minilm", "--trials", "5", "--seeds", "2"),
        ),
        "values": ("compare", "--manifest", values, "--root", demo, *USUAL, *few),
        "sets": ("compare", "--manifest", sets, "--root", demo, *USUAL, *few),
        "ablation": (
            *("ablate", "--corpus", "emodb", "--root", emodb, *USUAL, *ablation),
            "mean,mean+std",
        ),
        "interview": (
            *("interview", "demo", talk, "--turns", turns, "--asr", "whisper-tiny.en"),
            *("--abstain", "0"),
        ),
    }


# ---------------------------------------------------------------- run


def run(tree: Path, folder: Path, only: list[str]) -> None:
    """Make the runs with the code of a tree; what is there is gone on with."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_inputs(folder)
    settings = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
    module, _, function = settings["project"]["scripts"]["serfusion"].partition(":")
    entry = f"from {module} import {function}; {function}()"
    variables = {"PYTHONPATH": str(tree), "SERFUSION_CACHE": str(folder / "cache")}
    environment = {**os.environ, **variables, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    for name, arguments in commands(folder).items():
        if only and name not in only:
            continue
        command = [sys.executable, "-c", entry, *arguments, "--out", str(folder / name)]
        began = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        (folder / f"{name}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
        print(f"{name}: exit code {done.returncode}, {time.perf_counter() - began:.0f} s")


def _write_inputs(folder: Path) -> None:
    table = np.load(DATA / "mosi" / "mosi_bclstm.npz")
    np.savez(
        folder / "opensmile73.npz", id=table["utterance_id"], values=table["audio_opensmile73"]
    )
    with (DEMO / "manifest.csv").open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["transcript"]]
    _write_table(folder / "values.csv", rows, ("valence", "arousal"), _values)
    _write_table(folder / "sets.csv", rows, ("label",), _set)


def _write_table(
    path: Path,
    rows: list[dict[str, str]],
    targets: tuple[str, ...],
    target_of: Callable[[int, dict[str, str]], tuple[str, ...]],
) -> None:
    columns = ("id", "audio", "start_s", "end_s", "transcript", "speaker")
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow((*columns, *targets))
        for number, row in enumerate(rows):
            writer.writerow([*(row[name] for name in columns), *target_of(number, row)])


def _values(number: int, row: dict[str, str]) -> tuple[str, ...]:
    shift = (number * 7 % 11 - 5) / 50
    return tuple(f"{value + shift:.3f}" for value in VALUES[row["label"]])


def _set(number: int, row: dict[str, str]) -> tuple[str, ...]:
    if row["label"] == "neutral" and number % 2:
        return ("none",)
    return (
        f"{row['label']}|neutral" if row["label"] == "sad" and number % 3 == 0 else row["label"],
    )


# ---------------------------------------------------------------- compare


def compare(old: Path, new: Path) -> list[str]:
    """A line for each difference."""
    files = sorted(p.relative_to(old) for p in old.rglob("*") if p.name in (*PAGES, *NUMBERS))
    files = [path for path in files if path.parts[0] != "cache"]
    if not files:
        return [f"{old} holds no run"]
    lines = []
    for path in files:
        if not (new / path).is_file():
            lines.append(f"{path}: missing")
        elif path.name in PAGES:
            lines += _pages(path, old, new)
        else:
            lines += list(_numbers(path, old, new))
    return lines


def _pages(path: Path, old: Path, new: Path) -> list[str]:
    before, after = (
        RUN_DEPENDENT.sub("…", (folder / path).read_text(encoding="utf-8")).splitlines()
        for folder in (old, new)
    )
    changed = difflib.unified_diff(before, after, lineterm="", n=0)
    return [
        f"{path}: {line[:300]}" for line in changed if not line.startswith(("---", "+++", "@@"))
    ]


def _numbers(path: Path, old: Path, new: Path) -> Iterator[str]:
    before, after = (_records(folder / path) for folder in (old, new))
    if len(before) != len(after):
        yield f"{path}: {len(before)} records before, {len(after)} after"
        return
    for number, (record, other) in enumerate(zip(before, after, strict=True)):
        yield from _apart(f"{path}[{number}]", record, other)


def _records(path: Path) -> list[Any]:
    text = path.read_text(encoding="utf-8")
    return (
        [json.loads(line) for line in text.splitlines()]
        if path.suffix == ".jsonl"
        else [json.loads(text)]
    )


def _apart(where: str, before: Any, after: Any) -> Iterator[str]:  # noqa: ANN401
    if isinstance(before, dict) and isinstance(after, dict):
        keys = (before.keys() | after.keys()) - LEFT_OUT
        for key in sorted(keys):
            if key in after and key in before:
                yield from _apart(f"{where}.{key}", before[key], after[key])
            else:
                yield f"{where}.{key}: {'gone' if key in before else 'new'}"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (item, other) in enumerate(zip(before, after, strict=True)):
            yield from _apart(f"{where}[{number}]", item, other)
    elif not _same(before, after):
        yield f"{where}: {str(before)[:120]} before, {str(after)[:120]} after"


def _same(before: Any, after: Any) -> bool:  # noqa: ANN401
    if _is_number(before) and _is_number(after):
        return math.isclose(before, after, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return RUN_DEPENDENT.sub("…", str(before)) == RUN_DEPENDENT.sub("…", str(after))


def _is_number(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, int | float) and not isinstance(value, bool)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    verbs = parser.add_subparsers(dest="verb", required=True)
    runner = verbs.add_parser("run", help="make the runs of a tree")
    runner.add_argument("folder", type=Path)
    runner.add_argument("--tree", type=Path, default=Path(__file__).parents[1])
    runner.add_argument("--only", default="")
    comparer = verbs.add_parser("compare", help="tell every difference between two folders")
    comparer.add_argument("old", type=Path)
    comparer.add_argument("new", type=Path)
    given = parser.parse_args()
    if given.verb == "run":
        only = [name for name in given.only.split(",") if name]
        run(given.tree.resolve(), given.folder.resolve(), only)
        return
    lines = compare(given.old, given.new)
    # The same difference of a thousand rows is one: its first place, and how often.
    kinds: dict[str, list[str]] = {}
    for line in lines:
        kinds.setdefault(re.sub(r"\[\d+\]", "[…]", line), []).append(line)
    for alike in kinds.values():
        print(alike[0] + (f" (and {len(alike) - 1} more places)" if len(alike) > 1 else ""))
    print(f"{len(lines)} differences" if lines else "no difference")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
