"""Predictions on disk: all of them or none, whoever else writes there, and the hash of the file."""

from __future__ import annotations

import os
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, strategies as st

from fusion.evaluation.columns import columns, joined, unpacked
from fusion.evaluation.predictions import Prediction, digest, read, stored_scores, write

FINITE = st.floats(allow_nan=False, allow_infinity=False)
# Every letter but lone surrogates, which no file in UTF-8 can hold.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def row(number: int = 0, **changes: object) -> Prediction:
    content = {
        "run": "r",
        "corpus": "c",
        "utterance": f"u{number}",
        "speaker": "s",
        "arm": "audio",
        "outer_fold": "1",
        "inner_fold": None,
        "seed": 0,
        "split": "test",
        "window": None,
        "target": (1.0, 0.0),
        "scores": (0.25, 0.75),
    }
    return Prediction(**{**content, **changes})


@given(TEXT, TEXT, st.tuples(FINITE, FINITE))
def test_what_is_read_is_what_was_written(tmp_path_factory, utterance, speaker, scores):
    path = tmp_path_factory.mktemp("rows") / "p.safetensors"
    rows = [row(utterance=utterance, speaker=speaker, scores=scores), row(1, inner_fold=2)]
    write(rows, path)
    assert list(read(path)) == rows


@given(st.lists(TEXT, max_size=5))
def test_the_digest_is_that_of_the_file(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("rows") / "p.safetensors"
    rows = [row(utterance=name) for name in names]
    write(rows, path)
    assert digest(rows) == sha256(path.read_bytes()).hexdigest()


def test_an_interrupted_writer_leaves_what_was_there(tmp_path):
    path = tmp_path / "p.safetensors"
    write([row()], path)

    def broken():
        yield row(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(broken(), path)
    assert list(read(path)) == [row()]
    assert [found.name for found in tmp_path.iterdir()] == ["p.safetensors"]


def test_rows_are_on_the_disk_before_they_have_their_name(tmp_path, monkeypatch):
    path, seen = tmp_path / "p.safetensors", []

    def sync(handle):
        seen.append((os.fstat(handle).st_size, path.exists()))

    monkeypatch.setattr(os, "fsync", sync)
    write([row()], path)
    # The folder is synced last, so that the name outlasts a power cut too.
    assert seen[0] == (path.stat().st_size, False)
    assert [there for _, there in seen] == [False, True]


def test_a_score_that_is_no_number_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="expected finite numbers"):
        write([row(scores=(float("nan"), 0.0))], tmp_path / "p.safetensors")
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- columns


ROWS = [
    row(number, arm=arm, seed=seed, split=split, inner_fold=0 if split == "dev" else None)
    for arm in ("audio", "text")
    for split in ("dev", "test")
    for seed in (0, 1)
    for number in range(3)
]


def test_columns_are_rows():
    known = columns(ROWS)
    assert list(known) == ROWS
    assert [known[0], known[-1]] == [ROWS[0], ROWS[-1]]
    assert list(known[5:9]) == ROWS[5:9]
    assert columns(known) is known


def test_parts_are_found_by_place_and_utterance_in_the_order_of_rows():
    known = columns(ROWS)
    by_arm = known.by(lambda place: place.arm)
    assert {arm: list(own) for arm, own in by_arm.items()} == {
        arm: [r for r in ROWS if r.arm == arm] for arm in ("audio", "text")
    }
    assert list(known.at(lambda place: place.seed == 1)) == [r for r in ROWS if r.seed == 1]
    own = known.of(lambda subject: subject.utterance == "u2")
    assert list(own) == [r for r in ROWS if r.utterance == "u2"]
    assert [subject.utterance for subject in own.present()] == ["u2"]
    assert list(joined([by_arm["text"], by_arm["audio"]])) == [*ROWS[12:], *ROWS[:12]]


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=2))
def test_probabilities_are_kept_as_millionths_and_come_back_as_their_six_decimals(scores):
    kept = stored_scores(np.array([scores]), "single-label")
    assert kept.dtype == np.int32
    assert unpacked(kept).tolist() == [[round(score, 6) for score in scores]]


def test_a_row_costs_a_few_bytes(tmp_path):
    path = tmp_path / "p.safetensors"
    rows = [row(n % 50, seed=n // 50, speaker="s" * 40) for n in range(5000)]
    write(rows, path)
    assert path.stat().st_size < 5000 * 20 + 50 * 100 + 5000
