"""A leak cannot pass unseen: each of many, planted in fifty random corpora, is found in all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from encoders.decode_index import DecodeIndex
from encoders.extraction import default_store
from encoders.utterance import Corpus
from experiments.comparing.certificate import decode_all, evidence_of
from fusion.leakage.certificate import certify
from fusion.leakage.findings import Certificate
from fusion.splitting.designs import make_outer
from fusion.splitting.protocols import parse_protocol
from tests.experiments.leaky_corpora import LEAKS, TARGETS, Rows, corpus

CORPORA = 50
CLEAN = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpora")


def certified(rows: Rows, protocol: str = "fold") -> Certificate:
    whole = Corpus(
        name="c", root=Path(), task="single-label", targets=TARGETS, utterances=tuple(rows)
    )
    store = default_store()
    hearing = decode_all(rows, store, DecodeIndex(store.root / "hints.json"))
    evidence = evidence_of(whole, rows, hearing, protocol)
    return certify(evidence, make_outer(rows, parse_protocol(protocol)), protocol)


@pytest.mark.slow
@pytest.mark.parametrize("leak", LEAKS)
def test_every_planted_leak_is_found(folder, leak, monkeypatch):
    plant, test, severity = LEAKS[leak]
    missed = []
    for seed in range(CORPORA):
        monkeypatch.setenv("SERFUSION_CACHE", str(folder / f"cache-{seed}"))
        rng = np.random.default_rng((seed, 1))
        found = certified(plant(corpus(folder, seed), rng))
        if not any(one.name == test and one.status == severity for one in found.tests):
            missed.append(seed)
    assert missed == []


@pytest.mark.slow
def test_no_clean_corpus_has_an_error(folder, monkeypatch):
    protocols = ("fold", "speaker", "session", "groups:3")
    found = []
    for seed in range(CLEAN):
        monkeypatch.setenv("SERFUSION_CACHE", str(folder / f"cache-{seed}"))
        found.append(certified(corpus(folder, seed), protocols[seed % 4]))
    assert [str(test) for one in found for test in one.errors] == []
    warned = [test.name for one in found for test in one.warnings]
    # A test at the level of one in a hundred may warn a few times among two hundred.
    assert set(warned) <= {"label in the words"}
    assert len(warned) <= 6
