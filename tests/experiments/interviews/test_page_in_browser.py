"""The page of an interview in a browser: usable by mouse and by keyboard, nothing strange runs."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace

import pytest
import soundfile

from experiments.annotations import vtt
from experiments.annotations.turns import read_turns
from experiments.interviews.page import page
from tests.browser import Browser
from tests.experiments.interviews.talks import PEAKS, TALK, angry_or_neutral, moods, timeline

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
RATE = 16000


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
