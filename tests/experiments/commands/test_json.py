"""Every command that prints a table prints JSON instead, where it is asked to."""

from __future__ import annotations

import json
import sys
from collections import Counter
from math import nan
from pathlib import Path
from types import MappingProxyType

import pytest
import typer
from typer.testing import CliRunner

from experiments.commands import main as cli
from experiments.commands.terminal import print_json
from tests.experiments.finished_runs import save_run

#: Commands that print a table; all others print lines.
TABLES = {
    *("ablate", "cache ls", "check", "compare", "corpora", "demo", "doctor", "evaluate"),
    *("models ls", "report"),
}


def commands(command: object, name: str = "") -> dict[str, object]:
    """Every command of the command line by the words that name it."""
    parts = getattr(command, "commands", None)
    if parts is None:
        return {name: command}
    return {
        k: c for n, part in parts.items() for k, c in commands(part, f"{name} {n}".strip()).items()
    }


def test_every_command_that_prints_a_table_prints_json_too():
    every = commands(typer.main.get_command(cli.app))
    assert {n for n, c in every.items() if any("--json" in p.opts for p in c.params)} == TABLES


@pytest.fixture
def content(capsys):
    def parsed() -> dict[str, object]:
        return json.loads(capsys.readouterr().out)

    return parsed


def test_what_json_cannot_hold_becomes_what_it_can(content):
    print_json(
        {
            "a": Path("x/y"),
            "b": MappingProxyType({"c": nan}),
            "d": (1,),
            "e": Counter("aa"),
            "f": "\u202e",
        }
    )
    assert content() == {"a": "x/y", "b": {"c": None}, "d": [1], "e": {"a": 2}, "f": "\u202e"}


def test_no_letter_reaches_the_terminal_that_is_not_ascii(capsys):
    print_json(["\u202e\x1b[31mé"])
    assert capsys.readouterr().out.isascii()


@pytest.mark.parametrize(
    ("words", "has"),
    [
        (["corpora"], {"corpora", "common", "manifest"}),
        (["models", "ls"], {"models", "notes"}),
        (["cache", "ls"], {"spaces", "fits", "encoders", "transcripts"}),
    ],
)
def test_lists_are_json(words, has, tmp_path, monkeypatch):
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path))
    done = CliRunner().invoke(cli.app, [*words, "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout).keys() == has


def test_corpora_are_listed_with_their_sets_of_labels():
    done = CliRunner().invoke(cli.app, ["corpora", "--json"])
    listed = {entry["name"]: entry for entry in json.loads(done.stdout)["corpora"]}
    assert listed["ravdess"]["licence"]
    assert "4-class" in [labels["name"] for labels in listed["iemocap"]["labels"]]


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["serfusion", *map(str, words), "--json"])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_a_report_is_all_of_its_results(tmp_path, monkeypatch, content):
    folder = save_run(tmp_path / "run")
    assert run(monkeypatch, "report", folder) == 0
    shown = content()
    assert shown.pop("folder") == str(folder)
    assert shown == json.loads((folder / "results.json").read_text())


def test_runs_side_by_side_are_their_results_and_differences(tmp_path, monkeypatch, content):
    folders = [save_run(tmp_path / name) for name in ("one", "two")]
    assert run(monkeypatch, "report", *folders) == 0
    shown = content()
    assert shown["runs"]["one"]["arms"].keys() == shown["runs"]["two"]["arms"].keys()
    assert {row["arm"] for row in shown["differences"]} == {"audio", "text", "concat"}
    assert shown["differences"][0]["found"]["interval"]["value"] == 0


def test_a_check_names_every_speaker(tmp_path, monkeypatch, content):
    rows = [f"u{n},hello there {n},s{n % 4},{'calm' if n % 2 else 'cross'}" for n in range(8)]
    (tmp_path / "m.csv").write_text("\n".join(["id,transcript,speaker,label", *rows]))
    assert run(monkeypatch, "check", "--manifest", tmp_path / "m.csv") == 0
    shown = content()
    assert (shown["corpus"], shown["utterances"]) == ("m", 8)
    assert shown["classes"] == {"calm": 4, "cross": 4}
    assert shown["speakers"].keys() == {"s0", "s1", "s2", "s3"}
    assert (shown["obstacle"], shown["certificate"]["protocol"]) == (None, "groups")
