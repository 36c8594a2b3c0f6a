"""Install the wheel and the sdist into bare environments of several Pythons, and use them there.

    python -m scripts.bare_install [--keep FOLDER] python3.11 python3.12 python3.13

Each Python gets an environment with nothing but the wheel, its extra ``offline`` and what
constraints.txt pins; then the sdist takes the wheel's place. What is run is what a newcomer runs,
outside this checkout and with downloads forbidden: ``pip check``, names that one import gives,
``serfusion --help``, ``doctor``, and the demo with its report read as JSON. The exit code is 1 if
one of them fails. It needs a package index, and 6 GB of disk where torch comes with CUDA; with
``--keep`` environments stay in a folder, and the next time only what has changed is installed.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
NAMES = (
    "from fusion import FusionClassifier, FusionModel; "
    "from encoders import Corpus, EmbeddingStore, read_manifest, write_manifest; "
    "from experiments import ablate, compare, evaluate, interview, predict, train, verify"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One command in one environment: how long it took, and what it said where it failed."""

    python: str
    what: str
    seconds: float
    fault: str | None


def check(pythons: Sequence[str], keep: Path | None = None) -> Iterator[Step]:
    """Every step of every Python; one that fails is the last of its Python."""
    with TemporaryDirectory(prefix="serfusion-bare-") as folder:
        dist = Path(folder) / "dist"
        build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, ROOT]
        step = _run("build", "wheel and sdist", build, Path(folder), os.environ)
        yield step
        for python in pythons if step.fault is None else ():
            place = (keep or Path(folder)) / re.sub(r"[^\w.-]+", "-", python)
            yield from _in_bare(python, place, dist)
            if keep is None:
                # One environment at a time: each is gigabytes.
                shutil.rmtree(place)


def _in_bare(python: str, place: Path, dist: Path) -> Iterator[Step]:
    [wheel], [sdist] = ([*dist.glob(pattern)] for pattern in ("*.whl", "*.tar.gz"))
    place.mkdir(parents=True, exist_ok=True)
    bin_ = place / "env" / "bin"
    pip = [bin_ / "python", "-m", "pip", "install", "--quiet"]
    pinned = ["-c", ROOT / "constraints.txt"]
    command = bin_ / "serfusion"
    made = (bin_ / "python").exists()
    making = [bin_ / "python", "-V"] if made else [python, "-m", "venv", place / "env"]
    # Nothing of this checkout or this user is seen.
    bare = {"PATH": f"{bin_}{os.pathsep}{os.defpath}", "HOME": str(place), "HF_HUB_OFFLINE": "1"}
    demo = [command, "demo", "--trials", "0", "--seeds", "1", "--out", place / "run"]
    steps: Sequence[tuple[str, Sequence[object], Mapping[str, str]]] = (
        ("environment", making, os.environ),
        ("install wheel", [*pip, *pinned, f"{wheel}[offline]"], os.environ),
        ("pip check", [bin_ / "python", "-m", "pip", "check"], os.environ),
        ("imports", [bin_ / "python", "-W", "error", "-c", NAMES], bare),
        ("--help", [command, "--help"], bare),
        ("doctor", [command, "doctor", "--json"], bare),
        ("demo", [*demo, "--json"], bare),
        ("install sdist", [*pip, "--force-reinstall", "--no-deps", sdist], os.environ),
        ("demo from the cache", [*demo, "--json"], bare),
    )
    for what, words, environment in steps:
        step = _run(python, what, words, place, environment)
        yield step
        if step.fault is not None:
            return


def _run(
    python: str,
    what: str,
    words: Sequence[object],
    folder: Path,
    environment: Mapping[str, str],
) -> Step:
    begun = time.perf_counter()
    done = subprocess.run(
        [*map(str, words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    fault = None if done.returncode == 0 else (done.stdout + done.stderr)[-2000:]
    if fault is None and "--json" in words:
        fault = _json_fault(done.stdout)
    return Step(python, what, time.perf_counter() - begun, fault)


def _json_fault(text: str) -> str | None:
    try:
        json.loads(text)
    except ValueError as error:
        return f"not JSON ({error}): {text[:500]}"
    return None


def main(words: Sequence[str]) -> int:
    """Print a line for each step; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bare_install")
    parser.add_argument("pythons", nargs="+", metavar="PYTHON")
    parser.add_argument("--keep", type=Path, metavar="FOLDER")
    asked = parser.parse_args(words)
    failed = False
    for step in check(asked.pythons, asked.keep and asked.keep.absolute()):
        state = "ok" if step.fault is None else f"FAILED\n{step.fault}"
        sys.stdout.write(f"{step.python:12} {step.what:20} {step.seconds:7.1f} s  {state}\n")
        sys.stdout.flush()
        failed = failed or step.fault is not None
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
