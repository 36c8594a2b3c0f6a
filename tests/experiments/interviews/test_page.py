"""The page of an interview: escaped, self-contained, and what it shows."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from experiments.annotations import timeline_json
from experiments.annotations.segments import Segment, Timeline
from experiments.interviews.courses import charts_of, courses_of, listen_first
from experiments.interviews.index_page import write_index
from experiments.interviews.outputs import source_of
from experiments.interviews.page import page, wave
from experiments.templates import TEMPLATES
from fusion.model.card import USE
from tests.experiments.interviews.talks import (
    PEAKS,
    TALK,
    angry_or_neutral,
    moods,
    segment,
    timeline,
)

EVIL = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>\"'&"


class Tags(HTMLParser):
    """Tags with their attributes, and the text outside of style and script."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside not in ("style", "script"):
            self.text += f"{data} "


def test_whatever_is_said_or_named_is_text():
    evil = timeline(segment(0.0, 1.0, EVIL, text=EVIL, text_doubtful=(EVIL,)), name=EVIL)
    evil = Timeline(
        recording=EVIL,
        duration_s=10.0,
        targets=(EVIL, "sad"),
        segments=(segment(0.0, 1.0, EVIL, text=EVIL, label=EVIL, text_doubtful=(EVIL,)),),
        facts={**evil.facts, "words": EVIL, "notes": [EVIL]},
    )
    found = Tags(page(evil, PEAKS, "talk.wav"))
    kinds = [tag for tag, _ in found.tags]
    assert kinds.count("script") == 1
    assert "img" not in kinds
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert found.text.count(EVIL) >= 6


def test_nothing_is_loaded_from_elsewhere():
    html = page(TALK, PEAKS, "talk.wav")
    assert not re.search(r"https?://|//[a-z]", html)
    sources = [attributes.get("src") for _, attributes in Tags(html).tags if "src" in attributes]
    assert sources == ["talk.wav"]


def test_a_page_says_what_it_is_not_for():
    text = " ".join(Tags(page(TALK, PEAKS, "talk.wav")).text.split())
    assert "Use and misuse" in text
    assert all(line in text for line in USE)


def test_the_policy_of_the_page_names_the_one_script_by_its_hash():
    html = page(TALK, PEAKS, "talk.wav")
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in html


@pytest.mark.parametrize(
    "path", [p for p in TEMPLATES.glob("*.j2") if "<html" in p.read_text()], ids=lambda p: p.name
)
def test_every_page_allows_no_script_but_ours_and_no_address(path):
    html = path.read_text(encoding="utf-8")
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert [rules[name] for name in ("default-src", "base-uri", "form-action")] == ["'none'"] * 3
    assert "unsafe" not in rules.get("script-src", "")
    assert not re.search(r"\son[a-z]+=", html)


def test_every_segment_says_who_how_sure_and_what():
    text = " ".join(Tags(page(TALK, PEAKS, "talk.wav")).text.split())
    assert "Play 0:00:00 anna sad 0.70 I thought you had left" in text
    assert "doubtful: repeats 'x'" in text
    assert "unsure (calm 0.50) (no words)" in text
    assert "others speak too" in text


def test_shares_are_of_the_time_of_a_speaker():
    text = " ".join(Tags(page(TALK, PEAKS, "talk.wav")).text.split())
    # anna: 3 s of sad and 2.5 s unsure.
    assert "anna 0:00:05 2 0 % 55 % 45 %" in text
    assert "ben 0:00:03 1 100 % 0 % 0 %" in text


def test_a_recording_without_speech_has_a_page():
    html = page(timeline(), PEAKS, "talk.wav")
    assert "No speech was found." in html
    assert "Listen first" not in html


def test_levels_come_coarsest_first_and_a_finer_answer_says_the_coarser_one():
    fine = segment(0.0, 3.0, "anna", label="sad", probabilities=(0.1, 0.1, 0.8))
    group = {"label": "negative, aroused", "level": "group", "probabilities": (0.4, 0.4, 0.2)}
    coarse = segment(3.0, 4.0, "anna", **group)
    talk = replace(
        timeline(), targets=("angry", "fear", "sad"), segments=(fine, coarse, silent(4.0, "anna"))
    )
    text = " ".join(Tags(page(talk, PEAKS, "talk.wav")).text.split())
    said = text[text.index("What can be said") : text.index("Over time")]
    # At the level of arousal "sad" is the only branch of its kind, so that there are two levels.
    assert "group negative, aroused 20 % negative, low 60 % not classified 20 %" in said
    assert "class sad 60 % unsure 20 % not classified 20 %" in said
    assert said.index(" group ") < said.index(" class ")


def silent(start_s: float, speaker: str) -> Segment:
    return segment(start_s, start_s + 1, speaker, label=None, probabilities=())


def test_deviations_are_from_the_median_of_the_same_speaker():
    talk = angry_or_neutral(
        *moods(0.1, 0.2, 0.9), *moods(0.8, 0.8, 0.6, speaker="ben", start_s=5.0)
    )
    arousal, valence = courses_of(talk)
    assert (arousal.name, valence.name) == ("derived arousal", "derived valence")
    # Angry has an arousal of .59 and a valence of -.51, neutral 0.
    assert arousal.medians == pytest.approx({"anna": 0.59 * 0.2, "ben": 0.59 * 0.8})
    assert arousal.deviations == pytest.approx([0.59 * p for p in (-0.1, 0, 0.7, 0, 0, -0.2)])
    assert valence.deviations[2] == pytest.approx(-0.51 * 0.7)


def test_what_lies_farthest_is_listened_to_first_and_the_page_says_how_many_and_why():
    talk = angry_or_neutral(*moods(0.2, 0.2, 0.9, 0.3, 0.2, 0.15, 0.2, 0.2), silent(12.0, "ben"))
    picks = listen_first(talk, courses_of(talk))
    assert [(pick.number, pick.course) for pick in picks] == [
        (2, "derived arousal"),
        (3, "derived arousal"),
        (5, "derived valence"),
    ]
    html = page(talk, PEAKS, "talk.wav")
    assert (
        "3 of 9 segments: the 2 whose derived arousal lies farthest, then the 1 whose derived "
        "valence lies farthest from the median of the same speaker."
    ) in html
    assert html.count(" data-alone>") == 3


def test_a_speaker_of_few_segments_does_not_stand_out():
    talk = angry_or_neutral(*moods(0.2, 0.2, 0.9))
    assert listen_first(talk, courses_of(talk)) == ()
    assert "No segment stands out" in page(talk, PEAKS, "talk.wav")


def test_unsure_segments_of_a_course_are_a_path_of_their_own():
    sure = segment(0.0, 2.0, "anna", label="angry", probabilities=(1.0, 0.0))
    talk = angry_or_neutral(sure, *moods(0.0, start_s=10.0))
    (chart,) = charts_of(courses_of(talk)[0], talk, 1000).of_speakers
    assert (chart.sure, chart.unsure) == ("M0.0 -1.00h100.0", "M500.0 1.00h50.0")
    assert chart.line == "M50.0 -1.00L525.0 1.00"


def test_three_hours_are_less_than_three_megabytes():
    rows = [segment(5.4 * k, 5.4 * k + 5, "anna", text="word " * 12) for k in range(2000)]
    long = replace(timeline(), duration_s=10800.0, segments=tuple(rows))
    assert len(page(long, PEAKS, "talk.wav").encode()) < 3e6


# ---------------------------------------------------------------- several recordings


def test_several_recordings_have_a_list_and_one_has_none(tmp_path):
    for name, talk in (("a b", TALK), ("c", timeline(name="<c>.wav"))):
        assert write_index(tmp_path) is None
        folder = tmp_path / name
        folder.mkdir()
        timeline_json.write(talk, folder / "timeline.json")
        (folder / "interview.html").write_text(page(talk, PEAKS, "talk.wav"), encoding="utf-8")
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "timeline.json").write_text("[]", encoding="utf-8")
    (tmp_path / "else" / "interview.html").write_text("another's", encoding="utf-8")
    assert write_index(tmp_path) == tmp_path / "index.html"
    found = Tags((tmp_path / "index.html").read_text(encoding="utf-8"))
    links = [attributes["href"] for tag, attributes in found.tags if tag == "a"]
    assert links == ["a%20b/interview.html", "c/interview.html"]
    text = " ".join(found.text.split())
    assert "2 recordings" in text
    assert "talk.wav 0:00:10 anna, ben 3 67 %" in text
    assert "<c>.wav 0:00:10 none 0 – –" in text
    # Again over our own; beside somebody else's.
    assert write_index(tmp_path) == tmp_path / "index.html"
    (tmp_path / "index.html").write_text("my notes", encoding="utf-8")
    assert write_index(tmp_path) == write_index(tmp_path) == tmp_path / "index-2.html"
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == "my notes"


def test_a_long_recording_lies_beside_and_its_name_is_an_address(tmp_path):
    recording = tmp_path / "tapes" / "a b#1?.wav"
    address = source_of(recording, tmp_path / "out" / "x" / "interview.html", None)
    assert address == "../../tapes/a%20b%231%3F.wav"


def test_a_short_recording_is_in_the_page(tmp_path, make_audio):
    address = source_of(tmp_path / "a.wav", tmp_path / "interview.html", make_audio(0.5))
    assert address.startswith("data:audio/ogg;base64,")


@pytest.mark.parametrize("points", [0, 1, 7, 1000, 54321])
def test_the_wave_has_at_most_a_thousand_points(points):
    drawn = wave(np.ones(points, np.float32))
    assert drawn.count("L") == max(0, 2 * min(points, 1000) - 1)


# ---------------------------------------------------------------- in a browser


def test_colours_are_those_that_people_expect_and_none_is_given_twice():
    from experiments.interviews.page import feelings_of

    def colours(*targets: str) -> dict[str, str]:
        made = Timeline(recording="x", duration_s=1.0, targets=targets, segments=())
        return {one.name: one.colour for one in feelings_of(made)}

    found = colours("bored", "neutral", "angry", "tense")
    assert (found["angry"], found["neutral"]) == ("e0", "e2")
    assert len(set(found.values())) == 4
    assert colours("neutral", "angry")["angry"] == "e0"
    assert len(set(colours(*"abcdefgh").values())) == 8
