"""Randomness that depends on names and a seed alone, never on the order of rows."""

import hashlib

import numpy as np


def generator(*parts: object) -> np.random.Generator:
    """A generator of its own for some parts of a name.

    >>> bool(generator("u1", 0).random() == generator("u1", 0).random())
    True
    """
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def uniform(*parts: object) -> float:
    """A number from 0 up to, not including, 1."""
    return float(generator(*parts).random())
