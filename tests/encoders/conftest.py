"""Utterances to encode, what is encoded of them, and a machine without a model."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import encoders.extraction as extraction
from encoders.encoder import Encoder, load_encoder
from encoders.specs import SpeechSpec
from encoders.utterance import Utterance


@pytest.fixture
def utterances(tone_corpus) -> tuple[Utterance, ...]:
    return tone_corpus.utterances


@pytest.fixture
def passes(monkeypatch) -> list[int]:
    """Number of inputs of every forward pass, in order."""
    seen: list[int] = []

    class Counting(Encoder):
        def encode(self, inputs):
            seen.append(len(inputs))
            return super().encode(inputs)

    monkeypatch.setattr(
        extraction, "load_encoder", lambda *how: Counting(load_encoder(*how).module)
    )
    return seen


@pytest.fixture
def no_model(monkeypatch) -> Callable[[], None]:
    """After this call nothing can be loaded."""

    def forbid() -> None:
        def refuse(*_args):
            raise AssertionError("a model was loaded")

        monkeypatch.setattr(extraction, "load_encoder", refuse)

    return forbid


@pytest.fixture
def speech(speech_checkpoint) -> SpeechSpec:
    return SpeechSpec(checkpoint=str(speech_checkpoint("wav2vec2-group-norm")))
