"""``serfusion check``: what is said of a corpus, whatever its names are made of."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from experiments.commands import cache as cli_cache, main as cli, models as cli_models
from experiments.models import fetch_model, known_models


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["serfusion", *map(str, words)])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def manifest(folder: Path, rows: list[dict[str, str]]) -> Path:
    with (folder / "m.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder / "m.csv"


def rows_of(speakers: int, **more: str) -> list[dict[str, str]]:
    return [
        {"id": f"u{k}", "transcript": "hi", "speaker": f"s{k // 2}", "label": "ab"[k % 2], **more}
        for k in range(2 * speakers)
    ]


# ---------------------------------------------------------------- text is no markup


@pytest.mark.parametrize("name", ["[/red]", "[red]x", "[link=x]y[/link]", "[/]", "\\[x"])
@pytest.mark.parametrize("column", ["speaker", "label", "id"])
def test_names_in_brackets_are_shown_as_they_are(monkeypatch, capsys, tmp_path, column, name):
    rows = rows_of(4)
    rows[0][column] = name
    assert run(monkeypatch, "check", "--manifest", manifest(tmp_path, rows)) in (0, 1)
    said = capsys.readouterr()
    assert "error" not in said.err
    assert column == "id" or name in said.out


def test_a_manifest_and_a_cache_named_in_brackets(monkeypatch, capsys, tmp_path):
    path = manifest(tmp_path, rows_of(4)).rename(tmp_path / "m[b].csv")
    assert run(monkeypatch, "check", "--manifest", path) == 0
    assert "m[b]: utterances" in capsys.readouterr().out
    assert run(monkeypatch, "cache", "import", tmp_path / "[red]nope") == 1
    assert "[red]nope: no embedding store" in capsys.readouterr().err


# ---------------------------------------------------------------- counts, obstacles


def test_one_of_each_is_counted_in_the_singular(monkeypatch, capsys, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 8000)
    row = {"id": "u0", "audio": "a.wav", "speaker": "s0", "label": "a", "transcript": ""}
    assert run(monkeypatch, "check", "--manifest", manifest(tmp_path, [row])) == 1
    said = capsys.readouterr().out
    for part in (
        "1 utterance, 1 speaker,",
        "1 recording is silent",
        "1 transcript is missing; compare recognises it",
    ):
        assert part in said


def test_without_speakers_that_is_said_first_and_the_code_is_1(monkeypatch, capsys, tmp_path):
    path = manifest(tmp_path, rows_of(3, speaker=""))
    assert run(monkeypatch, "check", "--manifest", path) == 1
    said = capsys.readouterr().out
    assert said.startswith("no comparison is possible: speakers unknown")
    assert "6 utterances, speakers unknown," in said


def test_two_speakers_are_an_obstacle(monkeypatch, capsys, tmp_path):
    assert run(monkeypatch, "check", "--manifest", manifest(tmp_path, rows_of(2))) == 1
    assert capsys.readouterr().out.startswith("no comparison is possible: 2 speakers")


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_check_needs_no_cache(monkeypatch, capsys, tmp_path, place):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / place))
    rows = [{**row, "audio": f"{row['id']}.wav"} for row in rows_of(4)]
    random = np.random.default_rng(0)
    for row in rows:
        soundfile.write(tmp_path / row["audio"], random.uniform(-1, 1, 800), 8000)
    path = manifest(tmp_path, rows)
    assert run(monkeypatch, "check", "--manifest", path) == 0
    said = capsys.readouterr().out
    assert "what was decoded cannot be remembered" in said
    assert "SERFUSION_CACHE" in said


def test_a_cache_that_is_a_file_is_one_message(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "file"))
    assert run(monkeypatch, "cache", "ls") == 1
    assert "this is none; set SERFUSION_CACHE to a folder" in capsys.readouterr().err


def test_a_damaged_description_in_the_cache_is_shown(monkeypatch, capsys, tmp_path):
    folder = tmp_path / "cache" / ("logmel-" + "0" * 32)
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text("{")
    monkeypatch.setattr(cli_cache, "console", Console(width=150))
    assert run(monkeypatch, "cache", "ls") == 0
    assert "damaged spec.json" in capsys.readouterr().out
    assert run(monkeypatch, "cache", "verify") == 1
    assert "1 damaged file" in capsys.readouterr().out
    assert run(monkeypatch, "cache", "gc") == 0
    assert "1 file removed" in capsys.readouterr().out


# ---------------------------------------------------------------- models


@pytest.mark.parametrize(
    ("name", "offered"),
    [("whisper-zz", "whisper-tiny"), ("minilm2", "minilm"), ("zzzz", "wav2vec2-base")],
)
def test_an_unknown_model_gets_known_names(monkeypatch, capsys, name, offered):
    assert run(monkeypatch, "models", "fetch", name) == 1
    said = capsys.readouterr().err
    assert f"{name}: no such model; " in said
    assert offered in said


def test_a_hub_name_is_no_unknown_model():
    with pytest.raises(ValueError, match="serfusion models fetch owner/model"):
        fetch_model("owner/model")


@pytest.mark.parametrize("width", [60, 80, 200])
def test_names_and_licences_are_never_cropped(monkeypatch, width):
    shown = io.StringIO()
    console = Console(file=shown, width=width, force_terminal=True, color_system=None)
    monkeypatch.setattr(cli_models, "console", console)
    cli_models.ls()
    text = shown.getvalue()
    assert "…" not in text
    lines = [[cell.strip() for cell in line.split("│")] for line in text.splitlines()]
    names = {line[1] for line in lines if len(line) > 2}
    assert {row.name for row in known_models()} <= names
    assert ("facebook/wav2vec2-base" in text) is (width == 200)


def test_where_no_terminal_is_lines_are_tab_separated(monkeypatch, capsys):
    assert run(monkeypatch, "models", "ls") == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines() if "\t" in line]
    assert lines[0] == cli_models.HEADER
    assert [line[6] for line in lines[1:]] == [row.licence for row in known_models()]


def test_votes_are_counted_by_their_majority_and_sets_as_what_they_are(
    monkeypatch, capsys, tmp_path
):
    labels = ("a:0.7|b:0.3", "a:0.5|b:0.5", "a:0.2|b:0.8", "")
    rows = [{**row, "label": labels[k % 4]} for k, row in enumerate(rows_of(4))]
    assert run(monkeypatch, "check", "--manifest", manifest(tmp_path, rows)) == 0
    told = capsys.readouterr().out
    assert "(tie)" in told
    assert "(unlabelled)" in told
    rows = [{**row, "label": ("a|b", "none")[k % 2]} for k, row in enumerate(rows_of(4))]
    assert run(monkeypatch, "check", "--manifest", manifest(tmp_path, rows)) == 0
    assert "multi-label" in capsys.readouterr().out
