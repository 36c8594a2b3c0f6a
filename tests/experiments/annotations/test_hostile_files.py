"""Files that were changed at random or made to hurt: read, or refused with a place; never more."""

import re

import numpy as np
import pytest

from benchmarks.mutations import ANNOTATIONS, mutated, write_annotation
from experiments.annotations.turns import FORMATS, AnnotationError, Turn, read_turns


@pytest.fixture(params=sorted(FORMATS))
def good(request, tmp_path):
    """A file of each format that is read."""
    path = write_annotation(request.param, tmp_path)
    assert read_turns(path)
    return path


def turns_or_refusal(path):
    try:
        return read_turns(path)
    except AnnotationError as error:
        return error


def check(path, count, seed):
    """Read ``count`` mutations; returns how many were read."""
    rng = np.random.default_rng(seed)
    content = path.read_bytes()
    read = 0
    for _ in range(count):
        path.write_bytes(mutated(content, rng, ANNOTATIONS))
        outcome = turns_or_refusal(path)
        if isinstance(outcome, AnnotationError):
            assert str(path) in str(outcome)
            assert outcome.faults
            assert all(fault.where and fault.what for fault in outcome.faults)
            assert not re.search(r"[\x00-\x08\x1b]", str(outcome))
        else:
            read += 1
            assert outcome
            assert all(isinstance(turn, Turn) for turn in outcome)
            assert list(outcome) == sorted(outcome, key=lambda turn: (turn.start_s, turn.end_s))
    return read


@pytest.mark.timeout(60)
def test_changed_files_are_read_or_refused_with_a_place(good):
    assert check(good, 150, seed=1) < 150


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_thousands_of_changed_files_are_read_or_refused_with_a_place(good):
    assert 0 < check(good, 5000, seed=2) < 5000


HOSTILE = {
    "many quotes": (".textgrid", b'"ooTextFile" "TextGrid" 0 1 <exists> 1 ' + b'"' * 400_001),
    "many pairs of quotes": (".textgrid", b'"ooTextFile" "TextGrid" ' + b'"a""b' * 100_000),
    "voice without an end": (".vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\n<v" + b" " * 400_000),
    "many voices": (".vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\n" + b"<v " * 200_000),
    "many tags": (".vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\n" + b"<" * 400_000),
    "blanks before times": (".vtt", b"WEBVTT\n\n" + b" " * 400_000 + b"--> 00:02.000\nx"),
    "blanks after times": (".srt", b"1\n00:00:01,000 --> 00:00:02,000" + b" " * 400_000 + b"x\n"),
    "many escapes": (".srt", b"1\n00:00:01,000 --> 00:00:02,000\n&" + b"amp;" * 100_000 + b"&"),
    "many arrows": (".srt", b"-->\n" * 20_000),
    "open markup": (".srt", b"1\n00:00:01,000 --> 00:00:02,000\n" + b"<b " * 200_000),
    "many percent signs": (".rttm", b"SPEAKER a 1 0 1 <NA> <NA> " + b"%41" * 200_000),
    "blanks in a line": (".txt", b"1" + b" " * 400_000 + b"x"),
    "many digits": (".txt", b"1" * 400_000 + b" 2 x"),
    "digits and colons": (".txt", b"1:" * 200_000),
    "one long cell": (".csv", b"start,end,text\n0,1," + b"x" * 400_000),
    "many columns": (".csv", b"start,end" + b",a" * 200_000 + b"\n0,1\n"),
    "many lines that roll": (
        ".vtt",
        b"WEBVTT\n\n"
        + b"".join(
            b"00:0%d.000 --> 00:0%d.000\n" % (n, n + 1) + b"a\n" * 50_000 + b"\n" for n in (1, 2)
        ),
    ),
    "many tiers": (
        ".textgrid",
        b'"ooTextFile" "TextGrid" 0 1 <exists> 5000 '
        + b'"IntervalTier" "a" 0 1 2 0 .5 "a" .5 1 "b c" ' * 5000,
    ),
    "one long heading": (".csv", b"start,end," + b"_ " * 200_000 + b"\n0,1,x\n"),
    "deep lists": (".json", b"[" * 400_000),
    "many digits in json": (".json", b'{"schema_version": ' + b"1" * 400_000 + b"}"),
    "deep elements": (".eaf", b"<a>" * 400_000),
    "many attributes": (".eaf", b"<a " + b" ".join(b"x%d='1'" % n for n in range(50_000)) + b"/>"),
    "one long name": (".eaf", b"<" + b"a" * 400_000),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", HOSTILE)
def test_files_made_to_take_for_ever_do_not(tmp_path, name):
    suffix, content = HOSTILE[name]
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    assert len(str(turns_or_refusal(path))) < 1_000_000


def test_messages_are_short_whatever_the_file_holds(read):
    for suffix, content in (
        (".rttm", "X" * 100_000 + "\n"),
        (".csv", "a" * 100_000 + "\n1\n"),
        (".srt", "x --> " + "y" * 100_000),
        (".textgrid", '"' + "x" * 100_000 + '"'),
        (".eaf", f"<{'x' * 100_000}/>"),
    ):
        with pytest.raises(AnnotationError) as caught:
            read(content, suffix)
        assert len(str(caught.value)) < 1000
