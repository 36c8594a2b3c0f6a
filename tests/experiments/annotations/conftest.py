"""A timeline to be written, and files to be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from made_timelines import TARGETS

from experiments.annotations.segments import Segment, Timeline
from experiments.annotations.turns import Turn, read_turns
from fusion.evaluation.backoff import Answer

ANGRY, SAD = Answer("class", "angry", 0.7), Answer("class", "sad", 0.3)
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
    common = {"probabilities": (0.7, 0.3)}
    return Timeline(
        recording="talk.wav",
        duration_s=10.0,
        targets=TARGETS,
        segments=(
            Segment(start_s=0.5, end_s=2.0, speaker="Anna Maria", text="No & <no>", answer=ANGRY,
                    text_doubtful=("recogniser unsure",), **common),
            Segment(start_s=1.0, end_s=3.25, speaker="Ben", text="Oh\n\n--> =1", overlap=True,
                    **common),
            Segment(start_s=1.5, end_s=1.75, speaker="Anna Maria", answer=SAD, **common),
            Segment(start_s=4.0, end_s=5.0, speaker="Ben", answer=ANGRY, **common),
        ),
        facts={"model": "demo"},
    )  # fmt: skip
