"""A comparison made again, at once or of other rows: the same bytes, no stale fit."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch

from experiments.comparing import preparation
from experiments.comparing.comparison import compare
from experiments.config import ConfigError, write_study
from fusion.evaluation import predictions
from fusion.model.fusion_model import FusionModel
from fusion.training import train
from fusion.tuning.storage import StorageError
from tests.experiments.feature_studies import SMALL, bytes_of, run, run_elsewhere, write_corpus
from tests.experiments.tones import tones_study, write_tones

pytestmark = pytest.mark.usefixtures("few_epochs")


def test_the_spelling_of_a_manifest_changes_neither_id_nor_fits(tmp_path, monkeypatch):
    study = write_corpus(tmp_path / "in", repeats=1, arms=("audio",), trials=0, seeds=1)
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    spelled = [str(tmp_path / "in" / "manifest.csv"), "in/manifest.csv", "in/../in/manifest.csv"]
    lines: list[str] = []
    studies = [replace(study, manifest=path) for path in spelled]
    outcomes = [compare(one, jobs=1, notify=lines.append) for one in studies]
    assert len({one.results.run for one in outcomes}) == 1
    assert len({one.folder for one in outcomes}) == 1
    assert sum(line.startswith("0 fits trained") for line in lines) == 2


@pytest.mark.slow
def test_the_number_of_jobs_changes_no_byte(tmp_path, monkeypatch):
    # Other processes do not see what a test has patched: 100 is what they know.
    monkeypatch.setattr(train, "MAX_EPOCHS", 100)
    study = write_corpus(tmp_path / "in", repeats=1, arms=("audio",), trials=0, seeds=1)
    one, two = (run_elsewhere(study, tmp_path / str(jobs), jobs) for jobs in (1, 2))
    assert bytes_of(one) == bytes_of(two)


@pytest.mark.slow
def test_the_number_of_threads_changes_no_decision(tmp_path):
    study = tones_study(write_tones(tmp_path), audio="logmel")
    rows, before = [], torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            outcome = run_elsewhere(study, tmp_path / str(count))
            rows.append(list(predictions.read(outcome.folder / "predictions.safetensors")))
    finally:
        torch.set_num_threads(before)
    one, two = (np.array([row.scores for row in each]) for each in rows)
    assert [replace(row, scores=()) for row in rows[0]] == [replace(r, scores=()) for r in rows[1]]
    assert np.array_equal(one.argmax(axis=1), two.argmax(axis=1))
    np.testing.assert_allclose(one, two, atol=1e-4)


@pytest.mark.slow
def test_the_same_command_twice_at_once_gives_one_result(tmp_path, monkeypatch):
    """Two processes on one cache and one folder: one fits, the other waits and reads."""
    # Other processes do not see what a test has patched: 100 is what they know.
    monkeypatch.setattr(train, "MAX_EPOCHS", 100)
    study = write_corpus(tmp_path / "in", repeats=1, arms=("audio", "text"), trials=3, seeds=1)
    write_study(study, tmp_path / "study.toml")
    command = [
        sys.executable,
        "-c",
        "from experiments.commands.main import main; main()",
        "compare",
    ]
    command += ["--config", str(tmp_path / "study.toml"), "--jobs", "1", "--out"]
    both = [
        subprocess.Popen([*command, str(tmp_path / "run")], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    (tmp_path / "alone").mkdir()
    assert (tmp_path / "run" / "predictions.safetensors").read_bytes() == bytes_of(
        run_elsewhere(study, tmp_path / "alone")
    )


def test_a_shared_storage_gives_a_lone_run_what_it_has_and_stands_in_no_file(tmp_path, monkeypatch):
    study = write_corpus(tmp_path / "in", **{**SMALL, "trials": 3})
    first = run(study, tmp_path / "run")
    monkeypatch.setenv("SERFUSION_CACHE", str(tmp_path / "another"))
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    again = compare(study, out=tmp_path / "shared", jobs=1, storage=url)
    for name in ("results.json", "predictions.safetensors"):
        assert (first.folder / name).read_bytes() == (again.folder / name).read_bytes()
    written = (path for path in again.folder.rglob("*") if path.is_file())
    assert not [path for path in written if b"studies.db" in path.read_bytes()]
    names = optuna.get_all_study_names(url)
    # One for each fold, and that of the model.
    assert all(re.fullmatch("audio-[0-9a-f]{32}", name) for name in names)
    assert len(names) == 4


def test_a_storage_that_does_not_answer_is_told_of_before_work(tmp_path):
    study = write_corpus(tmp_path / "in", **SMALL)
    with pytest.raises(StorageError, match="cannot be opened"):
        compare(study, out=tmp_path / "run", storage="nosuch://me:secret@host/db")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("damage", ["scores", "heads"])
def test_a_damaged_fit_is_made_again(tmp_path, damage):
    study = write_corpus(tmp_path / "in", **SMALL)
    first = bytes_of(run(study, tmp_path / "run"))
    damaged = list((tmp_path / "cache" / "fits").glob(f"*.{damage}"))
    # Three folds have scores, and the final model with one seed and with those of its answers;
    # heads are kept of the first of these alone.
    assert len(damaged) == (5 if damage == "scores" else 1)
    for path in damaged:
        path.write_bytes(path.read_bytes()[:100])
    assert bytes_of(run(study, tmp_path / "run")) == first
    assert FusionModel.load(tmp_path / "run" / "model").arm == "audio"


def test_a_model_knows_whether_a_synthesiser_spoke(tmp_path, monkeypatch):
    read = preparation.load_source
    study = write_corpus(tmp_path / "in", **SMALL)
    run(study, tmp_path / "people")
    made = lambda *given: replace(read(*given), synthetic=True)  # noqa: E731
    monkeypatch.setattr(preparation, "load_source", made)
    run(study, tmp_path / "machine")
    found = [FusionModel.load(tmp_path / name / "model") for name in ("people", "machine")]
    assert [one.origin.synthetic for one in found] == [False, True]
    assert found[0].origin.corpora == found[1].origin.corpora != ()


def test_a_folder_that_cannot_be_written_is_told_of_before_work(tmp_path, monkeypatch):
    study = write_corpus(tmp_path / "in", **SMALL)
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr("fusion.training.arms.stacks_of", None)
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=r"--out .*: .*file is a file; give a folder"):
            run(study, out)


@pytest.mark.parametrize("column", ["label", "fold", "speaker"])
def test_fits_of_other_rows_are_not_taken_over(column, tmp_path):
    study = write_corpus(tmp_path / "in", **SMALL)
    run(study, tmp_path / "before")
    path = Path(study.manifest)
    with path.open(newline="") as handle:
        table = list(csv.DictReader(handle))
    cells = {
        "label": lambda row: {"a": "b", "b": "a"}.get(row["label"], "c"),
        "fold": lambda row: int(row["speaker"][1]) // 2,
        "speaker": lambda row: f"s{int(row['speaker'][1]) + 3 * (row['label'] == 'a')}",
    }
    table = [{**row, column: cells[column](row)} for row in table]
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, table[0])
        writer.writeheader()
        writer.writerows(table)
    assert bytes_of(run(study, tmp_path / "after")) == bytes_of(
        run_elsewhere(study, tmp_path / "x")
    )


def test_fits_of_other_inputs_are_not_taken_over(tmp_path):
    study = write_corpus(tmp_path / "in", **SMALL)
    run(study, tmp_path / "before")
    (tmp_path / "in" / "text.npz").rename(tmp_path / "in" / "audio.npz")
    study = replace(study, text=study.audio)
    assert bytes_of(run(study, tmp_path / "after")) == bytes_of(
        run_elsewhere(study, tmp_path / "x")
    )


@pytest.mark.parametrize("speaker", ["../../x", "a/b", "...", "é" * 100], ids=range(4))
def test_a_fold_may_be_named_after_anything(speaker, tmp_path):
    study = write_corpus(tmp_path / "in", **SMALL, speakers=4, folds="speaker")
    manifest = Path(study.manifest)
    manifest.write_text(manifest.read_text().replace("s0", speaker))
    run(study, tmp_path / "a" / "b" / "run")
    outside = [p for p in tmp_path.rglob("*.npz") if "cache" not in p.parts and "in" not in p.parts]
    assert outside == []
