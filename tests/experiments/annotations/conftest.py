"""A timeline to be written, and files to be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import mutations
from experiments.annotations.segments import Timeline
from experiments.annotations.turns import Turn, read_turns

Read = Callable[..., tuple[Turn, ...]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a text or bytes to a file and read its turns; the suffix chooses the format."""

    def write_and_read(content: str | bytes, suffix: str, **choice: object) -> tuple[Turn, ...]:
        path = tmp_path / f"x{suffix}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_turns(path, **choice)  # type: ignore[arg-type]

    return write_and_read


@pytest.fixture
def timeline() -> Timeline:
    """Two speakers, one of them twice at once; one segment without words, one without a class."""
    return mutations.timeline()
