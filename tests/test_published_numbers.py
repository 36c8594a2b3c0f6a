"""Numbers beside published ones come out again, by the very commands that the page prints."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from experiments.commands.main import app
from tests.documented import DOCS, block_under, placed

PAGE = "published.md"
#: Minutes on one free core; of MELD most of it is MiniLM.
slow = (pytest.mark.slow, pytest.mark.timeout(1800))
#: Heading, what must be there, and by run and arm each metric with what the page says and allows.
CASES = {
    "RAVDESS: posteriors of others": (
        "posteriors/luna-jimenez-2022.csv",
        {
            ("luna", "scores:"): {
                "uar": (0.8184, 1e-4),
                "accuracy": (0.8194, 1e-4),
                "mean of folds": (0.8182, 1e-4),
            }
        },
    ),
    "MELD: words alone": (
        "meld/test_sent_emo.csv",
        {
            ("meld", "text"): {
                "weighted_f1": (0.563, 0.01),
                "accuracy": (0.611, 0.01),
                "uar": (0.327, 0.01),
            }
        },
    ),
    "CMU-MOSI: words and voice": (
        "mosi/mosi_bclstm.npz",
        {
            ("mosi", arm): {"accuracy": (value, 0.015)}
            for arm, value in {
                "text": 0.798,
                "audio": 0.539,
                "concat": 0.783,
                "late": 0.789,
            }.items()
        },
    ),
    "EmoDB: what a random split is worth": (
        "emodb/wav",
        {
            ("emodb-random", "audio"): {"accuracy": (0.666, 0.02), "uar": (0.645, 0.02)},
            ("emodb-speaker", "audio"): {"accuracy": (0.573, 0.02), "uar": (0.549, 0.02)},
        },
    ),
}


def run_block(heading: str, data: Path) -> None:
    """Run what the page prints under a heading in the working folder."""
    for line in block_under(PAGE, heading):
        if not line.startswith("serfusion "):
            words = placed(line, data).replace("python ", f"{shlex.quote(sys.executable)} ", 1)
            subprocess.run(["sh", "-c", words], check=True)
            continue
        words = [*shlex.split(placed(line, data))[1:], "--jobs", "1"]
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output


def measured(arm: dict, name: str) -> float:
    if name == "mean of folds":
        return float(np.mean([fold["accuracy"] for fold in arm["folds"]]))
    return arm[name]["value"]


@pytest.mark.realdata
@pytest.mark.parametrize(
    "heading",
    [next(iter(CASES)), *(pytest.param(name, marks=slow) for name in list(CASES)[1:])],
)
def test_the_commands_give_what_the_page_says(heading, data_folder, tmp_path, monkeypatch):
    needed, runs = CASES[heading]
    if not (data_folder / needed).exists():
        pytest.skip(f"no {data_folder / needed}")
    monkeypatch.chdir(tmp_path)
    run_block(heading, data_folder)
    for (run, name), metrics in runs.items():
        arms = json.loads((tmp_path / run / "results.json").read_text())["arms"]
        (arm,) = (
            arms[key] for key in arms if key == name or (key.startswith(name) and ":" in name)
        )
        for metric, (value, allowed) in metrics.items():
            assert measured(arm, metric) == pytest.approx(value, abs=allowed), (run, name, metric)


@pytest.mark.parametrize("heading", CASES)
def test_the_page_says_what_is_compared(heading):
    page = (DOCS / PAGE).read_text(encoding="utf-8")
    for metrics in CASES[heading][1].values():
        for value, _ in metrics.values():
            printed = {f"{value:.4f}"[1:], f"{value:.3f}"[1:], f"{100 * value:.1f}"}
            assert any(number in page for number in printed), value
