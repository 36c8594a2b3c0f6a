"""A run is verified: numbers, pages and settings, and heads that are trained once more."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from encoders.files import MARK, publish
from experiments.commands.main import app
from experiments.comparing.comparison import compare, retrain
from experiments.comparing.verification import departures, lines, rebuild, verify
from experiments.config import Study, write_study
from experiments.reporting.report import recompute
from experiments.reporting.results import with_best
from tests.experiments.finished_runs import (
    STUDY,
    cell_facts,
    change,
    make_facts,
    make_rows,
    save,
    save_run,
)
from tests.experiments.tones import tones_study, write_tones


@pytest.fixture
def run(tmp_path):
    folder = save_run(tmp_path / "run")
    rebuild(folder)
    known = {k: tuple(v) if isinstance(v, list) else v for k, v in STUDY.items()}
    write_study(Study(**known), folder / "config.toml")
    return folder


def test_a_run_as_it_was_left_is_sound(run):
    found = verify(run)
    assert found.sound
    assert found.changed == ()
    assert found.numbers > 300
    assert any("are what the run gives" in line for line in lines(found))
    assert any("--retrain" in line for line in lines(found))


@pytest.mark.parametrize("name", ["table.md", "report.html", "figures/arms.svg"])
def test_a_page_that_says_something_else_is_named(run, name):
    path = run / name
    path.write_text(path.read_text().replace("0", "1", 1))
    found = verify(run)
    assert found.changed == (name,)
    assert not found.sound
    assert any(name in line for line in lines(found))


def test_a_page_that_is_gone_is_named(run):
    (run / "table.tex").unlink()
    assert verify(run).changed == ("table.tex",)


@pytest.mark.parametrize(
    "text", ['audio = "mfcc"\ntext = "minilm"\ncorpus = "tiny"\n', "not TOML ["]
)
def test_settings_that_are_not_those_of_the_run_are_named(run, text):
    (run / "config.toml").write_text(text)
    assert verify(run).changed == ("config.toml",)


def test_a_number_that_does_not_follow_is_refused(run):
    change(run, lambda content: content["arms"]["concat"]["uar"].update(value=0.99))
    with pytest.raises(ValueError, match=r"arms\.concat\.uar\.value is 0\.99"):
        verify(run)


def test_the_same_predictions_do_not_depart(run):
    one = recompute(run)
    found = departures(one, one)
    assert [each.arm for each in found] == ["audio", "text", "concat"]
    assert all(each.largest == 0 and each.decided_otherwise == 0 for each in found)
    assert replace(verify(run), departures=found).sound


def test_another_decision_is_counted_and_shown(run):
    one = recompute(run)
    at = next(k for k, row in enumerate(one.rows) if row.arm == "text" and row.split == "test")
    rows = list(one.rows)
    rows[at] = replace(rows[at], scores=tuple(reversed(rows[at].scores)))
    found = departures(one, replace(one, rows=tuple(rows)))
    assert [each.decided_otherwise for each in found] == [0, 1, 0]
    verified = replace(verify(run), departures=found)
    assert not verified.sound
    assert any(
        line.startswith("text, trained again") and "1 of 72" in line for line in lines(verified)
    )


def test_predictions_of_other_rows_are_refused(run):
    one = recompute(run)
    with pytest.raises(ValueError, match="did not come back"):
        departures(one, replace(one, rows=one.rows[:-1]))


def test_the_command_ends_with_1_where_something_departs(run):
    assert CliRunner().invoke(app, ["verify", str(run)]).exit_code == 0
    (run / "table.md").write_text("| fused | 99 |")
    found = CliRunner().invoke(app, ["verify", str(run)])
    assert found.exit_code == 1
    assert "table.md" in found.output


def test_a_finished_run_trained_again_gives_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr("fusion.training.train.MAX_EPOCHS", 3)
    study = tones_study(write_tones(tmp_path / "tones"), audio="logmel")
    folder = compare(study, out=tmp_path / "run", jobs=1).folder
    lines: list[str] = []
    again = retrain(folder, jobs=1, notify=lines.append)
    assert "2 fits trained, 0 from the cache" in lines
    found = departures(recompute(folder), again)
    assert [(one.arm, one.largest) for one in found] == [("audio", 0.0)]
    assert verify(folder).sound


def test_a_run_that_was_renamed_is_the_same_run(run, tmp_path):
    copied = tmp_path / "elsewhere" / "a copy & more"
    shutil.copytree(run, copied)
    assert verify(copied).sound
    page = copied / "report.html"
    page.write_text(page.read_text().replace("a copy", "another"))
    page.write_text(page.read_text().replace("UAR", "UAX", 1))
    assert verify(copied).changed == ("report.html",)


def test_a_cell_of_an_ablation_is_not_retrained_from_its_study(tmp_path):
    facts = make_facts(("audio",), ("calm", "cross"))
    rows = with_best(make_rows(("audio",), 6, ("calm", "cross")))
    cell = replace(facts, facts=replace(facts.facts, cell=cell_facts()))
    folder = save(tmp_path / "cell", rows, cell)
    with pytest.raises(ValueError, match=r"a cell of an ablation \(noise white:10\)"):
        retrain(folder)


# ---------------------------------------------------------------- files of a run


@pytest.fixture
def tones_run(monkeypatch, tmp_path):
    monkeypatch.setattr("fusion.training.train.MAX_EPOCHS", 1)
    study = tones_study(write_tones(tmp_path / "tones"), audio="logmel")
    return study, compare(study, out=tmp_path / "run", jobs=1).folder


@pytest.mark.parametrize("name", ["folds.json", "environment.json", "model/heads.safetensors"])
def test_every_other_file_of_a_run_is_known_by_its_hash(tones_run, name):
    _, folder = tones_run
    assert verify(folder).sound
    rebuild(folder)
    assert verify(folder).sound
    assert any("have the hashes it left" in line for line in lines(verify(folder)))
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    assert verify(folder).changed == (name,)
    (folder / MARK).unlink()
    assert any("are not checked" in line for line in lines(verify(folder)))


def test_a_file_that_somebody_changed_or_put_there_is_kept(tones_run):
    study, folder = tones_run
    (folder / "table.md").write_text("with my remarks")
    (folder / "notes.txt").write_text("mine")
    (folder / "model" / "README.md").write_bytes(b"")
    compare(study, out=folder, jobs=1)
    assert verify(folder).sound
    assert (folder / "table.md.kept-1").read_text() == "with my remarks"
    assert (folder / "notes.txt").read_text() == "mine"
    assert len(list(folder.glob("**/*.kept-*"))) == 1


def test_a_run_that_is_stopped_while_it_writes_is_whole_or_not_one(tones_run, monkeypatch):
    study, folder = tones_run
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr("experiments.comparing.comparison.write_report", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        compare(study, out=folder, jobs=1)
    assert {path: path.read_bytes() for path in before} == before
    assert verify(folder).sound
    monkeypatch.undo()
    monkeypatch.setattr("fusion.training.train.MAX_EPOCHS", 1)
    compare(study, out=folder, jobs=1)
    assert {path for path in folder.rglob("*") if path.is_file()} == before.keys()


def test_a_run_without_a_model_leaves_none_of_an_earlier_one(tmp_path):
    def write(*names: str) -> None:
        publish(
            tmp_path / "x", lambda work: [(work / name).write_text(name) for name in names] and None
        )

    write("a", "b")
    (tmp_path / "x" / "c").write_text("of somebody else")
    write("b")
    assert {path.name for path in (tmp_path / "x").iterdir()} == {"b", "c", MARK}
