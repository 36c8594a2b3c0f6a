"""Timelines to be written, with every character that a format could stumble over."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hypothesis import strategies as st

from experiments.annotations.segments import Segment, Timeline
from experiments.annotations.turns import MARKED, Turn
from experiments.interviews.outputs import TIMELINES
from fusion.evaluation.backoff import Answer
from fusion.evaluation.emotions import LEVELS, branch_of

TARGETS = ("angry", "sad")
#: What writes a timeline, by the end of its file's name in small letters.
WRITERS = {Path(name).suffix.lower(): write for name, write in TIMELINES.items()}
#: What is markup, a separator, an escape or a formula somewhere.
NASTY = (
    *("a", "B", "é", "日", "\u202e", "\U0001f600", "\u2028", "\u00a0", "\ufeff", " ", "\t", "\n"),
    *(
        "\r",
        "\x00",
        "\x1b[2J",
        "\x0b",
        "\x85",
        "\ud800",
        '"',
        '""',
        "'",
        "`",
        ",",
        ";",
        "|",
        "\\",
        "%",
        "%41",
    ),
    *(
        "<",
        ">",
        "&",
        "&amp;",
        "&lt;",
        "--&gt;",
        "-->",
        "\n\n",
        "\n \n",
        "<v X>",
        "</v>",
        "<i>",
        "]",
    ),
    *("<i>", "[", "[A]: ", "(sad)", ":", "=cmd()", "+1", "-5", "@x", ";;", "<NA>", "NOTE", "!"),
    *("intervals [1]:", "item [", "<exists>", "]]>", "&#10;", "2\n00:00:01,000 --> 00:00:02,000"),
    *(" words", " emotion", " confidence", " 2", "{\\an8}", "WEBVTT", "\n1\n"),
)
texts = st.lists(st.sampled_from(NASTY), min_size=1, max_size=6).map("".join)
names = texts.filter(lambda name: Turn(start_s=0, end_s=0, speaker=name).speaker is not None)


@st.composite
def answers(draw: st.DrawFn, targets: tuple[str, ...]) -> Answer:
    level = draw(st.sampled_from(LEVELS))
    return Answer(
        level,
        draw(st.sampled_from([branch_of(name, level) for name in targets])),
        draw(st.floats(0, 1)),
    )


@st.composite
def segments(draw: st.DrawFn, targets: tuple[str, ...] = TARGETS) -> Segment:
    start_s = draw(st.floats(0, 5000, allow_subnormal=False))
    share = draw(st.floats(0, 1))
    scores = st.sampled_from([None, (share, 1 - share)])
    return Segment(
        start_s=start_s,
        end_s=start_s + draw(st.floats(0.0001, 500)),
        speaker=draw(names),
        text=draw(st.none() | texts),
        text_doubtful=tuple(draw(st.lists(texts, max_size=2))),
        answer=draw(st.none() | answers(targets)),
        prediction_set=tuple(draw(st.permutations(targets)))[: draw(st.integers(0, 2))],
        probabilities=(share, 1 - share),
        voice=draw(scores),
        words=draw(scores),
        overlap=draw(st.booleans()),
    )


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    return Timeline(
        recording=draw(names),
        duration_s=6000,
        targets=TARGETS,
        segments=tuple(draw(st.lists(segments(), min_size=1, max_size=5))),
        facts={"model": draw(texts.filter(lambda text: text.isprintable())), "threshold": 0.4},
    )


def said(timeline: Timeline, *, in_ms: bool = False, marked: bool = False) -> list[Turn]:
    """What of a timeline are turns, exactly or in whole milliseconds, in one order.

    ``marked``: that words are doubtful is known, not why.
    """
    turns = []
    for one in timeline.segments:
        span = (ms / 1000 for ms in one.span_ms) if in_ms else (one.start_s, one.end_s)
        start_s, end_s = span
        doubts = (MARKED,) * bool(one.text_doubtful) if marked else one.text_doubtful
        about = {"speaker": one.speaker, "text": one.text, "doubts": doubts}
        turns.append(Turn(start_s=start_s, end_s=end_s, **about))
    return in_order(turns)


def in_order(turns: Iterable[Turn]) -> list[Turn]:
    return sorted(turns, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker, str(turn.text)))
