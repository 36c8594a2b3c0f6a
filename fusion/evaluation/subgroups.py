"""Groups of speakers and utterances: for whom does a classifier work?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from encoders.utterance import Utterance

#: First age of each group, in years, and its name.
AGES = ((0, "under 18"), (18, "18 to 29"), (30, "30 to 44"), (45, "45 to 59"), (60, "60 and over"))


@dataclass(frozen=True, slots=True)
class Grouping:
    """The group of each speaker, or of each utterance where a speaker is in several."""

    by: Literal["speaker", "utterance"]
    of: Mapping[str, str]


def age_group(age: float) -> str:
    """The group of an age in years.

    >>> age_group(17.9), age_group(18.0), age_group(74.0)
    ('under 18', '18 to 29', '60 and over')
    """
    return next(name for first, name in reversed(AGES) if age >= first)


ATTRIBUTES: Mapping[str, Callable[[Utterance], str | None]] = {
    "sex": lambda utterance: utterance.sex,
    "age": lambda utterance: None if utterance.age is None else age_group(utterance.age),
    "language": lambda utterance: utterance.language,
}


def groupings(utterances: Sequence[Utterance]) -> dict[str, Grouping]:
    """Sex, age and language where the corpus knows them and they are not the same for all.

    Whoever has none is in no group. Groups are of speakers, unless a speaker is in several (who
    speaks two languages, or was recorded at two ages).
    """
    by_attribute: dict[str, Grouping] = {}
    for name, of in ATTRIBUTES.items():
        known = {u.id: group for u in utterances if (group := of(u)) is not None}
        if len(set(known.values())) > 1:
            by_attribute[name] = _grouping(utterances, known)
    return by_attribute


def _grouping(utterances: Sequence[Utterance], known: Mapping[str, str]) -> Grouping:
    groups: dict[str, set[str | None]] = {}
    for utterance in utterances:
        groups.setdefault(str(utterance.speaker), set()).add(known.get(utterance.id))
    if any(len(values) > 1 for values in groups.values()):
        return Grouping("utterance", dict(known))
    first = {speaker: next(iter(values)) for speaker, values in groups.items()}
    return Grouping(
        "speaker", {speaker: group for speaker, group in first.items() if group is not None}
    )
