"""A corpus of tones for the commands."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.experiments.commands.called import EMOTIONS, WORDS, write


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Six speakers, three classes, two tones each; the pitch tells the class."""
    rows = []
    for speaker in range(6):
        for number, label in enumerate(EMOTIONS * 2):
            name = f"s{speaker}-{number}"
            time_s = np.arange(4000) / 8000
            tone = 0.3 * np.sin(2 * np.pi * (200 + 150 * (number % 3) + 9 * speaker) * time_s)
            soundfile.write(tmp_path / f"{name}.wav", tone, 8000)
            rows.append([name, f"{name}.wav", WORDS[label], f"s{speaker}", label])
    write(tmp_path / "m.csv", rows)
    return tmp_path / "m.csv"
