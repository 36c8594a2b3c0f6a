"""Transcripts that are equal or nearly so, by an inverted index over their rarest words."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int64

#: Share of words in common (Jaccard, repeated words counted) from which texts are nearly equal.
NEARLY = 0.8
#: Shorter texts of free speech ("I don't know") are equal by chance.
WORDS_FROM = 5


def words_of(text: str) -> tuple[str, ...]:
    """Words of a text without case and punctuation.

    >>> words_of("I've left -- “Really?”")
    ('i', 've', 'left', 'really')
    """
    return tuple(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


def near_pairs(texts: Sequence[tuple[str, ...]]) -> Int64[np.ndarray, "pairs 2"]:
    """Pairs of different texts with four fifths of their words in common.

    Two texts with a Jaccard similarity of t share one of the (1 - t) n + 1 rarest words of either
    (prefix filter of Chaudhuri et al. 2006), so that only those are looked up.
    """
    bags = [_bag(words) for words in texts]
    common = Counter(word for bag in bags for word in bag)
    rare = [sorted(bag, key=lambda word: (common[word], word)) for bag in bags]
    index: dict[tuple[str, int], list[int]] = {}
    pairs: list[tuple[int, int]] = []
    # By length, so that a text is compared with shorter ones only.
    for n in sorted(range(len(bags)), key=lambda n: len(bags[n])):
        prefix = rare[n][: len(rare[n]) - math.ceil(NEARLY * len(rare[n])) + 1]
        near = {m for word in prefix for m in index.get(word, ())}
        pairs += [(min(m, n), max(m, n)) for m in near if _is_near(bags[m], bags[n])]
        for word in prefix:
            index.setdefault(word, []).append(n)
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def _bag(words: Sequence[str]) -> frozenset[tuple[str, int]]:
    """Words, each with how often it came before."""
    seen: Counter[str] = Counter()
    bag = set()
    for word in words:
        bag.add((word, seen[word]))
        seen[word] += 1
    return frozenset(bag)


def _is_near(bag: frozenset[tuple[str, int]], other: frozenset[tuple[str, int]]) -> bool:
    if min(len(bag), len(other)) < NEARLY * max(len(bag), len(other)):
        return False
    shared = len(bag & other)
    return shared >= NEARLY * (len(bag) + len(other) - shared)


def countable(texts: Mapping[str, tuple[str, ...]], scripted: frozenset[str]) -> list[str]:
    """Ids whose text counts: every scripted one, and those of free speech from five words on."""
    return [
        name for name, words in texts.items()
        if words and (name in scripted or len(words) >= WORDS_FROM)
    ]  # fmt: skip
