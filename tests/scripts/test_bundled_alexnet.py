"""The AlexNet that ships: its record, card and weights belong together, and it works offline."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.audio.waveform import Audio
from encoders.bundled import ALEXNET
from encoders.encoder import load_encoder
from encoders.networks.cnn_weights import load_network
from encoders.provenance import WEIGHTS, provenance_of, seen, trained_spec
from encoders.typed_names import parse_modality
from encoders.utterance import CorpusError
from scripts.bundled_alexnet.card import TERMS, card, notice
from scripts.bundled_alexnet.make import DEV_ACTORS, TEST_ACTORS, main, read_actors

ROOT = Path(__file__).resolve().parents[2]
SPEC = parse_modality("alexnet", "audio").encoder


def tone(hz: float, seconds: float = 3.0) -> Audio:
    times = np.arange(int(seconds * 16000)) / 16000
    return Audio(np.sin(2 * np.pi * hz * times).astype(np.float32), 16000)


def test_the_short_name_prepares_recordings_as_the_training_did():
    trained = trained_spec(ALEXNET)
    preparation = set(SPEC.options) - {"checkpoint"}
    assert {n: getattr(SPEC, n) for n in preparation} == {
        n: getattr(trained, n) for n in preparation
    }


def test_it_embeds_windows_in_256_values_and_two_sounds_differ():
    low, high = load_encoder(SPEC).encode([tone(200), tone(1500)])
    assert low.shape == high.shape == (1, 3, 256)
    assert torch.isfinite(low).all()
    assert not torch.allclose(low, high, rtol=0.1)


def test_the_record_names_all_actors_and_recordings_of_ravdess_speech():
    held = seen(SPEC)
    assert held is not None
    assert held.speakers == {f"{actor:02d}" for actor in range(1, 25)}
    # Of the 1440 files two hold the same samples.
    assert len(held.keys) == 1439
    assert held.corpus == "ravdess"


def test_speakers_that_end_training_train_nothing():
    record = provenance_of(SPEC)
    assert record is not None
    assert record.dev_speakers == DEV_ACTORS
    assert len(record.train_speakers) == 20


def test_the_licence_travels_with_the_weights():
    record = provenance_of(SPEC)
    assert record is not None
    assert record.notice == TERMS
    assert "NonCommercial-ShareAlike 4.0" in (ALEXNET / "NOTICE").read_text(encoding="utf-8")
    assert (ALEXNET / "NOTICE").read_text(encoding="utf-8") == notice()


def test_every_figure_of_the_card_is_that_of_the_record():
    said = (ALEXNET / "MODEL_CARD.md").read_text(encoding="utf-8")
    found = re.search(r"has UAR (0\.\d{3}) \(8 classes", said)
    assert found is not None
    record = provenance_of(SPEC)
    assert record is not None
    parameters = sum(one.numel() for one in load_network(SPEC).parameters())
    assert card(record, parameters, float(found[1]), TEST_ACTORS) == said


def test_it_is_about_five_megabytes():
    assert 4.5e6 < (ALEXNET / WEIGHTS).stat().st_size < 5.5e6


def test_a_folder_that_is_not_ravdess_is_refused_before_training(tmp_path):
    with pytest.raises(CorpusError, match="ravdess"):
        read_actors(tmp_path)
    with pytest.raises(SystemExit, match="usage"):
        main([])


def test_what_the_card_says_of_emodb_was_measured():
    said = (ALEXNET / "MODEL_CARD.md").read_text(encoding="utf-8")
    table = (ROOT / "benchmarks/results/embeddings.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
    uar = {row[1]: row[3] for row in rows if len(row) > 4}
    assert f"has UAR {uar['alexnet']} on EmoDB, on log-mel" in said
    assert f"functionals {uar['logmel']}, on the same network" in said
    assert f"random weights {uar['alexnet:untrained']}." in said
