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
#: Rare words that two texts have in common before they are compared: four fifths of two words and
#: more are two.
SHARED = 2
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

    Of two texts with a Jaccard similarity of t each has k of the words that they share among its
    (1 - t) n + k rarest ones, if they share as many as k (prefix filter of Chaudhuri et al. 2006;
    Wang, Li & Feng 2012, section 3). Only texts that have two of them in common are compared. The
    time grows with the pairs of texts that have one of their rarest words in common: linearly where
    the vocabulary grows with the texts, as that of speech does, else with their square.
    """
    bags = [_bag(words) for words in texts]
    common = Counter(word for bag in bags for word in bag)
    order = {word: n for n, word in enumerate(sorted(common, key=lambda w: (common[w], w)))}
    numbers = [frozenset(map(order.__getitem__, bag)) for bag in bags]
    index: dict[int, list[int]] = {}
    pairs: list[tuple[int, int]] = []
    # By length, so that a text is compared with shorter ones only.
    for n in sorted(range(len(bags)), key=lambda n: len(bags[n])):
        words = numbers[n]
        prefix = sorted(words)[: len(words) - math.ceil(NEARLY * len(words)) + SHARED]
        near: Counter[int] = Counter()
        for word in prefix:
            near.update(index.get(word, ()))
            index.setdefault(word, []).append(n)
        least = min(SHARED, len(words))
        pairs += [
            (min(m, n), max(m, n))
            for m, count in near.items()
            if count >= least and _is_near(numbers[m], words)
        ]
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def _bag(words: Sequence[str]) -> frozenset[tuple[str, int]]:
    """Words, each with how often it came before."""
    seen: Counter[str] = Counter()
    bag = set()
    for word in words:
        bag.add((word, seen[word]))
        seen[word] += 1
    return frozenset(bag)


def _is_near(bag: frozenset[int], other: frozenset[int]) -> bool:
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
