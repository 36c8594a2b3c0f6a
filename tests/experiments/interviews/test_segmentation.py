"""Pieces: short, one speaker each, cut at pauses and between words, no word lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from encoders.analysis.voice_activity import Stretch
from encoders.asr.transcript import Segment
from experiments.interviews.segmentation import (
    MAX_S,
    SHORTEST_S,
    Cutting,
    OtherSpeakers,
    SpeakerTurn,
    SpeechIndex,
    SpeechSegment,
    WordCutter,
    pieces_of,
)


def spans(voices, speech=()):
    return [(p.voice.start_s, p.voice.end_s, p.voice.speaker) for p in pieces_of(voices, speech)]


def test_a_short_pause_does_not_end_a_piece_and_a_long_one_does():
    voices = [SpeakerTurn(0.0, 3.0, "a"), SpeakerTurn(3.4, 6.0, "a"), SpeakerTurn(6.6, 9.0, "a")]
    assert spans(voices) == [(0.0, 6.0, "a"), (6.6, 9.0, "a")]


def test_nobody_goes_on_through_someone_else():
    voices = [SpeakerTurn(0.0, 3.0, "a"), SpeakerTurn(3.0, 3.3, "b"), SpeakerTurn(3.3, 6.0, "a")]
    assert spans(voices) == [(0.0, 3.0, "a"), (3.0, 3.3, "b"), (3.3, 6.0, "a")]


def test_a_short_piece_joins_what_its_speaker_says_next():
    voices = [SpeakerTurn(0.0, 0.4, "a"), SpeakerTurn(1.2, 4.0, "a")]
    assert spans(voices) == [(0.0, 4.0, "a")]


def test_a_long_voice_is_cut_at_its_longest_pause():
    speech = [Stretch(0.0, 11.0), Stretch(11.2, 14.0), Stretch(14.6, 30.0)]
    assert spans([SpeakerTurn(0.0, 30.0, "a")], speech) == [(0.0, 14.3, "a"), (14.3, 30.0, "a")]


def test_without_a_pause_it_is_cut_in_halves():
    assert [end - start for start, end, _ in spans([SpeakerTurn(0.0, 60.0, "a")])] == [15.0] * 4


def test_words_go_along_with_the_speech_they_take():
    speech = [Stretch(0.0, 10.0), Stretch(12.0, 22.0)]
    found = pieces_of([SpeakerTurn(0.0, 22.0, "a", text="one two three four")], speech)
    assert [piece.voice.text for piece in found] == ["one two", "three four"]


def test_words_of_joined_voices_are_joined():
    voices = [SpeakerTurn(0.0, 2.0, "a", text="no"), SpeakerTurn(2.1, 4.0, "a", text="never")]
    assert [piece.voice.text for piece in pieces_of(voices, ())] == ["no never"]


def test_the_longest_piece_can_be_said():
    found = pieces_of([SpeakerTurn(0.0, 30.0, "a")], (), cutting=Cutting(8.0))
    assert [piece.voice.length_s for piece in found] == [7.5] * 4


def test_nothing_reaches_across_a_change_of_voice():
    voices = [SpeakerTurn(0.0, 3.0, "s"), SpeakerTurn(3.4, 6.0, "s"), SpeakerTurn(6.2, 6.6, "s")]
    found = pieces_of(voices, (), changes=(1.5, 3.2))
    bounds = [(piece.voice.start_s, piece.voice.end_s) for piece in found]
    assert bounds == [(0.0, 1.5), (1.5, 3.0), (3.4, 6.6)]
    assert not any(piece.overlap for piece in found)


def test_windows_have_one_length_but_the_last_and_overlap_as_they_are_told():
    voices = [SpeakerTurn(0.0, 3.0, "a", text="one two three"), SpeakerTurn(9.0, 9.6, "b")]
    speech = [Stretch(0.0, 3.0), Stretch(9.0, 9.6)]
    found = pieces_of(voices, speech, cutting=Cutting(window_s=2.0), changes=(1.0,))
    bounds = [(piece.voice.start_s, piece.voice.end_s) for piece in found]
    assert bounds == [(0.0, 2.0), (2.0, 3.0), (9.0, 9.6)]
    assert [piece.voice.text for piece in found] == ["one two", "three", None]
    assert not any(piece.overlap for piece in found)
    half = pieces_of(voices[:1], speech, cutting=Cutting(window_s=2.0, hop_s=1.0))
    assert [(piece.voice.start_s, piece.voice.text) for piece in half] == [
        (0.0, "one two"),
        (1.0, "two three"),
    ]


# ---------------------------------------------------------------- between words


def said(*words: tuple[float, float, str]) -> list[Segment]:
    return [Segment(float(a), float(b), f" {text}", -0.1, 0.0) for a, b, text in words]


def cut_at(words, length_s: float, changes=(), most_s: float = 8.0, sentences: bool = False):
    voice = SpeakerTurn(10.0, 10.0 + length_s, "s")
    speech = SpeechIndex([Stretch(10.0, 10.0 + length_s)])
    cutter = WordCutter(most_s, changes, sentences, OtherSpeakers([voice]), speech)
    whole = SpeechSegment(voice, False, length_s)
    parts = [part.voice for part, _ in cutter.parts(whole, words)]
    assert (parts[0].start_s, parts[-1].end_s) == (10.0, 10.0 + length_s)
    assert all(one.end_s == two.start_s for one, two in pairwise(parts))
    return cutter.wants(whole), [(pytest.approx(part.end_s), part.text) for part in parts]


def test_a_change_of_voice_is_put_where_a_sentence_ends():
    words = said((0, 1, "Yes."), (1.2, 2, "I"), (2, 3, "did"), (3, 4, "not."))
    # A word ends .5 s after the change, a sentence .4 s before it.
    wants, parts = cut_at(words, 4.0, (11.5,))
    assert wants
    assert parts == [(11.1, "Yes."), (14.0, "I did not.")]
    # So far from any word's end that it is none of these words' change.
    assert cut_at(said((0, 4, "Oooooh")), 4.0, (12.0,))[1] == [(14.0, "Oooooh")]


def test_what_is_too_long_is_cut_where_sentences_end_and_never_within_a_phrase():
    words = said((0, 3, "One"), (3, 5.9, "two."), (6.0, 9, "Three"), (9, 10, "four."))
    assert cut_at(words, 10.0) == (True, [(15.95, "One two."), (20.0, "Three four.")])
    phrases = said((0, 4, "well,"), (4, 7, "no"), (7.3, 10, "never"))
    assert cut_at(phrases, 10.0)[1] == [(14.0, "well,"), (20.0, "no never")]
    assert cut_at(said((0, 5, "one"), (5, 10, "phrase")), 10.0)[1] == [(20.0, "one phrase")]
    assert not cut_at(said((0, 2, "No."), (2, 4, "Yes.")), 4.0)[0]


def test_sentences_are_cut_off_unless_they_are_short():
    words = said((0, 0.5, "No."), (0.5, 1.5, "Never."), (1.5, 3, "I"), (3, 4, "did."))
    wants, parts = cut_at(words, 4.0, sentences=True)
    assert wants
    assert parts == [(11.5, "No. Never."), (14.0, "I did.")]


def test_without_times_words_are_shared_out_at_changes():
    voice = SpeakerTurn(0.0, 4.0, "s", text="one two three four")
    cutter = WordCutter(
        8.0, (1.0,), False, OtherSpeakers([voice]), SpeechIndex([Stretch(0.0, 4.0)])
    )
    texts = [part.voice.text for part in cutter.without_times(voice)]
    assert texts == ["one", "two three four"]


def test_known_words_do_not_spread_over_what_has_none():
    voices = [SpeakerTurn(0.0, 2.0, "a", text="no"), SpeakerTurn(2.1, 4.0, "a")]
    assert [piece.voice.text for piece in pieces_of(voices, ())] == ["no", None]


def test_overlap_is_marked_on_both():
    found = pieces_of(
        [SpeakerTurn(0.0, 3.0, "a"), SpeakerTurn(2.0, 4.0, "b"), SpeakerTurn(5.5, 6.0, "b")], ()
    )
    assert [piece.overlap for piece in found] == [True, True, False]


def test_words_of_one_speaker_hide_nobody_who_spoke_too():
    turns = [SpeakerTurn(0.0, 4.0, "a"), SpeakerTurn(1.0, 2.0, "b")]
    told = [SpeakerTurn(0.0, 4.0, "a", text="all of it")]
    (alone,), (both,) = pieces_of(told, ()), pieces_of(told, (), turns)
    assert not alone.overlap
    assert both.overlap


def test_turns_that_only_touch_do_not_overlap():
    found = pieces_of([SpeakerTurn(0.0, 3.0, "a"), SpeakerTurn(3.0, 4.0, "b")], ())
    assert [piece.overlap for piece in found] == [False, False]


def test_speech_within_a_piece_is_counted():
    speech = [Stretch(0.0, 1.0), Stretch(2.0, 9.0)]
    assert SpeechIndex(speech).seconds(0.5, 3.0) == pytest.approx(1.5)
    assert SpeechIndex(speech).seconds(1.0, 2.0) == 0


VOICES = st.lists(
    st.tuples(st.floats(0, 200), st.floats(0.0, 90), st.sampled_from("ab"), st.booleans()),
    max_size=12,
).map(
    lambda rows: [
        SpeakerTurn(
            start, start + length, who, None, " ".join(f"w{k}" for k in range(9)) if said else None
        )
        for start, length, who, said in rows
    ]
)
SPEECH = st.lists(st.floats(0.05, 3), max_size=60).map(
    lambda steps: [
        Stretch(sum(steps[: 2 * k + 1]), sum(steps[: 2 * k + 2])) for k in range(len(steps) // 2)
    ]
)


@given(VOICES, SPEECH)
def test_pieces_are_short_and_in_order_and_keep_every_second_and_word(voices, speech):
    found = [piece.voice for piece in pieces_of(voices, speech)]
    assert [one.start_s for one in found] == sorted(one.start_s for one in found)
    assert all(0 < one.length_s <= MAX_S + 1e-9 for one in found)
    kept = [one for one in voices if one.length_s >= SHORTEST_S]
    for voice in kept:
        for time_s in (voice.start_s, (voice.start_s + voice.end_s) / 2, voice.end_s):
            assert any(
                one.speaker == voice.speaker and one.start_s - 1e-6 <= time_s <= one.end_s + 1e-6
                for one in found
            )
    words = sum(len(one.text.split()) for one in found if one.text)
    assert words == sum(len(one.text.split()) for one in kept if one.text)
