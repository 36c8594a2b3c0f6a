"""Short segments in one window: every word back where it was said, or its segment heard alone."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from encoders.asr.recognisers import RecogniserSpec
from encoders.asr.transcript import NOTHING, SAMPLE_RATE_HZ, Segment
from encoders.asr.transcription import TimedRecogniser, load_recogniser
from encoders.asr.window_packing import (
    GAP_S,
    SLACK_S,
    WINDOW_S,
    Place,
    packed,
    spoken,
    taken_apart,
    timed,
    windows_of,
    words_together,
)
from encoders.audio.waveform import Audio

LENGTHS = st.lists(st.floats(0.1, 20.0), min_size=1, max_size=12)


def places_of(lengths_s) -> tuple[Place, ...]:
    """Places as in a pack, however long it is."""
    found, start = [], 0
    for length_s in lengths_s:
        stop = start + round(length_s * SAMPLE_RATE_HZ)
        found.append(Place(start, stop))
        start = stop + round(GAP_S * SAMPLE_RATE_HZ)
    return tuple(found)


def word(text: str, start_s: float, end_s: float) -> Segment:
    return timed(text, start_s, end_s, 0.5, 0.1)


def pairs(edges):
    return zip(edges[::2], edges[1::2], strict=True)


@st.composite
def talks(draw):
    """Places of two segments or more, and the words of each with their times, in their order."""
    places = places_of(draw(st.lists(st.floats(0.3, 6.0), min_size=2, max_size=6)))
    script = []
    for number, place in enumerate(places):
        # Times of words are good to some frames: they may reach past the segment's ends.
        low, high = place.start_s - 0.9 * SLACK_S, place.stop_s + 0.9 * SLACK_S
        count = draw(st.integers(1, 5))
        edges = sorted(draw(st.lists(st.floats(low, high), min_size=2 * count, max_size=2 * count)))
        # A word has a frame's length at least.
        times = ((start_s, max(end_s, start_s + 0.02)) for start_s, end_s in pairs(edges))
        script.append([word(f" w{number}.{k}", *one) for k, one in enumerate(times)])
    return places, script


def text_of(words) -> str:
    return "".join(one.text for one in words).strip()


def heard(script):
    words = [one for own in script for one in own]
    return spoken(words, text_of(words), "en")


def tone(number: int, seconds: float = 1.0, rate_hz: int = SAMPLE_RATE_HZ) -> Audio:
    return Audio(np.full(round(seconds * rate_hz), 0.1 * (number + 1), np.float32), rate_hz)


# ---------------------------------------------------------------- what shares a window


@given(LENGTHS)
def test_every_segment_is_in_one_window_in_order_and_windows_are_not_overfull(lengths_s):
    windows = windows_of(lengths_s)
    assert [k for window in windows for k in window] == [*range(len(lengths_s))]
    for window in windows:
        filled_s = sum(lengths_s[k] + GAP_S for k in window)
        assert len(window) == 1 or filled_s <= WINDOW_S
    # The first of the next window did not fit.
    for window, after in pairwise(windows):
        assert sum(lengths_s[k] + GAP_S for k in (*window, after[0])) > WINDOW_S


def test_a_pack_holds_its_segments_with_silence_after_each():
    pack = packed([tone(0), tone(1, 0.5, 8000)])
    assert pack.audio.sample_rate_hz == SAMPLE_RATE_HZ
    first, second = pack.places
    assert (first.start_s, first.stop_s) == (0.0, 1.0)
    assert (second.start_s, second.stop_s) == (1.0 + GAP_S, 1.5 + GAP_S)
    np.testing.assert_array_equal(pack.audio.samples[: first.stop], tone(0).samples)
    assert not pack.audio.samples[first.stop : second.start].any()
    assert not pack.audio.samples[second.stop :].any()
    assert pack.audio.duration_s == pytest.approx(1.5 + 2 * GAP_S)


def test_the_key_names_every_segment_and_its_place():
    sounds = [tone(0), tone(1), tone(2)]
    pack = packed(sounds)
    assert packed([tone(0), tone(1), tone(2)]).key == pack.key
    others = [
        packed(sounds[::-1]).key,
        packed(sounds[:2]).key,
        packed([tone(0), tone(1), tone(3)]).key,
        packed([tone(0, 1.5), tone(1), tone(2)]).key,
        replace(pack, places=(Place(1, 16001), *pack.places[1:])).key,
    ]
    assert len({pack.key, *others}) == 1 + len(others)


# ---------------------------------------------------------------- where words belong


@given(talks())
def test_every_word_lands_in_the_segment_that_it_was_said_in(talk):
    places, script = talk
    found = taken_apart(heard(script), places)
    assert [one and one.text for one in found] == [text_of(own) for own in script]
    for one, place in zip(found, places, strict=True):
        assert one is not None
        length_s = place.stop_s - place.start_s + 1e-3
        assert all(0 <= own.start_s <= own.end_s <= length_s for own in one.segments)


@given(talks(), st.data())
def test_a_word_across_a_silence_sends_both_sides_to_windows_of_their_own(talk, data):
    places, script = talk
    left = data.draw(st.integers(0, len(places) - 2))
    across = word(" across", places[left].stop_s - 0.1, places[left + 1].start_s + 0.1)
    script[left] = [one for one in script[left] if one.start_s <= across.start_s] + [across]
    found = taken_apart(heard(script), places)
    for number, own in enumerate(script):
        if number in (left, left + 1):
            assert found[number] is None
        else:
            assert found[number].text == text_of(own)


@given(talks(), st.data())
def test_a_word_in_the_silence_may_be_of_either_side(talk, data):
    places, script = talk
    left = data.draw(st.integers(0, len(places) - 1))
    middle_s = places[left].stop_s + GAP_S / 2
    script[left].append(word(" um", middle_s - 0.1, middle_s + 0.1))
    found = taken_apart(heard(script), places)
    assert [k for k, one in enumerate(found) if one is None] == [
        k for k in (left, left + 1) if k < len(places)
    ]


def test_a_last_word_that_starts_in_the_silence_is_not_given_to_the_next_segment():
    places = (Place(0, 96000), Place(112000, 144000))
    words = [word(" by", 4.0, 4.5), word(" the", 4.5, 5.0), word(" door.", 6.4, 7.1)]
    words.append(word(" Kids", 7.2, 8.0))
    heard = spoken(words, "by the door. Kids", "en")
    assert taken_apart(heard, places) == (None, None)
    # No length: Whisper did not find it at all.
    door = [*words[:2], word(" door.", 6.98, 6.98), words[3]]
    assert taken_apart(spoken(door, "by the door. Kids", "en"), places) == (None, None)


def test_a_first_word_that_starts_in_the_silence_stays_with_its_sentence():
    places = (Place(0, 96000), Place(112000, 144000))
    words = [word(" door.", 5.0, 5.5), word(" Kids", 6.4, 7.3), word(" talk", 7.4, 7.9)]
    found = taken_apart(spoken(words, "door. Kids talk", "en"), places)
    assert [one.text for one in found] == ["door.", "Kids talk"]


@given(talks())
def test_where_the_order_is_broken_all_are_heard_alone(talk):
    places, script = talk
    assert set(taken_apart(heard(script[::-1]), places)) == {None}


@given(talks(), st.data())
def test_no_word_is_lost_or_doubled_whatever_the_times(talk, data):
    places, script = talk
    moved = [
        replace(one, start_s=start_s, end_s=start_s + data.draw(st.floats(0, 8)))
        for own in script
        for one in own
        for start_s in [data.draw(st.floats(-1, 60))]
    ]
    found = taken_apart(spoken(moved, text_of(moved), "en"), places)
    told = [name for one in found if one is not None for name in one.text.split()]
    assert len(told) == len(set(told))
    # A word that no segment tells is near one that will be heard again.
    missing = [one for one in moved if one.text.strip() not in told]
    assert None in found or not missing


def test_a_segment_without_words_is_heard_alone():
    places = places_of([1.0, 1.0, 1.0])
    words = [word(" a", 0.2, 0.5), word(" c", 4.2, 4.5)]
    found = taken_apart(spoken(words, "a c", "en"), places)
    assert [one and one.text for one in found] == ["a", None, "c"]
    assert taken_apart(NOTHING, places) == (None, None, None)


def test_times_that_are_none_send_all_to_windows_of_their_own():
    words = [word(" a", math.nan, math.nan), word(" b", 2.2, 2.4)]
    assert taken_apart(spoken(words, "a b", "en"), places_of([1.0, 1.0])) == (None, None)


def test_words_that_miss_some_text_are_none():
    words = [word(" so", 0.0, 0.5)]
    assert spoken(words, "so it goes", "en") == NOTHING
    assert spoken([], None, "en") == NOTHING
    assert spoken(words, " so ", "en").text == "so"


def test_words_without_spaces_stay_together():
    places = places_of([1.0, 1.0])
    words = [word("悲", 0.1, 0.3), word("しい", 0.3, 0.6), word("はい", 2.2, 2.6)]
    found = taken_apart(spoken(words, "悲しいはい", "ja"), places)
    assert [words_together(one.segments, "ja").text for one in found] == ["悲しい", "はい"]


def test_the_sureness_of_a_segment_is_that_of_its_own_words():
    places = places_of([1.0, 1.0])
    words = [
        timed(" a", 0.1, 0.3, math.exp(-1), 0.2),
        timed(" b", 0.4, 0.5, math.exp(-3), 0.2),
        timed(" c", 2.1, 2.3, 0.0, 0.7),
    ]
    first, second = taken_apart(spoken(words, "a b c", "en"), places)
    assert (first.avg_logprob, first.no_speech_prob) == (pytest.approx(-2.0), 0.2)
    assert second.avg_logprob < -20
    assert second.no_speech_prob == 0.7


# ---------------------------------------------------------------- openai-whisper


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    """A Whisper of the true architecture with random weights, which hears English."""
    from whisper.model import ModelDimensions, Whisper

    sizes = {"n_audio_state": 16, "n_audio_head": 2, "n_audio_layer": 1, "n_text_ctx": 16}
    sizes |= {"n_text_state": 16, "n_text_head": 2, "n_text_layer": 2}
    dims = ModelDimensions(n_mels=80, n_audio_ctx=1500, n_vocab=51865, **sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Whisper(dims)
        torch.nn.init.normal_(model.decoder.positional_embedding)
        torch.nn.init.normal_(model.decoder.token_embedding.weight, std=1.0)
    path = tmp_path_factory.mktemp("whisper-words") / "tiny.pt"
    torch.save({"dims": dims.__dict__, "model_state_dict": model.state_dict()}, path)
    return load_recogniser(RecogniserSpec(checkpoint=str(path), language="en"))


@pytest.mark.arithmetic
def test_words_of_whisper_have_times_and_probabilities_and_repeat_themselves(whisper):
    assert isinstance(whisper, TimedRecogniser)
    rng = np.random.default_rng(0)
    samples = [rng.normal(0, 0.1, 16000 * k).clip(-1, 1).astype(np.float32) for k in (1, 4)]
    sounds = [Audio(one, SAMPLE_RATE_HZ) for one in samples]
    threads = torch.get_num_threads()
    found = [whisper.words(one) for one in sounds]
    # Numba aligns words, and would set the number of threads that torch computes with.
    assert torch.get_num_threads() == threads
    assert [whisper.words(one) for one in sounds[::-1]] == found[::-1]
    for one in found:
        assert len(one.segments) > 1
        assert one.text
        assert all(0 <= word.start_s <= word.end_s for word in one.segments)
        assert all(word.avg_logprob <= 0 for word in one.segments)
    assert whisper.words(Audio(np.zeros(16000, np.float32), SAMPLE_RATE_HZ)) == NOTHING


def test_times_of_words_cost_no_further_pass_of_the_encoder(whisper):
    asked, passes = [], []
    remembering = whisper.model.encoder
    handles = [
        remembering.register_forward_hook(lambda *_: asked.append(1)),
        remembering.encoder.register_forward_hook(lambda *_: passes.append(1)),
    ]
    try:
        whisper.words(packed([tone(0), tone(1), tone(2)]).audio)
    finally:
        for handle in handles:
            handle.remove()
    # Once to decode a window, once more to align its words.
    assert len(asked) == 2 * len(passes) > 0
