"""What is said around an utterance in its dialogue: whose turns are read beside its words.

Turns are marked by who says them as the utterance sees it (:data:`SAME`, :data:`OTHER`), never by
name: no mark tells a speaker of one fold from one of another.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from encoders.messages import with_count
from encoders.utterance import Utterance

#: Marks of a turn of the utterance's own speaker, and of anybody else or nobody known.
SAME, OTHER = "A:", "B:"


class ContextError(ValueError):
    """Turns around utterances are asked for, and no utterance has a known place in a dialogue."""


#: A mark, and the words of the turn.
Turn = tuple[str, str]


@dataclass(frozen=True, slots=True)
class TextInContext:
    """An utterance's own words, and turns before and after them in the order of talking."""

    words: str
    before: tuple[Turn, ...] = ()
    after: tuple[Turn, ...] = ()

    @property
    def turns(self) -> int:
        """Turns around the own words."""
        return len(self.before) + len(self.after)

    @property
    def head(self) -> str:
        """What stands before the own words, their mark at its end; nothing without turns."""
        return " ".join((*map(" ".join, self.before), SAME)) if self.turns else ""

    @property
    def whole(self) -> str:
        """All of it as an encoder reads it."""
        parts = (self.head, self.words, *map(" ".join, self.after))
        return " ".join(part for part in parts if part)

    def shorter(self) -> "TextInContext":
        """Without the oldest turn; where none is before the own words, without the last one."""
        if self.before:
            return replace(self, before=self.before[1:])
        return replace(self, after=self.after[:-1])


@dataclass(frozen=True, slots=True)
class Contexts:
    """Texts in context by utterance id, and the ids of the turns around each.

    ``wordless`` turns were passed over. An utterance whose place in a dialogue is not known has no
    entry in ``around``.
    """

    texts: Mapping[str, TextInContext | str]
    around: Mapping[str, tuple[str, ...]]
    wordless: int = 0

    @property
    def alone(self) -> int:
        """Utterances whose place in a dialogue is not known: they are read without turns."""
        return sum(name not in self.around for name in self.texts)

    def of(self, names: Iterable[str]) -> "Contexts":
        """Those of some utterances; the turns around them may be of others."""
        kept = [*names]
        texts = {name: self.texts[name] for name in kept}
        around = {name: self.around[name] for name in kept if name in self.around}
        return replace(self, texts=texts, around=around)

    def lines(self) -> list[str]:
        """What a reader must know of turns that could not be read."""
        lines = []
        if self.wordless:
            turns = with_count(self.wordless, "turn")
            lines.append(f"{turns} without words passed over in the context of others")
        if self.alone:
            lines.append(
                f"{with_count(self.alone, 'utterance')} of {len(self.texts)} read without context: "
                "no dialogue, or no order of its turns, is known (columns dialogue and turn)"
            )
        return lines


def turns_of(utterances: Sequence[Utterance]) -> list[int | None]:
    """Place of each utterance in its dialogue: by its turn, its start, or the numbers in its id.

    None where no dialogue is known, or no order: turns that not all of a dialogue have, starts that
    do not differ, and ids that differ not in their numbers alone. Numbers of dialogues that start
    again in each session are told apart.
    """
    turns: list[int | None] = [None] * len(utterances)
    for rows in _dialogues(utterances).values():
        for turn, row in enumerate(_ordered(utterances, rows)):
            turns[row] = turn
    return turns


def _dialogues(utterances: Sequence[Utterance]) -> dict[tuple[str | None, str], list[int]]:
    dialogues: dict[tuple[str | None, str], list[int]] = {}
    for row, utterance in enumerate(utterances):
        if utterance.dialogue is not None:
            dialogues.setdefault((utterance.session, utterance.dialogue), []).append(row)
    return dialogues


def _ordered(utterances: Sequence[Utterance], rows: Sequence[int]) -> list[int]:
    """Rows of a dialogue in the order of talking; none where it is not known."""
    given = [utterances[row].turn for row in rows]
    starts = {utterances[row].start_s for row in rows}
    shapes = {re.sub(r"\d+", "0", utterances[row].id) for row in rows}
    numbered = None not in given
    if not numbered and len(starts) < len(rows) and len(shapes) > 1:
        return []

    def place(row: int) -> tuple[float, float, list[tuple[int, str]]]:
        one = utterances[row]
        return one.turn if numbered and one.turn is not None else 0.0, one.start_s, _digits(one.id)

    return sorted(rows, key=place)


def _digits(name: str) -> list[tuple[int, str]]:
    """What puts ``utt10`` behind ``utt2``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def with_dialogues(
    rows: Sequence[Utterance], utterances: Sequence[Utterance]
) -> tuple[Utterance, ...]:
    """Rows, and behind them all others of their dialogues."""
    known = {utterance.id for utterance in rows}
    talks = {(u.session, u.dialogue) for u in rows if u.dialogue is not None}
    others = (u for u in utterances if (u.session, u.dialogue) in talks and u.id not in known)
    return (*rows, *others)


def check_order(utterances: Sequence[Utterance]) -> None:
    """Find out before any work whether some utterance has a known place in a dialogue.

    Raises:
        ContextError: none has; names the columns that say it.
    """
    if all(utterance.dialogue is None for utterance in utterances):
        raise ContextError(
            "no utterance has a dialogue: expected the column 'dialogue' with a name for each "
            "conversation, and 'turn' (1, 2, ...) for the order in it; fill them, or leave context "
            "and ahead out"
        )
    if not any(turn is not None for turn in turns_of(utterances)):
        raise ContextError(
            "no dialogue has an order of turns: expected the column 'turn' (1, 2, ...), or starts "
            "('start_s') that differ, or ids that differ in their numbers alone; fill it, or leave "
            "context and ahead out"
        )


def in_context(
    texts: Mapping[str, str], utterances: Sequence[Utterance], before: int, after: int
) -> Contexts:
    """Texts with that many turns of their dialogues around them, the nearest that have words.

    ``texts`` are by id; ``utterances`` are all whose words may be read, those of other ids having
    none. A text without turns around it stays as it is.
    """
    places = turns_of(utterances)
    made: dict[str, TextInContext | str] = dict(texts)
    around: dict[str, tuple[str, ...]] = {}
    wordless = 0
    for rows in _dialogues(utterances).values():
        ordered = sorted((r for r in rows if places[r] is not None), key=lambda r: places[r] or 0)
        spoken = [utterances[row] for row in ordered if utterances[row].id in texts]
        wordless += len(ordered) - len(spoken)
        for place, own in enumerate(spoken):
            earlier = spoken[max(place - before, 0) : place]
            later = spoken[place + 1 : place + 1 + after]
            around[own.id] = tuple(turn.id for turn in (*earlier, *later))
            if around[own.id]:
                made[own.id] = TextInContext(
                    texts[own.id],
                    tuple((_mark(turn, own), texts[turn.id]) for turn in earlier),
                    tuple((_mark(turn, own), texts[turn.id]) for turn in later),
                )
    return Contexts(made, around, wordless)


def _mark(turn: Utterance, own: Utterance) -> str:
    return SAME if own.speaker is not None and turn.speaker == own.speaker else OTHER
