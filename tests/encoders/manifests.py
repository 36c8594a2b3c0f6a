"""Manifests as a user would write them, and what is told of their faults."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from encoders.manifest import read_manifest
from encoders.utterance import CorpusError

FORMATS = [".csv", ".jsonl"]
#: One name, composed and not.
TYPED = ("Jose\u0301", "Jos\xe9")


def write(folder: Path, rows: list[dict[str, object]], name: str = "m.csv") -> Path:
    """A manifest of rows, as a user would write it."""
    path = folder / name
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path
    with path.open("w", encoding="utf-8", newline="") as handle:
        header = list(dict.fromkeys(column for row in rows for column in row))
        writer = csv.DictWriter(handle, header)
        writer.writeheader()
        writer.writerows(rows)
    return path


def faults_of(path: Path, **how: object) -> list[str]:
    with pytest.raises(CorpusError) as caught:
        read_manifest(path, **how)
    return [str(fault) for fault in caught.value.faults]


def matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None
