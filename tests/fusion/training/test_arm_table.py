"""The one table of arms: what it names exists, and what follows from it is what it was."""

from __future__ import annotations

import sys

import pytest

from experiments.reporting.arm_names import arm_name
from fusion.networks.heads import HEADS
from fusion.training.arm_table import (
    ARMS,
    JointArm,
    PublishedArm,
    ScoresArm,
    TrainedArm,
    arm_of,
    arms_that,
    is_arm,
    trained_arm,
    whole_of,
)
from fusion.tuning.tune import SPACES


@pytest.mark.parametrize("name", ARMS)
def test_what_an_arm_names_exists(name):
    arm = ARMS[name]
    assert arm.name == name
    assert {*arm.against, *arm.beside} <= set(ARMS)
    assert name not in (*arm.against, *arm.beside)
    if isinstance(arm, TrainedArm):
        assert arm.head in HEADS


@pytest.mark.parametrize("kind", HEADS)
def test_every_head_is_that_of_an_arm(kind):
    assert any(isinstance(arm, TrainedArm) and arm.head == kind for arm in ARMS.values())


def test_a_fused_arm_is_compared_with_what_it_fuses():
    """Arms of a final layer alone are compared with each other."""
    linear = ("concat_linear", "concat_crossfit")
    for name in arms_that(fuse=True):
        end = "_linear" if name in linear else ""
        assert ARMS[name].against[:2] == (f"audio{end}", f"text{end}")


def test_one_modality_is_compared_with_nothing():
    assert not any(ARMS[name].against for name in arms_that(fuse=False))


def test_the_arms_that_the_best_are_chosen_from():
    assert arms_that(fuse=False) == (
        *("audio", "text", "audio_frames", "audio_linear", "text_linear"),
    )
    assert arms_that(fuse=True) == (
        *("concat", "concat_linear", "concat_crossfit", "gated", "lowrank"),
        *("late", "late_mean", "late_product", "late_max", "late_per_class", "attention"),
    )


def test_what_late_fusion_tunes_is_of_an_arm():
    assert set(SPACES) <= set(ARMS)


def test_a_published_classifier_reads_what_has_its_name():
    arm = arm_of("pretrained:owner/name")
    assert isinstance(arm, PublishedArm)
    assert (arm.inputs, arm.fused, arm.crossfitted) == (("pretrained:owner/name",), False, False)
    assert whole_of(arm.name) == arm.name


def test_scores_of_a_file_and_an_arm_of_ours_with_them():
    arm = arm_of("scores:a/b+c.csv")
    assert isinstance(arm, ScoresArm)
    joint = arm_of("late:concat+scores:a/b+c.csv")
    assert isinstance(joint, JointArm)
    assert joint.against == ("concat", "scores:a/b+c.csv")
    assert joint.inputs == ("audio", "text", "scores:a/b+c.csv")
    assert [whole_of(one.name) for one in (arm, joint)] == [arm.name, joint.name]
    assert (arm_name(arm.name), arm_name(joint.name)) == (
        "scores:b+c.csv",
        "concat + scores:b+c.csv",
    )


@pytest.mark.parametrize(
    "name", ["scores:", "pretrained:", "late:audio", "late:audio+text", "late:x+scores:a"]
)
def test_what_is_no_arm(name):
    assert not is_arm(name)


@pytest.mark.parametrize("name", ["late", "pretrained:owner/name", "scores:a.csv"])
def test_no_heads_are_trained_of_an_arm_without_a_head(name):
    with pytest.raises(AssertionError, match="no head of its own"):
        trained_arm(name)


def test_titles():
    assert arm_name("concat_crossfit") == "concat, cross-fitted"
    assert arm_name("best_fused") == "best fused"
    assert arm_name("audio") == "audio"
    assert arm_name("concat/audio") == "concat/audio"


def test_a_process_that_does_not_know_an_arm_asks_the_plugins(monkeypatch, tmp_path):
    """Workers that train heads are told the name of an arm, and nothing of who made it."""
    own = tmp_path / "own_arm_of_this_test.py"
    own.write_text(
        "from dataclasses import replace\n"
        "from fusion.training.arm_table import ARMS\n"
        "ARMS['own'] = replace(ARMS['concat'], name='own', title='ours')\n"
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setenv("SERFUSION_PLUGINS", "")
    with pytest.raises(KeyError):
        trained_arm("own")
    monkeypatch.setenv("SERFUSION_PLUGINS", str(own))
    try:
        assert trained_arm("own").inputs == ("audio", "text")
        assert arms_that(fuse=True)[-1] == "own"
    finally:
        ARMS.pop("own", None)
