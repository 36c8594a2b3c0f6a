"""Names of the ways to make outer folds, what each means, and which of them leak."""

from dataclasses import dataclass

from encoders.manifest_rows import did_you_mean


class SplitError(ValueError):
    """Folds that would leak, or that cannot be made from these speakers."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """A way to make outer folds: its name, what may follow after a colon, what it does.

    ``leaky`` ones put what belongs together on both sides; they replicate published numbers, run
    only where their name is given or a corpus was published so, and mark every table.
    """

    name: str
    argument: str
    about: str
    leaky: bool = False
    required: bool = False

    @property
    def usage(self) -> str:
        """The name as it is typed, what may be left out in brackets."""
        if not self.argument:
            return self.name
        return f"{self.name}:{self.argument}" if self.required else f"{self.name}[:{self.argument}]"


PROTOCOLS = (
    Protocol(
        "groups",
        "K",
        "K groups of speakers of nearly equal size (5); those who share a dialogue, or where none "
        "is known a session, stay together",
    ),
    Protocol("speaker", "", "leave one speaker out"),
    Protocol("session", "", "leave one session out, as dyads need it"),
    Protocol("fold", "", "the column 'fold', or the folds that a known corpus brings along"),
    Protocol("split", "", "the column 'split': train, test, and dev where there is one"),
    Protocol("emobox", "", "RAVDESS: the six folds of four actors of the EmoBox benchmark"),
    Protocol("superb", "", "IEMOCAP: SUPERB's five folds, one session each"),
    Protocol(
        "script-disjoint",
        "BASE",
        "test shares neither speakers nor scripts with training; BASE makes the speaker folds "
        "(session where sessions are known, else groups)",
    ),
    Protocol("improvised", "BASE", "improvised utterances of a scripted corpus only"),
    Protocol("corpus", "", "leave one corpus out: train on all the others"),
    Protocol(
        "cross", "A+B/C", "train on corpora A and B, test on C, which may train too", required=True
    ),
    Protocol("matrix", "", "train on each corpus alone, test on every one, on itself in groups"),
    Protocol("random", "K", "K random parts of the utterances (5)", leaky=True),
    Protocol("s4-set", "SesNNF", "IEMOCAP: test on the dialogues of one prefix", leaky=True),
    Protocol("split-leaky", "", "the column 'split' although it shares speakers", leaky=True),
)
#: Protocols that can be the speaker folds of ``script-disjoint`` and ``improvised``.
BASES = ("groups", "speaker", "session", "fold", "emobox", "superb")
BY_NAME = {protocol.name: protocol for protocol in PROTOCOLS}


@dataclass(frozen=True, slots=True)
class Asked:
    """A protocol as a user typed it."""

    protocol: Protocol
    argument: str = ""

    @property
    def option(self) -> str:
        """How messages name it."""
        return f"--folds {self.protocol.name}{f':{self.argument}' if self.argument else ''}"


def parse_protocol(typed: str) -> Asked:
    """A protocol from what was typed.

    >>> parse_protocol("groups:10").argument
    '10'

    Raises:
        SplitError: the name is unknown (the nearest is offered), an argument is missing or is one
            too many.
    """
    name, colon, argument = typed.partition(":")
    protocol = BY_NAME.get(name)
    if protocol is None:
        raise SplitError(f"--folds {typed}: no such protocol; {did_you_mean(name, BY_NAME)}")
    if (argument and not protocol.argument) or (colon and not argument):
        raise SplitError(f"--folds {typed}: expected {protocol.usage}")
    if protocol.required and not argument:
        raise SplitError(f"--folds {typed}: expected {protocol.usage}")
    if protocol.argument == "BASE" and argument:
        _check_base(typed, argument)
    return Asked(protocol, argument)


def _check_base(typed: str, base: str) -> None:
    if base.partition(":")[0] not in BASES:
        raise SplitError(f"--folds {typed}: after the colon expected one of {', '.join(BASES)}")
    parse_protocol(base)


def is_leaky(typed: str) -> bool:
    """Whether a protocol is one that every table must mark."""
    return parse_protocol(typed).protocol.leaky
