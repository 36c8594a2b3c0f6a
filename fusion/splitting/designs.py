"""Outer folds by protocol: which rows are trained on and which are scored."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from encoders.messages import with_count
from encoders.utterance import Utterance
from fusion.splitting.folds import Fold, balanced, grouped, in_turn, speaker_of
from fusion.splitting.groups import joined_by, linked_by_talk
from fusion.splitting.protocols import Asked, SplitError, parse_protocol

OUTER_GROUPS = 5
#: Groups of people who talk with each other that folds are made of, and the most that one may hold
#: of all rows: the fold that tests it is trained on the rest.
LEAST_GROUPS, MOST_IN_ONE = 3, 0.8
RANDOM_PARTS = 5
#: Groups of scripts that take turns: each fold trains on two thirds of the scripts or more.
SCRIPT_GROUPS = 3
#: Test actors of the six RAVDESS folds of EmoBox (Ma et al. 2024, arXiv 2406.07162).
EMOBOX = ("01 11 20 21", "04 10 12 14", "08 09 19 23", "03 05 07 24", "02 15 16 18", "06 13 17 22")
EMOBOX_FOLD_OF = {actor: str(n) for n, actors in enumerate(EMOBOX, 1) for actor in actors.split()}
#: Start of the dialogues of one of S4's ten IEMOCAP sets: session, and who wore the markers.
S4_SET = re.compile(r"Ses0[1-5][FM]")
Maker = Callable[[Sequence[Utterance], Asked], tuple[Fold, ...]]


def make_outer(utterances: Sequence[Utterance], asked: Asked) -> tuple[Fold, ...]:
    """Folds of a protocol within one corpus.

    Raises:
        SplitError: some utterance lacks what the protocol needs, or there is nothing to rotate.
    """
    return _MAKERS[asked.protocol.name](utterances, asked)


def rows_of(utterances: Sequence[Utterance], typed: str) -> tuple[Utterance, ...]:
    """Utterances that take part in a protocol: all but those that ``improvised`` leaves out.

    Raises:
        SplitError: ``improvised`` finds no improvised utterance, or no scripted one.
    """
    if parse_protocol(typed).protocol.name != "improvised":
        return tuple(utterances)
    chosen = tuple(utterance for utterance in utterances if _is_improvised(utterance))
    if len(chosen) in (0, len(utterances)):
        raise SplitError(
            f"--folds {typed}: {'no' if not chosen else 'every'} utterance is improvised: expected "
            "the column 'script' to be empty (or to say impro...) for improvised ones, and for "
            "them alone"
        )
    return chosen


def _is_improvised(utterance: Utterance) -> bool:
    """Whether an utterance was spoken without a script (IEMOCAP names such dialogues impro...)."""
    return utterance.script is None or "impro" in utterance.script.casefold()


# ---------------------------------------------------------------- one corpus


def _groups(utterances: Sequence[Utterance], asked: Asked) -> tuple[Fold, ...]:
    """Speakers dealt into groups; those who talk with each other stay together."""
    unit = _dealt_together(utterances)
    counts = Counter(unit[speaker_of(utterance)] for utterance in utterances)
    wanted = _number(asked, OUTER_GROUPS)
    if why := apart(utterances):
        raise SplitError(f"{asked.option}: {why}")
    if asked.argument and wanted > len(counts):
        joined = " who talk with each other" if len(counts) < len(unit) else ""
        what = f"groups of speakers{joined}" if joined else "speakers"
        raise SplitError(f"{asked.option}: there are {len(counts)} {what}")
    dealt = balanced(counts, min(wanted, len(counts)))
    fold_of = {name: str(number) for number, group in enumerate(dealt, 1) for name in group}
    return in_turn(
        utterances, grouped(utterances, lambda u: fold_of[unit[speaker_of(u)]], "groups"), "group"
    )


def _dealt_together(utterances: Sequence[Utterance]) -> dict[str, str]:
    """Who is dealt together, by speaker; each alone where sessions join too many of them.

    A session may be a day in a studio: that it is on two sides is a warning of the certificate.
    """
    unit = linked_by_talk(utterances)
    if joined_by(utterances) == "dialogue" or _leaves_groups(utterances, unit):
        return unit
    return {speaker: speaker for speaker in unit}


def _leaves_groups(utterances: Sequence[Utterance], unit: Mapping[str, str]) -> bool:
    counts = Counter(unit[speaker_of(utterance)] for utterance in utterances)
    largest = max(counts.values()) / len(utterances)
    return len(counts) == len(unit) or (len(counts) >= LEAST_GROUPS and largest <= MOST_IN_ONE)


def apart(utterances: Sequence[Utterance]) -> str:
    """Why dialogues and speakers cannot both be kept on one side, and what runs; "" if they can."""
    unit = linked_by_talk(utterances)
    if joined_by(utterances) == "session" or _leaves_groups(utterances, unit):
        return ""
    counts = Counter(unit[speaker_of(utterance)] for utterance in utterances)
    largest = max(counts.values()) / len(utterances)
    return (
        f"dialogues join {len(unit)} speakers into {with_count(len(counts), 'group')}, the largest "
        f"with {largest:.0%} of the utterances, and {LEAST_GROUPS} of at most {MOST_IN_ONE:.0%} "
        "are needed to keep dialogues and speakers on one side of a fold; "
        f"{_what_runs(utterances)}, stamped LEAKY"
    )


def _what_runs(utterances: Sequence[Utterance]) -> str:
    """Without whom there would be groups, as an interviewer's rows; what runs as it is."""
    dialogues = {(speaker_of(u), u.session, u.dialogue) for u in utterances}
    counts = Counter(speaker for speaker, _, dialogue in dialogues if dialogue is not None)
    busiest = min(counts, key=lambda speaker: (-counts[speaker], speaker))
    rest = [utterance for utterance in utterances if speaker_of(utterance) != busiest]
    others = {*linked_by_talk(rest).values()}
    left_out = ""
    if len(others) >= LEAST_GROUPS and not apart(rest):
        left_out = f"without the rows of {busiest} there are {len(others)} groups; "
    split = {utterance.split for utterance in utterances}
    if {"train", "test"} <= split and None not in split:
        return f"{left_out}--folds split-leaky runs the split as it was published"
    return f"{left_out}--folds random runs and keeps nobody apart"


def _speaker(utterances: Sequence[Utterance], _: Asked) -> tuple[Fold, ...]:
    return in_turn(utterances, grouped(utterances, speaker_of, "speaker"), "speaker")


def _session(utterances: Sequence[Utterance], _: Asked) -> tuple[Fold, ...]:
    return in_turn(utterances, grouped(utterances, lambda u: u.session, "session"), "session")


def _fold(utterances: Sequence[Utterance], _: Asked) -> tuple[Fold, ...]:
    return in_turn(utterances, grouped(utterances, lambda u: u.fold, "fold"), "fold")


def _split(utterances: Sequence[Utterance], asked: Asked) -> tuple[Fold, ...]:
    by_split = grouped(utterances, lambda u: u.split, "split")
    for name in ("train", "test"):
        if not by_split.get(name):
            raise SplitError(f"{asked.option}: no utterance is marked {name!r}")
    dev = tuple(by_split.get("dev", ()))
    return (Fold("test", tuple(by_split["train"]), tuple(by_split["test"]), dev),)


def _emobox(utterances: Sequence[Utterance], asked: Asked) -> tuple[Fold, ...]:
    actors = {speaker_of(u): _actor(speaker_of(u)) for u in utterances}
    strange = sorted(name for name, actor in actors.items() if actor not in EMOBOX_FOLD_OF)
    if strange:
        raise SplitError(
            f"{asked.option}: expected the actors of RAVDESS, 01 to 24, got {strange[0]}"
        )
    tests = grouped(utterances, lambda u: EMOBOX_FOLD_OF[actors[speaker_of(u)]], "fold")
    return in_turn(utterances, tests, "fold")


def _actor(speaker: str) -> str:
    match = re.fullmatch(r"(?:actor)?[_ -]?(\d{1,2})", speaker.casefold())
    return match[1].zfill(2) if match else ""


def _superb(utterances: Sequence[Utterance], asked: Asked) -> tuple[Fold, ...]:
    tests = grouped(utterances, _session_number, "session")
    if sorted(tests) != list("12345"):
        raise SplitError(
            f"{asked.option}: expected IEMOCAP's sessions 1 to 5, got {', '.join(sorted(tests))}"
        )
    return in_turn(utterances, tests, "session")


def _session_number(utterance: Utterance) -> str | None:
    match = re.fullmatch(r"(?:session|ses)?[_ -]?0?(\d+)", (utterance.session or "").casefold())
    return match[1] if match else utterance.session


def _number(asked: Asked, default: int) -> int:
    if not asked.argument:
        return default
    if not asked.argument.isdecimal() or int(asked.argument) < 2:
        raise SplitError(f"{asked.option}: expected a number from 2 on after the colon")
    return int(asked.argument)


# ---------------------------------------------------------------- scripts


def _base(utterances: Sequence[Utterance], asked: Asked) -> tuple[Fold, ...]:
    sessions = {utterance.session for utterance in utterances}
    known = "session" if None not in sessions and len(sessions) > 1 else "groups"
    return make_outer(utterances, parse_protocol(asked.argument or known))


def _improvised(utterances: Sequence[Utterance], asked: Asked) -> tuple[Fold, ...]:
    return _base(rows_of(utterances, asked.protocol.name), asked)


def _script_disjoint(utterances: Sequence[Utterance], asked: Asked) -> tuple[Fold, ...]:
    """Groups of scripts take turns inside the speaker folds; rows on neither side are left out.

    An utterance without a script shares none: it is trained on whichever scripts are tested.
    """
    folds, script = _base(utterances, asked), {u.id: u.script for u in utterances}
    sizes = Counter(name for name in script.values() if name is not None)
    if len(sizes) < 2:
        raise SplitError(
            f"{asked.option}: {len(sizes)} scripts are known, at least two are needed; fill the "
            "column 'script' with a name for each fixed text"
        )
    if not any(_shared(fold, script) for fold in folds):
        return folds
    dealt = balanced(sizes, min(SCRIPT_GROUPS, len(sizes)))
    group = {name: number for number, names in enumerate(dealt) for name in names}
    crossed = (_crossed(fold, script, group, k) for fold in folds for k in range(len(dealt)))
    return tuple(fold for fold in crossed if fold.test)


def _shared(fold: Fold, script: Mapping[str, str | None]) -> bool:
    test = {script[name] for name in fold.test} - {None}
    return bool(test & {script[name] for name in (*fold.train, *fold.dev)})


def _crossed(
    fold: Fold, script: Mapping[str, str | None], group: Mapping[str, int], turn: int
) -> Fold:
    free = [name for name in fold.test if script[name] is None]
    # Unscripted test rows are dealt over the turns, so that each is scored once.
    mine = set(free[turn :: len(set(group.values()))])
    test = [n for n in fold.test if n in mine or group.get(script[n] or "") == turn]
    train = [n for n in fold.train if group.get(script[n] or "") != turn]
    dev = [n for n in fold.dev if group.get(script[n] or "") != turn]
    return Fold(f"{fold.name}/{turn + 1}", tuple(train), tuple(test), tuple(dev))


# ---------------------------------------------------------------- leaky ones, for replication


def _random(utterances: Sequence[Utterance], asked: Asked) -> tuple[Fold, ...]:
    parts = _number(asked, min(RANDOM_PARTS, len(utterances)))
    if parts > len(utterances):
        raise SplitError(f"{asked.option}: there are {len(utterances)} utterances")
    # Sorted, so that the order of rows does not change the parts.
    order = np.random.default_rng(0).permutation(sorted(u.id for u in utterances))
    part = {str(name): str(place % parts + 1) for place, name in enumerate(order)}
    return in_turn(utterances, grouped(utterances, lambda u: part[u.id], "part"), "part")


def _s4_set(utterances: Sequence[Utterance], asked: Asked) -> tuple[Fold, ...]:
    prefix = {u.id: S4_SET.match(u.dialogue or u.id) for u in utterances}
    strange = [name for name, match in prefix.items() if match is None]
    if strange:
        raise SplitError(
            f"{asked.option}: expected IEMOCAP's dialogues, named Ses01F_... to Ses05M_..., "
            f"got {strange[0]}"
        )
    tests = grouped(utterances, lambda u: match[0] if (match := prefix[u.id]) else None, "dialogue")
    folds = in_turn(utterances, tests, "set")
    if not asked.argument:
        return folds
    chosen = tuple(fold for fold in folds if fold.name == asked.argument)
    if not chosen:
        raise SplitError(f"{asked.option}: expected one of {', '.join(sorted(tests))}")
    return chosen


_MAKERS: Mapping[str, Maker] = MappingProxyType(
    {
        "groups": _groups,
        "speaker": _speaker,
        "session": _session,
        "fold": _fold,
        "split": _split,
        "split-leaky": _split,
        "emobox": _emobox,
        "superb": _superb,
        "script-disjoint": _script_disjoint,
        "improvised": _improvised,
        "random": _random,
        "s4-set": _s4_set,
    }
)
