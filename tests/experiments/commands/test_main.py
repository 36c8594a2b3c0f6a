"""The command line: exit codes, what is written and what is listed."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import soundfile

import experiments
from encoders.asr.recognisers import parse_recogniser, recogniser_source
from encoders.typed_names import parse_modality
from encoders.weights.sources import PACKAGED, packaged_whisper, source_of
from fusion.evaluation import predictions
from tests.experiments.commands.called import EMOTIONS, compare, run


def test_a_channel_is_heard_by_every_command_that_reads_audio(monkeypatch, corpus, capsys):
    folder, rng = corpus.parent, np.random.default_rng(0)
    encoders = ("--audio", "logmel", "--text", "minilm")
    assert run(monkeypatch, "embed", "--manifest", corpus, *encoders) == 0
    for path in folder.glob("*.wav"):
        samples, rate = soundfile.read(path)
        noise = 0.1 * rng.standard_normal(len(samples))
        soundfile.write(path, np.stack([samples, noise], axis=1), rate)
    capsys.readouterr()
    for channel, encoded in ((1, 0), (2, 36)):
        # The first one is what was a recording of its own, in the key of the cache too.
        words = ("embed", "--manifest", corpus, *encoders, "--channel", channel)
        assert run(monkeypatch, *words) == 0
        assert f"{encoded} encoded" in capsys.readouterr().out
    assert compare(monkeypatch, corpus, "--channel", 1, "--arms", "audio") == 0
    study = json.loads((folder / "run" / "results.json").read_text())["facts"]["study"]
    assert study["channel"] == "1"
    assert "--channel 1" in (folder / "run" / "report.html").read_text()
    tables = []
    for channel in (1, 2):
        to = ("--out", folder / "p.csv", "--asr", "none", "--channel", channel)
        assert run(monkeypatch, "predict", folder / "run" / "model", folder / "s0-0.wav", *to) == 0
        tables.append((folder / "p.csv").read_text())
    assert tables[0] != tables[1]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Twelve dialogues of two who talk with nobody else; their embeddings are random."""
    rng = np.random.default_rng(0)
    said = "well you know what that is where they went".split()
    rows = [
        [
            f"{who}{pair}-{label}{n}",
            " ".join(rng.choice(said, 6)),
            f"{who}{pair}",
            label,
            f"talk {pair}",
        ]
        for pair in range(12)
        for who in "ab"
        for label in EMOTIONS
        for n in range(2)
    ]
    for kind in ("audio", "text"):
        values = rng.standard_normal((len(rows), 8)).astype(np.float32)
        np.savez(tmp_path / f"{kind}.npz", id=[row[0] for row in rows], values=values)
    with (tmp_path / "pairs.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["id", "transcript", "speaker", "label", "place"], *rows])
    return tmp_path


@pytest.mark.parametrize("place", ["dialogue", "session"])
def test_twelve_dialogues_of_two_are_compared_by_default(monkeypatch, pairs, place):
    monkeypatch.setattr("fusion.training.train.MAX_EPOCHS", 3)
    table = (pairs / "pairs.csv").read_text()
    (pairs / "pairs.csv").write_text(table.replace("place", place, 1))
    sides = [f for k in ("audio", "text") for f in (f"--{k}", f"features:{pairs / k}.npz")]
    budget = ("--trials", 0, "--seeds", 1, "--jobs", 1, "--out", pairs / "run")
    assert run(monkeypatch, "compare", "--manifest", pairs / "pairs.csv", *sides, *budget) == 0
    results = json.loads((pairs / "run" / "results.json").read_text())
    assert results["rows"]["used"] == 144
    assert {"audio", "text", "concat", "late"} <= results["arms"].keys()
    folds = json.loads((pairs / "run" / "folds.json").read_text())
    with (pairs / "pairs.csv").open(newline="") as handle:
        talk = {row["id"]: row[place] for row in csv.DictReader(handle)}
    assert len(folds) == 5
    for fold in folds:
        assert not {talk[i] for i in fold["train"]} & {talk[i] for i in fold["test"]}


def test_compare_writes_a_run_and_ends_with_0(monkeypatch, corpus, capsys):
    assert compare(monkeypatch, corpus) == 0
    results = json.loads((corpus.parent / "run" / "results.json").read_text())
    assert results["rows"]["used"] == 36
    assert "report.html" in capsys.readouterr().out


def test_a_second_run_encodes_and_trains_nothing(monkeypatch, corpus, capsys):
    compare(monkeypatch, corpus)
    first = (corpus.parent / "run" / "results.json").read_bytes()
    capsys.readouterr()
    assert compare(monkeypatch, corpus) == 0
    said = capsys.readouterr().err
    assert "0 encoded" in said
    assert "0 fits trained" in said
    again = json.loads((corpus.parent / "run" / "results.json").read_text())
    assert again["arms"] == json.loads(first)["arms"]


def test_one_bad_file_among_many_is_listed_the_others_are_done_and_the_code_is_1(
    monkeypatch, corpus, capsys
):
    (corpus.parent / "s3-1.wav").write_bytes(b"not audio")
    assert compare(monkeypatch, corpus) == 1
    results = json.loads((corpus.parent / "run" / "results.json").read_text())
    assert [row["id"] for row in results["rows"]["dropped"]] == ["s3-1"]
    assert results["rows"]["used"] == 35
    assert "s3-1" in capsys.readouterr().err


def test_report_makes_the_page_again(monkeypatch, corpus):
    compare(monkeypatch, corpus)
    page = corpus.parent / "run" / "report.html"
    page.unlink()
    assert run(monkeypatch, "report", corpus.parent / "run") == 0
    assert page.is_file()


def test_predictions_are_written_as_a_table(monkeypatch, corpus, capsys):
    compare(monkeypatch, corpus)
    folder, table = corpus.parent / "run", corpus.parent / "predictions.csv"
    assert run(monkeypatch, "predictions", folder, "--csv", table) == 0
    stored = list(predictions.read(folder / "predictions.safetensors"))
    assert f"({len(stored)} predictions)" in capsys.readouterr().out
    with table.open(newline="", encoding="utf-8") as handle:
        lines = list(csv.DictReader(handle))
    targets = json.loads((folder / "results.json").read_text())["targets"]
    assert [
        (line["utterance"], line["arm"], line["inner_fold"], line["window"], line["seed"])
        for line in lines
    ] == [
        (r.utterance, r.arm, "" if r.inner_fold is None else str(r.inner_fold), "", str(r.seed))
        for r in stored
    ]
    for line, row in zip(lines, stored, strict=True):
        assert tuple(float(line[f"score_{target}"]) for target in targets) == row.scores
        assert tuple(float(line[f"target_{target}"]) for target in targets) == row.target


def test_predictions_are_a_data_frame_with_the_columns_of_the_table(monkeypatch, corpus):
    pandas = pytest.importorskip("pandas", reason="pandas is no dependency; the extra dev has it")
    compare(monkeypatch, corpus)
    folder, table = corpus.parent / "run", corpus.parent / "predictions.csv"
    run(monkeypatch, "predictions", folder, "--csv", table)
    frame, written = experiments.predictions_frame(folder), pandas.read_csv(table)
    assert list(frame.columns) == list(written.columns)
    run(monkeypatch, "predictions", folder, "--csv", table, "--split", "test")
    tested = pandas.read_csv(table)
    assert set(frame["split"]) == {"dev", "test"}
    assert len(tested) == (frame["split"] == "test").sum()
    assert set(experiments.predictions_frame(folder, "test")["split"]) == {"test"}
    scores = [name for name in frame.columns if name.startswith("score_")]
    assert len(scores) == 3
    assert frame[scores].equals(written[scores])


def test_report_refuses_a_run_whose_predictions_were_changed(monkeypatch, corpus, capsys):
    compare(monkeypatch, corpus)
    path = corpus.parent / "run" / "predictions.safetensors"
    rows = predictions.read(path)
    predictions.write((replace(row, scores=row.target) for row in rows), path)
    assert run(monkeypatch, "report", corpus.parent / "run") == 1
    assert "error:" in capsys.readouterr().err


def test_check_counts_and_finds_doubled_recordings(monkeypatch, corpus, capsys):
    (corpus.parent / "s0-0.wav").write_bytes((corpus.parent / "s1-0.wav").read_bytes())
    assert run(monkeypatch, "check", "--manifest", corpus) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "36 utterances, 6 speakers" in said
    assert "s0-0 = s1-0" in said
    assert "identical audio" in said


def test_embed_in_shards_fills_the_cache_for_compare(monkeypatch, corpus, capsys):
    for shard in ("1/2", "2/2"):
        words = ("--audio", "logmel", "--text", "minilm", "--shard", shard)
        assert run(monkeypatch, "embed", "--manifest", corpus, *words) == 0
    capsys.readouterr()
    compare(monkeypatch, corpus)
    assert "0 encoded" in capsys.readouterr().err


def test_cache_commands(monkeypatch, corpus, capsys, tmp_path):
    run(monkeypatch, "embed", "--manifest", corpus, "--audio", "logmel")
    assert run(monkeypatch, "cache", "ls") == 0
    assert "logmel" in capsys.readouterr().out
    assert run(monkeypatch, "cache", "verify") == 0
    assert run(monkeypatch, "cache", "export", tmp_path / "copy") == 0
    shard = next((tmp_path / "copy").glob("*/*.safetensors"))
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    assert run(monkeypatch, "cache", "import", tmp_path / "copy") == 0, "it is there already"
    assert run(monkeypatch, "cache", "gc") == 0
    capsys.readouterr()
    assert run(monkeypatch, "cache", "gc", "--embeddings", "logmel") == 1
    assert "logmel: no such space; known are logmel-" in capsys.readouterr().err
    assert run(monkeypatch, "cache", "gc", "--embeddings", "all") == 0
    assert "2 shards of embeddings removed" in capsys.readouterr().out
    run(monkeypatch, "embed", "--manifest", corpus, "--audio", "logmel")
    assert "18 encoded" in capsys.readouterr().out


def test_kept_fits_are_removed_when_asked_for(monkeypatch, corpus, capsys):
    compare(monkeypatch, corpus)
    assert run(monkeypatch, "cache", "gc") == 0
    assert run(monkeypatch, "cache", "gc", "--fits") == 0
    capsys.readouterr()
    compare(monkeypatch, corpus)
    assert "fits trained, 0 from the cache" in capsys.readouterr().err


def test_image_networks_are_listed_with_their_files(monkeypatch, tmp_path):
    from experiments.models import known_models

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    row = next(row for row in known_models() if row.name == "resnet50")
    assert (row.checkpoint, row.dim, row.layers, row.size_mb, row.here) == (
        *("resnet50-0676ba61.pth", 2048, 1, 103, None),
    )
    assert row.licence.startswith("BSD-3-Clause")


def test_an_image_network_can_be_compared(monkeypatch, corpus):
    options = "alexnet:untrained@image_size=63,window_s=0.5,hop_s=0.25"
    assert compare(monkeypatch, corpus, "--audio", options) == 0
    assert (corpus.parent / "run" / "results.json").is_file()


def test_models_and_corpora_are_listed(monkeypatch, capsys):
    assert run(monkeypatch, "models", "ls") == 0
    assert run(monkeypatch, "corpora") == 0
    said = capsys.readouterr().out
    assert "minilm" in said
    assert "egemaps: openSMILE is free for research and other non-commercial use only" in said
    assert "ravdess" in said


def test_the_version_is_told(monkeypatch, capsys):
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"serfusion {version('serfusion')}\n"


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom experiments.commands import main as cli\n"
        "sys.argv = ['serfusion', '--help']\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'numpy', 'sklearn', 'optuna', 'pydantic'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "compare" in done.stdout


def test_report_imports_no_torch(monkeypatch, corpus):
    compare(monkeypatch, corpus)
    code = (
        "import sys\nfrom experiments.commands import main as cli\n"
        f"sys.argv = ['serfusion', 'report', {str(corpus.parent / 'run')!r}]\n"
        "cli.main()\n"
        "assert 'torch' not in sys.modules\nassert 'transformers' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.weights
def test_the_demo_takes_voice_and_words_from_packages(monkeypatch, capsys):
    if packaged_whisper("tiny.en") is None:
        pytest.skip("needs the extra 'offline'")
    studies = []

    def refuse(study, **_options):
        studies.append(study)
        raise ValueError("seen")

    monkeypatch.setattr("experiments.comparing.comparison.compare", refuse)
    assert run(monkeypatch, "demo") == 1
    assert "error: seen" in capsys.readouterr().err
    (study,) = studies
    voice = source_of(parse_modality(study.audio, "audio").encoder)
    words = recogniser_source(parse_recogniser(study.asr))
    assert voice == words == PACKAGED["openai/whisper-tiny.en"]


def test_heads_that_learn_to_do_without_an_input_have_rows_of_their_own(
    monkeypatch, corpus, capsys
):
    told = ("--arms", "audio,text,concat", "--head", "modality_dropout=0.5")
    assert compare(monkeypatch, corpus, *told) == 0
    folder = corpus.parent / "run"
    arms = json.loads((folder / "results.json").read_text())["arms"]
    assert {"concat", "concat/audio", "concat/text"} <= arms.keys()
    assert {fold["chosen"] for fold in arms["best_fused"]["folds"]} == {"concat"}
    assert run(monkeypatch, "report", folder) == 0
    assert "concat/audio" in capsys.readouterr().out
