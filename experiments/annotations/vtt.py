"""WebVTT: cues with voices, in and out (W3C, "WebVTT: The Web Video Text Tracks Format", 2019).

Our own reader, because webvtt-py reads cues with a malformed time as if they were not there or,
strictly, tells of the first alone, without its line, and leaves escapes as they are.
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from encoders.messages import quoted
from experiments.annotations.clock import clock
from experiments.annotations.plain import read_text
from experiments.annotations.segments import Segment, Timeline
from experiments.annotations.turns import Reading

ARROW = "-->"
_TIME = r"(?:(\d{1,4}):)?(\d\d):(\d\d)[.](\d{3})"
_TIMES = re.compile(rf"\s*{_TIME}\s+{ARROW}\s+{_TIME}(?:\s.*)?", re.ASCII)
_HEADER = re.compile(r"WEBVTT(?:[ \t].*)?")
_NO_CUE = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|\Z)")
_TAG = re.compile(r"<[^<>]*>")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*+)?[ \t\n]++([^<>]*+)>")
#: The number of no character; Python's reader of escapes fails on those of 4300 digits.
_NO_CHARACTER = re.compile(r"&#\d{8,};?", re.ASCII)
#: ``Anna Smith: words`` or ``[Anna Smith]: words``; nobody's name is longer.
_NAMED = re.compile(r"(?:\[([^\]\n]{1,80})\]|([^\[\]:\n]{1,80})):(?:\s+|\Z)")
#: What a class in a tag may not hold.
_UNFIT = re.compile(r"[^\w-]+")
#: A line feed before a line that is blank: a blank line would end the cue.
_BLANK_FOLLOWS = re.compile(r"\n(?=[^\S\n]*(?:\n|\Z))")


@dataclass(frozen=True, slots=True)
class Cue:
    """A cue: where it stands, its seconds, what it says, markup included."""

    where: str
    span: tuple[float, float]
    text: str


def read(reading: Reading) -> None:
    """One turn for each voice of each cue, those of one cue with its time."""
    cues = list(_cues(read_text(reading.path).split("\n"), reading))
    if any(_VOICE.search(cue.text) for cue in cues):
        for cue in cues:
            for speaker, text in _voices(cue.text):
                reading.turn(cue.where, cue.span, speaker, text)
        return
    named = split_names([_plain(cue.text) for cue in cues])
    for cue, (name, text) in zip(cues, named, strict=True):
        reading.turn(cue.where, cue.span, name, text)


def write(timeline: Timeline, path: Path) -> None:
    """Write a cue for each segment: its speaker as voice, its emotion as class; times in ms.

    A coarser answer has its level as a class, too.
    """
    blocks = ["WEBVTT\n", *map(_block, timeline.segments)]
    path.write_text("\n".join(blocks), encoding="utf-8", newline="\n")


def class_name(text: str) -> str:
    """A word that can be a class in a tag.

    >>> class_name("pleasant surprise")
    'pleasant-surprise'
    """
    return _UNFIT.sub("-", text).strip("-") or "class"


def _block(segment: Segment) -> str:
    start_ms, end_ms = segment.span_ms
    unnamed = "values" if segment.values else "abstained"
    marks = [unnamed if segment.label is None else class_name(segment.label)]
    if segment.answer is not None and segment.answer.level != "class":
        marks.append(segment.answer.level)
    marks += ["overlap"] * segment.overlap + ["doubtful"] * bool(segment.text_doubtful)
    text = _BLANK_FOLLOWS.sub("&#10;", html.escape(segment.text or "", quote=False))
    voice = f"<v {html.escape(segment.speaker, quote=False)}><c.{'.'.join(marks)}>{text}</c></v>"
    return f"{clock(start_ms)} {ARROW} {clock(end_ms)}\n{voice}\n"


# ---------------------------------------------------------------- reading


def split_names(texts: Sequence[str]) -> list[tuple[str | None, str]]:
    """Name and words of each text, if before all words there is a name.

    That a colon stands after a name is taken for granted only where every text has one and names
    return, at least one of them; otherwise ``Well: no`` would be said by someone called Well.

    >>> split_names(["Anna: Hello.", "Ben: Hi.", "Anna: Well: no."])[2]
    ('Anna', 'Well: no.')
    >>> split_names(["Well: no.", "Yes."])[0]
    (None, 'Well: no.')
    """
    matches = [_NAMED.match(text.lstrip()) for text in texts]
    names = [match and (match[1] or match[2]).strip() for match in matches]
    if not all(names) or len(set(names)) == len(names):
        return [(None, text) for text in texts]
    ends = [match.end() for match in matches if match is not None]
    words = [text.lstrip()[end:] for text, end in zip(texts, ends, strict=True)]
    return list(zip(names, words, strict=True))


def _cues(lines: Sequence[str], reading: Reading) -> Iterator[Cue]:
    if not _HEADER.fullmatch(lines[0]):
        what = f"expected WEBVTT as the first word of the file, got {quoted(lines[0])}"
        reading.fault("line 1", what)
    for first, block in _blocks(lines):
        if first == 1 and not any(ARROW in line for line in block):
            continue
        times = next((n for n, line in enumerate(block[:2]) if ARROW in line), None)
        if times is not None:
            yield from _cue(first + times, block[times:], reading)
        elif not _NO_CUE.match(block[0]):
            what = "expected a cue with its times; an empty line ends the cue before it"
            reading.fault(f"line {first}", f"{what}: {quoted(block[0])}")


def _blocks(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Runs of lines that are not empty, with the number of the first."""
    block: list[str] = []
    for number, line in enumerate([*lines, ""], start=1):
        if line:
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []


def _cue(line: int, block: Sequence[str], reading: Reading) -> Iterator[Cue]:
    match = _TIMES.fullmatch(block[0])
    where = f"cue at line {line}"
    if match is None:
        what = f"{quoted(block[0])}: expected times as in 00:01.000 {ARROW} 00:02.500"
        reading.fault(where, what)
        return
    inner = [number for number, text in enumerate(block[1:], start=1) if ARROW in text]
    for number in inner:
        what = "times inside of a cue: expected an empty line before the next one"
        reading.fault(f"cue at line {line + number}", what)
    parts = match.groups()
    if any(int(part) > 59 for part in (*parts[1:3], *parts[5:7])):
        reading.fault(where, f"{quoted(block[0])}: expected at most 59 minutes and seconds")
    else:
        yield Cue(where, (_seconds(parts[:4]), _seconds(parts[4:])), "\n".join(block[1:]))


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, ms = (int(part or 0) for part in parts)
    return (((hours * 60 + minutes) * 60 + seconds) * 1000 + ms) / 1000


def _voices(text: str) -> Iterator[tuple[str | None, str | None]]:
    """Name and words of each voice; words outside of all voices are nobody's."""
    matches = list(_VOICE.finditer(text))
    if before := _plain(text[: matches[0].start()] if matches else text).strip():
        yield None, before
    for match, after in zip(matches, [*matches, None][1:], strict=True):
        inside, _, rest = text[match.end() : after.start() if after else None].partition("</v>")
        yield _unescaped(match[1]), _plain(inside)
        if outside := _plain(rest).strip():
            yield None, outside


def _plain(text: str) -> str:
    """Text without tags, escapes undone."""
    return _unescaped(_TAG.sub("", text))


def _unescaped(text: str) -> str:
    return html.unescape(_NO_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text))
