"""results.json: recomputed from predictions, nulls with reasons, Holm over what is exploratory."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from experiments.reporting.diagnostics import sums_of
from experiments.reporting.pairs import gated
from experiments.reporting.results import summarise, with_best
from experiments.reporting.results_schema import ArmDifference, FoldResults, TriedOut, as_json
from experiments.reporting.sentences import answer
from experiments.reporting.trained_encoder import Trained
from fusion.evaluation.p_values import holm
from fusion.evaluation.predictions import Prediction, answers_of
from fusion.evaluation.statistics import Difference, Interval
from tests.experiments.finished_runs import make_rows, typed
from tests.experiments.reporting.skilled_rows import ARMS, CLASSES, facts, rows_of


@pytest.fixture(scope="module")
def rows() -> list[Prediction]:
    return with_best([row for arm in ARMS for row in rows_of(arm)])


@pytest.fixture(scope="module")
def results(rows):
    return summarise(rows, facts())


# ---------------------------------------------------------------- arms


def test_uar_equals_scikit_learn(rows, results):
    own = [r for r in rows if r.arm == "concat" and r.split == "test"]
    per_seed = [
        balanced_accuracy_score(
            [np.argmax(r.target) for r in own if r.seed == seed],
            [np.argmax(r.scores) for r in own if r.seed == seed],
        )
        for seed in (0, 1)
    ]
    assert results.arms["concat"].uar.value == pytest.approx(np.mean(per_seed))


def test_development_rows_do_not_count(rows, results):
    wrong = [
        replace(r, scores=r.scores[1:] + r.scores[:1]) if r.split == "dev" else r for r in rows
    ]
    again = summarise(wrong, facts())
    assert [again.arms[arm].uar for arm in ARMS] == [results.arms[arm].uar for arm in ARMS]


def test_confusion_counts_every_row_once(results):
    assert np.sum(results.arms["audio"].confusion) == 54


def test_support_is_that_of_one_seed(results):
    assert [c.support for c in results.arms["audio"].per_class.values()] == [18, 18, 18]


def test_per_class_recall_averages_to_uar(results):
    arm = results.arms["late"]
    recalls = [c.recall for c in arm.per_class.values()]
    assert np.mean(recalls) == pytest.approx(arm.uar.value)


def test_one_seed_has_no_deviation_over_seeds():
    found = summarise(rows_of("audio", seeds=[0]), facts())
    assert found.arms["audio"].uar.sd_over_seeds is None


def test_two_seeds_have_one(results):
    assert results.arms["audio"].uar.sd_over_seeds > 0


def test_results_are_json(results):
    assert typed(json.loads(json.dumps(as_json(results), allow_nan=False))) == results


def test_the_order_of_predictions_changes_no_number(rows, results):
    again = summarise(rows[::-1], facts())
    assert again.arms["audio"].uar == results.arms["audio"].uar


@pytest.mark.parametrize("place", ["session", "dialogue"])
def test_of_pairs_who_talk_with_each_other_nothing_is_claimed_from_ten_speakers(place):
    """Five sessions: p is at least .0625, so that no difference of any size can be shown."""
    made = []
    for row in make_rows(ARMS[:3], 10, CLASSES):
        pair = int(row.speaker.removeprefix("s")) // 2
        made.append(replace(row, **{place: f"{place} {pair}"}))
    found = summarise(with_best(made), facts(run="abc123"))
    assert (found.rows.speakers, found.rows.clusters) == (10, 5)
    assert found.rows.unit == "groups of speakers"
    for row in found.differences:
        assert row.least_p >= 0.0625
        assert row.detectable is None
    assert "none of any size: with 5 groups of speakers p is at least .063" in answer(found)
    assert "over 5 groups of speakers" in found.arms["audio"].uar.method


def test_gates_close_in_sequence():
    """A further metric counts only where all before it are shown; after one without a test none."""

    def row(metric: str, p: float | None) -> ArmDifference:
        difference = Difference(Interval(0.1, 0.05, 0.15, ""), p)
        return ArmDifference.of(("best_fused", "best_unimodal"), metric, difference, primary=True)

    made = gated([row("macro_f1", 0.01), row("uar", 0.3), row("accuracy", 0.04)])
    assert [one.p_holm for one in made] == [None, 0.3, 0.3]
    made = gated([row("auc", None), row("uar", 0.01)])
    assert [one.p_holm for one in made] == [None, 1.0]


def test_counts_are_by_speaker_and_seed(rows):
    own = [r for r in rows if r.arm == "audio" and r.split == "test"]
    counts = sums_of([answers_of(own)], 0.0).sums
    assert counts.sum(axis=(2, 3)).tolist() == [[9, 9]] * 6


# ---------------------------------------------------------------- folds


def lacking(speaker: int, row: int) -> int:
    """Speakers of the first fold never say the third class."""
    return row % 2 if speaker < 2 else row % 3


def test_a_fold_without_a_class_has_no_uar():
    folds = summarise(rows_of("audio", lacking), facts()).arms["audio"].folds
    assert [fold.uar is None for fold in folds] == [True, False, False]


def test_a_fold_without_a_class_says_why():
    folds = summarise(rows_of("audio", lacking), facts()).arms["audio"].folds
    assert [fold.uar_reason for fold in folds] == [
        "1 of 3 classes have no test utterance",
        None,
        None,
    ]


def test_a_fold_without_a_class_has_an_accuracy():
    folds = summarise(rows_of("audio", lacking), facts()).arms["audio"].folds
    assert folds[0].accuracy is not None


def test_a_fold_without_a_class_leaves_the_corpus_its_uar():
    found = summarise(rows_of("audio", lacking), facts())
    assert found.arms["audio"].uar.value is not None


def fitted(**hyperparameters: int) -> FoldResults:
    tried = (TriedOut(0.1, "complete", {}), TriedOut(0.2, "complete", {}))
    return FoldResults(fold="1", hyperparameters=hyperparameters, trials=tried)


def test_hyperparameters_stand_beside_their_fold():
    fits = {"audio": (fitted(hidden=32),)}
    arm = summarise(rows_of("audio"), facts(fits=fits)).arms["audio"]
    assert [f.hyperparameters for f in arm.folds] == [None, {"hidden": 32}, None]


def test_the_number_of_trials_is_told():
    fits = {"audio": (fitted(),)}
    assert summarise(rows_of("audio"), facts(fits=fits)).arms["audio"].trials == 2


# ---------------------------------------------------------------- best arms


def test_the_best_arm_is_chosen_per_fold_on_development_rows(rows):
    plain = [r for r in rows if not r.arm.startswith("best")]
    for fold in "012":
        values = {}
        for arm in ("concat", "late", "attention"):
            dev = [r for r in plain if (r.arm, r.outer_fold, r.split) == (arm, fold, "dev")]
            hits: dict[tuple[int, int], list[bool]] = {}
            for r in dev:
                truth = int(np.argmax(r.target))
                hits.setdefault((r.seed, truth), []).append(int(np.argmax(r.scores)) == truth)
            values[arm] = np.mean([np.mean(cell) for cell in hits.values()])
        best = max(values, key=values.__getitem__)
        expected = [
            r.scores for r in plain if (r.arm, r.outer_fold, r.split) == (best, fold, "test")
        ]
        found = [r.scores for r in rows if (r.arm, r.outer_fold) == ("best_fused", fold)]
        assert found == expected


def test_test_rows_do_not_choose_the_best_arm(rows):
    plain = [r for r in rows if not r.arm.startswith("best")]
    # On test rows late fusion becomes perfect; on development rows it stays what it was.
    changed = [
        replace(r, scores=r.target) if r.split == "test" and r.arm == "late" else r for r in plain
    ]
    assert _chosen(summarise(with_best(changed), facts())) == _chosen(summarise(rows, facts()))


def test_the_arm_that_a_best_arm_stands_for_is_told(rows, results):
    chosen = _chosen(results)
    for row in rows:
        if row.arm == "best_fused":
            original = next(
                r
                for r in rows
                if (r.arm, r.utterance, r.seed, r.split)
                == (chosen[row.outer_fold], row.utterance, row.seed, "test")
            )
            assert row.scores == original.scores


def _chosen(results: dict) -> dict[str, str]:
    return {fold.fold: fold.chosen for fold in results.arms["best_fused"].folds}


def test_every_arm_has_its_folds_in_one_order():
    """A best arm's rows come arm by arm, so that they alone would order its folds otherwise."""
    made = [row for arm in ("audio", "concat", "late") for row in rows_of(arm)]
    # In the first fold concat is wrong on development rows, so that late stands there.
    made = [
        replace(r, scores=r.target[1:] + r.target[:1])
        if (r.arm, r.split, r.outer_fold) == ("concat", "dev", "0")
        else r
        for r in made
    ]
    found = summarise(with_best(made), facts()).arms
    chosen = [fold.chosen for fold in found["best_fused"].folds]
    assert chosen[0] == "late"
    assert "concat" in chosen
    orders = {tuple(fold.fold for fold in arm.folds) for arm in found.values()}
    assert orders == {("0", "1", "2")}


def test_best_arms_have_test_rows_only(rows):
    assert {r.split for r in rows if r.arm.startswith("best")} == {"test"}


def test_without_fused_arms_there_is_no_best_fused():
    found = with_best([*rows_of("audio"), *rows_of("text")])
    assert "best_fused" not in {r.arm for r in found}


# ---------------------------------------------------------------- differences


def test_the_primary_comparison_comes_first(results):
    first = results.differences[0]
    assert (first.arm, first.against, first.metric, first.primary) == (
        "best_fused",
        "best_unimodal",
        "uar",
        True,
    )


def test_only_the_best_arms_are_primary(results):
    primary = {(d.arm, d.against) for d in results.differences if d.primary}
    assert primary == {("best_fused", "best_unimodal")}


def test_the_primary_comparison_is_not_corrected(results):
    first, second = [d for d in results.differences if d.primary]
    assert (first.metric, first.p_holm) == ("uar", None)
    # In a second metric it counts only where it is shown in the first.
    assert second.p_holm == max(first.p, second.p)


@pytest.mark.parametrize("metric", ["uar", "accuracy"])
def test_holm_corrects_the_exploratory_ones_of_a_metric(metric, results):
    own = [d for d in results.differences if d.metric == metric and not d.primary]
    assert [d.p_holm for d in own] == holm([d.p for d in own])


def test_every_fused_arm_is_compared_with_both_modalities(results):
    found = {(d.arm, d.against) for d in results.differences if d.metric == "uar" and not d.primary}
    assert found == {(a, b) for a in ("concat", "late", "attention") for b in ("audio", "text")}


def test_a_difference_is_that_of_the_arms(results):
    for found in results.differences:
        values = [results.arms[arm].score(found.metric).value for arm in (found.arm, found.against)]
        assert found.value == pytest.approx(values[0] - values[1])


def test_without_fused_arms_there_are_no_differences():
    assert summarise(with_best(rows_of("audio")), facts()).differences == ()


# ---------------------------------------------------------------- trained encoders


def test_every_field_of_a_trained_encoder_is_written_also_where_it_is_the_default():
    numbers = dict.fromkeys(("train_speakers", "dev_speakers", "utterances", "epoch", "epochs"), 3)
    words = dict.fromkeys(("typed", "fold", "part", "precision", "fingerprint"), "x")
    told = Trained(kind="audio", dev_uar=0.5, seconds=1.0, **numbers, **words)
    assert as_json(told)["dev_metric"] == "UAR"
