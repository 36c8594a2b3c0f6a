"""A corpus as a manifest, so that reading is tested against what was meant."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from encoders.manifest_rows import COLUMNS, TEXT_COLUMNS, guarded
from encoders.utterance import Corpus, Utterance


def write_manifest(corpus: Corpus, path: Path | str) -> None:
    """Write a corpus as CSV or JSONL, so that :func:`read_manifest` returns the same utterances."""
    path = Path(path)
    records = [_record(corpus, utterance) for utterance in corpus.utterances]
    with path.open("w", encoding="utf-8", newline="") as handle:
        if path.suffix == ".jsonl":
            handle.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
            return
        used = [column for column in COLUMNS if any(column in record for record in records)]
        writer = csv.DictWriter(handle, fieldnames=used)
        writer.writeheader()
        writer.writerows({k: guarded(v) for k, v in record.items()} for record in records)


def _record(corpus: Corpus, utterance: Utterance) -> dict[str, str]:
    values: dict[str, Any] = {
        name: getattr(utterance, name) for name in ("id", "end_s", "transcript", "turn", "age")
    } | {name: getattr(utterance, name) for name in TEXT_COLUMNS}
    values["start_s"] = utterance.start_s or None
    if utterance.audio is not None:
        values["audio"] = _relative(utterance.audio, corpus.root).as_posix()
    if utterance.target is not None and corpus.task == "regression":
        values |= dict(zip(corpus.targets, utterance.target, strict=True))
    elif utterance.target is not None:
        values["label"] = _label_cell(corpus, utterance.target)
    return {name: str(value) for name, value in values.items() if value is not None}


def _relative(audio: Path, root: Path) -> Path:
    """Path as a manifest gives it; a link inside the root keeps its own name."""
    if audio.is_relative_to(root):
        return audio.relative_to(root)
    return audio.resolve().relative_to(root.resolve())


def _label_cell(corpus: Corpus, target: tuple[float, ...]) -> str:
    pairs = [(name, share) for name, share in zip(corpus.targets, target, strict=True) if share]
    if corpus.task == "distribution":
        return "|".join(f"{name}:{share}" for name, share in pairs)
    return "|".join(name for name, _ in pairs) or "none"
