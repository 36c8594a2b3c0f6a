"""A coarser answer stands in every format where a class would, and says that it is one."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
from made_timelines import WRITERS

from experiments.annotations import eaf, segments_csv, textgrid, timeline_json, vtt
from experiments.annotations.segments import Segment, Timeline
from experiments.annotations.turns import Reading, read_turns
from fusion.evaluation.backoff import Answer

TARGETS = ("angry", "fear", "neutral", "tension")
COARSE = Answer("group", "negative, aroused", 0.8)


@pytest.fixture
def coarse() -> Timeline:
    segment = Segment(
        start_s=1.0,
        end_s=2.0,
        speaker="anna",
        answer=COARSE,
        probabilities=(0.5, 0.3, 0.2, 0.0),
        prediction_set=("angry", "fear"),
    )
    return Timeline(recording="r.wav", duration_s=3.0, targets=TARGETS, segments=(segment,))


@pytest.mark.parametrize("suffix", [".textgrid", ".eaf"])
def test_tiers_hold_it_with_its_probability_and_set(coarse, tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    WRITERS[suffix](coarse, path)
    of = eaf.read_tiers(Reading(path)) if suffix == ".eaf" else textgrid.read_tiers(path)
    tiers = {tier.name: tier for tier in of}
    (emotion,) = [mark.text for mark in tiers["anna emotion"].marks if mark.text]
    (confidence,) = [mark.text for mark in tiers["anna confidence"].marks if mark.text]
    assert emotion == "negative, aroused"
    assert confidence == "0.80; group (most probable angry); set: angry, fear"


def test_elan_offers_what_was_answered_among_the_classes(coarse, tmp_path):
    WRITERS[".eaf"](coarse, tmp_path / "x.eaf")
    assert ">negative, aroused</CVE_VALUE>" in (tmp_path / "x.eaf").read_text()


def test_the_table_and_json_hold_label_level_and_probability(coarse, tmp_path):
    segments_csv.write(coarse, tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    names = ("label", "level", "probability", "prediction_set", "derived_valence")
    # Tension has no coordinates, so that nothing can be derived.
    assert [row[n] for n in names] == ["negative, aroused", "group", "0.8", "angry | fear", ""]
    timeline_json.write(coarse, tmp_path / "x.json")
    assert timeline_json.read_json(tmp_path / "x.json") == coarse


def test_subtitles_have_it_and_its_level_as_classes(coarse, tmp_path):
    vtt.write(coarse, tmp_path / "x.vtt")
    assert "<c.negative-aroused.group>" in (tmp_path / "x.vtt").read_text()


@pytest.mark.parametrize("suffix", WRITERS)
def test_turns_come_back_from_every_format(coarse, tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    WRITERS[suffix](coarse, path)
    assert [(turn.start_s, turn.end_s, turn.speaker) for turn in read_turns(path)] == [
        (1.0, 2.0, "anna")
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": Answer("group", "angry", 0.8)}, "label 'angry' is none of negative, aroused"),
        ({"answer": Answer("class", "aroused", 0.8)}, "label 'aroused' is none of angry, fear"),
        ({"prediction_set": ("joy",)}, "prediction set with joy, none of angry"),
    ],
)
def test_what_no_level_has_is_refused(coarse, change, message):
    with pytest.raises(ValueError, match=message):
        replace(coarse, segments=(replace(coarse.segments[0], **change),))


def test_a_class_outside_of_the_tree_may_be_answered_at_every_level(coarse):
    own = replace(coarse.segments[0], answer=Answer("arousal", "tension", 0.6))
    assert replace(coarse, segments=(own,)).segments[0].label == "tension"
