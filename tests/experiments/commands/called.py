"""Commands called in this process, and the manifest that they are given."""

import csv
import sys
from pathlib import Path

import pytest

from experiments.commands import main as cli

EMOTIONS = ("angry", "happy", "sad")
WORDS = {"angry": "get out now", "happy": "what a fine day", "sad": "nobody came"}


def write(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows([["id", "audio", "transcript", "speaker", "label"], *rows])


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["serfusion", *map(str, words)])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def compare(monkeypatch: pytest.MonkeyPatch, manifest: Path, *more: object) -> int:
    # What is tested is the command, not how well heads train.
    monkeypatch.setattr("fusion.training.train.MAX_EPOCHS", 3)
    budget = ("--trials", 0, "--seeds", 1, "--jobs", 1, "--arms", "audio,text,concat")
    sides = ("--audio", "logmel", "--text", "minilm", "--out", manifest.parent / "run")
    return run(monkeypatch, "compare", "--manifest", manifest, *sides, *budget, *more)
