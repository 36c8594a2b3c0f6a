"""WebVTT and SubRip: cues with voices, or with names before the words."""

import re

import pytest
import webvtt
from hypothesis import HealthCheck, example, given, settings, strategies as st
from made_timelines import in_order, names, said, timelines

from experiments.annotations import vtt
from experiments.annotations.clock import clock, parse_clock
from experiments.annotations.plain import escape_name, tidy, unescape_name
from experiments.annotations.segments import Segment, Timeline
from experiments.annotations.turns import MARKED, AnnotationError, Turn, read_annotation, read_turns
from fusion.evaluation.backoff import Answer

VTT = """WEBVTT - a talk
Kind: captions

STYLE
::cue(c) { color: red }

NOTE
nothing to see

first
00:01.000 --> 00:02.500 align:start
<v.loud Anna &amp; Co>No &lt;way&gt;,
<i>Ben</i>&nbsp;&#33;

01:00:00.000 --> 01:00:01.000
<v A>one</v> <v B>two</v> both

00:05.000 --> 00:05.000
music
"""
SRT = """1
00:00:01,000 --> 00:00:02,500
<i>No</i> way,
Ben

and more

2
00:00:03.5 --> 00:00:04 X1:40 X2:600
7

00:00:05,000 --> 00:00:06,000
without a number
"""


def spoken(turns):
    return [(turn.start_s, turn.end_s, turn.speaker, turn.text) for turn in turns]


def test_voices_of_cues_are_speakers(read):
    assert spoken(read(VTT, ".vtt")) == [
        (1.0, 2.5, "Anna & Co", "No <way>,\nBen\u00a0!"),
        (5.0, 5.0, None, "music"),
        (3600.0, 3601.0, "A", "one"),
        (3600.0, 3601.0, "B", "two"),
        (3600.0, 3601.0, None, "both"),
    ]


def test_cues_of_subrip_are_read_with_blank_lines_in_them(read):
    assert spoken(read(SRT, ".srt")) == [
        (1.0, 2.5, None, "No way,\nBen\n\nand more"),
        (3.5, 4.0, None, "7"),
        (5.0, 6.0, None, "without a number"),
    ]


@pytest.mark.parametrize("content", [VTT, SRT])
def test_byte_order_marks_and_line_ends(read, content):
    suffix = ".vtt" if content is VTT else ".srt"
    plain = read(content, suffix)
    assert read(("\ufeff" + content).replace("\n", "\r\n"), suffix) == plain
    assert read(content.replace("\n", "\r").encode("utf-16"), suffix) == plain


@pytest.mark.parametrize("suffix", [".vtt", ".srt"])
def test_names_before_the_words_are_speakers_where_they_return(read, suffix):
    def cues(*words):
        head = "WEBVTT\n\n" if suffix == ".vtt" else ""
        mark = "." if suffix == ".vtt" else ","
        times = [clock(1000 * n).replace(".", mark) for n in range(len(words) + 1)]
        return head + "\n".join(
            f"{n}\n{times[n]} --> {times[n + 1]}\n{text}\n" for n, text in enumerate(words)
        )

    who = [turn.speaker for turn in read(cues("Anna B: hi", "Ben: so", "Ben: a: b"), suffix)]
    assert who == ["Anna B", "Ben", "Ben"]
    assert read(cues("[S 1]: hi", "[S 1]: so"), suffix)[1] == Turn(
        start_s=1, end_s=2, speaker="S 1", text="so"
    )
    assert {turn.speaker for turn in read(cues("Well: hi", "so"), suffix)} == {None}
    assert {turn.speaker for turn in read(cues("Well: hi"), suffix)} == {None}
    # A cue without a name keeps those of the others.
    some = read(cues("Anna: hi", "Ben: so", "then I slept", "Anna: all day?"), suffix)
    assert [turn.speaker for turn in some] == ["Anna", "Ben", None, "Anna"]
    assert [turn.text for turn in some][2:] == ["then I slept", "all day?"]
    once = read(cues("[S 0]: so", "it was fine", "[S 1]: well: no"), suffix)
    assert [(t.speaker, t.text) for t in once][1:] == [(None, "it was fine"), ("S 1", "well: no")]


ROLLING = """WEBVTT
Kind: captions

00:00:00.480 --> 00:00:03.170 align:start position:0%
\x20
so<00:00:00.720><c> how</c><00:00:00.960><c> did</c><00:00:01.440><c> you</c>

00:00:03.170 --> 00:00:03.180 align:start position:0%
so how did you
\x20

00:00:03.180 --> 00:00:06.230 align:start position:0%
so how did you
badly<00:00:03.400><c> as</c><00:00:03.700><c> always</c>

00:00:06.230 --> 00:00:06.240 align:start position:0%
badly as always
\x20

00:00:06.240 --> 00:00:08.900 align:start position:0%
badly as always
and<00:00:06.500><c> I</c><00:00:06.700><c> was</c>
"""


def as_subrip(content):
    cues = content.split("\n\n")[1:]
    text = "\n\n".join(f"{n}\n{cue}" for n, cue in enumerate(cues, start=1))
    return re.sub(r"<[^>]*>| align.*", "", re.sub(r"(\d)\.(\d{3})", r"\1,\2", text))


@pytest.mark.parametrize(("content", "suffix"), [(ROLLING, ".vtt"), (as_subrip(ROLLING), ".srt")])
def test_captions_that_roll_give_each_word_once(read, tmp_path, content, suffix):
    turns = read(content, suffix)
    assert [(turn.start_s, turn.text) for turn in turns] == [
        (0.48, "so how did you"),
        (3.18, "badly as always"),
        (6.24, "and I was"),
    ]
    assert "captions that roll" in read_annotation(tmp_path / f"x{suffix}").notes[0]


def cues_of(*texts):
    times = [f"00:{n:02}.000" for n in range(len(texts) + 1)]
    cues = (f"{times[n]} --> {times[n + 1]}\n{text}\n\n" for n, text in enumerate(texts))
    return "WEBVTT\n\n" + "".join(cues)


def test_a_line_that_grows_gives_each_word_once(read):
    grown = cues_of("so", "so how", "so how did", "so how did you", "well")
    assert " ".join(turn.text for turn in read(grown, ".vtt")) == "so how did you well"


@pytest.mark.parametrize(
    "texts",
    [("no", "no", "no way", "yes"), ("a b", "b c", "c d", "d e"), ("no\nway", "way", "so", "well")],
    ids=["said again", "words, not lines", "once"],
)
def test_what_people_say_again_stays(read, texts):
    assert [turn.text for turn in read(cues_of(*texts), ".vtt")] == list(texts)


def test_lines_of_blanks_end_a_cue_where_the_next_begins(read):
    content = "WEBVTT\n \n00:01.000 --> 00:02.000\nno\n \n2\n00:02.000 --> 00:03.000\nway\n \n"
    assert [turn.text for turn in read(content, ".vtt")] == ["no", "way"]


def test_words_marked_as_doubtful_come_back_so(read):
    content = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v A><c.sad.doubtful>no</c></v>"
    assert read(content, ".vtt")[0].doubts == (MARKED,)


def test_a_name_in_brackets_is_a_speaker_in_subrip(read):
    content = "1\n00:00:01,000 --> 00:00:02,000\n[Anna] (sad): no\n\n" \
        "2\n00:00:03,000 --> 00:00:04,000\n[music]\n"  # fmt: skip
    assert [(t.speaker, t.text) for t in read(content, ".srt")] == [
        ("Anna", "no"),
        (None, "[music]"),
    ]


def test_escapes_of_subrip_are_undone(read):
    content = "1\n00:00:01,000 --> 00:00:02,000\na --&gt; &lt;b> &amp;gt; <i>c</i>\n \nd\n"
    assert [t.text for t in read(content, ".srt")] == ["a --> <b> &gt; c\n\nd"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: expected WEBVTT"),
        ("WEBVTTX\n\n00:01.000 --> 00:02.000\nx", "line 1: expected WEBVTT as the first word"),
        ("WEBVTT\n\n00:01,000 --> 00:02.000\nx", "cue at line 3: .*expected times as in"),
        ("WEBVTT\n\n00:61.000 --> 01:02.000\nx", "cue at line 3: .*at most 59"),
        ("WEBVTT\n\n00:03.000 --> 00:02.000\nx", "cue at line 3: ends at 2 s, before it starts"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nx\n\ny", "line 6: expected a cue with its times"),
        ("WEBVTT\n\n00:01.000 --> 00:02.000\nx\na --> b", "cue at line 5: times inside of a cue"),
        ("WEBVTT\n\n9999999:00:01.000 --> 00:02.000\nx", "cue at line 3"),
    ],
)
def test_faults_of_webvtt_name_the_line(read, content, message):
    with pytest.raises(AnnotationError, match=message):
        read(content, ".vtt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("hello\n" + SRT, "line 1: expected the number of a cue"),
        ("hello", "line 1: expected the number of a cue"),
        (SRT.replace("00:00:02,500", "00:00:02,5000"), "cue at line 2: "),
        (SRT.replace("00:00:02,500", "00:99:02,500"), "cue at line 2: "),
        (SRT.replace("00:00:02,500", "00:00:00,500"), "cue at line 2: ends at 0.5 s, before"),
        (SRT.replace("No</i> way", "--> No"), "cue at line 3: "),
    ],
)
def test_faults_of_subrip_name_the_line(read, content, message):
    with pytest.raises(AnnotationError, match=message):
        read(content, ".srt")


def test_a_first_cue_may_follow_the_header_at_once(read):
    assert read("WEBVTT\n00:01.000 --> 00:02.000\nx", ".vtt")[0].text == "x"


def test_numbers_of_no_character_are_replaced(read):
    content = f"WEBVTT\n\n00:01.000 --> 00:02.000\n<v &#{'9' * 5000};>x &#{'9' * 5000} &#65;"
    assert [(t.speaker, t.text) for t in read(content, ".vtt")] == [("\ufffd", "x \ufffd A")]


def test_faults_of_all_cues_are_told(read):
    with pytest.raises(AnnotationError, match="3 faults"):
        read(SRT.replace("00:00:0", "00:00:a"), ".srt")


# ---------------------------------------------------------------- writing


def test_webvtt_as_it_is_written(timeline, tmp_path):
    vtt.write(timeline, tmp_path / "x.vtt")
    assert (tmp_path / "x.vtt").read_text().split("\n\n")[:3] == [
        "WEBVTT",
        "00:00:00.500 --> 00:00:02.000\n"
        "<v Anna Maria><c.angry.doubtful>No &amp; &lt;no&gt;</c></v>",
        "00:00:01.000 --> 00:00:03.250\n<v Ben><c.abstained.overlap>Oh&#10;\n--&gt; =1</c></v>",
    ]


def test_webvtt_py_reads_what_is_written(timeline, tmp_path):
    vtt.write(timeline, tmp_path / "x.vtt")
    captions = webvtt.from_string((tmp_path / "x.vtt").read_text(), strict=True).captions
    assert [caption.voice for caption in captions] == ["Anna Maria", "Ben", "Anna Maria", "Ben"]
    assert captions[1].end == "00:00:03.250"


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(timelines())
def test_what_is_written_is_read_back_to_the_millisecond(tmp_path_factory, timeline):
    path = tmp_path_factory.mktemp("cues") / "x.vtt"
    vtt.write(timeline, path)
    assert in_order(read_turns(path)) == said(timeline, in_ms=True, marked=True)


@given(names | st.text())
@example("%4%41")
@example("%%2520")
def test_escapes_of_names_are_undone(name):
    name = tidy(name) or ""
    assert unescape_name(escape_name(name, r"\]|-->|[<>]")) == name


@given(st.integers(0, 10**10))
def test_clocks_are_read_as_they_are_written(time_ms):
    for mark in ".,":
        assert parse_clock(clock(time_ms).replace(".", mark)) in (time_ms / 1000, None)
    assert parse_clock(clock(time_ms % 10**9)) == time_ms % 10**9 / 1000


@pytest.mark.parametrize(
    "text", ["1:2:3:4", "1:60", "1:60:00", "-1", "1e", "nan", "٣", "1.2.3", ""]
)
def test_what_is_no_time_is_none(text):
    assert parse_clock(text) is None


def test_classes_of_any_name_can_be_written(tmp_path):
    label = "<a.b> --> c"
    answer = Answer("class", label, 1.0)
    segment = Segment(start_s=0, end_s=1, speaker="x", text="y", answer=answer, probabilities=(1,))
    timeline = Timeline(recording="r", duration_s=1, targets=(label,), segments=(segment,))
    vtt.write(timeline, tmp_path / "x.vtt")
    assert read_turns(tmp_path / "x.vtt")[0].text == "y"
