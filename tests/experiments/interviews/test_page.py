"""The page of an interview: escaped, self-contained, and usable by mouse and by keyboard."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import time
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from experiments.annotations.segments import Segment, Timeline
from experiments.interviews.outputs import source_of
from experiments.interviews.page import page, wave
from experiments.templates import TEMPLATES
from fusion.evaluation.backoff import Answer
from tests.browser import Browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
RATE = 16000
EVIL = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>\"'&"


def segment(start_s: float, end_s: float, speaker: str, **fields) -> Segment:
    given = {"label": "sad", "level": "class", "probabilities": (0.3, 0.7), **fields}
    label, level = given.pop("label"), given.pop("level")
    sure = given.pop("sure", max(given["probabilities"]))
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
    assert "0:00:00 anna sad 0.70 voice says sad 0.80, words say calm 0.60" in text
    assert "I thought you had left" in text
    assert "doubtful: repeats 'x'" in text
    assert "unsure (calm 0.50) (no words)" in text
    assert "others speak too" in text


def test_shares_are_of_the_time_of_a_speaker():
    text = " ".join(Tags(page(TALK, PEAKS, "talk.wav")).text.split())
    # anna: 3 s of sad and 2.5 s unsure.
    assert "anna 0:00:05 2 0 % 55 % 45 %" in text
    assert "ben 0:00:03 1 100 % 0 % 0 %" in text


def test_a_recording_without_speech_has_a_page():
    assert "No speech was found." in page(timeline(), PEAKS, "talk.wav")


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
    opened.until("document.querySelector('li.here')?.dataset.k == '2'")


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
def test_a_click_on_a_lane_seeks(opened):
    opened.click(".row.wave")
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
