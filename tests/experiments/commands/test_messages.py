"""What the user can mend is one message, before any work; nothing told commands a terminal."""

import csv
import sys
from pathlib import Path

import pytest
import typer

from encoders.extraction import Failure
from experiments.commands import main as cli, terminal
from tests.experiments.commands.called import compare, run, write


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


def test_a_study_in_a_file_is_that_of_a_corpus_elsewhere(monkeypatch, corpus, tmp_path):
    """A config.toml travels: only where the corpus lies may be said beside it."""
    compare(monkeypatch, corpus)
    (tmp_path / "elsewhere").mkdir()
    for path in (*tmp_path.glob("*.wav"), corpus):
        path.rename(tmp_path / "elsewhere" / path.name)
    words = ("--config", tmp_path / "run" / "config.toml", "--out", tmp_path / "again")
    words += ("--jobs", "1")
    assert run(monkeypatch, "compare", *words) == 1
    moved = tmp_path / "elsewhere" / corpus.name
    assert run(monkeypatch, "compare", *words, "--manifest", moved) == 0


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


def test_the_demo_says_in_one_line_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("encoders.weights.sources.find_spec", lambda _name: None)
    assert run(monkeypatch, "demo") == 1
    said = capsys.readouterr().err.strip()
    assert said.count("\n") == 0
    assert "pip install 'serfusion[offline]'" in said


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
