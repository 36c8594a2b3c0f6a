"""From the labels of a published classifier to the classes of a corpus, stated and checked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from experiments.config import ConfigError
from fusion.evaluation.emotions import SYNONYMS, word

#: Where a corpus has no class of its own for it: IEMOCAP's usual four classes merge excited into
#: happy; calm is RAVDESS's second neutral (Livingstone and Russo 2018).
NEAREST: Mapping[str, str] = MappingProxyType({"excited": "happy", "calm": "neutral"})
#: Takes a label out: ``--map calm=none``.
NOTHING = "none"


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Class of a corpus for each label of a classifier, in the order of its logits."""

    labels: tuple[str, ...]
    classes: tuple[str | None, ...]
    targets: tuple[str, ...]

    @property
    def columns(self) -> tuple[int | None, ...]:
        """Number of the target of each label."""
        return tuple(None if name is None else self.targets.index(name) for name in self.classes)

    @property
    def pairs(self) -> dict[str, str]:
        """Labels that have a class, with it."""
        pairs = zip(self.labels, self.classes, strict=True)
        return {label: name for label, name in pairs if name is not None}

    @property
    def unused(self) -> tuple[str, ...]:
        """Labels without a class."""
        return tuple(label for label in self.labels if label not in self.pairs)

    @property
    def absent(self) -> tuple[str, ...]:
        """Classes without a label: they are never predicted."""
        return tuple(name for name in self.targets if name not in self.classes)

    def lines(self, what: str) -> tuple[str, ...]:
        """What a reader must know: classes that no label or column (``what``) is, and the rest."""
        never = [f"never says {', '.join(self.absent)}: no such {what}"] * bool(self.absent)
        unused = ", ".join(self.unused)
        shared = [
            f"its {what}s {unused} stand for no class here; what they would get is shared out "
            "among the others in proportion"
        ]
        return (*never, *(shared * bool(unused)))


def map_labels(
    arm: str, labels: Sequence[str], targets: Sequence[str], asked: Mapping[str, str]
) -> LabelMap:
    """Map by name and synonyms; what the user asked for (by :func:`word` of the label) comes first.

    Raises:
        ConfigError: no label has a class, or a name could mean two classes.
    """
    classes = tuple(_class_of(arm, label, targets, asked) for label in labels)
    if not any(classes):
        raise ConfigError(
            f"{arm}: none of its labels is a class of the corpus: it says {', '.join(labels)}, "
            f"the corpus has {', '.join(targets)}; say what is what as in "
            f"--map {labels[0]}={targets[0]}"
        )
    return LabelMap(tuple(labels), classes, tuple(targets))


def parse_map(typed: Sequence[str], targets: Sequence[str]) -> dict[str, str]:
    """``label=class`` by :func:`word` of the label; class ``none`` takes the label out.

    Raises:
        ConfigError: with every part that is not of the form, or names no class of the corpus.
    """
    faults, asked = [], {}
    for part in typed:
        label, equals, name = (text.strip() for text in part.partition("="))
        if not (label and equals and name):
            faults.append(f"{part!r} is not label=class, as in hap=happy")
        elif name not in (*targets, NOTHING):
            faults.append(f"{part!r}: the corpus has {', '.join(targets)}, and {NOTHING} for none")
        elif word(label) in asked:
            faults.append(f"{label!r} is mapped twice")
        else:
            asked[word(label)] = name
    if faults:
        raise ConfigError(f"--map: {'; '.join(faults)}")
    return asked


def _class_of(arm: str, label: str, targets: Sequence[str], asked: Mapping[str, str]) -> str | None:
    if word(label) in asked:
        name = asked[word(label)]
        return None if name == NOTHING else name
    for candidates in _candidates(label):
        classes = [target for target in targets if word(target) in candidates]
        if len(classes) > 1:
            raise ConfigError(
                f"{arm}: its label {label} could be {' or '.join(classes)}; say which as in "
                f"--map {label}={classes[0]}"
            )
        if classes:
            return classes[0]
    return None


def _candidates(label: str) -> Iterator[tuple[str, ...]]:
    """What a class may be called to be a label's: the same, a synonym, the nearest emotion."""
    name = word(label)
    yield (name,)
    group = next((group for group in SYNONYMS if name in group), None)
    if group is not None:
        yield group
        if group[0] in NEAREST:
            yield next(other for other in SYNONYMS if other[0] == NEAREST[group[0]])
