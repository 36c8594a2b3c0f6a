"""Chance, calibration, groups and windows in results.json, and where they are shown."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

from experiments.reporting.caveats import cautions
from experiments.reporting.diagnostics import calibration, evidence
from experiments.reporting.results import summarise, with_best
from fusion.evaluation import metrics
from fusion.evaluation.calibration import DevAnswers, tempered
from fusion.evaluation.permutation import Null
from fusion.evaluation.predictions import answers_of, read, write
from fusion.evaluation.subgroups import Grouping
from tests.experiments.finished_runs import EVIL, make_facts, make_rows, write_pages

ARMS, TARGETS, SPEAKERS = ("audio", "text", "concat"), ("calm", "cross", "sad"), 12
GROUPS = {
    "sex": Grouping("speaker", {f"s{n}": ("female", "male")[n % 2] for n in range(SPEAKERS)}),
    "age": Grouping("speaker", {f"s{n}": "18 to 29" for n in range(3)} | {"s4": EVIL}),
    "language": Grouping(
        "utterance", {f"s{n}-{i}": ("de", "en")[i % 2] for n in range(SPEAKERS) for i in range(9)}
    ),
}


def facts(groups=GROUPS):
    made = make_facts(ARMS, TARGETS)
    return replace(made, facts=replace(made.facts, groups=groups))


@pytest.fixture(scope="module")
def rows():
    return with_best(make_rows(ARMS, SPEAKERS, TARGETS))


@pytest.fixture(scope="module")
def results(rows):
    return summarise(rows, facts())


# ---------------------------------------------------------------- tables


def test_a_table_has_each_row_once_whatever_the_order(rows):
    own = [row for row in rows if (row.arm, row.split) == ("audio", "test")]
    one, other = answers_of(own), answers_of(own[::-1])
    assert one.utterances == other.utterances
    np.testing.assert_array_equal(one.scores, other.scores)
    np.testing.assert_allclose(one.probabilities.sum(axis=-1), 1)


@pytest.mark.parametrize("change", [lambda own: own[1:], lambda own: [*own, own[0]]])
def test_a_row_too_few_or_too_many_is_an_error(rows, change):
    own = [row for row in rows if (row.arm, row.split) == ("audio", "test")]
    with pytest.raises(ValueError, match="expected one prediction per utterance and seed, got"):
        answers_of(change(own))


# ---------------------------------------------------------------- chance


def test_every_arm_with_skill_is_above_its_null(results):
    for arm in results.arms.values():
        assert arm.null.p < 0.05
        assert arm.null.mean < arm.null.high < arm.uar.value


@pytest.mark.parametrize("kind", ["constant", "shuffled"])
def test_an_arm_without_knowledge_is_at_chance(kind):
    rng = np.random.default_rng(3)
    blind = [
        replace(
            row, scores=(0.5, 0.3, 0.2) if kind == "constant" else tuple(rng.dirichlet([1] * 3))
        )
        for row in make_rows(("audio",), SPEAKERS, TARGETS)
    ]
    found = summarise(blind, facts({})).arms["audio"]
    assert found.null.p > 0.05
    assert found.uar.value == pytest.approx(found.null.mean, abs=0.08)


# ---------------------------------------------------------------- calibration


def test_temperatures_come_from_development_rows_of_their_fold_alone(rows, results):
    folds = results.arms["concat"].calibration.folds
    for fold in folds:
        dev = answers_of(
            [r for r in rows if (r.arm, r.split, r.outer_fold) == ("concat", "dev", fold.fold)]
        )
        inner = np.zeros(len(dev.truth), int)
        answers = DevAnswers(dev.probabilities, dev.truth, inner, dev.speakers)
        assert fold.temperature == answers.fit_temperature()
        assert astuple(answers.abstention(fold.temperature)) == astuple(fold)[:-2]


def test_test_rows_change_no_temperature_and_no_threshold(rows, results):
    wrong = [
        replace(row, scores=row.scores[1:] + row.scores[:1]) if row.split == "test" else row
        for row in rows
    ]
    again = summarise(wrong, facts())
    for arm in ARMS:
        sides = [found.arms[arm].calibration.folds for found in (again, results)]
        assert sides[0] == sides[1]


def test_errors_after_are_those_of_tempered_test_rows(rows, results):
    found = results.arms["concat"].calibration
    values = []
    test = answers_of([row for row in rows if (row.arm, row.split) == ("concat", "test")])
    after = test.probabilities
    for fold in found.folds:
        own = np.array(test.folds) == fold.fold
        after[:, own] = tempered(after[:, own], fold.temperature)
    values = [metrics.ece(test.truth, scores) for scores in after]
    assert found.after.ece == pytest.approx(np.mean(values))


def test_a_best_arm_takes_the_temperature_of_the_arm_it_stands_for(results):
    best = results.arms["best_fused"]
    chosen = {fold.fold: fold.chosen for fold in best.folds}
    for fold in best.calibration.folds:
        of_arm = results.arms[chosen[fold.fold]].calibration.folds
        assert fold in of_arm


def test_bins_hold_every_row_once(results):
    for side in ("before", "after"):
        bins = getattr(results.arms["audio"].calibration.bins, side)
        assert sum(one.rows for one in bins) == pytest.approx(results.rows.used)


def test_the_curve_ends_at_the_accuracy_of_all(results):
    for arm in results.arms.values():
        found = arm.calibration
        assert found.risk_coverage[-1].accuracy == pytest.approx(arm.accuracy.value)
        assert found.abstention.accuracy_of_all == pytest.approx(arm.accuracy.value)


def test_without_development_rows_nothing_is_calibrated(rows):
    found = evidence([row for row in rows if row.split == "test"])
    assert calibration(found, "audio", {}) is None


# ---------------------------------------------------------------- differences


def test_mcnemar_stands_beside_accuracy_only(rows, results):
    for row in results.differences:
        assert (row.mcnemar is not None) == (row.metric == "accuracy")
    found = next(r for r in results.differences if r.metric == "accuracy" and r.primary)
    sides = [
        answers_of([row for row in rows if (row.arm, row.split) == (arm, "test")])
        for arm in ("best_fused", "best_unimodal")
    ]
    hits = [side.guesses == side.truth for side in sides]
    assert found.mcnemar.only_one == (hits[0] & ~hits[1]).sum(axis=1).mean()


def test_the_margin_of_equivalence_holds_the_difference(results):
    for row in results.differences:
        assert row.equivalent >= abs(row.value)


def test_every_metric_has_its_deviation_over_seeds(results):
    for metric in ("uar", "accuracy", "macro_f1", "weighted_f1"):
        assert results.arms["audio"].score(metric).sd_over_seeds > 0


# ---------------------------------------------------------------- groups


def test_groups_are_of_the_best_arms_and_add_up(results):
    assert {arm for arm, found in results.arms.items() if found.groups is not None} == {
        "best_unimodal",
        "best_fused",
    }
    sex = results.arms["best_fused"].groups["sex"]
    assert {name: one.speakers for name, one in sex.groups.items()} == {
        "female": 6,
        "male": 6,
    }
    assert sum(one.rows for one in sex.groups.values()) == results.rows.used


def test_the_difference_of_two_groups_has_an_interval(results):
    groups = results.arms["best_fused"].groups
    gap, own = groups["sex"].difference, groups["sex"].groups
    assert gap.value == pytest.approx(own["female"].uar.value - own["male"].uar.value)
    assert gap.low < gap.value < gap.high
    assert groups["language"].difference is None


def test_a_group_of_few_speakers_has_a_value_and_no_bounds(results):
    young = results.arms["best_fused"].groups["age"].groups["18 to 29"]
    assert (young.speakers, young.uar.low) == (3, None)
    assert young.uar.value is not None
    assert "below 5" in young.uar.method


def test_every_speaker_has_a_value_over_own_utterances(rows, results):
    found = results.arms["best_fused"].speakers
    assert len(found) == SPEAKERS
    own = [
        row for row in rows
        if (row.arm, row.split, row.speaker, row.seed) == ("best_fused", "test", "s3", 0)
    ]  # fmt: skip
    hits = np.mean([np.argmax(row.scores) == np.argmax(row.target) for row in own])
    assert found["s3"].rows == len(own)
    assert found["s3"].accuracy.value == pytest.approx(hits, abs=0.35)
    assert found["s3"].accuracy.method == "jackknife-t over 9 utterances"


# ---------------------------------------------------------------- windows


def windowed(rows):
    """The audio arm in three windows, the last of which knows nothing."""
    made = []
    for row in rows:
        if row.arm != "audio":
            made.append(row)
            continue
        flat = tuple(1 / len(row.scores) for _ in row.scores)
        made += [replace(row, window=n, scores=row.scores if n < 2 else flat) for n in range(3)]
    return with_best(made)


def test_windows_are_put_together_before_anything_is_counted(rows, results, tmp_path):
    made = windowed([row for row in rows if not row.arm.startswith("best")])
    write(made, tmp_path / "p.safetensors")
    assert list(read(tmp_path / "p.safetensors")) == list(made)
    found = summarise(made, facts())
    audio = found.arms["audio"]
    assert found.rows.used == results.rows.used
    assert audio.uar.value == pytest.approx(results.arms["audio"].uar.value)
    assert audio.windows["window"].rows == 3 * audio.windows["mean"].rows
    assert audio.windows["mean"].uar.value == audio.uar.value
    assert audio.windows["window"].uar.value < audio.windows["vote"].uar.value
    assert found.arms["text"].windows is None
    write_pages(found, tmp_path)
    assert (
        "Windows, before and after they are put together" in (tmp_path / "report.html").read_text()
    )


# ---------------------------------------------------------------- the page


def test_the_page_shows_all_of_it_and_believes_nothing(results, tmp_path):
    write_pages(results, tmp_path)
    page = (tmp_path / "report.html").read_text()
    for words in ("Against chance", "How sure, and how right", "For whom it works",
                  "McNemar", "equivalent within", "Speaker by speaker"):  # fmt: skip
        assert words in page
    assert EVIL not in page
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"reliability-best_fused.svg", "risk-coverage.svg"} <= names


def test_a_corpus_without_groups_still_has_its_speakers(rows, tmp_path):
    found = summarise(rows, facts({}))
    write_pages(found, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "Speaker by speaker" in page
    assert "By what the corpus knows" not in page


# ---------------------------------------------------------------- what is said before a quote


def test_an_arm_that_is_not_above_chance_is_named(results):
    blind = [
        replace(row, scores=(0.5, 0.3, 0.2)) if row.arm == "text" else row
        for row in make_rows(ARMS, SPEAKERS, TARGETS)
    ]
    said = "text is not shown to be above chance (labels moved within speakers)"
    assert said in cautions(summarise(with_best(blind), facts()))
    assert not any("above chance" in line for line in cautions(results))


def test_speakers_of_one_class_are_told_where_nothing_could_be_found(results):
    null = Null(mean=0.3, high=0.4, p=0.6, fixed=0.8, shuffled=1.0)
    content = replace(results, arms={"text": replace(results.arms["text"], null=null)})
    assert any("80% of utterances are of speakers with one class" in c for c in cautions(content))


def test_the_effective_number_of_speakers_is_told_where_it_is_small(results):
    assert results.arms["audio"].effective == pytest.approx(SPEAKERS)
    few = replace(results, arms={"audio": replace(results.arms["audio"], effective=3.2)})
    assert any("these 12 weigh like 3.2 equal ones" in line for line in cautions(few))
    assert not any("weigh like" in line for line in cautions(results))
