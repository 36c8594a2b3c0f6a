"""The command line: exit codes, messages, what is written and what is not."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer

import experiments
from encoders.asr.recognisers import parse_recogniser, recogniser_source
from encoders.extraction import Failure
from encoders.typed_names import parse_modality
from encoders.weights.sources import PACKAGED, packaged_whisper, source_of
from experiments.commands import main as cli
from experiments.commands import terminal
from fusion.evaluation import predictions

EMOTIONS = ("angry", "happy", "sad")
WORDS = {"angry": "get out now", "happy": "what a fine day", "sad": "nobody came"}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Six speakers, three classes, two tones each; the pitch tells the class."""
    rows = []
    for speaker in range(6):
        for number, label in enumerate(EMOTIONS * 2):
            name = f"s{speaker}-{number}"
            time_s = np.arange(4000) / 8000
            tone = 0.3 * np.sin(2 * np.pi * (200 + 150 * (number % 3) + 9 * speaker) * time_s)
            soundfile.write(tmp_path / f"{name}.wav", tone, 8000)
            rows.append([name, f"{name}.wav", WORDS[label], f"s{speaker}", label])
    write(tmp_path / "m.csv", rows)
    return tmp_path / "m.csv"


def write(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", newline="") as handle:
        csv.writer(handle).writerows([["id", "audio", "transcript", "speaker", "label"], *rows])


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["serfusion", *map(str, words)])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def compare(monkeypatch: pytest.MonkeyPatch, manifest: Path, *more: object) -> int:
    # What is tested is the command, not how well heads train.
    monkeypatch.setattr("fusion.training.train.MAX_EPOCHS", 3)
    budget = ("--trials", 0, "--seeds", 1, "--jobs", 1, "--arms", "audio,text,concat")
    sides = ("--audio", "logmel", "--text", "minilm", "--out", manifest.parent / "run")
    return run(monkeypatch, "compare", "--manifest", manifest, *sides, *budget, *more)


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


@pytest.mark.parametrize(
    ("channel", "code", "said"),
    [
        ("left", 2, "--channel 'left': expected 1, 2, ... or mean"),
        ("2", 1, "channel 2 asked for, it has 1 channel"),
    ],
)
def test_a_channel_that_cannot_be_heard_is_told(monkeypatch, corpus, capsys, channel, code, said):
    assert run(monkeypatch, "check", "--manifest", corpus, "--channel", channel) == code
    told = capsys.readouterr()
    assert said in " ".join((told.out + told.err).split())


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


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["compare", "--corpus", "ravdess"], 2, "--audio is required"),
        (
            ["compare", "--audio", "logmel", "--text", "minilm"],
            2,
            "expected --corpus NAME or --manifest FILE",
        ),
        (
            ["compare", "--corpus", "x", "--audio", "logmel", "--text", "minilm"],
            1,
            "no such corpus",
        ),
        (["compare", "--nonsense"], 2, "nonsense"),
        (["compare", "--config", "s.toml", "--seeds", "2"], 2, "--seeds cannot go with it"),
        (["demo", "--trials", "-1"], 2, "--trials"),
        (["demo", "--jobs", "0"], 2, "--jobs"),
        (["check"], 2, "expected --corpus NAME or --manifest FILE"),
        (["check", "--manifest", "m.csv", "--root", "nowhere"], 1, "nowhere: is not a folder"),
        (["embed", "--corpus", "demo", "--audio", "logmel", "--shard", "²/²"], 2, "i/N"),
        (["report", "nowhere"], 1, "nowhere"),
        (["models", "fetch", "logmel"], 1, "no weights"),
        (["embed", "--corpus", "demo", "--audio", "logmel", "--shard", "3/2"], 2, "i/N"),
    ],
)
def test_what_the_user_can_mend_is_one_message(monkeypatch, capsys, words, code, said):
    assert run(monkeypatch, *words) == code
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown


def faulty(rows: list[list[str]]) -> dict[str, list[list[str]]]:
    """Rows of a corpus with one fault each."""
    return {
        "missing-file": [*rows, ["z", "gone.wav", "w", "s0", "sad"]],
        "duplicate-id": [*rows, rows[0]],
        "one-class": [[*row[:4], "sad"] for row in rows],
        "one-speaker": [[*row[:3], "s0", row[4]] for row in rows],
        "no-speaker": [[*row[:3], "", row[4]] for row in rows],
    }


@pytest.mark.parametrize(
    "fault", ["missing-file", "duplicate-id", "one-class", "one-speaker", "no-speaker"]
)
def test_a_faulty_manifest_stops_before_anything_is_written(monkeypatch, corpus, capsys, fault):
    with corpus.open() as handle:
        rows = list(csv.reader(handle))[1:]
    write(corpus, faulty(rows)[fault])
    assert compare(monkeypatch, corpus) == 1
    assert "error:" in capsys.readouterr().err
    assert not (corpus.parent / "run").exists()


@pytest.mark.parametrize(
    ("option", "name", "near"),
    [("--audio", "wav2vec-base", "wav2vec2-base"), ("--text", "minilmm", "minilm")],
)
def test_a_wrong_encoder_name_gets_the_nearest(monkeypatch, corpus, capsys, option, name, near):
    assert compare(monkeypatch, corpus, option, name) == 1
    assert near in capsys.readouterr().err


def test_missing_weights_are_named_before_work_starts(monkeypatch, corpus, capsys):
    assert compare(monkeypatch, corpus, "--audio", "wav2vec2-base") == 1
    said = capsys.readouterr().err
    assert "serfusion models fetch wav2vec2-base" in said
    assert "380 MB" in said
    assert not (corpus.parent / "run").exists()


def test_a_missing_package_is_named_before_work_starts(monkeypatch, corpus, capsys):
    monkeypatch.setattr("encoders.weights.sources.find_spec", lambda _name: None)
    assert compare(monkeypatch, corpus, "--audio", "egemaps") == 1
    said = capsys.readouterr().err
    assert "research and other non-commercial use only" in said
    assert "pip install 'serfusion[opensmile]'" in said
    assert not (corpus.parent / "run").exists()


@pytest.mark.parametrize(
    ("option", "typed", "said"),
    [
        ("--audio", "mfcc@trimdb=30", "did you mean trim_db?"),
        ("--text", "minilm@max_length=many", "max_length 'many' is not a whole number"),
    ],
)
def test_a_wrong_option_of_an_encoder_is_one_message(
    monkeypatch, corpus, capsys, option, typed, said
):
    assert compare(monkeypatch, corpus, option, typed) == 1
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown


def test_an_image_network_without_weights_says_what_to_do(monkeypatch, corpus, tmp_path, capsys):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    assert compare(monkeypatch, corpus, "--audio", "alexnet-imagenet") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "serfusion models fetch alexnet-imagenet" in said
    assert "alexnet-imagenet@weights=FILE" in said
    assert "alexnet-imagenet:untrained needs none" in said
    assert not (corpus.parent / "run").exists()


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


def test_the_demo_says_in_one_line_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("encoders.weights.sources.find_spec", lambda _name: None)
    assert run(monkeypatch, "demo") == 1
    said = capsys.readouterr().err.strip()
    assert said.count("\n") == 0
    assert "pip install 'serfusion[offline]'" in said


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


def test_a_stopped_command_says_that_it_can_go_on(monkeypatch, capsys):
    from experiments.commands import listing

    def stop(_console):
        raise KeyboardInterrupt

    monkeypatch.setattr(listing, "print_corpora", stop)
    monkeypatch.setattr(sys, "argv", ["serfusion", "corpora"])
    with pytest.raises(SystemExit) as leaving:
        cli.main()
    assert leaving.value.code == 130
    assert "stopped; the same command goes on" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_refused_before_any_work(monkeypatch, corpus, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert compare(monkeypatch, corpus, "--device", "cuda") == 2
    assert "DEVICE: device cuda: this machine has 0 CUDA devices" in capsys.readouterr().err
    assert not (corpus.parent / "run").exists()


def test_features_are_not_embedded_again(monkeypatch, corpus, capsys):
    words = ("embed", "--manifest", corpus, "--audio", "features:a.npz")
    assert run(monkeypatch, *words) == 2
    assert "are embeddings already" in capsys.readouterr().err


@pytest.mark.parametrize(
    "typed", ["compare", "embed", "ablate", "train", "interview demo a.wav --out o", "verify run"]
)
def test_every_command_that_computes_takes_a_device(monkeypatch, typed, capsys):
    monkeypatch.setenv("SERFUSION_DEVICE", "gpu")
    assert run(monkeypatch, *typed.split()) == 2
    assert "DEVICE: device 'gpu': expected cpu, cuda, or cuda:N" in capsys.readouterr().err


def test_a_user_without_a_home_gets_one_message(monkeypatch, capsys):
    def homeless(_path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    monkeypatch.setattr(sys, "argv", ["serfusion", "check", "--manifest", "~/rows.csv"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    assert "Set HOME to a folder" in " ".join(capsys.readouterr().err.split())


def test_ids_and_names_of_files_reach_no_terminal_as_commands(capsys):
    evil = "a\x1b[2Jb\u202ec\x07"
    terminal.tell(evil)
    terminal.console.print(f"report: {evil}\nnext", markup=False)
    with pytest.raises(typer.Exit):
        terminal.leave([Failure(evil, f"{evil}: cannot be read")])
    said = "".join(capsys.readouterr())
    assert not set(said) & {"\x1b", "\u202e", "\x07"}
    assert said.count("a\ufffd[2Jb\ufffdc\ufffd") == 4
    assert "\nnext" in said
