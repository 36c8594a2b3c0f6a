"""What is written is read back as the same corpus, by our readers and by audformat's own."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from encoders.audio.reading import read_utterance
from encoders.manifest import read_manifest
from encoders.utterance import Corpus, CorpusError, Utterance
from experiments.commands import main as cli
from experiments.config import OptionError
from experiments.corpora import read_corpus
from experiments.corpora.writing import write_corpus

RATE = 8000


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Two recordings, one of which holds three utterances; a split by speakers."""
    root = tmp_path / "corpus"
    (root / "talk").mkdir(parents=True)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (3 * RATE, 2)).astype("f4")
    soundfile.write(root / "talk" / "a.wav", noise, RATE, subtype="FLOAT")
    soundfile.write(root / "b.flac", noise[:RATE], RATE, subtype="PCM_16")
    calm, cross = (1.0, 0.0), (0.0, 1.0)
    parts = [(0.0, 1.0, calm, "train"), (1.0, 2.25, cross, "train"), (2.25, None, calm, "dev")]
    talk = [
        Utterance(id=f"a{n}", audio=root / "talk" / "a.wav", start_s=start, end_s=end,
                  target=target, speaker=f"s{split}", split=split, transcript="so, =well",
                  sex="female", age=33.0)
        for n, (start, end, target, split) in enumerate(parts)
    ]  # fmt: skip
    whole = Utterance(id="b", audio=root / "b.flac", target=cross, speaker="s9", split="test")
    return Corpus(name="mine", root=root, task="single-label", targets=("calm", "cross"),
                  utterances=(*talk, whole), folds="split")  # fmt: skip


def known(corpus: Corpus) -> set[tuple[object, ...]]:
    """What every form holds of an utterance, beside its name and place."""
    return {
        (
            corpus.label(u),
            u.speaker,
            u.split,
            u.transcript,
            u.sex,
            u.age,
            read_utterance(u).samples.tobytes(),
        )
        for u in corpus.utterances
    }


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_manifest_reads_back_as_the_corpus(corpus, tmp_path, suffix):
    written = write_corpus(corpus, tmp_path / f"mine{suffix}")
    assert written.rows == 4
    assert read_manifest(tmp_path / f"mine{suffix}", root=corpus.root) == corpus


def test_an_audio_folder_holds_the_samples_that_were_heard(corpus, tmp_path):
    one_channel = replace(corpus.utterances[0], channel=2)
    corpus = replace(corpus, utterances=(one_channel, *corpus.utterances[1:]))
    write_corpus(corpus, tmp_path / "out", "audiofolder")
    again = read_corpus("audiofolder", tmp_path / "out")
    assert known(again) == known(corpus)
    assert {u.id for u in again.utterances} == {u.id for u in corpus.utterances}
    assert again.folds == "split"
    assert (tmp_path / "out/test/data/000004.flac").read_bytes() == (
        corpus.root / "b.flac"
    ).read_bytes()


def test_a_recording_that_cannot_be_read_is_left_out_and_named(corpus, tmp_path):
    lost = replace(corpus.utterances[1], audio=corpus.root / "gone.wav")
    corpus = replace(corpus, utterances=(corpus.utterances[0], lost))
    written = write_corpus(corpus, tmp_path / "out", "audiofolder")
    assert (written.rows, [f.utterance for f in written.failures]) == (1, ["a1"])


def test_audformat_reads_back_as_the_corpus(corpus, tmp_path):
    write_corpus(corpus, tmp_path / "out", "audformat")
    again = read_corpus("audformat", tmp_path / "out")
    assert known(again) == known(corpus)
    assert (again.name, again.folds, again.targets) == ("mine", "split", ("calm", "cross"))


def test_audformats_own_reader_reads_what_is_written(corpus, tmp_path):
    audformat = pytest.importorskip("audformat", reason="audformat is no dependency")
    write_corpus(corpus, tmp_path / "out", "audformat")
    database = audformat.Database.load(str(tmp_path / "out"))
    assert database.splits.keys() == {"train", "dev", "test"}
    table = database["emotion.train"].get()
    assert table["emotion"].tolist() == ["calm", "cross"]
    starts = table.index.get_level_values("start").total_seconds()
    assert starts.tolist() == [0.0, 1.0]
    assert database.schemes["speaker"].labels["strain"] == {"gender": "female", "age": 33.0}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"task": "multi-label"}, "multi-label targets: expected one class per utterance"),
        ({"root": Path("/nowhere")}, "lies outside"),
        ({"utterances": ()}, "no utterance has a recording"),
    ],
)
def test_what_audformat_cannot_hold_is_told(corpus, tmp_path, change, why):
    with pytest.raises(CorpusError, match=why):
        write_corpus(replace(corpus, **change), tmp_path / "out", "audformat")
    assert not (tmp_path / "out").exists()


def test_a_channel_is_no_part_of_audformat(corpus, tmp_path):
    heard = replace(corpus, utterances=(replace(corpus.utterances[0], channel=1),))
    with pytest.raises(CorpusError, match="write an audiofolder, which cuts it"):
        write_corpus(heard, tmp_path / "out", "audformat")


def test_nothing_is_written_over(corpus, tmp_path):
    with pytest.raises(OptionError, match="is there already"):
        write_corpus(corpus, tmp_path, "audiofolder")
    with pytest.raises(OptionError, match=r"expected a manifest, as in corpus\.csv"):
        write_corpus(corpus, tmp_path / "out")


def test_the_command_converts_one_form_into_another(corpus, tmp_path, monkeypatch, capsys):
    write_corpus(corpus, corpus.root / "mine.csv")
    words = ["convert", "--manifest", corpus.root / "mine.csv", "--out", tmp_path / "folder"]
    monkeypatch.setattr(sys, "argv", ["serfusion", *map(str, words), "--form", "audiofolder"])
    cli.app(standalone_mode=False)
    assert "(4 utterances)" in capsys.readouterr().out
    assert known(read_corpus("audiofolder", tmp_path / "folder")) == known(corpus)
