"""Computational sequences of the CMU-MultimodalSDK, made with h5py as the SDK makes them."""

from __future__ import annotations

import numpy as np
import pytest

from encoders.utterance import CorpusError
from experiments.corpora import read_corpus

h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install 'serfusion[mosei]'")


def write(path, name, videos):
    with h5py.File(path, "w") as file:
        for video, (features, intervals) in videos.items():
            file[f"{name}/data/{video}/features"] = features
            file[f"{name}/data/{video}/intervals"] = np.array(intervals, float)
        file.require_group(f"{name}/metadata")


@pytest.fixture
def root(tmp_path):
    labels = np.array([[1.0, 2, 0, 0, 0, 0, 0], [-2.4, 0, 0, 1, 0, 1, 0]], np.float32)
    write(
        tmp_path / "CMU_MOSEI_Labels.csd", "All Labels", {"v": (labels, [[0.0, 2.0], [2.0, 4.0]])}
    )
    words = np.array([[b"sp"], [b"well"], [b"no"], [b"never"]])
    times = [[0.0, 0.5], [0.5, 1.0], [1.0, 1.9], [2.5, 3.0]]
    write(tmp_path / "CMU_MOSEI_TimestampedWords.csd", "words", {"v": (words, times)})
    return tmp_path


def test_labels_and_words_meet_in_their_segments(root):
    first, second = read_corpus("mosei", root).utterances
    assert (first.id, first.transcript, second.transcript) == ("v[0]", "well no", "never")
    assert (first.target, second.target) == ((1, 0, 0, 0, 0, 0), (0, 0, 1, 0, 1, 0))


def test_sentiment_of_sequences(root):
    corpus = read_corpus("mosei", root, ("sentiment-7",))
    assert [corpus.label(u) for u in corpus.utterances] == ["1", "-2"]


def test_mosi_has_one_value(tmp_path):
    values = np.array([[2.4], [-0.8]], np.float32)
    write(
        tmp_path / "CMU_MOSI_Opinion_Labels.csd",
        "Opinion Segment Labels",
        {"v": (values, [[0, 1], [1, 2]])},
    )
    corpus = read_corpus("mosi", tmp_path)
    assert (corpus.task, corpus.utterances[0].id) == ("regression", "v_0")
    assert [u.target for u in corpus.utterances] == [pytest.approx((2.4,)), pytest.approx((-0.8,))]


def test_a_link_to_another_file_is_not_followed(root):
    with h5py.File(root / "CMU_MOSEI_Labels.csd", "a") as file:
        file["All Labels/data/w"] = h5py.ExternalLink("/etc/passwd", "/")
    with pytest.raises(CorpusError, match="w is a link"):
        read_corpus("mosei", root)


def test_a_file_that_is_no_sequence_is_one_message(tmp_path):
    (tmp_path / "CMU_MOSEI_Labels.csd").write_bytes(b"no HDF5")
    with pytest.raises(CorpusError, match="no computational sequence"):
        read_corpus("mosei", tmp_path)
