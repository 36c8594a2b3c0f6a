"""Frames that would fill a disk are told of before they are encoded."""

from __future__ import annotations

import pytest

from encoders.decode_index import DecodedAudio, DecodeIndex
from encoders.encoder import load_encoder
from encoders.pooling import for_storage
from encoders.typed_names import parse_modality
from encoders.utterance import Utterance
from experiments.comparing.disk import frame_bytes, heavy_frames
from experiments.config import Study

HOURS_OF_IEMOCAP = 12.0


def frames_of(typed: str) -> float:
    modality = parse_modality(typed, "audio").as_sequence()
    return frame_bytes(modality, HOURS_OF_IEMOCAP * 3600)


def test_all_layers_of_iemocap_weigh_what_they_do():
    """12 h at 50 frames a second pooled by four, 13 layers of 768 values of 4 bytes."""
    assert frames_of("wav2vec2-base@layer=mix") == pytest.approx(540_000 * 13 * 768 * 4)
    assert frames_of("wav2vec2-base") == pytest.approx(540_000 * 768 * 4)
    assert frames_of("wavlm-large@layer=9") == pytest.approx(540_000 * 1024 * 4)


def test_log_mel_frames_weigh_what_is_stored(make_audio):
    spec = parse_modality("logmel", "audio").as_sequence().encoder
    audio = make_audio(20.0)
    stored = for_storage(load_encoder(spec).encode([audio])[0], spec)
    found = frame_bytes(parse_modality("logmel", "audio").as_sequence(), 20.0)
    assert found == pytest.approx(stored.numel() * 4, rel=0.01)


@pytest.mark.parametrize(
    ("typed", "arms", "said"),
    [
        ("wav2vec2-base@layer=mix", ("attention",), True),
        ("wav2vec2-base@layer=mix", ("audio",), False),
        ("wav2vec2-base", ("attention",), False),
        ("features:x.npz", ("attention",), False),
    ],
)
def test_what_is_more_than_twenty_gigabytes_is_said(typed, arms, said, monkeypatch, tmp_path):
    monkeypatch.setattr(
        DecodeIndex, "get", lambda *_: DecodedAudio("0" * 64, HOURS_OF_IEMOCAP * 3600, False)
    )
    rows = (Utterance(id="u", audio=tmp_path / "u.wav"),)
    found = heavy_frames(
        Study(audio=typed, text="minilm", corpus="demo"),
        arms,
        rows,
        DecodeIndex(tmp_path / "hints.json"),
    )
    assert bool(found) == said
    assert all("12.0 hours will take 22 GB in the cache" in line for line in found)
