"""Names that one person may have been given: in another spelling, cut short, with an addition."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Int64


def spelt(name: str) -> str:
    """A name without what typing varies: case, marks, spaces, zeros before a number.

    >>> [spelt(name) for name in ("Spk_01", "spk 1", "spk-1", "1_2", "12")]
    ['spk1', 'spk1', 'spk1', '1 2', '12']
    """
    # A mark between two digits keeps two numbers apart.
    plain = re.sub(r"(?<=\d)[\W_]+(?=\d)", " ", name.casefold())
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"[^\w ]|_|(?<!\d) | (?!\d)", "", plain))


def near_names(names: Sequence[str]) -> Int64[np.ndarray, "pairs 2"]:
    """Pairs of different names of which one is the other with words behind it, or cut short.

    ``anna`` and ``anna b.``, ``p1`` and ``p1_2``; ``spk1``, ``s01`` and ``speaker 1``. Names that
    differ in spelling only are no such pair.
    """
    pairs = {*_lengthened(names), *_shortened(names)}
    unlike = sorted((i, j) for i, j in pairs if spelt(names[i]) != spelt(names[j]))
    return np.array(unlike, np.int64).reshape(-1, 2)


def _lengthened(names: Sequence[str]) -> Iterator[tuple[int, int]]:
    words = [tuple(re.findall(r"[^\W_]+", name.casefold())) for name in names]
    place: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, parts in enumerate(words):
        place[parts].append(number)
    for number, parts in enumerate(words):
        for size in range(1, len(parts)):
            yield from ((min(n, number), max(n, number)) for n in place[parts[:size]])


def _shortened(names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Names with the same numbers and initial, the letters of one in their order in the other."""
    alike: dict[tuple[str, ...], list[tuple[int, str]]] = defaultdict(list)
    for number, name in enumerate(names):
        plain = re.fullmatch(r"([^\W\d]+)(\d[\d ]*)", spelt(name))
        if plain is not None:
            alike[plain[1][0], plain[2]].append((number, plain[1]))
    for group in alike.values():
        for (i, letters), (j, others) in combinations(group, 2):
            short, long = sorted((letters, others), key=len)
            left = iter(long)
            if short != long and all(letter in left for letter in short):
                yield i, j
