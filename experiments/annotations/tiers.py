"""Tiers of a TextGrid or an ELAN file: which of them are speakers, and what is said in them.

What a tier holds is told by its name and its labels (:mod:`experiments.annotations.tier_kinds`).
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, replace

from encoders.manifest_rows import did_you_mean
from encoders.messages import printable, quoted
from experiments.annotations.lanes import CONFIDENCE, DOUBTFUL, EMOTION, KINDS, WORDS
from experiments.annotations.tier_kinds import (
    COMPARED,
    NUMBERS,
    SPEECH,
    UNLABELLED,
    Mark,
    Tier,
    are_sentences,
    divide,
    edges_of,
    is_named_words,
    name_of,
    with_kinds,
)
from experiments.annotations.turns import MARKED, Reading

#: So many tiers are named in a message.
SHOWN = 20
_OURS = re.compile(rf"(.+) ({'|'.join(KINDS)})( \d+)?")


def add_turns(tiers: Sequence[Tier], reading: Reading) -> None:
    """Add the turns of the tiers that are meant, or say which tiers there are.

    ``reading.tier`` is the one tier whose labels are names of speakers; where they are sentences,
    the tier is one speaker. ``reading.tiers`` are those whose labels are words. Without either
    they are told by their names and labels.
    """
    names = _by_name(tiers)
    if reading.tier is not None:
        for tier in _named([reading.tier], tiers, reading):
            if are_sentences(tier):
                _add_words([(_speaker_of(tier, names), tier)], reading)
            else:
                reading.note(f"the labels of tier {quoted(tier.name)} are the speakers")
                for mark in tier.filled():
                    reading.turn(mark.where, (mark.start_s, mark.end_s), speaker=mark.text)
    elif reading.tiers is not None:
        meant = list(_named(reading.tiers, tiers, reading))
        _add_words([(_speaker_of(tier, names), tier) for tier in meant], reading)
    else:
        _add_words(_speakers(tiers, reading), reading)


def _add_words(speakers: Sequence[tuple[str | None, Tier]], reading: Reading) -> None:
    for speaker, tier in speakers:
        for mark in tier.filled() if tier.gaps else tier.marks:
            text = mark.text.strip()
            words = text.removeprefix(DOUBTFUL)
            doubts = () if words == text else (MARKED,)
            reading.turn(mark.where, (mark.start_s, mark.end_s), speaker, words, doubts)


def _speakers(tiers: Sequence[Tier], reading: Reading) -> list[tuple[str | None, Tier]]:
    """Speakers with their tiers, those that we wrote as one of words and one of emotion as one."""
    if not any(tier.main for tier in tiers):
        reading.fault("file", f"no tier with stretches of time: {_listed(tiers)}")
        return []
    ours, unknown = _ours(tiers)
    others = with_kinds(unknown)
    meant = _meant(others)
    ids, names = {id(tier) for tier in meant}, _by_name(tiers)
    left = [f"{quoted(tier.name)} ({tier.holds})" for tier in others if id(tier) not in ids]
    if not ours and not meant:
        what = f"no tier that tells who speaks: {', '.join(left[:SHOWN])}"
        reading.fault("file", f"{what}; --words-tier NAME takes one all the same")
    speakers = [*ours, *((_speaker_of(tier, names), tier) for tier in meant)]
    _check_alike(speakers, tiers, reading)
    if meant:
        taken = ", ".join(_taken(*pair) for pair in speakers[:SHOWN])
        rest = f"; left: {', '.join(left[:SHOWN])}; --words-tier NAME takes others" if left else ""
        reading.note(f"tiers taken for speakers and their words: {taken}{rest}")
    return [(who, _wordless(tier) if tier.holds == NUMBERS else tier) for who, tier in speakers]


def _taken(speaker: str | None, tier: Tier) -> str:
    what = "speaker not named" if speaker is None else printable(speaker)
    return f"{quoted(tier.name)} ({what}{'' if tier.holds == SPEECH else ', no words'})"


def _wordless(tier: Tier) -> Tier:
    return replace(tier, marks=tuple(replace(m, text="") for m in tier.filled()), gaps=False)


def _by_name(tiers: Sequence[Tier]) -> dict[str, Tier]:
    return {tier.name: tier for tier in reversed(tiers)}


def _ours(tiers: Sequence[Tier]) -> tuple[list[tuple[str | None, Tier]], list[Tier]]:
    """Speakers of tiers that we wrote, and all tiers that we did not."""
    known = {tier.name: tier for tier in tiers}
    speakers: list[tuple[str | None, Tier]] = []
    others = []
    for tier in tiers:
        match = _OURS.fullmatch(tier.name)
        emotion, sureness = (
            known.get(f"{match[1]} {kind}{match[3] or ''}") if match else None
            for kind in (EMOTION, CONFIDENCE)
        )
        # Annotators have words and emotions beside sentences that bear the bare name.
        theirs = match is not None and match[1] in known and sureness is None
        if match is None or emotion is None or theirs:
            others.append(tier)
        elif match[2] == WORDS:
            marks = tuple(_with_wordless(tier, emotion)) if tier.gaps else tier.marks
            speakers.append((tier.speaker or match[1], replace(tier, marks=marks, gaps=False)))
    return speakers, others


def coded(tiers: Sequence[Tier], word: str) -> list[tuple[str | None, Tier]]:
    """Tiers with a word in their name, else in their type, whatever its case, and whose they are.

    None where neither a participant nor the rest of the name, nor what they hang on says it. Tiers
    of points last no time and are none.
    """
    word = rf"(?<![^\W\d_]){word}(?:s|en)?(?![^\W\d_])"
    pattern = re.compile(rf"[\W_]*{word}[\W_]*", re.IGNORECASE)
    lasting = [tier for tier in tiers if tier.main or tier.parent is not None]
    meant = [tier for tier in lasting if pattern.search(tier.name)]
    meant = meant or [tier for tier in lasting if pattern.search(tier.kind or "")]
    names = _by_name(tiers)

    def whose(tier: Tier) -> str | None:
        above, ours = names.get(tier.parent or ""), _OURS.fullmatch(tier.name)
        rest = ours[1] if ours else pattern.sub(" ", tier.name).strip() or None
        return tier.speaker or (rest if above is None else _speaker_of(above, names))

    return [(whose(tier), tier) for tier in meant]


def _meant(tiers: Sequence[Tier]) -> list[Tier]:
    """Tiers that are somebody's speech, each once, in the order of the file.

    Of tiers that hang on each other it is the first with words, seen from the one on which all
    hang; without any that one. Of tiers that divide each other it is the coarsest.
    """
    hanging: dict[str, list[Tier]] = defaultdict(list)
    for tier in tiers:
        if tier.parent is not None:
            hanging[tier.parent].append(tier)
    trees = [_of_tree(tier, hanging) for tier in tiers if tier.main]
    spoken = [tier for tier in trees if tier.holds == SPEECH]
    named = {tier.speaker for tier in spoken}
    coarsest = {id(tier) for tier in _coarsest(spoken, _by_name(tiers))}

    def is_meant(tier: Tier) -> bool:
        if tier.holds == SPEECH:
            return id(tier) in coarsest
        # Numbers alone say who speaks when, if they name a speaker or nothing else does.
        if tier.holds == NUMBERS:
            return tier.speaker not in named if tier.speaker else not spoken
        return tier.holds == UNLABELLED and not tier.gaps and bool(tier.marks)

    return [tier for tier in trees if is_meant(tier)]


def _of_tree(root: Tier, hanging: Mapping[str, Sequence[Tier]]) -> Tier:
    """The tier that holds the words of those that hang on one, or this one."""
    level, seen = [root], {root.name}
    while level and root.holds in (SPEECH, NUMBERS, UNLABELLED):
        words = [tier for tier in level if tier.holds == SPEECH]
        if words:
            # A name that says so goes before the order of the file.
            return min(words, key=lambda tier: not is_named_words(tier))
        level = [t for above in level for t in hanging.get(above.name, ()) if t.name not in seen]
        seen |= {tier.name for tier in level}
    return root


def _coarsest(spoken: Sequence[Tier], names: Mapping[str, Tier]) -> Iterator[Tier]:
    """Tiers but those that say what another of their speaker says, in smaller parts or later."""
    known: list[_Said] = []
    for tier in sorted(spoken, key=lambda tier: tier.count):
        said = _Said((_speaker_of(tier, names), tier.annotator, tier.kind), edges_of(tier))
        if not any(one.whose == said.whose and divide(said.edges, one.edges) for one in known):
            yield tier
        if len(known) < COMPARED:
            known.append(said)


@dataclass(frozen=True, slots=True)
class _Said:
    """Of a tier, its speaker, annotator and type, and the edges of what is said."""

    whose: tuple[str | None, str | None, str | None]
    edges: AbstractSet[int]


def _speaker_of(tier: Tier, names: Mapping[str, Tier]) -> str | None:
    """Whose speech a tier is: by its participant, else that of what it hangs on, else its name."""
    above, seen = tier, {tier.name}
    while above.speaker is None and (over := names.get(above.parent or "")) is not None:
        if over.name in seen:
            break
        above = over
        seen.add(over.name)
    return above.speaker or name_of(above.name)


def _with_wordless(words: Tier, emotion: Tier) -> Iterator[Mark]:
    """Marks with words, and those with an emotion while nothing is said in words."""
    said = sorted(words.filled(), key=lambda mark: mark.start_s)
    yield from said
    starts = [mark.start_s for mark in said]
    for mark in emotion.filled():
        before = bisect_left(starts, mark.end_s)
        if not before or said[before - 1].end_s <= mark.start_s:
            yield Mark(mark.where, mark.start_s, mark.end_s, "")


def _named(names: Sequence[str], tiers: Sequence[Tier], reading: Reading) -> Iterator[Tier]:
    for name in names:
        matching = [tier for tier in tiers if tier.name == name]
        if len(matching) == 1:
            yield matching[0]
        else:
            count = "no tier" if not matching else f"{len(matching)} tiers"
            near = did_you_mean(name, [tier.name for tier in tiers], most=3)
            meant = f"{near} " if near.startswith("did you mean") and not matching else ""
            reading.fault("file", f"{count} named {quoted(name)}: {meant}{_listed(tiers)}")


def _check_alike(
    speakers: Sequence[tuple[str | None, Tier]], tiers: Sequence[Tier], reading: Reading
) -> None:
    """Tiers of two annotators, or of two linguistic types, would say everything twice."""
    by_speaker: dict[str | None, dict[tuple[str | None, str | None], str]] = defaultdict(dict)
    for speaker, tier in speakers:
        if tier.marks:
            by_speaker[speaker][tier.annotator, tier.kind] = tier.name
    for speaker, by in by_speaker.items():
        if len(by) > 1:
            which = ", ".join(map(quoted, by.values()))
            who = "one speaker" if speaker is None else quoted(speaker)
            what = f"{who} has tiers of several annotators or types ({which})"
            fault = f"{what}: say which are meant (--words-tier NAME); {_listed(tiers)}"
            reading.fault("file", fault)


def _listed(tiers: Sequence[Tier]) -> str:
    names = ", ".join(quoted(tier.name) for tier in tiers[:SHOWN]) or "none"
    return f"its tiers are {names}{', ...' if len(tiers) > SHOWN else ''}"
