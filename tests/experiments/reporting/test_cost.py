"""The cost of every arm: what was trained and how long, beside the results and not in them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from experiments.comparing.comparison import one_line_each
from experiments.comparing.verification import rebuild, verify
from experiments.reporting.cost import Cost, FoldCost, arm_costs, cost_lines, cost_of, read_cost
from experiments.reporting.page import Report, page
from fusion.training.arms import FoldScores
from fusion.tuning.tune import Trial
from tests.experiments.finished_runs import make_results, save_run

COST = {"arms": {"audio": [{"fold": "0", "trial_heads": 6, "final_heads": 4,
                            "trial_seconds": [1.5, 2.0], "final_seconds": 3.25}]}}  # fmt: skip


def scores(arm: str, trials: int, epochs: int) -> FoldScores:
    none, empty = np.zeros(0, np.int64), np.zeros((2, 0, 2))
    tried = tuple(Trial({}, 0.5, seconds=1.5) for _ in range(trials))
    return FoldScores(arm, "0", {}, tried, (1,) * epochs, none, empty, none, empty, seconds=3.25)


def test_heads_of_trials_and_final_heads_are_counted():
    found = cost_of([scores("audio", 2, 6), scores("audio", 2, 6)], seeds=2)
    (arm,) = arm_costs(found)
    assert (arm.trials, arm.heads, arm.seconds) == (4, 2 * (2 * 3 + 6), 12.5)


def test_what_trains_nothing_of_its_own_has_no_cost():
    others = [scores("concat/audio", 0, 6), scores("pretrained:x", 0, 0)]
    assert cost_of([*others, scores("audio", 0, 6)], seeds=2).arms.keys() == {"audio"}


def test_late_fusion_is_told_as_what_it_is():
    (line,) = cost_lines(cost_of([scores("audio", 1, 2), scores("late", 3, 0)], seeds=2))
    assert "audio 1 trial, 3 heads, 4.8 s" in line
    assert "late 3 trials of the combination alone" in line
    assert "with the heads of audio and text" in line


def test_a_run_without_the_file_has_no_cost(tmp_path):
    assert read_cost(save_run(tmp_path / "run")) is None
    assert list(cost_lines(None)) == []
    assert "Cost of every arm" not in page(Report(make_results()))


def test_the_page_of_a_run_tells_its_cost_and_is_verified_with_it(tmp_path):
    run = save_run(tmp_path / "run")
    (run / "cost.json").write_text(json.dumps(COST))
    rebuild(run)
    assert "Cost of every arm" in (run / "report.html").read_text()
    assert not [path for path in verify(run).changed if path != "config.toml"]
    faster = json.dumps(COST).replace("3.25", "0.25")
    (run / "cost.json").write_text(faster)
    assert "report.html" in verify(run).changed


@pytest.mark.parametrize("content", ["[]", "{", '{"arms": {"audio": [{"fold": 1}]}}'])
def test_a_file_of_another_kind_is_one_message(tmp_path, content):
    run = save_run(tmp_path / "run")
    (run / "cost.json").write_text(content)
    with pytest.raises(ValueError, match=r"cost\.json: not what a run wrote"):
        rebuild(run)


def test_what_is_read_is_what_was_written(tmp_path):
    found = Cost({"audio": [FoldCost("0", 6, 4, [1.5, 2.0], 3.25)]})
    (tmp_path / "cost.json").write_text(json.dumps(COST))
    assert read_cost(tmp_path) == found


def test_lists_of_numbers_stand_on_one_line_and_texts_are_left():
    content = {"a": [1, 2.5, None], "b": ["[\n 1\n]", []], "c": [[1], {"d": [3, 4]}], "e": []}
    text = one_line_each(content)
    assert json.loads(text) == content
    assert "[1, 2.5, null]" in text
    assert "[3, 4]" in text
