"""Pieces of an interview that share windows: the same words as alone, remembered by the pack."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from encoders.asr import transcription as module
from encoders.asr.transcript import NOTHING, SAMPLE_RATE_HZ, Segment, Transcript
from encoders.asr.window_packing import GAP_S, spoken, timed
from encoders.audio.waveform import Audio
from experiments.config import OptionError
from experiments.interviews.interview import interview
from experiments.interviews.options import InterviewOptions
from experiments.interviews.recognition import Recognition, recogniser_for

STEP = 1 / 64


def tone(number: int, seconds: float = 1.0) -> Audio:
    """A piece whose loudness says what it is."""
    level = STEP * (number + 1)
    return Audio(np.full(round(seconds * SAMPLE_RATE_HZ), level, np.float32), SAMPLE_RATE_HZ)


class Listener:
    """Hears which tones are in a sound, and two words in each; ``late`` shifts their times."""

    def __init__(self, late: float = 0.0, probability: float = 0.9) -> None:
        self.late, self.probability = late, probability
        self.windows, self.alone = 0, 0

    def transcribe(self, audio: Audio) -> Transcript:
        self.alone += 1
        words = list(self._words(audio))
        if not words:
            return NOTHING
        text = "".join(one.text for one in words).strip()
        return Transcript((Segment(0.0, 1.0, text, -0.1, 0.1),), "en", -0.1, 0.1)

    def words(self, audio: Audio) -> Transcript:
        self.windows += 1
        words = [*self._words(audio)]
        return spoken(words, "".join(one.text for one in words), "en")

    def _words(self, audio: Audio):
        number = np.round(audio.samples / STEP).astype(int) - 1
        edges = np.flatnonzero(np.diff(number, prepend=-1, append=-1))
        for start, stop in pairwise(edges):
            if number[start] < 0:
                continue
            first, last = start / SAMPLE_RATE_HZ, stop / SAMPLE_RATE_HZ
            half = (first + last) / 2 + self.late
            for text, a, b in (("a", first + self.late, half), ("b", half, last + self.late)):
                name = f" {number[start]}{text}"
                yield timed(name, a, b, self.probability, 0.1)


def looping() -> Transcript:
    """One passage twice, once in each of two pieces of a second."""
    starts = (0.1, 2.1)
    words = [
        timed(f" {k}", s + k / 10, s + k / 10 + 0.1, 0.9, 0.1) for s in starts for k in range(5)
    ]
    return spoken(words, "".join(one.text for one in words), "en")


@pytest.fixture
def listener(monkeypatch) -> Listener:
    made = Listener()
    monkeypatch.setattr(module, "load_recogniser", lambda *_: made)
    return made


@pytest.fixture
def checkpoint(tmp_path) -> str:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.bin").write_bytes(b"weights")
    return f"whisper:{tmp_path / 'm'}"


def texts(heard) -> list[str | None]:
    return [one.text for one in heard]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.lists(st.tuples(st.integers(-1, 30), st.floats(0.2, 12.0)), max_size=12))
def test_packed_pieces_have_the_words_that_they_have_alone(listener, checkpoint, sounds):
    heard = [tone(number, seconds) for number, seconds in sounds]
    folder = Path(checkpoint.removeprefix("whisper:")).parent / repr(hash(tuple(sounds)))
    alone = Recognition(checkpoint, folder / "alone")
    together = Recognition(checkpoint, folder / "together", packing=True)
    assert texts(together.listen(heard)) == texts(alone.listen(heard))
    assert together.languages == alone.languages


def test_several_pieces_take_one_window(listener, checkpoint, tmp_path):
    together = Recognition(checkpoint, tmp_path, packing=True)
    heard = [tone(k, 4.0) for k in range(8)]
    assert texts(together.listen(heard)) == [f"{k}a {k}b" for k in range(8)]
    # Six of 4 s with 1 s of silence each fill 30 s.
    assert (listener.windows, listener.alone) == (2, 0)
    assert together.packed == "8 segments in 2 windows, 0 heard alone"


def test_words_with_their_times_are_packed_too(listener, checkpoint, tmp_path):
    together = Recognition(checkpoint, tmp_path, packing=True)
    heard = [tone(k, 4.0) for k in range(7)] + [tone(-1)]
    found = together.timed_words(heard)
    assert [[word.text for word in one.segments] for one in found] == [
        *([f" {k}a", f" {k}b"] for k in range(7)),
        [],
    ]
    assert {one.segments[0].end_s for one in found[:7]} == {2.0}
    # The last tone and the silence have a window each, as they have without packing.
    assert (listener.windows, listener.alone) == (3, 0)
    assert together.languages == {"en": 7}


def test_a_word_across_a_silence_is_heard_again_alone(listener, checkpoint, tmp_path):
    listener.late = 0.75 * GAP_S
    together = Recognition(checkpoint, tmp_path, packing=True)
    heard = [tone(k) for k in range(3)]
    found = together.listen(heard)
    assert texts(found) == [f"{k}a {k}b" for k in range(3)]
    assert listener.alone == 3
    assert together.packed == "3 segments in 1 window, 3 heard alone"


def test_words_that_a_pack_leaves_in_doubt_are_heard_again_alone(listener, checkpoint, tmp_path):
    listener.probability = 0.1
    found = Recognition(checkpoint, tmp_path, packing=True).listen([tone(0), tone(1)])
    assert listener.alone == 2
    assert [(one.text, one.doubts) for one in found] == [("0a 0b", ()), ("1a 1b", ())]


def test_silence_and_long_pieces_are_never_packed(listener, checkpoint, tmp_path):
    together = Recognition(checkpoint, tmp_path, packing=True)
    found = together.listen([tone(0, 29.5), tone(-1), tone(1, 40.0)])
    assert texts(found) == ["0a 0b", None, "1a 1b"]
    assert (listener.windows, listener.alone) == (0, 3)


def test_what_was_heard_is_remembered_by_the_whole_pack(listener, checkpoint, tmp_path):
    heard = [tone(k) for k in range(4)]
    first = Recognition(checkpoint, tmp_path, packing=True)
    found = first.listen(heard)
    again = Recognition(checkpoint, tmp_path, packing=True)
    assert again.listen(heard) == found
    assert again.packed == first.packed
    assert listener.windows == 1
    # Another neighbour is another pack, also where each piece was heard before.
    again.listen([heard[0], heard[2], heard[3]])
    assert listener.windows == 2


def test_pieces_that_were_heard_alone_do_not_decide_for_a_pack(listener, checkpoint, tmp_path):
    heard = [tone(k) for k in range(3)]
    Recognition(checkpoint, tmp_path).listen(heard)
    Recognition(checkpoint, tmp_path, packing=True).listen(heard)
    assert (listener.windows, listener.alone) == (1, 3)


def test_without_packing_each_piece_has_a_window_of_its_own(listener, checkpoint, tmp_path):
    alone = Recognition(checkpoint, tmp_path)
    alone.listen([tone(0), tone(1)])
    assert (listener.windows, listener.alone) == (0, 2)
    assert alone.packed is None


@pytest.mark.parametrize(
    ("asr", "said"),
    [
        ("whisper-base@engine=transformers", "has no times of words .* expected engine=faster or"),
        ("whisper-base@task=translate", "a translation has an order of its own"),
    ],
)
def test_recognisers_without_windows_are_refused_before_they_are_loaded(asr, said):
    with pytest.raises(OptionError, match=f"--packing: {asr} .*{said}"):
        recogniser_for(asr, "cpu", packing=True)


@pytest.mark.parametrize(
    ("asr", "packs"),
    [
        ("whisper-base@engine=openai", True),
        ("whisper-tiny.en@engine=openai", False),
        ("whisper-base@engine=transformers", False),
        ("whisper-base@engine=openai,task=translate", False),
    ],
)
def test_where_nothing_is_said_it_depends_on_the_recogniser(listener, asr, packs):
    assert recogniser_for(asr, "cpu").packing is packs
    assert recogniser_for(asr, "cpu", packing=False).packing is False


def test_a_window_that_repeats_a_passage_is_heard_again_alone(
    listener, checkpoint, tmp_path, monkeypatch
):
    monkeypatch.setattr(listener, "words", lambda _: looping())
    found = Recognition(checkpoint, tmp_path, packing=True).listen([tone(0), tone(1)])
    assert texts(found) == ["0a 0b", "1a 1b"]


@pytest.mark.parametrize("known", [{"asr": "none"}, {"transcript": Path("talk.txt")}])
def test_packing_without_a_recogniser_is_refused(known):
    with pytest.raises(OptionError, match="nothing is recognised"):
        InterviewOptions(packing=True, **known)


def test_an_interview_says_that_its_words_were_packed(
    model_folder, talk, tmp_path, listener, checkpoint
):
    options = InterviewOptions(asr=checkpoint, packing=True)
    outcome = interview(model_folder(), [talk], tmp_path / "out", options)
    facts = outcome.done[0].timeline.facts
    assert "window" in facts["packed"]
    same = interview(model_folder(), [talk], tmp_path / "out", options)
    assert same.done[0].timeline is None
