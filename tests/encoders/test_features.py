"""Precomputed embeddings: what is written is read, and every malformed file is one message."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from encoders.features import read_features

IDS = np.array(["a", "b", "c"])
VALUES = np.arange(6, dtype=np.float32).reshape(3, 2)


def npz(**arrays: object) -> bytes:
    content = io.BytesIO()
    np.savez(content, allow_pickle=True, **arrays)
    return content.getvalue()


def npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def refused(folder: Path, content: bytes) -> str:
    path = folder / "f.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"f\.npz: expected an \.npz") as caught:
        read_features(path)
    return str(caught.value)


# ---------------------------------------------------------------- what is read


def test_one_frame_each(tmp_path):
    (tmp_path / "f.npz").write_bytes(npz(id=IDS, values=VALUES))
    found = read_features(tmp_path / "f.npz")
    assert not found.sequences
    assert {name: rows.tolist() for name, rows in found.frames.items()} == {
        "a": [[0, 1]],
        "b": [[2, 3]],
        "c": [[4, 5]],
    }


def test_sequences_by_lengths(tmp_path):
    (tmp_path / "f.npz").write_bytes(npz(id=IDS[:2], values=VALUES, lengths=np.array([1, 2])))
    found = read_features(tmp_path / "f.npz")
    assert found.sequences
    assert found.frames["b"].tolist() == [[2, 3], [4, 5]]


@pytest.mark.parametrize(
    "ids", [[7, 8, 9], [b"7", b"8", b"9"], ["7", "8", " 9 "]], ids=["numbers", "bytes", "texts"]
)
@pytest.mark.parametrize("kind", ["f2", "f4", ">f8", "i2", "u1"])
def test_other_types_of_numbers_and_ids(tmp_path, ids, kind):
    (tmp_path / "f.npz").write_bytes(npz(id=np.array(ids), values=VALUES.astype(kind)))
    assert list(read_features(tmp_path / "f.npz").frames) == ["7", "8", "9"]


def test_ids_are_composed_as_those_of_manifests(tmp_path):
    (tmp_path / "f.npz").write_bytes(npz(id=np.array(["Jose\u0301"]), values=VALUES[:1]))
    assert list(read_features(tmp_path / "f.npz").frames) == ["Jos\xe9"]


# ---------------------------------------------------------------- what is refused

ARRAYS = {
    "no id": {"values": VALUES},
    "no values": {"id": IDS},
    "id without dimension": {"id": np.array("a"), "values": VALUES[:1]},
    "id with two": {"id": IDS[:, None], "values": VALUES},
    "ids of objects": {"id": np.array(["a", None, 1], object), "values": VALUES},
    "ids of numbers with fractions": {"id": np.array([0.5, 1, 2]), "values": VALUES},
    "ids of bytes that are no text": {"id": np.array([b"\xff", b"a", b"b"]), "values": VALUES},
    "ids twice": {"id": np.array(["a", "b", "a"]), "values": VALUES},
    "ids twice in two forms": {"id": np.array(["e\u0301", "\xe9", "a"]), "values": VALUES},
    "more ids": {"id": np.array(list("abcd")), "values": VALUES},
    "no row": {"id": IDS[:0], "values": VALUES[:0]},
    "no column": {"id": IDS, "values": VALUES[:, :0]},
    "one dimension": {"id": IDS, "values": VALUES[:, 0]},
    "three dimensions": {"id": IDS, "values": VALUES[:, None]},
    "complex": {"id": IDS, "values": VALUES.astype(complex)},
    "times": {"id": IDS, "values": VALUES.astype("m8[s]")},
    "dates": {"id": IDS, "values": VALUES.astype("M8[s]")},
    "texts": {"id": IDS, "values": VALUES.astype(str)},
    "truths": {"id": IDS, "values": VALUES.astype(bool)},
    "objects": {"id": IDS, "values": VALUES.astype(object)},
    "records": {"id": IDS, "values": np.zeros((3, 2), [("a", "f4")])},
    "not a number": {"id": IDS, "values": VALUES * np.nan},
    "beyond float32": {"id": IDS, "values": np.full((3, 2), 1e300)},
    "lengths without dimension": {"id": IDS, "values": VALUES, "lengths": np.array(3)},
    "lengths with two": {"id": IDS, "values": VALUES, "lengths": np.ones((3, 1), int)},
    "lengths of texts": {"id": IDS, "values": VALUES, "lengths": np.array(["1"] * 3)},
    "lengths with fractions": {"id": IDS, "values": VALUES, "lengths": np.ones(3)},
    "lengths of objects": {"id": IDS, "values": VALUES, "lengths": np.array([1, 1, 1], object)},
    "lengths of 0": {"id": IDS, "values": VALUES, "lengths": np.array([0, 1, 2])},
    "lengths below 0": {"id": IDS, "values": VALUES, "lengths": np.array([-1, 2, 2])},
    "lengths below 0 unsigned": {
        "id": IDS,
        "values": VALUES,
        "lengths": np.array([2**64 - 1, 2, 2], np.uint64),
    },
    "lengths of another sum": {"id": IDS, "values": VALUES, "lengths": np.array([1, 1, 2])},
    "fewer lengths": {"id": IDS, "values": VALUES, "lengths": np.array([1, 2])},
}


@pytest.mark.parametrize("arrays", ARRAYS.values(), ids=ARRAYS.keys())
def test_arrays_that_do_not_fit_are_one_message(tmp_path, arrays):
    assert "; found " in refused(tmp_path, npz(**arrays))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "no archive"),
        (b"id,values\na,1\n", "no archive"),
        (npy(VALUES), "a single array"),
        (pickle.dumps({"id": [1]}), "no archive"),
        (npz(id=IDS, values=VALUES)[:100], "damaged or cut short"),
        (npz(id=IDS, values=VALUES)[:-30], "damaged or cut short"),
        (b"PK\x05\x06" + bytes(18), "arrays none"),
    ],
    ids=["empty", "text", "npy", "pickle", "cut", "no index", "empty archive"],
)
def test_another_file_is_one_message(tmp_path, content, found):
    assert found in refused(tmp_path, content)


def test_an_archive_that_unpacks_to_far_more_is_refused_before_it_is(tmp_path, monkeypatch):
    content = io.BytesIO()
    np.savez_compressed(content, id=IDS, values=np.zeros((3, 100_000_000), np.uint8))
    monkeypatch.setattr("numpy.asarray", None)
    assert "unpacks to 300 MB, more than 100 times" in refused(tmp_path, content.getvalue())


def test_ids_that_were_compressed_well_are_read(tmp_path):
    content = io.BytesIO()
    np.savez_compressed(content, id=IDS.astype("U9000"), values=VALUES)
    (tmp_path / "f.npz").write_bytes(content.getvalue())
    assert list(read_features(tmp_path / "f.npz").frames) == IDS.tolist()


def test_nobody_is_told_to_trust_a_pickle(tmp_path):
    for content in (npz(id=IDS, values=VALUES.astype(object)), pickle.dumps([1])):
        said = refused(tmp_path, content)
        assert "pickle" not in said


@given(data=st.data())
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_damage_is_refused_or_read_with_its_hash(tmp_path, data):
    content = bytearray(npz(id=IDS, values=VALUES, lengths=np.ones(3, int)))
    places = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    for place, value in data.draw(st.lists(places, min_size=1, max_size=6)):
        content[place] = value
    end = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    path = tmp_path / "f.npz"
    path.write_bytes(content[:end])
    try:
        told = f"{len(read_features(path).frames)} ids"
    except ValueError as error:
        told = str(error)
    assert told == "3 ids" or "f.npz: expected an .npz" in told
    assert "allow_pickle" not in told
