"""Praat's TextGrid: both text forms in, tiers of words, emotion and confidence out."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from made_timelines import in_order, said, timelines
from praatio import textgrid as praatio

from experiments.annotations import textgrid
from experiments.annotations.turns import AnnotationError, Turn, read_turns

LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 9.5 ! a comment with a 7 and a "text"
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "Anna"
        xmin = 0
        xmax = 9.5
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 1e-01
            text = ""
        intervals [2]:
            xmin = 0.1
            xmax = 2.5
            text = "she said ""no"", intervals [3]: then
left"
        intervals [3]:
            xmin = 2.5
            xmax = 9.5
            text = " "
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 9.5
        points: size = 1
        points [1]:
            number = 4
            mark = "a ""click"""
    item [3]:
        class = "IntervalTier"
        name = "Ben"
        xmin = 0
        xmax = 9.5
        intervals: size = 1
        intervals [1]:
            xmin = 2
            xmax = 9.5
            text = "yes"
'''
SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
9.5
<exists>
1
"IntervalTier"
"Anna"
0
9.5
{}
0
1.5
"one"
1.5
2
"two"
"""
WORDS = 'she said "no", intervals [3]: then\nleft'


def test_the_tiers_of_the_long_form_are_speakers(read):
    assert read(LONG, ".TextGrid") == (
        Turn(start_s=0.1, end_s=2.5, speaker="Anna", text=WORDS),
        Turn(start_s=2, end_s=9.5, speaker="Ben", text="yes"),
    )


def test_the_short_form_is_read(read):
    assert [turn.text for turn in read(SHORT.format(2), ".TextGrid")] == ["one", "two"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_encodings_and_line_ends_of_praat(read, encoding):
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    content = (mark + LONG.replace("yes", "ja, schön")).replace("\n", "\r\n").encode(encoding)
    turns = read(content, ".TextGrid")
    assert [turn.text for turn in turns] == [WORDS, "ja, schön"]


def test_labels_of_one_tier_can_be_the_names_of_the_speakers(read):
    turns = read(SHORT.format(2), ".TextGrid", tier="Anna")
    assert {turn.speaker for turn in turns} == {"one", "two"}


def test_points_are_instants_where_they_are_asked_for(read):
    turns = read(LONG, ".TextGrid", tiers=["clicks"])
    assert turns == (Turn(start_s=4, end_s=4, speaker="clicks", text='a "click"'),)


def test_only_the_tiers_that_are_meant_are_speakers(read):
    turns = read(LONG, ".TextGrid", tiers=["Ben"])
    assert {turn.speaker for turn in turns} == {"Ben"}


def test_an_unknown_tier_is_refused_with_those_that_there_are(read):
    told = r"no tier named 'Bem': did you mean Ben\? its tiers are 'Anna', 'clicks', 'Ben'"
    with pytest.raises(AnnotationError, match=told):
        read(LONG, ".TextGrid", tier="Bem")


def test_a_name_that_two_tiers_have_says_nothing(read):
    with pytest.raises(AnnotationError, match="2 tiers named 'Anna'"):
        read(LONG.replace("Ben", "Anna"), ".TextGrid", tier="Anna")


def test_without_intervals_the_tiers_are_named(read):
    only = LONG.replace("size = 3\nitem", "size = 1\nitem")
    cut = only[: only.index("    item [1]")] + only[only.index("    item [2]") :]
    cut = cut[: cut.index("    item [3]")]
    with pytest.raises(AnnotationError, match=r"no tier with stretches.*'clicks'"):
        read(cut, ".TextGrid")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("size = 3\nitem", "size = 1000000000\nitem", "line 47: expected the class of tier 4, but"),
        ("intervals: size = 1", "intervals: size = 999999999", "'Ben', entry 2, but the file ends"),
        ("size = 3\nitem", "size = 2\nitem", "line 38: expected the end of the file"),
        ("size = 3\nitem", "size = 2.5\nitem", "line 7: .*whole number from 0, got 2.5"),
        ("size = 3\nitem", "size = -1\nitem", "line 7: .*whole number from 0, got -1"),
        ("size = 3\nitem", "size = 1e999\nitem", "line 7: .*whole number from 0, got inf"),
        ("xmax = 2.5", "xmax = abc", "line 22: expected the end of tier 'Anna', entry 2, a number"),
        ("xmax = 2.5", "xmax = 0.05", "tier 'Anna', entry 2: ends at 0.05 s, before it starts"),
        ("xmin = 0.1", "xmin = -1", "tier 'Anna', entry 2: starts at -1 s"),
        ("xmax = 2.5", "xmax = 1e999", "tier 'Anna', entry 2: ends at inf s"),
        ('"yes"', '"yes', "line 46: a quotation mark left open"),
        ('"TextTier"', '"TexTier"', "line 29: expected tier 2 to be an IntervalTier or a TextTier"),
        ('"TextGrid"', '"Pitch"', "line 2: expected a TextGrid, got an object of class 'Pitch'"),
        ("ooTextFile", "ooFile", "line 1: expected the type of the file"),
        ("ooTextFile", "Praat chronological TextGrid text file", "line 1: a chronological"),
        ("<exists>", "<maybe>", "expected <exists>, got '3'"),
    ],
)
def test_faults_name_line_or_tier(read, old, new, message):
    with pytest.raises(AnnotationError, match=message):
        read(LONG.replace(old, new), ".TextGrid")


def test_faults_of_all_entries_are_told(read):
    content = LONG.replace("xmin = 0.1", "xmin = 3").replace("xmin = 2\n", "xmin = 10\n")
    with pytest.raises(AnnotationError, match="2 faults"):
        read(content, ".TextGrid")


def test_binary_files_are_refused_with_the_way_out(read):
    with pytest.raises(AnnotationError, match="in Praat, save it as a text file"):
        read(b"ooBinaryFile\x08TextGrid\x00\xff", ".TextGrid")


def test_a_grid_without_tiers_has_no_turns(read):
    content = SHORT.format(0).split("<exists>")[0] + "<absent>\n"
    with pytest.raises(AnnotationError, match="no tier with stretches of time"):
        read(content, ".TextGrid")


# ---------------------------------------------------------------- writing


def test_words_emotion_and_confidence_have_tiers_of_their_own(timeline, tmp_path):
    textgrid.write(timeline, tmp_path / "x.TextGrid")
    tiers = {tier.name: tier for tier in textgrid.read_tiers(tmp_path / "x.TextGrid")}
    assert list(tiers) == [
        f"{name} {kind}{lane}"
        for name, lane in (("Anna Maria", ""), ("Anna Maria", " 2"), ("Ben", ""))
        for kind in ("words", "emotion", "confidence")
    ]
    filled = {
        name: [(mark.start_s, mark.end_s, mark.text) for mark in tier.marks if mark.text]
        for name, tier in tiers.items()
    }
    assert filled["Anna Maria words"] == [(0.5, 2.0, "(?) No & <no>")]
    assert filled["Anna Maria confidence"] == [
        (0.5, 2.0, "0.70; derived valence -0.55, arousal 0.33; recogniser unsure")
    ]
    assert filled["Ben emotion"] == [(1.0, 3.25, "? angry .70"), (4.0, 5.0, "angry")]
    unsure = (1.0, 3.25, "0.70; derived valence -0.55, arousal 0.33; overlap")
    assert filled["Ben confidence"][0] == unsure


def test_praatio_reads_what_is_written(timeline, tmp_path):
    textgrid.write(timeline, tmp_path / "x.TextGrid")
    grid = praatio.openTextgrid(str(tmp_path / "x.TextGrid"), includeEmptyIntervals=False)
    assert grid.maxTimestamp == 10.0
    assert [entry.label for entry in grid.getTier("Ben emotion")] == ["? angry .70", "angry"]


def test_names_of_tiers_that_are_names_of_speakers_do_no_harm(timeline, tmp_path):
    for name in ("Ben words", "Ben emotion", "Ben emotion 2", "Ben words 2"):
        segments = [replace(s, speaker=name) for s in timeline.segments if s.speaker == "Ben"]
        both = replace(timeline, segments=(*timeline.segments, *segments))
        textgrid.write(both, tmp_path / "x.TextGrid")
        assert in_order(read_turns(tmp_path / "x.TextGrid")) == said(both, marked=True)


def test_a_timeline_without_segments_is_a_grid_that_praat_opens(timeline, tmp_path):
    textgrid.write(replace(timeline, segments=()), tmp_path / "x.TextGrid")
    assert [tier.name for tier in textgrid.read_tiers(tmp_path / "x.TextGrid")] == ["words"]


def test_an_emotion_that_was_moved_by_hand_is_a_turn_only_where_nothing_is_said(read):
    def tier(name, marks):
        return f'"IntervalTier" "{name}" 0 9 {len(marks)}' + "".join(
            f' {start} {end} "{label}"' for start, end, label in marks
        )

    words = tier("A words", [(0, 1, "yes"), (1, 5, ""), (5, 9, "no")])
    emotion = tier("A emotion", [(0, 1.5, "sad"), (2, 3, "sad"), (3, 5, "?"), (5, 9, "")])
    content = f'"ooTextFile" "TextGrid" 0 9 <exists> 2 {words} {emotion}'
    assert [(t.start_s, t.speaker, t.text) for t in read(content, ".TextGrid")] == [
        (0, "A", "yes"),
        (2, "A", None),
        (3, "A", None),
        (5, "A", "no"),
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(timelines())
def test_what_is_written_is_read_back_exactly(tmp_path_factory, timeline):
    path = tmp_path_factory.mktemp("grid") / "x.TextGrid"
    textgrid.write(timeline, path)
    assert in_order(read_turns(path)) == said(timeline, marked=True)
