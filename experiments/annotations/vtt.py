"""WebVTT: cues with voices, in and out (W3C, "WebVTT: The Web Video Text Tracks Format", 2019).

Our own reader, because webvtt-py reads cues with a malformed time as if they were not there or,
strictly, tells of the first alone, without its line, and leaves escapes as they are.
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from encoders.messages import quoted
from experiments.annotations.clock import clock
from experiments.annotations.plain import read_text
from experiments.annotations.segments import Segment, Timeline
from experiments.annotations.turns import MARKED, Reading

ARROW = "-->"
_TIME = r"(?:(\d{1,4}):)?(\d\d):(\d\d)[.](\d{3})"
_TIMES = re.compile(rf"\s*{_TIME}\s+{ARROW}\s+{_TIME}(?:\s.*)?", re.ASCII)
_HEADER = re.compile(r"WEBVTT(?:[ \t].*)?")
_NO_CUE = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|\Z)")
_TAG = re.compile(r"<[^<>]*>")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*+)?[ \t\n]++([^<>]*+)>")
#: The number of no character; Python's reader of escapes fails on those of 4300 digits.
_NO_CHARACTER = re.compile(r"&#\d{8,};?", re.ASCII)
#: ``Anna Smith: words``; nobody's name is longer.
_NAMED = re.compile(r"([^\[\]:\n]{1,80}):(?:\s+|\Z)")
#: ``[Anna Smith]: words``, also ``[Anna Smith] (sad): words``, as recognisers write it.
_BRACKETED = re.compile(r"\[([^\]\n]+)\](?: \([^()\n]*\))?:(?: |\Z|(?=\n))")
#: A cue that goes on with the one before it follows at once.
TOUCHING_S = 0.1
#: So many cues at least, and half of all, repeat the words before them where captions roll.
ROLLING = 3
#: Captions show two or three lines at once; no more are compared.
MOST_LINES = 5
#: The class of doubtful words, among others, in what we write.
_DOUBTFUL = re.compile(r"<c(?:\.[\w-]+)*\.doubtful[.>]")
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
    """One turn for each voice of each cue, those of one cue with its time.

    The class ``doubtful`` within a voice, which we write, marks its words.
    """
    cues = list(_cues(read_text(reading.path).split("\n"), reading))
    if any(_VOICE.search(cue.text) for cue in cues):
        for cue in cues:
            for speaker, text, doubts in _voices(cue.text):
                reading.turn(cue.where, cue.span, speaker, text, doubts)
        return
    add_cues([replace(cue, text=_plain(cue.text)) for cue in cues], reading)


def add_cues(cues: Sequence[Cue], reading: Reading) -> None:
    """One turn for each cue of plain text that says something new, by the names before words."""
    cues = unrolled(cues, reading)
    for cue, (name, text) in zip(cues, split_names([cue.text for cue in cues]), strict=True):
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


def marks_of(segment: Segment) -> list[str]:
    """The classes of a segment's cue, but for that of doubtful words."""
    unnamed = "values" if segment.values else "abstained"
    marks = [unnamed if segment.label is None else class_name(segment.label)]
    if segment.answer is not None and segment.answer.level != "class":
        marks.append(segment.answer.level)
    return marks + ["overlap"] * segment.overlap


def _block(segment: Segment) -> str:
    start_ms, end_ms = segment.span_ms
    marks = marks_of(segment) + ["doubtful"] * bool(segment.text_doubtful)
    text = _BLANK_FOLLOWS.sub("&#10;", html.escape(segment.text or "", quote=False))
    voice = f"<v {html.escape(segment.speaker, quote=False)}><c.{'.'.join(marks)}>{text}</c></v>"
    return f"{clock(start_ms)} {ARROW} {clock(end_ms)}\n{voice}\n"


# ---------------------------------------------------------------- reading


def split_names(texts: Sequence[str]) -> list[tuple[str | None, str]]:
    """Name and words of each text, if before all words there is a name.

    In brackets it is a name. That a colon stands after one is taken for granted only where at
    least half of the texts have one and names return, at least one of them; otherwise ``Well: no``
    would be said by someone called Well. Texts without a name are nobody's.

    >>> split_names(["Anna: Hello.", "Ben: Hi.", "Well.", "Anna: Well: no."])[2:]
    [(None, 'Well.'), ('Anna', 'Well: no.')]
    >>> split_names(["Well: no.", "Yes."])[0]
    (None, 'Well: no.')
    """
    lines = [text.lstrip() for text in texts]
    matches = [_BRACKETED.match(line) for line in lines]
    if not any(matches):
        matches = [_NAMED.match(line) for line in lines]
        names = [match[1].strip() for match in matches if match]
        if 2 * len(names) < len(texts) or len(set(names)) == len(names):
            return [(None, text) for text in texts]
    return [
        (match[1].strip(), line[match.end() :].lstrip()) if match else (None, text)
        for match, line, text in zip(matches, lines, texts, strict=True)
    ]


def unrolled(cues: Sequence[Cue], reading: Reading) -> list[Cue]:
    """Cues with each word once, where captions roll: a cue repeats what stood there before it.

    Automatic captions show the last line again above the next, or a line again as it grows.
    """
    lines = [[line.strip() for line in cue.text.split("\n") if line.strip()] for cue in cues]
    shown: list[str | None] = [None] * min(1, len(cues))
    for (before, cue), (old, now) in zip(pairwise(cues), pairwise(lines), strict=True):
        follows = cue.span[0] - before.span[1] <= TOUCHING_S
        shown.append(_added(old, now) if follows else None)
    rolling = sum(text is not None for text in shown)
    if rolling < max(ROLLING, len(cues) / 2):
        return list(cues)
    reading.note("captions that roll: what a cue repeats of the one before it is taken once")
    kept = zip(cues, shown, strict=True)
    return [cue if text is None else replace(cue, text=text) for cue, text in kept if text != ""]


def _added(before: Sequence[str], now: Sequence[str]) -> str | None:
    """What lines say beyond those before them; None where they repeat none of these."""
    for count in range(min(len(before), len(now), MOST_LINES), 0, -1):
        if before[-count:] == now[:count]:
            return "\n".join(now[count:])
    said, words = " ".join(before).split(), " ".join(now).split()
    return " ".join(words[len(said) :]) if said and words[: len(said)] == said else None


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
        # A line of blanks belongs to a cue, but not where the next one starts behind it.
        ends = not line.strip() and any(ARROW in after for after in lines[number : number + 2])
        if line and not (ends and block) and (line.strip() or block):
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


def _voices(text: str) -> Iterator[tuple[str | None, str, tuple[str, ...]]]:
    """Name, words and doubts of each voice; words outside of all voices are nobody's."""
    matches = list(_VOICE.finditer(text))
    if before := _plain(text[: matches[0].start()] if matches else text).strip():
        yield None, before, ()
    for match, after in zip(matches, [*matches, None][1:], strict=True):
        inside, _, rest = text[match.end() : after.start() if after else None].partition("</v>")
        doubts = (MARKED,) if _DOUBTFUL.match(inside) else ()
        yield _unescaped(match[1]), _plain(inside), doubts
        if outside := _plain(rest).strip():
            yield None, outside, ()


def _plain(text: str) -> str:
    """Text without tags, escapes undone."""
    return _unescaped(_TAG.sub("", text))


def _unescaped(text: str) -> str:
    return html.unescape(_NO_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text))
