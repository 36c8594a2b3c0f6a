"""The short form of ``benchmarks/reliability.py``, and, as slow tests, a longer one."""

from __future__ import annotations

from collections import Counter
from functools import partial

import numpy as np
import pytest

from benchmarks import mutations, reliability
from benchmarks.reliability import Case, Kept

#: What must never come of a kill, a mutant or a flip.
BAD = ("traceback", "hung", "killed its process", "SERVED WRONG")


@pytest.mark.parametrize("name", mutations.FORMATS)
def test_mutated_recordings_are_read_or_refused(tmp_path, name):
    whole = mutations.write_recording(name, tmp_path, reliability.RECORDING_S)
    assert reliability.hear(whole) == "read"
    said = tmp_path / "said"
    reliability._mutants(whole, reliability.hear, "RECORDINGS", range(30), said)
    came = Counter(line.split("\t")[1] for line in said.read_text().splitlines())
    assert came.total() == 30
    assert came["refused"] > 0
    assert not [outcome for outcome in came if outcome.startswith(("traceback", "hung"))]


def test_two_writers_of_a_cache_that_are_killed_lose_and_damage_nothing(tmp_path):
    cache = tmp_path / "cache"
    writers = [(reliability.write_entries, (cache, first)) for first in (0, 12)]
    case = Case(writers, partial(reliability.embeddings_in, cache), [cache])
    killed = reliability.kill(case, 4, tmp_path, in_a_row=2)
    assert killed.kills >= 4
    assert (killed.same, set(killed.ends)) == (killed.again, {"well"})


def test_a_study_whose_worker_is_killed_ends_as_an_undisturbed_one(tmp_path):
    journal = tmp_path / "studies" / "s.log"
    finished = partial(reliability.finished_trials, journal)
    case = Case([(reliability.search, (journal, 6))], finished, [journal.parent])
    killed = reliability.kill(case, 3, tmp_path)
    assert killed.kills >= 3
    assert (killed.same, set(killed.ends)) == (killed.again, {"well"})


def test_what_was_flipped_is_refused_or_made_again(tmp_path):
    cache = tmp_path / "cache"
    reliability.write_entries(cache, 0)
    (shard, *_) = sorted(cache.glob("*/*.safetensors"))
    transcript = reliability._written_transcript(tmp_path)
    spec = shard.with_name("spec.json")
    for kept in (
        Kept(shard, partial(reliability._shard, shard)),
        Kept(spec, partial(reliability._sealed, spec)),
        Kept(transcript, partial(reliability._transcript, transcript)),
    ):
        came = reliability.flip(kept, 150, np.random.default_rng(0))
        assert came.total() == 150
        assert came.keys() <= {"refused", "made again", "harmless"}
        assert came["harmless"] < 15


def test_what_is_served_wrong_is_told_apart(tmp_path):
    path = tmp_path / "unprotected"
    path.write_bytes(b"0" * 100)
    came = reliability.flip(Kept(path, path.read_bytes), 20, np.random.default_rng(0))
    assert came == Counter({"SERVED WRONG": 20})


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "part",
    [
        partial(reliability.all_mutants, recordings=1000, annotations=500),
        partial(reliability.flips, count=1000),
        partial(reliability.workers, count=4, each=5),
        partial(reliability.disks, points=6),
        partial(reliability.kills, counts={"embed": 4, "compare": 4, "interview": 4}),
    ],
    ids=["mutants", "flips", "workers", "disks", "kills"],
)
def test_nothing_is_lost_served_wrong_or_left_hanging(tmp_path, part):
    table = "\n".join(part(tmp_path))
    assert not [word for word in BAD if word in table], table
