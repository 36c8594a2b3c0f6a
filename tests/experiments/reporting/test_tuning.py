"""What a page says of trials and learning curves, and of their absence."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from experiments.reporting.page import Report, page as page_of_report
from experiments.reporting.tuning import importances, tuning_figures
from fusion.evaluation.statistics import CLAIM_FROM
from tests.experiments.finished_runs import make_content, make_results, typed


@pytest.fixture(scope="module")
def results():
    return make_results()


def page(results):
    return page_of_report(Report(results))


def without(results, **fields):
    """The same run without trials and without what is named."""
    arms = {}
    for arm, summary in results.arms.items():
        folds = tuple(replace(fold, trials=(), **fields) for fold in summary.folds)
        arms[arm] = replace(summary, trials=0, folds=folds)
    return replace(results, arms=arms)


def points(svg: str) -> list[list[tuple[float, ...]]]:
    lines = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}polyline")
    return [[tuple(map(float, p.split(","))) for p in one.get("points").split()] for one in lines]


def test_every_arm_of_its_own_has_its_figures_and_best_arms_have_none(results):
    found = tuning_figures(results)
    assert set(found) == {"audio", "text", "concat"}
    assert all(set(kinds) == {"history", "learning"} for kinds in found.values())


def test_the_history_never_falls_and_has_a_line_for_each_fold(results):
    lines = points(tuning_figures(results)["audio"]["history"])
    assert len(lines) == 2
    # Up is less in SVG.
    assert all(first[1] >= second[1] for one in lines for first, second in pairwise(one))


def test_a_pruned_trial_is_told_and_is_not_the_best():
    content = make_content()
    for fold in content["arms"]["audio"]["folds"]:
        fold["trials"].append({"value": 0.9, "state": "pruned", "parameters": {"hidden": 32}})
    results = typed(content)
    svg = tuning_figures(results)["audio"]["history"]
    assert svg.count("<title>fold 1: 50.0 at first, 62.5 at last, 1 of 3 pruned<") == 1
    assert all(len(one) == 3 and one[1][1] == one[2][1] for one in points(svg))
    told = page(results)
    assert told.count("A trial was pruned, which counts and is never chosen") == 1
    assert told.count("<td>3, 1 pruned</td><td>62.5</td>") == 2


def test_without_pruned_trials_nothing_is_said_of_them(results):
    assert "pruned" not in page(results)


def test_the_mean_ends_where_half_of_the_heads_have_stopped():
    content = make_content()
    for fold in content["arms"]["audio"]["folds"]:
        fold["curve"]["heads"] = [4, 2, 1]
    lines = points(tuning_figures(typed(content))["audio"]["learning"])
    assert {len(one) for one in lines} == {2}


def test_importance_is_the_mean_over_folds_with_its_ends(results):
    (first, *_) = importances(results)
    assert first.shares == {"hidden": (0.25, 0.25, 0.25), "dropout": (0.75, 0.75, 0.75)}
    assert "little more than a guess" in page(results)


def test_without_trials_the_page_says_so_and_shows_no_history(results):
    told = page(without(results, importance=None))
    assert "No trials: the documented hyperparameters were used" in told
    assert "History of trials" not in told
    assert "What mattered" not in told
    assert "Learning curves" in told


def test_a_run_that_kept_no_curves_has_a_page(results):
    told = page(without(results, importance=None, curve=None, epochs=()))
    assert "Learning curves" not in told


def test_losses_that_are_no_numbers_break_no_figure():
    content = make_content()
    for fold in content["arms"]["audio"]["folds"]:
        fold["curve"]["dev"] = [None, 1.0, 2.0]
        fold["curve"]["train"] = [None, None, None]
    assert "learning" in tuning_figures(typed(content))["audio"]
    for fold in content["arms"]["audio"]["folds"]:
        fold["curve"]["dev"] = [None, None, None]
    assert "learning" not in tuning_figures(typed(content)).get("audio", {})


def test_figures_of_tuning_shrink_on_phones_and_never_widen_the_page(results):
    figures = page(results).split('<div class="grid curves">')[1:]
    assert len(figures) == 2
    for group in figures:
        drawn = group.split("\n</div>\n")[0]
        assert drawn.count("<svg") == drawn.count('<div class="scroll"') > 0


def test_the_page_names_the_intervals_that_are_computed(results):
    told = page(results)
    assert f"a jackknife-t; below {CLAIM_FROM} speakers none" in told
