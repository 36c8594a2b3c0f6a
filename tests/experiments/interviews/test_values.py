"""Interviews by models of values, shares and sets of labels."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.annotations.segments import Segment, Timeline
from experiments.annotations.segments_csv import write as write_csv
from experiments.annotations.timeline_json import read_json, write as write_json
from experiments.annotations.turns import read_turns
from experiments.config import OptionError
from experiments.interviews.courses import charts_of, courses_of
from experiments.interviews.interview import interview
from experiments.interviews.options import InterviewOptions
from experiments.interviews.outputs import TIMELINES
from experiments.interviews.page import means_of, page
from fusion.model.fusion_model import FusionModel
from fusion.model.outputs import OutputType
from tests.experiments.interviews.conftest import TARGETS

PEAKS = np.linspace(0, 1, 50, dtype=np.float32)
FACTS = {"speakers": "given", "words": "none", "notes": []}
LOW, HIGH = (-50.0,) * 3, (50.0,) * 3


def valued(start_s: float, end_s: float, speaker: str, *values: float, **fields) -> Segment:
    given = {"probabilities": (), "values": values, **fields}
    return Segment(start_s=start_s, end_s=end_s, speaker=speaker, **given)


@pytest.fixture
def timeline() -> Timeline:
    segments = (
        valued(0.0, 3.0, "anna", 1.5, -2.0, text="No.", voice=(1.0, -3.0), words=(2.0, -1.0)),
        valued(3.0, 6.0, "ben", 4.5, 0.25),
        valued(6.5, 7.5, "anna", 3.5, 2.0),
        Segment(start_s=8.0, end_s=9.0, speaker="ben", probabilities=()),
    )
    return Timeline(
        recording="talk.wav",
        duration_s=10.0,
        targets=("valence", "arousal"),
        segments=segments,
        facts=FACTS,
        kind="values",
    )


def told_by(folder: Path, task: str, **numbers) -> Path:
    """The same model with outputs that mean something else."""
    outputs = OutputType(task, **numbers)
    model = replace(FusionModel.load(folder), outputs=outputs, combination=None, abstention=None)
    model = replace(model, parts=tuple(replace(one, task=task) for one in model.parts))
    made = folder.parent / f"{folder.name}-{task}-{len(str(numbers))}"
    model.save(made)
    return made


# ---------------------------------------------------------------- what is written


def test_values_come_back_from_json_and_csv(timeline, tmp_path):
    write_json(timeline, tmp_path / "t.json")
    assert read_json(tmp_path / "t.json") == timeline
    write_csv(timeline, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as handle:
        first = next(csv.DictReader(handle))
    assert (first["value_valence"], first["voice_arousal"], first["label"]) == ("1.5", "-3.0", "")


@pytest.mark.parametrize("ending", ["TextGrid", "eaf", "vtt", "rttm"])
def test_every_format_takes_values_and_gives_the_turns_back(timeline, tmp_path, ending):
    path = tmp_path / f"timeline.{ending}"
    TIMELINES[path.name](timeline, path)
    found = read_turns(path)
    assert sorted((one.start_s, one.speaker) for one in found) == [
        (one.start_s, one.speaker) for one in timeline.segments
    ]
    told = "valence 1.5, arousal -2" in path.read_text(encoding="utf-8")
    assert told == (ending in ("TextGrid", "eaf"))


@pytest.mark.parametrize(
    ("segment", "kind", "message"),
    [
        ({"values": (1.0, 2.0)}, "classes", "expected what a timeline of classes has"),
        ({"probabilities": (0.5, 0.5)}, "values", "expected what a timeline of values has"),
        ({"values": (1.0,)}, "values", "1 values for 2 dimensions"),
        ({"values": (1.0, float("nan"))}, "values", "expected finite numbers"),
        ({"values": (1.0, 2.0), "probabilities": (0.5, 0.5)}, "values", "expected one of them"),
    ],
)
def test_values_that_cannot_be_are_refused(segment, kind, message):
    with pytest.raises(ValueError, match=message):
        Timeline(
            recording="x",
            duration_s=2.0,
            targets=("valence", "arousal"),
            segments=(
                Segment(start_s=0, end_s=1, speaker="a", **{"probabilities": (), **segment}),
            ),
            kind=kind,
        )


# ---------------------------------------------------------------- the page


def test_the_page_shows_values_and_their_means_and_no_class(timeline):
    html = page(timeline, PEAKS, "talk.wav")
    for told in ("valence 1.5, arousal -2", 'data-voice="1.0 -3.0"', "valence, mean"):
        assert told in html
    # Anna's valence: 1.5 for 3 s and 3.5 for 1 s.
    assert means_of([one for one in timeline.segments if one.speaker == "anna"], "va") == (
        "2",
        "-1",
    )
    assert "unsure" not in html
    assert html.count('name="feeling"') == 2  # with values, not classified
    assert html.count('class="row trace"') == 4
    assert "derived" not in html


def test_courses_are_values_around_the_median_and_arousal_comes_first(timeline):
    arousal, valence = courses_of(timeline)
    assert (arousal.name, valence.name) == ("arousal", "valence")
    assert valence.medians == {"anna": 2.5, "ben": 4.5}
    assert valence.deviations == (-1.0, 0.0, 1.0, None)
    assert arousal.deviations == (-2.0, 0.0, 2.0, None)
    anna, ben = charts_of(valence, timeline, 1000).of_speakers
    assert (anna.sure, anna.unsure) == ("M0.0 1.00h300.0M650.0 -1.00h100.0", "")
    assert ben.told == "from +0.00 to +0.00 around the median of 4.50"


def test_a_recording_without_speech_has_a_page_of_values(timeline):
    assert "No speech was found." in page(replace(timeline, segments=()), PEAKS, "talk.wav")


# ---------------------------------------------------------------- models


def test_a_model_of_values_gives_values_over_time(model_folder, talk, tmp_path):
    folder = told_by(model_folder("audio"), "regression", lowest=LOW, highest=HIGH)
    outcome = interview(folder, [talk], tmp_path, InterviewOptions(asr="none"))
    found = outcome.done[0].timeline
    assert found.kind == "values"
    for one in found.segments:
        assert (one.label, one.probabilities, len(one.values)) == (None, (), len(TARGETS))
        assert one.voice == one.values
    written = json.loads((tmp_path / "talk" / "timeline.json").read_text(encoding="utf-8"))
    assert written["facts"]["numbers"].startswith("values in the units of the corpus")
    assert set(written["segments"][0]["values"]) == set(TARGETS)
    assert not any("beyond those of training" in note for note in found.facts["notes"])


def test_values_beyond_those_of_training_are_told(model_folder, talk, tmp_path):
    folder = told_by(model_folder("audio"), "regression", lowest=(9.0,) * 3, highest=(9.5,) * 3)
    found = interview(folder, [talk], tmp_path, InterviewOptions(asr="none")).done[0].timeline
    count = len(found.segments)
    assert found.facts["notes"][1].startswith(f"{count} segments of {count} with values beyond")


def test_neighbours_of_a_speaker_are_averaged_in_values_too(model_folder, talk, tmp_path):
    folder = told_by(model_folder("audio"), "regression", lowest=LOW, highest=HIGH)
    options = InterviewOptions(asr="none", smooth=99)
    found = interview(folder, [talk], tmp_path, options).done[0].timeline
    assert len(found.segments) > 1
    assert len({one.values for one in found.segments}) == 1
    raw = [one.voice for one in found.segments]
    np.testing.assert_allclose(found.segments[0].values, np.mean(raw, axis=0))


def test_a_model_of_values_abstains_from_nothing(model_folder, talk, tmp_path):
    folder = told_by(model_folder("audio"), "regression", lowest=LOW, highest=HIGH)
    with pytest.raises(OptionError, match=r"--abstain 0.5: the model gives values of angry"):
        interview(folder, [talk], tmp_path, InterviewOptions(asr="none", abstain=0.5))


def test_a_model_of_shares_names_the_largest(model_folder, talk, tmp_path):
    folder = told_by(model_folder("audio"), "distribution")
    found = interview(folder, [talk], tmp_path, InterviewOptions(asr="none")).done[0].timeline
    assert found.kind == "classes"
    for one in found.segments:
        assert one.label == TARGETS[int(np.argmax(one.probabilities))]


def test_a_model_of_sets_is_refused_before_anything_is_heard(model_folder, talk, tmp_path):
    folder = told_by(model_folder("audio"), "multi-label", thresholds=(0.5,) * 3)
    with pytest.raises(ValueError, match=r"sets of labels .* expected one of classes, shares or"):
        interview(folder, [talk], tmp_path / "out", InterviewOptions(asr="none"))
    assert not (tmp_path / "out").exists()
