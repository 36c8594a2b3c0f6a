"""A comparison across corpora, from manifests to the table of the report."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from experiments.comparing.comparison import Outcome, compare
from experiments.comparing.verification import rebuild
from experiments.config import Study
from fusion.evaluation import predictions

#: What each corpus calls its classes, and who says what how often.
LABELS = {"one": ("anger", "joy"), "two": ("angry", "happy")}
SPEAKERS, REPEATS, DIM = 6, 2, 4


def write_corpora(folder: Path) -> Study:
    """Two manifests of the same task in other words, and the features of both in one file."""
    rng = np.random.default_rng(0)
    ids, values = [], []
    for name, labels in LABELS.items():
        rows = [(s, k) for s in range(SPEAKERS) for _ in range(REPEATS) for k in range(2)]
        with (folder / f"{name}.csv").open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(["id", "speaker", "label"])
            for number, (speaker, label) in enumerate(rows):
                writer.writerow([f"u{number}", f"s{speaker}", labels[label]])
                ids.append(f"{name}/u{number}")
                values.append(4.0 * label + rng.standard_normal(DIM))
    np.savez(folder / "audio.npz", id=np.array(ids), values=np.array(values, np.float32))
    return Study(
        audio=f"features:{folder / 'audio.npz'}",
        text="minilm",
        manifest=tuple(str(folder / f"{name}.csv") for name in LABELS),
        labels=("common:four",),
        arms=("audio",),
        folds="matrix",
        trials=0,
        seeds=1,
    )


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("across")
    patch = pytest.MonkeyPatch()
    patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
    try:
        return compare(write_corpora(folder), out=folder / "run", jobs=1)
    finally:
        patch.undo()


def test_every_pair_of_corpora_has_a_cell(outcome):
    cells = {(c.train, c.test): c for c in outcome.results.matrix if c.arm == "audio"}
    assert set(cells) == {(train, test) for train in LABELS for test in LABELS}
    # Four deviations apart in four dimensions: nothing is mistaken, wherever it was learned.
    assert {c.uar.value for c in cells.values()} == {1.0}


def test_predictions_carry_the_corpus_of_their_utterance(outcome):
    rows = predictions.read(outcome.folder / "predictions.safetensors")
    assert {row.utterance.split("/")[0] == row.corpus for row in rows} == {True}


def test_classes_are_the_shared_ones_and_their_making_is_told(outcome):
    assert outcome.results.targets == ("angry", "happy")
    assert any("angry = anger (12)" in line for line in outcome.results.warnings)


def test_the_report_has_the_table_and_is_made_again_from_predictions(outcome):
    assert "Corpus by corpus" in (outcome.folder / "report.html").read_text()
    assert rebuild(outcome.folder).matrix == outcome.results.matrix


def test_the_command_of_the_report_repeats_the_option(outcome):
    page = (outcome.folder / "report.html").read_text()
    assert page.count("--manifest ") == 2
