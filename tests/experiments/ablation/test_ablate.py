"""Whole ablations: same rows everywhere, only what changes is computed, numbers recomputable."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from experiments.ablation.ablate import ablate
from experiments.ablation.findings import findings_of
from experiments.ablation.grid import FactorSpec
from experiments.ablation.result import Ablation, cells_folder
from experiments.ablation.scores import arm_sums, differences, read_cell, summaries, tidy_rows
from experiments.ablation.tables import content_of, print_ablation
from experiments.commands.terminal import print_json
from experiments.comparing.verification import rebuild
from experiments.config import ConfigError
from fusion.evaluation import predictions
from fusion.evaluation.metrics import accuracy, confusion, uar
from fusion.training import train
from tests.experiments.ablation.tiny_corpora import features_study

FILES = ("cells.csv", "cells.jsonl", "differences.csv", "table.md", "table.tex", "figure.svg",
         "ablation.html")  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _few_epochs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "MAX_EPOCHS", 2)
        yield


@pytest.fixture(scope="module")
def modality(tmp_path_factory) -> Ablation:
    """Audio, text and both, where four rows have no text."""
    folder = tmp_path_factory.mktemp("modality")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
        study = features_study(folder, without_text=4)
        return ablate(study, [FactorSpec("modality")], out=folder / "run", jobs=1)


def ran(study, factor, values=None, **how) -> Ablation:
    return ablate(study, [FactorSpec(factor, values)], jobs=1, **how)


def test_an_ablation_leaves_its_files_and_a_run_for_each_cell(modality):
    assert all((modality.folder / name).stat().st_size for name in FILES)
    for cell in modality.grid.cells:
        run = cells_folder(modality.folder) / cell.folder
        assert (run / "report.html").is_file()
        assert not (run / "model").exists()


def test_rows_that_not_every_cell_has_leave_all_of_them(modality):
    assert modality.record.left_out == 4
    counts = [own for one in modality.rows for own in one.arms.values()]
    assert [sum(own.scored[0].counted) for own in counts] == [32, 32, 32]
    assert len({own.places for own in counts}) == 1
    assert "4 utterances that not every cell has" in (modality.folder / "table.md").read_text()


def test_cells_have_the_same_folds(modality):
    folds = [
        json.loads((cells_folder(modality.folder) / cell.folder / "folds.json").read_text())
        for cell in modality.grid.cells
    ]
    assert folds[0] == folds[1] == folds[2]


def test_every_number_of_the_tidy_table_follows_from_the_predictions(modality):
    with (modality.folder / "cells.csv").open() as handle:
        table = list(csv.DictReader(handle))
    assert len(table) == 3 * 3 * 2
    for line in table:
        cell = next(c for c in modality.grid.cells if c.title == line["modality"])
        path = cells_folder(modality.folder) / cell.folder / "predictions.safetensors"
        own = [
            row
            for row in predictions.read(path)
            if row.split == "test"
            and (row.arm, row.outer_fold, row.seed)
            == (line["arm"], line["fold"], int(line["seed"]))
        ]
        truth, guess = (
            np.array([getattr(row, name) for row in own]).argmax(axis=1)
            for name in ("target", "scores")
        )
        counts = confusion(truth, guess, 3)
        assert int(line["n"]) == len(own)
        assert float(line["accuracy"]) == pytest.approx(float(accuracy(counts)))
        assert float(line["uar"]) == pytest.approx(float(uar(counts)))


def test_lines_of_json_hold_what_the_table_holds(modality):
    lines = (modality.folder / "cells.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert len(found) == 18
    assert {line["cell"]["modality"] for line in found} == {"audio+text", "audio", "text"}
    assert {line["why"] for line in found} == {None}


def test_differences_are_from_the_reference_and_corrected(modality):
    made = differences(modality.rows)
    assert [(row.cell.title, row.against) for row in made] == [
        ("audio", "concat"),
        ("text", "concat"),
    ]
    assert all(row.among.p_holm >= row.found.p for row in made)
    values = {one.cell.title: one.main.value for one in summaries(modality.rows)}
    for row in made:
        expected = values[row.cell.title] - values["audio+text"]
        assert row.found.interval.value == pytest.approx(expected)


def test_the_answer_names_differences_and_no_winner(modality):
    told = findings_of(modality)
    assert "from the reference (audio+text)" in told.answer
    assert any("no choice of a model" in line for line in told.notes)


def test_the_same_command_computes_nothing_again(tmp_path):
    study = features_study(tmp_path)
    first = ran(study, "head", "concat,late", out=tmp_path / "run")
    again = ran(study, "head", "concat,late", out=tmp_path / "run")
    # Late fusion needs no fit of its own beyond those of the unimodal arms.
    assert (first.record.cost.trained, first.record.cost.finished_before) == (9, 0)
    assert (again.record.cost.trained, again.record.cost.finished_before) == (0, 2)
    assert [one.results.hashes.predictions for one in first.rows] == [
        one.results.hashes.predictions for one in again.rows
    ]


def test_a_cell_whose_files_were_changed_is_made_again(tmp_path):
    study = features_study(tmp_path)
    first = ran(study, "trials", "0,1", out=tmp_path / "run")
    path = cells_folder(first.folder) / first.grid.cells[0].folder / "predictions.safetensors"
    path.write_bytes(path.read_bytes()[:-40])
    again = ran(study, "trials", "0,1", out=tmp_path / "run")
    assert again.record.cost.finished_before == 1
    assert first.rows[0].results.hashes.predictions == again.rows[0].results.hashes.predictions


def test_arms_that_a_factor_does_not_reach_are_trained_once_and_not_tested(tmp_path):
    study = features_study(tmp_path, arms=("audio", "text"))
    other = tmp_path / "other.npz"
    with np.load(tmp_path / "text.npz") as kept:
        np.savez(other, id=kept["id"], values=kept["values"] * 0.5 + 1)
    found = ran(study, "text", f"{study.text};features:{other}", out=tmp_path / "run")
    assert (found.record.cost.trained, found.record.cost.trained_before) == (9, 3)
    made = {row.arm: row for row in differences(found.rows)}
    assert made["audio"].same
    assert made["audio"].among.p_holm is None
    assert not made["text"].same


def test_a_learning_curve_keeps_its_test_rows(tmp_path):
    found = ran(features_study(tmp_path, arms=("audio",)), "speakers", "1", out=tmp_path / "run")
    assert [cell.title for cell in found.grid.cells] == ["1", "all"]
    assert found.grid.reference.title == "all"
    assert len({one.arms["audio"].places for one in found.rows}) == 1


def test_what_was_missing_before_is_told(tmp_path):
    study = features_study(tmp_path, without_text=4, rows="all", arms=("audio", "text"), seeds=1)
    told = findings_of(ran(study, "missing", "0.5", out=tmp_path / "run"))
    assert "4 of 36 utterances (11%) had no transcript" in " ".join(told.notes)


def test_missing_transcripts_leave_every_row_in(tmp_path):
    study = features_study(tmp_path, arms=("audio", "text", "concat"), rows="all")
    found = ran(study, "missing", "0,0.5", out=tmp_path / "run")
    assert {one.n for one in summaries(found.rows)} == {36}
    made = {row.arm: row for row in differences(found.rows)}
    assert made["audio"].same
    assert not made["text"].same


def test_class_sets_are_not_compared_with_each_other(tmp_path):
    study = features_study(tmp_path, arms=("audio",))
    found = ran(study, "labels", "a,b,c;c,b,a", out=tmp_path / "run")
    assert findings_of(found).differences == ()
    assert "another quantity" in findings_of(found).answer
    assert (tmp_path / "run" / "differences.csv").read_text().count("\n") == 1


def test_two_factors_make_a_map(tmp_path):
    study = features_study(tmp_path, arms=("audio", "text"))
    over = [FactorSpec("speakers", "1"), FactorSpec("trials", "0,1")]
    found = ablate(study, over, out=tmp_path / "run", jobs=1)
    assert len(found.grid.cells) == 4
    assert "speakers down, trials across" in (tmp_path / "run" / "figure.svg").read_text()


def test_a_fault_of_the_last_cell_stops_all_before_work_starts(tmp_path):
    study = features_study(tmp_path)
    values = f"{study.audio};features:{tmp_path / 'absent.npz'}"
    with pytest.raises((ConfigError, ValueError), match="absent"):
        ran(study, "audio", values, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_fold_without_a_class_has_no_uar_and_says_why(modality):
    one = modality.rows[0]
    path = cells_folder(modality.folder) / one.cell.folder / "predictions.safetensors"
    rows = [row for row in predictions.read(path) if row.split == "test" and row.arm == "concat"]
    cut = arm_sums([row for row in rows if row.target[0] == 0 or row.outer_fold != "0"])
    _, found = next(iter(tidy_rows([replace(one, arms={"concat": cut})])))
    assert found["uar"] is None
    assert found["why"] == "1 of 3 classes have no test utterance"


def test_a_cell_is_read_back_as_it_was(modality):
    cell = modality.grid.cells[0]
    again = read_cell(cells_folder(modality.folder) / cell.folder, cell)
    assert again.results == modality.rows[0].results
    assert [*again.arms] == ["concat"]


def test_the_terminal_shows_the_table_and_the_answer(modality):
    console = Console(width=100, file=StringIO())
    print_ablation(modality, console)
    shown = console.file.getvalue()
    assert "audio+text" in shown
    assert "reference" in shown


def test_programs_get_the_numbers_of_every_cell_and_difference(modality, capsys):
    print_json(content_of(modality))
    content, findings = json.loads(capsys.readouterr().out), findings_of(modality)
    assert content["answer"] == findings.answer
    assert [row["arm"] for row in content["cells"]] == [row.arm for row in findings.summaries]
    first = findings.summaries[0]
    assert content["cells"][0]["scores"][first.metric]["value"] == pytest.approx(first.main.value)
    assert len(content["differences"]) == len(findings.differences)


def test_a_cell_is_a_run_that_can_be_reported_again(modality):
    cell = cells_folder(modality.folder) / modality.grid.cells[0].folder
    assert rebuild(cell).run == modality.rows[0].results.run
    assert "a cell of an ablation" in (cell / "report.html").read_text()


def test_too_few_speakers_stop_all_before_work_starts(tmp_path):
    study = features_study(tmp_path, arms=("audio",))
    with pytest.raises(ConfigError, match="give fewer"):
        ran(study, "speakers", "1,9", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
