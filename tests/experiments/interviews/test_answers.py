"""What an interview says where no class is sure enough: what is coarser, sets, derived values."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from experiments.annotations.segments import Segment, Timeline
from experiments.config import OptionError
from experiments.interviews.courses import courses_of
from experiments.interviews.interview import interview
from experiments.interviews.options import InterviewOptions
from experiments.interviews.page import COARSER, feelings_of, page
from fusion.evaluation.backoff import Answer, LevelRule
from fusion.evaluation.conformal import PredictionSets
from fusion.evaluation.emotions import TREE, branches, derived_values
from fusion.model.fusion_model import FusionModel
from tests.experiments.interviews.conftest import TARGETS

PEAKS = np.linspace(0, 1, 50, dtype=np.float32)
#: No class is ever named, and a group wherever its probability is half.
LEVELS = (
    LevelRule("class", 0.99, 0.0, None),
    LevelRule("arousal", 0.5, 0.9, 0.8),
)
SETS = PredictionSets(9, tuple(np.linspace(0.4, 0.0, 41)))


def test_the_colours_are_those_of_the_tree():
    groups = {name for names in TREE.values() for name in names}
    assert set(COARSER) == groups | set(TREE)


@pytest.fixture
def folder(model_folder, tmp_path):
    model = FusionModel.load(model_folder("audio"))
    made = tmp_path / "model"
    replace(model, levels=LEVELS, sets=SETS).save(made)
    return made


def test_what_is_coarser_is_answered_where_no_class_is_sure(folder, talk, tmp_path):
    options = InterviewOptions(asr="none", abstain=0.99)
    found = interview(folder, [talk], tmp_path / "out", options).done[0].timeline
    assert found.segments
    arousal = branches(TARGETS, "arousal")
    for segment in found.segments:
        sums = {
            name: sum(
                p for p, own in zip(segment.probabilities, arousal, strict=True) if own == name
            )
            for name in arousal
        }
        best = max(sums, key=sums.__getitem__)
        assert (segment.answer.level, segment.label) == ("arousal", best)
        assert segment.answer.probability == pytest.approx(sums[best])
        assert segment.prediction_set == ()
    assert found.facts["levels"]["else whether it is aroused"].startswith("from 0.50 on: 90%")
    html = (tmp_path / "out" / "talk" / "interview.html").read_text(encoding="utf-8")
    assert 'value="unsure"' not in html
    assert "unsure 100 %" in html[html.index("<dt>class</dt>") :]
    assert "aroused" in html


def test_a_model_without_levels_answers_as_before(model_folder, talk, tmp_path):
    options = InterviewOptions(asr="none", abstain=0.99)
    found = interview(model_folder("audio"), [talk], tmp_path, options).done[0].timeline
    assert {segment.answer for segment in found.segments} == {None}
    assert not found.facts["levels"]


def test_sets_hold_every_class_that_reaches_their_threshold(folder, talk, tmp_path):
    options = InterviewOptions(asr="none", sets=0.8)
    found = interview(folder, [talk], tmp_path / "out", options).done[0].timeline
    least = SETS.threshold(0.8)
    for segment in found.segments:
        pairs = zip(TARGETS, segment.probabilities, strict=True)
        reaching = {name for name, p in pairs if p >= least}
        assert reaching <= set(segment.prediction_set)
        assert segment.prediction_set[0] == TARGETS[int(np.argmax(segment.probabilities))]
    assert found.facts["sets"].startswith("at a coverage of 0.8, by 9 development speakers")
    with (tmp_path / "out" / "talk" / "segments.csv").open(newline="") as file:
        (row, *_) = csv.DictReader(file)
    assert row["prediction_set"].split(" | ") == list(found.segments[0].prediction_set)


@pytest.mark.parametrize(
    ("sets", "message"),
    [(0.95, "--sets: coverage 0.95: expected 0.5 to 0.9, what 9 development speakers can give"),
     (0.3, "--sets: coverage 0.3: expected 0.5")],
)  # fmt: skip
def test_sets_that_cannot_be_had_are_refused_before_anything_is_heard(
    folder, talk, tmp_path, sets, message
):
    with pytest.raises(OptionError, match=message):
        interview(folder, [talk], tmp_path / "out", InterviewOptions(asr="none", sets=sets))
    assert not (tmp_path / "out").exists()


def test_a_model_that_keeps_no_sets_says_so(model_folder, talk, tmp_path):
    options = InterviewOptions(asr="none", sets=0.8)
    with pytest.raises(OptionError, match=r"keeps no thresholds of sets.*train it again"):
        interview(model_folder("audio"), [talk], tmp_path / "out", options)
    with pytest.raises(OptionError, match=r"--sets 1: expected a coverage, as in 0.9"):
        InterviewOptions(sets=1.0)


def test_derived_values_follow_from_probabilities_wherever_these_are(folder, talk, tmp_path):
    interview(folder, [talk], tmp_path / "out", InterviewOptions(asr="none", abstain=1.0))
    out = tmp_path / "out" / "talk"
    record = json.loads((out / "timeline.json").read_text(encoding="utf-8"))
    for segment in record["segments"]:
        valence, arousal = derived_values(tuple(segment["probabilities"].values()), TARGETS)
        derived = {"valence": round(valence, 3), "arousal": round(arousal, 3)}
        assert segment["derived"] == derived
    assert "Russell and Mehrabian (1977)" in record["facts"]["derived"]
    html = (out / "interview.html").read_text(encoding="utf-8")
    assert html.count('class="row trace"') == 2
    assert "Derived values are expected from the probabilities" in html


# ---------------------------------------------------------------- the page


def made(answer: Answer | None, *probabilities: float, **fields) -> Segment:
    start_s = fields.pop("start_s", 0.0)
    return Segment(
        start_s=start_s,
        end_s=start_s + 1,
        speaker="anna",
        answer=answer,
        probabilities=probabilities,
        **fields,
    )


def timeline(*segments: Segment, targets=("angry", "fear", "neutral")) -> Timeline:
    facts = {"speakers": "given", "words": "none", "notes": []}
    return Timeline(
        recording="r.wav", duration_s=10.0, targets=targets, segments=segments, facts=facts
    )


def test_the_page_shows_a_coarser_answer_in_no_colour_of_a_class_with_what_is_likeliest():
    coarse = Answer("group", "negative, aroused", 0.8)
    one = made(coarse, 0.5, 0.3, 0.2, prediction_set=("angry", "fear"))
    two = made(Answer("class", "neutral", 0.9), 0.05, 0.05, 0.9, start_s=2.0)
    talk = timeline(one, two)
    html = page(talk, PEAKS, "r.wav")
    assert "negative, aroused 0.80 (angry 0.50)" in html
    assert "set: angry, fear" in html
    assert [(f.name, f.colour) for f in feelings_of(talk)][3:] == [
        ("negative, aroused", "up falling")
    ]
    assert 'class="bit up falling"' in html
    assert 'class="bit up falling"' not in page(timeline(two), PEAKS, "r.wav")


def test_courses_are_drawn_where_probabilities_are():
    talk = timeline(
        made(None, 0.0, 0.0, 1.0), made(None, 1.0, 0.0, 0.0, start_s=2.0), made(None, start_s=4.0)
    )
    arousal, valence = courses_of(talk)
    assert arousal.deviations[:2] == pytest.approx((-0.295, 0.295))
    assert valence.deviations[:2] == pytest.approx((0.255, -0.255))
    assert (arousal.deviations[2], valence.deviations[2]) == (None, None)
    assert page(talk, PEAKS, "r.wav").count('class="row trace"') == 2


def test_classes_without_coordinates_have_no_curves():
    html = page(timeline(made(None, 1.0, 0.0), targets=("angry", "x")), PEAKS, "r.wav")
    assert 'class="row trace' not in html
    assert "derived" not in html
