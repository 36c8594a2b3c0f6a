"""A corpus as a data frame and back; that manifests read back as written, test_manifest.py pins."""

from __future__ import annotations

from pathlib import Path

import pytest

from encoders import Corpus, Utterance, from_frame, read_manifest, to_frame, write_manifest
from encoders.utterance import CorpusError

pandas = pytest.importorskip("pandas", reason="pandas is no dependency; the extra dev has it")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    (tmp_path / "a.wav").touch()
    return Corpus(
        name="frame",
        root=tmp_path,
        task="single-label",
        targets=("calm", "cross"),
        utterances=(
            Utterance(id="1", audio=tmp_path / "a.wav", start_s=0.5, end_s=2.0, channel=2, age=33.0,
                      speaker="7", target=(1.0, 0.0), transcript="=well", turn=3.0),
            Utterance(id="2", transcript="no", speaker="8", target=(0.0, 1.0)),
            Utterance(id="3", transcript="yes", speaker="7"),
        ),
    )  # fmt: skip


def test_a_corpus_goes_through_a_data_frame_unchanged(corpus):
    frame = to_frame(corpus)
    assert from_frame(frame, corpus.root) == corpus
    assert list(frame.columns[:3]) == ["id", "audio", "start_s"]
    assert frame["label"].isna().tolist() == [False, False, True]


def test_a_data_frame_that_pandas_read_is_the_manifest(corpus, tmp_path):
    write_manifest(corpus, tmp_path / "frame.csv")
    # Numbers of speakers become numbers here, and whole numbers with gaps become fractions.
    frame = pandas.read_csv(tmp_path / "frame.csv")
    assert frame["channel"].dtype == float
    expected = read_manifest(tmp_path / "frame.csv")
    frame["transcript"] = frame["transcript"].str.removeprefix("'")
    assert from_frame(frame, tmp_path).utterances == expected.utterances


def test_faults_of_a_data_frame_say_where(corpus):
    frame = to_frame(corpus).assign(id=["1", "1", "3"], mood="x")
    with pytest.raises(CorpusError, match="duplicate id, first on line 1") as caught:
        from_frame(frame, corpus.root, name="mine")
    assert "unknown column 'mood'" in str(caught.value)
    assert str(caught.value).startswith("mine: 2 faults")
