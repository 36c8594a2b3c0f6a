"""Miniature trees in the original layouts: empty recordings, tables with a line or two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from encoders.utterance import Corpus

Plant = Callable[..., Path]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """Make empty files, and those with text by name; returns the root."""

    def make(*names: str, **_: object) -> Path:
        for name in names:
            put(name, "")
        return tmp_path

    def put(name: str, text: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode(encoding))
        return tmp_path

    make.text = put  # type: ignore[attr-defined]
    return make


@pytest.fixture
def counts() -> Callable[[Corpus], Counter[str | None]]:
    """Utterances by class."""
    return lambda corpus: Counter(map(corpus.label, corpus.utterances))
