"""The page of an interview: escaped, self-contained, and usable by mouse and by keyboard."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import time
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from experiments.annotations import timeline_json, vtt
from experiments.annotations.segments import Segment, Timeline
from experiments.annotations.turns import read_turns
from experiments.interviews.courses import charts_of, courses_of, listen_first
from experiments.interviews.index_page import write_index
from experiments.interviews.outputs import source_of
from experiments.interviews.page import page, wave
from experiments.templates import TEMPLATES
from fusion.evaluation.backoff import Answer
from fusion.model.card import USE
from tests.browser import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
RATE = 16000
EVIL = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>\"'&"


def segment(start_s: float, end_s: float, speaker: str, **fields) -> Segment:
    given = {"label": "sad", "level": "class", "probabilities": (0.3, 0.7), **fields}
    label, level = given.pop("label"), given.pop("level")
    sure = given.pop("sure", max(given["probabilities"], default=0.0))
    answer = None if label is None else Answer(level, label, sure)
    return Segment(start_s=start_s, end_s=end_s, speaker=speaker, answer=answer, **given)


def timeline(*segments: Segment, name: str = "talk.wav") -> Timeline:
    facts = {"speakers": "given", "words": "none", "notes": ["a note"], "model": "late"}
    return Timeline(
        recording=name,
        duration_s=10.0,
        targets=("calm", "sad"),
        segments=segments,
        facts=facts,
    )


TALK = timeline(
    segment(0.0, 3.0, "anna", text="I thought you had left", voice=(0.2, 0.8), words=(0.6, 0.4)),
    segment(
        3.0,
        6.0,
        "ben",
        text="Thank you",
        text_doubtful=("repeats 'x'",),
        label="calm",
        probabilities=(0.9, 0.1),
    ),
    segment(6.5, 9.0, "anna", label=None, probabilities=(0.5, 0.5), overlap=True),
)
PEAKS = np.linspace(0, 1, 200, dtype=np.float32)


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


def moods(*angry: float, speaker: str = "anna", start_s: float = 0.0) -> tuple[Segment, ...]:
    """Segments of a second each, between neutral and angry."""
    return tuple(
        segment(start_s + k, start_s + k + 1, speaker, label=None, probabilities=(p, 1 - p))
        for k, p in enumerate(angry)
    )


def angry_or_neutral(*segments: Segment) -> Timeline:
    return replace(timeline(), duration_s=20.0, targets=("angry", "neutral"), segments=segments)


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


@pytest.fixture(scope="module")
def shown(tmp_path_factory, make_tone):
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    folder = tmp_path_factory.mktemp("page")
    soundfile.write(folder / "talk.wav", make_tone(10.0), RATE)
    (folder / "interview.html").write_text(page(TALK, PEAKS, "talk.wav"), encoding="utf-8")
    browser = Browser(CHROMIUM, folder / "profile")
    yield browser, folder / "interview.html"
    browser.close()


@pytest.fixture
def opened(shown):
    browser, path = shown
    browser.open(path)
    browser.until("document.querySelector('audio').readyState >= 1")
    return browser


TIME = "document.querySelector('audio').currentTime"
PAUSED = "document.querySelector('audio').paused"
OPEN = "[...document.querySelectorAll('ol.talk li')].filter(i => !i.hidden).length"


@pytest.mark.slow
def test_no_script_but_the_pages_own_runs(opened):
    opened.value(
        "document.body.insertAdjacentHTML('beforeend', "
        "'<img src=x onerror=\"document.title=1\">')"
        "|| document.body.append(Object.assign(document.createElement('script'), "
        "{textContent: 'document.title=2'}))"
    )
    time.sleep(0.5)
    assert opened.value("document.title") == "talk.wav – interview"


@pytest.mark.slow
def test_a_click_on_a_segment_plays_it_and_marks_it(opened):
    opened.click("ol.talk li:nth-child(2) button")
    opened.until(f"{TIME} >= 3 && {TIME} < 6")
    opened.until("document.querySelector('li.here').dataset.speaker == 'ben'")
    # The mark follows the playback.
    opened.value("document.querySelector('audio').currentTime = 6.6")
    opened.until("document.querySelector('li.here .play')?.dataset.k == '2'")


@pytest.mark.slow
def test_filters_hide_segments_and_say_how_many_are_left(opened):
    assert opened.value(OPEN) == 3
    opened.click("input[name=speaker][value=anna]")
    assert opened.value(OPEN) == 1
    opened.click("input[name=feeling][value=calm]")
    assert opened.value("document.getElementById('shown').textContent") == "0 of 3 segments shown"
    assert opened.value("document.querySelectorAll('.bit.dim').length") == 3


@pytest.mark.slow
def test_the_keyboard_does_what_the_mouse_does(opened):
    opened.press("j")
    assert opened.value(TIME) == pytest.approx(3.0, abs=0.1)
    opened.press("j")
    assert opened.value(TIME) == pytest.approx(6.5, abs=0.1)
    opened.press("k")
    assert opened.value(TIME) == pytest.approx(3.0, abs=0.1)
    opened.press("ArrowRight")
    assert opened.value(TIME) == pytest.approx(8.0, abs=0.1)
    opened.value("document.querySelector('ol.talk button').focus()")
    opened.press("Enter")
    opened.until(f"{TIME} < 3 && !document.querySelector('audio').paused")


@pytest.mark.slow
def test_space_plays_and_pauses_but_not_in_a_field(opened):
    opened.press(" ")
    opened.until(f"!{PAUSED}")
    opened.press(" ")
    opened.until(PAUSED)
    # On the button of what is heard it pauses, on any other it presses.
    opened.click("ol.talk li:nth-child(2) button")
    opened.until(f"!{PAUSED}")
    opened.press(" ")
    opened.until(PAUSED)
    opened.value("document.getElementById('find').focus()")
    opened.press(" ")
    assert opened.value(PAUSED) is True
    assert opened.value("document.getElementById('find').value") == " "


@pytest.mark.slow
def test_a_search_leaves_what_holds_the_words_and_marks_them(opened):
    opened.press("/")
    for letter in "YOU":
        opened.call("Input.insertText", text=letter)
    assert opened.value("document.getElementById('shown').textContent") == "2 of 3 segments shown"
    marks = "[...document.querySelectorAll('ol.talk li:not([hidden]) mark')]"
    assert opened.value(f"{marks}.map(one => one.textContent)") == ["you", "you"]
    assert opened.value("document.querySelector('.text').textContent") == "I thought you had left"


@pytest.mark.slow
def test_enter_opens_all_numbers_of_a_segment(opened):
    opened.value("document.querySelector('ol.talk button.how').focus()")
    opened.press("Enter")
    table = "[...document.querySelectorAll('.panel tr')].map(row => row.innerText.split('\\t'))"
    assert opened.value(table) == [
        ["", "together", "voice", "words"],
        ["calm", "0.30", "0.20", "0.60"],
        ["sad", "0.70", "0.80", "0.40"],
    ]
    assert opened.value("document.querySelector('button.how').ariaExpanded") == "true"
    opened.press("Enter")
    assert opened.value("document.querySelectorAll('.panel').length") == 0


@pytest.mark.slow
def test_corrected_words_are_saved_as_a_file_that_is_read_back(opened, tmp_path):
    opened.click("ol.talk li:nth-child(2) button.how")
    opened.value("document.querySelector('.panel textarea').select()")
    opened.call("Input.insertText", text="Thank <you> & --> bye\n\nnow")
    assert "1 corrected, not saved" in opened.value("document.body.innerText")
    opened.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    opened.click("#save")
    path = tmp_path / "talk.corrected.vtt"
    end = time.monotonic() + 60
    while not path.is_file() and time.monotonic() < end:
        time.sleep(0.1)
    turns = [(t.start_s, t.end_s, t.speaker, t.text, bool(t.doubts)) for t in read_turns(path)]
    assert turns == [
        (0.0, 3.0, "anna", "I thought you had left", False),
        (3.0, 6.0, "ben", "Thank <you> & --> bye now", False),
        (6.5, 9.0, "anna", None, False),
    ]
    assert "1 corrected, saved" in opened.value("document.body.innerText")


@pytest.mark.slow
def test_what_is_saved_without_a_correction_is_what_was_written(opened, tmp_path):
    vtt.write(TALK, tmp_path / "timeline.vtt")
    assert opened.value("vtt()") == (tmp_path / "timeline.vtt").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_segment_to_listen_to_first_stops_at_its_end(shown, tmp_path):
    browser, path = shown
    talk = angry_or_neutral(*moods(0.2, 0.2, 0.9, 0.3, 0.2))
    made = path.parent / "first.html"
    made.write_text(page(replace(talk, duration_s=10.0), PEAKS, "talk.wav"), encoding="utf-8")
    browser.open(made)
    browser.until("document.querySelector('audio').readyState >= 1")
    browser.click("[data-alone]")
    browser.until(f"{PAUSED} && {TIME} >= 3 && {TIME} < 3.9")


@pytest.mark.slow
def test_a_page_without_words_or_speech_works(shown):
    browser, path = shown
    without = replace(TALK, segments=tuple(replace(one, text=None) for one in TALK.segments))
    secret = replace(without, facts={**TALK.facts, "redacted": "words are left out"})
    for talk in (secret, timeline()):
        made = path.parent / "other.html"
        made.write_text(page(talk, PEAKS, "talk.wav"), encoding="utf-8")
        browser.open(made)
        assert browser.value("document.querySelectorAll('#find, #save').length") == 0
        # The last line of the script was reached.
        assert browser.value("slider.getAttribute('aria-valuetext')") == "0:00:00"


@pytest.mark.slow
@pytest.mark.parametrize("lane", [".row.wave", ".row.trace"])
def test_a_click_on_a_lane_seeks(opened, lane):
    # One of the courses may lie under the player, which stays where it is.
    opened.click(lane)
    opened.until(f"{TIME} > 4.5 && {TIME} < 5.6")


@pytest.mark.slow
def test_on_a_phone_names_stand_above_their_lanes_and_nothing_is_cut_off(opened):
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    opened.call("Emulation.setDeviceMetricsOverride", **size)
    try:
        above = """[...document.querySelectorAll('.row .name')].every(name =>
            name.getBoundingClientRect().bottom
                <= name.parentElement.getBoundingClientRect().top)"""
        assert opened.value(above) is True
        assert opened.value("document.documentElement.scrollWidth") <= 390
    finally:
        opened.call("Emulation.clearDeviceMetricsOverride")


@pytest.mark.slow
def test_a_recording_that_was_moved_is_told_and_can_be_chosen(shown, tmp_path):
    browser, _ = shown
    path = tmp_path / "interview.html"
    path.write_text(page(TALK, PEAKS, "gone.wav"), encoding="utf-8")
    browser.open(path)
    browser.until("!document.getElementById('lost').hidden")
    assert browser.value("document.title") == "talk.wav – interview"


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
