"""A saved model is calibrated, may abstain, and comes back with both; old formats are refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from encoders.files import sealed
from fusion.evaluation.backoff import Answer, LevelRule
from fusion.evaluation.calibration import Abstention, DevAnswers, tempered
from fusion.evaluation.conformal import PredictionSets
from fusion.model.fusion_model import FORMAT_VERSION, FusionModel, HeadEnsemble
from fusion.model.outputs import OutputType
from fusion.networks.head import Hyperparameters, InputShape
from fusion.networks.heads import HEADS

TARGETS = ("calm", "cross", "sad")
RULES = (LevelRule("class", 0.6, 0.5, 0.75), LevelRule("group", 0.7, 0.125, None))
SETS = PredictionSets(9, (0.6, 0.5, 0.5))


def model(**fields) -> FusionModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = HEADS["mlp"].network([InputShape(4, 1, 1)], len(TARGETS), Hyperparameters()).eval()
    part = HeadEnsemble("mlp", ("audio",), (4,), (1,), Hyperparameters(), (head,))
    return FusionModel("audio", TARGETS, {}, (part,), **fields)


def predicted(one: FusionModel) -> dict[str, float]:
    return one.predict_embeddings({"audio": torch.ones(1, 4)})


def test_predictions_are_tempered():
    plain, hot = predicted(model()), predicted(model(temperature=2.5))
    expected = tempered(np.array(list(plain.values())), 2.5)
    assert list(hot.values()) == pytest.approx(expected.tolist())
    assert sum(hot.values()) == pytest.approx(1)


def test_below_the_threshold_no_class_is_named():
    one = model(abstention=Abstention(0.6, 0.8, 0.8, 0.7, True))
    assert one.decide({"calm": 0.59, "cross": 0.31, "sad": 0.1}) is None
    assert one.decide({"calm": 0.1, "cross": 0.6, "sad": 0.3}) == "cross"


def test_a_model_without_threshold_always_names_a_class():
    assert model().decide({"calm": 0.34, "cross": 0.33, "sad": 0.33}) == "calm"


def test_calibration_is_fitted_on_the_rows_it_is_given():
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(3), 400)
    truth = (scores.cumsum(axis=1) > rng.random((400, 1))).argmax(axis=1)
    speakers = tuple(f"s{row % 10}" for row in range(400))
    dev = DevAnswers(tempered(scores, 0.5)[None], truth, np.zeros(400, int), speakers)
    one = model().calibrated(dev)
    assert one.temperature == dev.fit_temperature() == pytest.approx(2, rel=0.3)
    sure = tempered(tempered(scores, 0.5), one.temperature).max(axis=1)
    assert [rule.level for rule in one.levels] == ["class", "arousal"]
    assert one.levels[0].threshold == one.abstention.threshold
    assert (one.sets.speakers, one.sets.most) == (10, 0.9)
    assert one.abstention.coverage == pytest.approx((sure >= one.abstention.threshold).mean())


def test_what_was_saved_comes_back(tmp_path):
    one = model(temperature=1.25, abstention=Abstention(0.6, 0.8, 0.75, 0.5, False))
    one.save(tmp_path)
    again = FusionModel.load(tmp_path)
    assert (again.temperature, again.abstention) == (one.temperature, one.abstention)
    assert predicted(again) == predicted(one)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "temperature 1.25" in card
    assert "0.60, which leaves 50% of development utterances, 75% of them right (80% was" in card


def test_a_model_without_threshold_comes_back_without(tmp_path):
    model().save(tmp_path)
    again = FusionModel.load(tmp_path)
    assert (again.abstention, again.levels, again.sets) == (None, (), None)


def test_levels_and_sets_come_back_and_are_told(tmp_path):
    one = model(abstention=Abstention(0.6, 0.8, 0.75, 0.5, True), levels=RULES, sets=SETS)
    one.save(tmp_path)
    again = FusionModel.load(tmp_path)
    assert (again.levels, again.sets) == (RULES, SETS)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "- a class: from 0.60 on: 50% of development utterances, 75% of them right" in card
    assert "- else a group of classes: from 0.70 on: 12% of development utterances, at" in card
    assert "a coverage of 0.5 to 0.52, from 9 development speakers" in card


def test_a_model_that_was_written_before_there_were_levels_is_read(tmp_path):
    model(abstention=Abstention(0.6, 0.8, 0.75, 0.5, True), levels=RULES, sets=SETS).save(tmp_path)
    about = json.loads((tmp_path / "model.json").read_text())
    del about["levels"], about["sets"]
    (tmp_path / "model.json").write_text(json.dumps(sealed(about)))
    again = FusionModel.load(tmp_path)
    assert (again.levels, again.sets) == ((), None)
    assert again.answer({"calm": 0.5, "cross": 0.4, "sad": 0.1}) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": 1}, "levels: expected a list of rules"),
        ({"levels": [{"level": "genus"}]}, r"levels \['genus'\]: expected some of class, group"),
        ({"sets": {"speakers": 3, "least": [0.5, 0.6]}}, "thresholds that fall"),
        ({"sets": {"speakers": 3, "least": []}}, "thresholds that fall"),
        ({"sets": 3}, "sets: expected speakers and least"),
    ],
)
def test_levels_and_sets_that_no_training_writes_are_refused(tmp_path, change, message):
    model().save(tmp_path)
    about = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(sealed(about | change)))
    with pytest.raises(ValueError, match=message):
        FusionModel.load(tmp_path)


def test_the_answer_backs_off_and_a_threshold_of_the_user_is_that_of_classes():
    targets = ("angry", "fear", "sad")
    one = replace(
        model(abstention=Abstention(0.6, 0.8, 0.8, 0.7, True), levels=RULES), targets=targets
    )
    given = {"angry": 0.55, "fear": 0.25, "sad": 0.2}
    assert one.answer(given) == Answer("group", "negative, aroused", 0.8)
    assert one.decide(given) is None
    assert one.backoff(0.5).answer((0.55, 0.25, 0.2)) == Answer("class", "angry", 0.55)
    assert one.backoff(0.9).answer((0.8, 0.1, 0.1)).level == "group"
    valued = replace(one, outputs=OutputType("regression", lowest=(0.0,) * 3, highest=(1.0,) * 3))
    with pytest.raises(ValueError, match="names no class"):
        valued.answer(given)


@pytest.mark.parametrize("found", [1, 99, None, "2"])
def test_another_format_is_refused_with_the_next_step(tmp_path, found):
    model().save(tmp_path)
    about = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(sealed(about | {"format": found})))
    with pytest.raises(
        ValueError, match=f"a model of format {found!r}, but this version reads"
    ) as e:
        FusionModel.load(tmp_path)
    assert f"format {FORMAT_VERSION}" in str(e.value)
    assert "train it again" in str(e.value)
