"""Speakers of tones to train on, to stop on and to be tried on."""

from __future__ import annotations

import pytest

from encoders.utterance import Utterance
from tests.encoders.finetuning.tone_training import tones


@pytest.fixture(scope="module")
def sides(tmp_path_factory) -> tuple[list[Utterance], list[Utterance], list[Utterance]]:
    """Training, development and new speakers."""
    folder = tmp_path_factory.mktemp("tones")
    return tones(folder, range(6)), tones(folder, range(6, 8)), tones(folder, range(8, 10))


@pytest.fixture(scope="module")
def few(sides) -> tuple[list[Utterance], list[Utterance]]:
    """Two recordings on each side, for what one step shows."""
    return sides[0][:2], sides[1][:2]
