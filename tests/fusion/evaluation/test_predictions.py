"""Predictions on disk: all of them or none, whoever else writes there, and the hash of the file."""

from __future__ import annotations

import os
import threading
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion.evaluation.predictions import Prediction, digest, read, write

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
    path = tmp_path_factory.mktemp("rows") / "p.jsonl"
    rows = [row(utterance=utterance, speaker=speaker, scores=scores), row(1, inner_fold=2)]
    write(rows, path)
    assert read(path) == rows


@given(st.lists(TEXT, max_size=5))
def test_the_digest_is_that_of_the_file(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("rows") / "p.jsonl"
    rows = [row(utterance=name) for name in names]
    write(rows, path)
    assert digest(rows) == sha256(path.read_bytes()).hexdigest()


def test_two_writers_into_one_folder_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "p.jsonl"
    both, faults = threading.Barrier(2, timeout=20), []

    def rows(run):
        yield row(run=run)
        # Both files are open now; a shared temporary name would be one file.
        both.wait()
        yield row(1, run=run)
        both.wait()

    def work(run):
        try:
            write(rows(run), path)
        except OSError as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(run,)) for run in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len({one.run for one in read(path)}) == 1
    assert len(read(path)) == 2
    assert [found.name for found in tmp_path.iterdir()] == ["p.jsonl"]


def test_an_interrupted_writer_leaves_what_was_there(tmp_path):
    path = tmp_path / "p.jsonl"
    write([row()], path)

    def broken():
        yield row(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(broken(), path)
    assert read(path) == [row()]
    assert [found.name for found in tmp_path.iterdir()] == ["p.jsonl"]


def test_rows_are_on_the_disk_before_they_have_their_name(tmp_path, monkeypatch):
    path, seen = tmp_path / "p.jsonl", []

    def sync(handle):
        seen.append((os.fstat(handle).st_size, path.exists()))

    monkeypatch.setattr(os, "fsync", sync)
    write([row()], path)
    # The folder is synced last, so that the name outlasts a power cut too.
    assert seen[0] == (path.stat().st_size, False)
    assert [there for _, there in seen] == [False, True]


def test_a_score_that_is_no_number_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write([row(scores=(float("nan"), 0.0))], tmp_path / "p.jsonl")
    assert list(tmp_path.iterdir()) == []
