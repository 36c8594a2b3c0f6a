"""Runs side by side: paired where the rows are the same, averaged where corpora differ."""

from __future__ import annotations

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from experiments.commands.main import app
from experiments.reporting.results import with_best
from experiments.reporting.side_by_side import side_by_side
from experiments.reporting.side_page import write_beside
from fusion.evaluation.statistics import holm
from tests.experiments.finished_runs import EVIL, make_facts, make_rows, save as save_rows, save_run

ARMS, TARGETS = ("audio", "text", "concat"), ("calm", "cross")


def save(folder, change=lambda row: row, arms=ARMS, **facts):
    """A finished run whose predictions were changed; None leaves a row out."""
    changed = [change(row) for row in make_rows(arms, 6, TARGETS)]
    rows = with_best([row for row in changed if row is not None])
    return save_rows(folder, rows, replace(make_facts(arms, TARGETS), **facts))


def worse(row):
    """Every second utterance is told wrong."""
    if row.utterance.endswith(("1", "3")):
        return replace(row, scores=tuple(1 - value for value in row.target))
    return row


def test_a_run_beside_its_equal_differs_in_nothing(tmp_path):
    found = side_by_side([save_run(tmp_path / "one"), save_run(tmp_path / "two")])
    assert [row.arm for row in found.differences] == list(ARMS)
    assert all(row.found.p is row.p_holm is None for row in found.differences)
    intervals = [row.found.interval for row in found.differences]
    assert {(each.value, each.method) for each in intervals} == {(0, "the same predictions")}
    assert found.means == {}
    assert "differences are of the 36 utterances of all runs" in found.remarks


def test_a_worse_run_is_worse_by_the_difference_of_its_scores(tmp_path):
    found = side_by_side([save_run(tmp_path / "one"), save(tmp_path / "two", worse)])
    one, two = (run.results.arms["concat"].uar.value for run in found.runs)
    row = next(row for row in found.differences if row.arm == "concat")
    assert row.found.interval.value == pytest.approx(two - one)
    assert row.found.interval.high < 0
    raw = [each.found.p for each in found.differences]
    assert [each.p_holm for each in found.differences] == holm(raw)


def test_rows_that_one_run_lacks_leave_the_difference_and_are_counted(tmp_path):
    lacking = save(tmp_path / "two", lambda row: None if row.utterance == "s0-1" else row)
    found = side_by_side([save_run(tmp_path / "one"), lacking])
    assert "differences are of the 35 utterances of all runs" in found.remarks
    assert "left out, because not all runs have them: one 1" in found.remarks


def test_runs_of_several_corpora_are_averaged(tmp_path):
    other = save(tmp_path / "two", lambda row: replace(worse(row), corpus="other"), corpus="other")
    found = side_by_side([save_run(tmp_path / "one"), other])
    assert found.differences == ()
    values = [run.results.arms["audio"].macro_f1.value for run in found.runs]
    assert found.means["macro_f1"]["audio"] == pytest.approx(sum(values) / 2)
    assert any("means over corpora, without an interval" in line for line in found.remarks)


def test_other_labels_of_the_same_corpus_are_not_compared(tmp_path):
    turned = save(tmp_path / "two", lambda row: replace(row, target=row.target[::-1]))
    found = side_by_side([save_run(tmp_path / "one"), turned])
    assert found.differences == ()
    assert found.means == {}
    assert any("no difference between runs is computed" in line for line in found.remarks)


def test_another_protocol_or_budget_is_said(tmp_path):
    facts = make_facts(ARMS, TARGETS).facts
    study = {**facts.study, "trials": 9}
    other = save(tmp_path / "two", facts=replace(facts, protocol="groups", study=study))
    remarks = side_by_side([save_run(tmp_path / "one"), other]).remarks
    assert "the runs differ in protocol: groups, speaker" in remarks
    assert "the runs differ in trials: 2, 9" in remarks


def test_other_seeds_are_said_and_what_differences_are_of(tmp_path):
    facts = make_facts(ARMS, TARGETS).facts
    study = {**facts.study, "seeds": 1}
    other = save(tmp_path / "two", facts=replace(facts, study=study))
    remarks = side_by_side([save_run(tmp_path / "one"), other]).remarks
    (said,) = [remark for remark in remarks if "differ in seeds" in remark]
    assert said.endswith("differences are over the seeds that both have, not of the scores above")


def test_a_run_that_was_changed_is_refused(tmp_path):
    one = save_run(tmp_path / "one")
    (one / "predictions.safetensors").write_text("{}\n")
    with pytest.raises(ValueError, match="not predictions"):
        side_by_side([one, save_run(tmp_path / "two")])


def test_one_run_twice_is_refused(tmp_path):
    one = save_run(tmp_path / "one")
    with pytest.raises(ValueError, match="one: given twice"):
        side_by_side([one, one])


def test_pages_escape_what_came_from_outside(tmp_path):
    other = save(tmp_path / "two", corpus=EVIL)
    found = side_by_side([save_run(tmp_path / "one"), other])
    write_beside(found, tmp_path / "out")
    for name in ("runs.html", "runs.md"):
        text = (tmp_path / "out" / name).read_text()
        assert "<script>" not in text
        assert "mean over corpora" in text


def test_the_command_prints_the_table_and_writes_the_page(tmp_path):
    runs = [str(save_run(tmp_path / name)) for name in ("one", "two")]
    done = CliRunner().invoke(app, ["report", *runs, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "concat: two against one" in done.output
    assert (tmp_path / "out" / "runs.html").is_file()
    alone = CliRunner().invoke(app, ["report", runs[0], "--out", str(tmp_path / "x")])
    assert "--out is for several runs" in str(alone.exception)
