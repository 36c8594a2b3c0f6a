"""``serfusion verify`` of an ablation: every table follows from its cells, or is named."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from experiments.ablation.ablate import ablate
from experiments.ablation.checking import lines, verify_ablation
from experiments.ablation.grid import FactorSpec
from experiments.commands.main import app
from experiments.comparing.verification import rebuild
from experiments.config import OptionError
from fusion.evaluation import predictions
from fusion.training import train
from tests.experiments.ablation.tiny_corpora import features_study


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verified")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "MAX_EPOCHS", 2)
        patch.setenv("SERFUSION_CACHE", str(folder / "cache"))
        study = features_study(folder, arms=("audio", "text"))
        over = [FactorSpec("speakers", "2"), FactorSpec("modality", "audio,text")]
        return ablate(study, over, out=folder / "run", jobs=1).folder


@pytest.fixture
def run(finished, tmp_path):
    """A copy elsewhere, under another name."""
    return shutil.copytree(finished, tmp_path / "moved")


def test_an_ablation_as_it_was_left_is_sound_wherever_it_lies(run):
    found = verify_ablation(run)
    assert found.sound
    assert found.files == 7
    assert len(found.cells) == 4
    assert "follow from its cells" in " ".join(lines(found))


@pytest.mark.parametrize(
    "name", ["cells.csv", "cells.jsonl", "differences.csv", "ablation.html", "figure.svg"]
)
def test_a_table_that_says_something_else_is_named(run, name):
    path = run / name
    path.write_text(path.read_text().replace("0.", "0.9", 1) + " ")
    found = verify_ablation(run)
    assert found.changed == (name,)
    assert not found.sound


def test_a_page_of_a_cell_that_says_something_else_is_named(run):
    page = next((run / "cells").glob("*/table.md"))
    page.write_text("won")
    found = verify_ablation(run)
    assert not found.sound
    assert any(str(page) in line for line in lines(found))


def test_predictions_that_were_changed_are_refused(run):
    path = next((run / "cells").glob("*/predictions.safetensors"))
    rows = predictions.read(path)
    predictions.write((replace(row, scores=row.target) for row in rows), path)
    with pytest.raises(ValueError, match="that its predictions do not give"):
        verify_ablation(run)


def test_a_cell_that_is_gone_is_told(run):
    shutil.rmtree(next((run / "cells").iterdir()))
    with pytest.raises(ValueError, match="1 cell of 4 not finished"):
        verify_ablation(run)


def test_cells_of_another_ablation_are_told_and_in_no_table(run):
    shutil.copytree(next((run / "cells").iterdir()), run / "cells" / "late-00000000")
    found = verify_ablation(run)
    assert found.sound
    assert found.unknown_cells == ("late-00000000",)
    assert "of another ablation" in " ".join(lines(found))


@pytest.mark.parametrize("content", ["[]", '{"over": [], "more": 1}'])
def test_a_record_of_another_kind_is_one_message(run, content):
    (run / "ablation.json").write_text(content)
    with pytest.raises(ValueError, match="not what an ablation wrote"):
        verify_ablation(run)


def test_an_ablation_without_its_record_names_its_cells(run):
    (run / "ablation.json").unlink()
    with pytest.raises(ValueError, match=r"left no ablation.json.*one by one"):
        verify_ablation(run)


def test_the_command_takes_an_ablation(run):
    assert CliRunner().invoke(app, ["verify", str(run)]).exit_code == 0
    (run / "cells.csv").write_text("nothing")
    done = CliRunner().invoke(app, ["verify", str(run)])
    assert done.exit_code == 1
    assert "not what the cells give: cells.csv" in done.output
    with pytest.raises(OptionError, match="--retrain is of single runs"):
        CliRunner().invoke(app, ["verify", "--retrain", str(run)], catch_exceptions=False)


def test_a_report_of_an_ablation_names_the_next_step(run):
    with pytest.raises(ValueError, match="an ablation, whose cells are runs"):
        rebuild(run)


def test_tests_that_stand_in_several_cells_are_counted_once(run):
    """Text at fewer speakers and audio there are two tests; neither is one of the reference."""
    text = (run / "table.md").read_text()
    assert "corrected for all 3 of them" in text
