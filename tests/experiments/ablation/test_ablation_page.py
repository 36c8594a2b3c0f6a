"""The page: self-contained, escaped, with the figure that fits the factor; nothing is picked."""

from __future__ import annotations

import csv
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest

from experiments.ablation.curve import axis_of
from experiments.ablation.drawing import draw
from experiments.ablation.files import write_ablation
from experiments.ablation.findings import findings_of
from experiments.ablation.grid import FactorSpec, make_grid
from experiments.ablation.page import command, page
from experiments.ablation.result import Ablation, Cost, Record
from experiments.ablation.scores import CellRows, arm_sums
from experiments.ablation.tables import latex, markdown
from experiments.config import Study
from experiments.reporting.results import summarise, with_best
from fusion.evaluation.statistics import holm
from tests.experiments.finished_runs import EVIL, cell_facts, make_facts, make_row

ARMS = ("audio", "text")
STUDY = Study(audio="logmel", text="minilm", corpus="demo", arms=ARMS, trials=0, seeds=2)


def rows_of(skill: float, speakers: int, arm: str) -> tuple:
    rng = np.random.default_rng(3)
    made = []
    for number in range(speakers):
        for item in range(6):
            truth = item % 2
            for seed in (0, 1):
                scores = rng.dirichlet(np.ones(2))
                scores[truth] += skill * (rng.random() < skill)
                made.append(make_row(arm, number, item, number % 2, "test", seed, truth, scores))
    return tuple(made)


def made(
    over: list[FactorSpec],
    folder: Path,
    *,
    speakers: int = 8,
    fall: float = 0.1,
    study: Study = STUDY,
) -> Ablation:
    """An ablation without any training; each cell is worse than the one before."""
    grid = make_grid(study, over, most=6)
    runs = []
    for number, cell in enumerate(grid.cells):
        arm = cell.draft.changes.arm
        names = ARMS if arm is None else (arm,)
        arms = {name: rows_of(0.9 - fall * number, speakers, name) for name in names}
        own = [row for rows in arms.values() for row in rows]
        dev = [replace(row, split="dev", inner_fold=0) for row in own]
        about = make_facts(names, ("calm", "cross"))
        about = replace(
            about, facts=replace(about.facts, cell=cell_facts(training_speakers=(4, 5)))
        )
        found = summarise(with_best([*own, *dev]), about)
        counted = {name: arm_sums(rows) for name, rows in arms.items()}
        runs.append(CellRows(cell, found, counted))
    return Ablation(
        folder=folder,
        study=study,
        record=Record(
            over=list(over),
            side="test",
            seed=0,
            speakers=0,
            left_out=0,
            cost=Cost(3, 4, 5, 6, 0),
        ),
        grid=grid,
        rows=tuple(runs),
    )


class Outside(HTMLParser):
    """Everything on a page that would be fetched or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "img", "link", "iframe", "object", "embed"):
            self.found.append(tag)
        self.found += [v for k, v in attrs if k in ("src", "href") and v and ":" in v]
        self.found += [k for k, _ in attrs if k.startswith("on")]


def outside(text: str) -> list[str]:
    parser = Outside()
    parser.feed(text)
    return parser.found


def test_the_page_begins_with_the_answer_and_fetches_nothing(tmp_path):
    found = made([FactorSpec("trials", "0,5,20")], tmp_path)
    told = findings_of(found)
    text = page(found, told)
    assert text.index(told.answer.split(";")[0]) < text.index("<svg")
    assert outside(text) == []


def test_names_from_outside_are_text_everywhere(tmp_path):
    labels = f"{EVIL},b;c,d"
    found = made([FactorSpec("labels", labels)], tmp_path)
    told = findings_of(found)
    for text in (page(found, told), markdown(found, told), draw(found, told)):
        assert EVIL not in text
    fromstring(draw(found, told))
    assert outside(page(found, told)) == []


def test_no_cell_of_a_table_is_a_formula(tmp_path):
    write_ablation(made([FactorSpec("labels", "=1+1,b;c,d")], tmp_path))
    with (tmp_path / "cells.csv").open() as handle:
        assert all(not value.startswith("=") for row in csv.reader(handle) for value in row)


@pytest.mark.parametrize(
    ("over", "marks"),
    [
        ([FactorSpec("trials", "0,5")], "trials per arm and fold"),
        ([FactorSpec("speakers", "2,4")], "training speakers per fold"),
        ([FactorSpec("noise", "white,babble")], "signal-to-noise ratio in dB"),
        ([FactorSpec("noise", "reverb")], "reverberation time"),
        ([FactorSpec("transcript", "wer=0.1,0.4")], "simulated word error rate"),
        ([FactorSpec("audio", "mfcc,mfcc13")], "95 % intervals over 8 speakers"),
        ([FactorSpec("modality")], "95 % intervals over 8 speakers"),
        ([FactorSpec("noise", "white:10,reverb:0.3")], "95 % intervals over 8 speakers"),
        (
            [FactorSpec("trials", "0,5"), FactorSpec("audio", "logmel,mfcc")],
            "trials down, audio across",
        ),
    ],
)
def test_the_figure_fits_the_factor(over, marks, tmp_path):
    found = made(over, tmp_path)
    drawn = draw(found, findings_of(found))
    assert marks in drawn
    fromstring(drawn)


def test_steps_stand_in_their_order_whatever_the_command_said():
    for factor, values, expected in (
        ("trials", "20,0,5", ("0", "5", "20")),
        ("speakers", "4,2", ("2", "4", "all")),
        ("noise", "white:0,white:20", ("clean", "20", "0")),
        ("noise", "reverb:1,reverb:0.3", ("clean", "0.3", "1")),
        ("transcript", "0.4,0.1", ("gold", "0.1", "0.4")),
    ):
        grid = make_grid(STUDY, [FactorSpec(factor, values)])
        axis = axis_of(grid.factors[0], grid.values[0])
        assert axis is not None
        assert axis.steps == expected


def test_a_large_fall_is_shown_and_told(tmp_path):
    told = findings_of(made([FactorSpec("trials", "0,5,20")], tmp_path, speakers=12, fall=0.4))
    assert "shown" in told.answer
    assert "points UAR (95 %" in told.answer
    assert any("exploratory" in line and "Holm" in line for line in told.notes)


def test_no_difference_is_told_with_what_could_have_been_shown(tmp_path):
    found = made([FactorSpec("trials", "0,5")], tmp_path, fall=0.02)
    answer = findings_of(found).answer
    assert "none of 2 differences" in answer
    assert "could have shown" in answer


def test_few_speakers_allow_no_claim(tmp_path):
    found = made([FactorSpec("trials", "0,5")], tmp_path, speakers=3, fall=0.4)
    assert "no claim about other speakers" in findings_of(found).answer


def test_cells_that_say_the_same_are_no_tests(tmp_path):
    found = made([FactorSpec("trials", "0,5")], tmp_path, fall=0.0)
    told = findings_of(found)
    assert all(row.same and row.among.p_holm is None for row in told.differences)
    assert "Nothing could be compared" in told.answer
    assert "the same" in page(found, told)


def test_predictions_that_stand_in_two_cells_are_one_test(tmp_path):
    over = [FactorSpec("trials", "0,5"), FactorSpec("noise", "clean,white:0")]
    found = made(over, tmp_path, speakers=12, fall=0.3)
    clean, noisy, tuned, both = found.rows
    # Noise reaches audio, trials reach both: text in noise is text without it.
    assert noisy.cell.values == {"trials": "0", "noise": "white:0"}
    noisy = replace(noisy, arms={**noisy.arms, "text": clean.arms["text"]})
    both = replace(both, arms={**both.arms, "text": tuned.arms["text"]})
    found = replace(found, rows=(clean, noisy, tuned, both))
    told = findings_of(found)
    text = [row for row in told.differences if row.arm == "text"]
    assert [(row.same, row.again) for row in text] == [(True, False), (False, False), (False, True)]
    assert text[1].among.p_holm == text[2].among.p_holm
    tested = [row for row in told.differences if not row.same and not row.again]
    assert [row.among.p_holm for row in tested] == holm([row.found.p for row in tested])
    assert "corrected for all 4 of them" in " ".join(told.notes)
    assert "counted once" in " ".join(told.notes)


def test_one_difference_is_not_all_of_them(tmp_path):
    found = made([FactorSpec("trials", "0,5")], tmp_path)
    rows = tuple(replace(one, arms={"audio": one.arms["audio"]}) for one in found.rows)
    told = findings_of(replace(found, rows=rows))
    assert "the difference is from the reference (0), exploratory" in told.notes
    assert "Holm" not in " ".join(told.notes)


def test_the_command_makes_the_ablation_again(tmp_path):
    over = [FactorSpec("noise", "white:10"), FactorSpec("trials", "0,5")]
    found = made(over, tmp_path, study=replace(STUDY, manifest=("a b.csv",), corpus=None))
    said = command(found)
    assert "--over noise --values white:10" in said
    assert "--over trials --values 0,5" in said
    assert "--manifest 'a b.csv'" in said
    assert "--noise-in test" in said


def test_latex_has_as_many_cells_in_every_row(tmp_path):
    found = made([FactorSpec("labels", "a_b,b;c%,d")], tmp_path)
    body = [line for line in latex(found, findings_of(found)).split("\n") if line.endswith(r"\\")]
    assert len({line.replace(r"\&", "").count("&") for line in body}) == 1
    assert r"a\_b" in "".join(body)


def test_recognised_words_that_noise_does_not_reach_are_told(tmp_path):
    told = findings_of(made([FactorSpec("noise", "white:10")], tmp_path))
    assert any("stay as they are" in line for line in told.notes)
