"""A model that standardises by speaker hears each person of a recording by their own baseline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from encoders.audio.reading import read_segment
from encoders.embedding import embed
from experiments.interviews.interview import interview
from experiments.interviews.options import InterviewOptions
from fusion.batch import Moments
from fusion.model.fusion_model import FusionModel, inputs_of
from fusion.training.normalise import LEAST, Normaliser

TURNS = [(0.0, 1.2, "anna"), (1.8, 3.2, "anna"), (5.0, 9.0, "ben"), (10.0, 12.0, "anna")]


@pytest.fixture
def turns(tmp_path) -> Path:
    lines = [
        f"SPEAKER talk 1 {start:.3f} {end - start:.3f} <NA> <NA> {name} <NA> <NA>\n"
        for start, end, name in TURNS
    ]
    (tmp_path / "talk.rttm").write_text("".join(lines), encoding="utf-8")
    return tmp_path / "talk.rttm"


def normaliser(by: str) -> Normaliser:
    ones = torch.ones(480, dtype=torch.float64)
    return Normaliser(by, {"audio": Moments(-5 * ones, 4 * ones, 5 * ones)})


def heard(model: FusionModel, talk: Path) -> list[dict[str, torch.Tensor | None]]:
    (shared,) = model._encoders
    sounds = [read_segment(talk, start, end) for start, end, _ in TURNS]
    return [
        inputs_of(model.modalities, stored)
        for stored in embed(shared.encoder, sounds, shared.specs)
    ]


def timeline(model: Path, talk: Path, out: Path, turns: Path):
    options = InterviewOptions(asr="none", turns=turns)
    outcome = interview(model, [talk], out, options)
    assert outcome.failures == ()
    return outcome.done[0].timeline


@pytest.mark.parametrize("by", ["speaker", "recording", "corpus"])
def test_who_speaks_is_heard_beside_the_rest_of_what_they_say(
    model_folder, talk, turns, tmp_path, by
):
    folder = model_folder("audio", normaliser=normaliser(by))
    found, model = timeline(folder, talk, tmp_path / "out", turns), FusionModel.load(folder)
    inputs = heard(model, talk)
    assert len(found.segments) == len(TURNS)
    theirs = [
        model.baseline(
            [
                one
                for one, turn in zip(inputs, TURNS, strict=True)
                if by != "speaker" or turn[2] == n
            ]
        )
        for _, _, n in TURNS
    ]
    for one, row, baseline in zip(found.segments, inputs, theirs, strict=True):
        expected = model.predict_embeddings(row, baseline)
        np.testing.assert_allclose(one.probabilities, list(expected.values()), atol=1e-5)
    alone = [list(model.predict_embeddings(row).values()) for row in inputs]
    apart = [
        not np.allclose(one.probabilities, other, atol=1e-4)
        for one, other in zip(found.segments, alone, strict=True)
    ]
    # Ben has one turn, which is too few for a baseline of his own.
    assert apart == [True, True, by != "speaker", True]


def test_it_is_said_above_everything_else(model_folder, talk, turns, tmp_path):
    folder = model_folder("audio", normaliser=normaliser("speaker"))
    found = timeline(folder, talk, tmp_path / "out", turns)
    assert any("same speaker" in line for line in found.facts["warnings"])
    page = (tmp_path / "out" / "talk" / "interview.html").read_text(encoding="utf-8")
    assert "transductive" in page
    assert "ben: fewer than 3 segments, standardised by training statistics" in found.facts["notes"]


def test_who_is_not_told_apart_has_no_baseline_of_their_own(model_folder, talk, tmp_path):
    folder = model_folder("audio", normaliser=normaliser("speaker"))
    outcome = interview(folder, [talk], tmp_path / "out", InterviewOptions(asr="none"))
    notes = outcome.done[0].timeline.facts["notes"]
    assert any("not told apart: all are standardised as one" in note for note in notes)


def test_so_few_segments_are_heard_by_training(model_folder):
    model = FusionModel.load(model_folder("audio", normaliser=normaliser("speaker")))
    frames = {"audio": torch.full((1, 480), 3.0)}
    for count, same in ((LEAST - 1, True), (LEAST, False)):
        baseline = model.baseline([frames] * count)
        found = model.predict_embeddings(frames, baseline)
        assert (found == model.predict_embeddings(frames)) is same
