"""Pairs of recordings that sound alike, by their signatures, in blocks of matrix products."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from encoders.analysis.fingerprints import MOVES, AudioFingerprint, FingerprintSet

#: Cosine from which two signatures are of one recording. Among 1.1 million pairs of different
#: speakers of RAVDESS and EmoDB (fixed sentences) none passes .921, and the two most alike takes
#: of one actor reach .975; shifted, louder, re-encoded and noisy copies keep .98 and more.
SAME_FROM = 0.98
#: Cosine, at the best of five pitches, from which one is likely to be a changed copy.
ALIKE_FROM = 0.935
#: Copies sound nearly as long; speeds of 0.9 to 1.1 are usual in augmentation.
LENGTHS_FROM = 0.8
BLOCK = 2048


@dataclass(frozen=True, slots=True)
class Alike:
    """Pairs of rows that sound alike, and which of them are one recording."""

    pairs: Int64[np.ndarray, "pairs 2"]
    same: Bool[np.ndarray, "pairs"]


@dataclass(frozen=True, slots=True)
class _Stack:
    moved: Float32[np.ndarray, "moves rows terms"]
    narrow: Float32[np.ndarray, "rows terms"]
    active_s: Float32[np.ndarray, "rows"]
    speaker: Int64[np.ndarray, "rows"]


def alike(
    signatures: Sequence[AudioFingerprint],
    speaker: Int64[np.ndarray, "rows"],
    progress: Callable[[int, int], None] | None = None,
) -> Alike:
    """Pairs that sound alike, the first row before the second.

    Rows of one number in ``speaker`` are not compared, those of -1 with all; rows whose signature
    tells nothing are passed over. Memory is bounded: blocks of 2048 x 2048; the time grows with the
    square of the rows (benchmarks/results/scale.md).
    """
    rows = np.array([n for n, signature in enumerate(signatures) if signature.telling], np.int64)
    stack = _stacked([signatures[n] for n in rows], speaker[rows])
    starts = range(0, len(rows), BLOCK)
    blocks = [(i, j) for i in starts for j in starts if i <= j]
    pairs, same = [np.zeros((0, 2), np.int64)], [np.zeros(0, bool)]
    for done, (i, j) in enumerate(blocks, start=1):
        block = _block(stack, i, j)
        pairs.append(rows[block.pairs])
        same.append(block.same)
        if progress is not None:
            progress(done, len(blocks))
    return Alike(np.concatenate(pairs), np.concatenate(same))


@dataclass(frozen=True, slots=True)
class KnownAgain:
    """Which rows are one recording of a set, and which may be a changed copy of one."""

    same: Bool[np.ndarray, "rows"]
    changed: Bool[np.ndarray, "rows"]


def known_again(signatures: Sequence[AudioFingerprint | None], known: FingerprintSet) -> KnownAgain:
    """Rows that sound like some recording of a set; None and what tells nothing sound like none."""
    same, changed = (np.zeros(len(signatures), bool) for _ in range(2))
    rows = [n for n, signed in enumerate(signatures) if signed is not None and signed.telling]
    for start in range(0, len(rows) if len(known) else 0, BLOCK):
        block = np.array(rows[start : start + BLOCK])
        some = [signed for n in block if (signed := signatures[n]) is not None]
        stack = _stacked(some, np.zeros(len(some), np.int64))
        level = np.maximum(
            stack.moved[MOVES.index(0)] @ known.still.T, stack.narrow @ known.narrow.T
        )
        best = np.max([level, *(moved @ known.still.T for moved in stack.moved)], axis=0)
        ratio = stack.active_s[:, None] / known.active_s
        level, best = (np.where(_as_long(ratio), values, -1.0) for values in (level, best))
        same[block] = level.max(axis=1) >= SAME_FROM
        changed[block] = ~same[block] & (best.max(axis=1) >= ALIKE_FROM)
    return KnownAgain(same, changed)


def _stacked(signatures: Sequence[AudioFingerprint], speaker: Int64[np.ndarray, "rows"]) -> _Stack:
    if not signatures:
        nothing = np.zeros((len(MOVES), 0, 1), np.float32)
        return _Stack(nothing, nothing[0], nothing[0, :, 0], speaker)
    return _Stack(
        np.stack([signature.moved for signature in signatures], axis=1),
        np.stack([signature.narrow for signature in signatures]),
        np.array([signature.active_s for signature in signatures], np.float32),
        speaker,
    )


def _block(stack: _Stack, i: int, j: int) -> Alike:
    """Pairs between the block of rows from ``i`` on and that from ``j`` on."""
    left, right = slice(i, i + BLOCK), slice(j, j + BLOCK)
    still = stack.moved[MOVES.index(0)]
    level = np.maximum(still[left] @ still[right].T, stack.narrow[left] @ stack.narrow[right].T)
    best = level.copy()
    for number, move in enumerate(MOVES):
        if move:
            np.maximum(best, stack.moved[number, left] @ still[right].T, out=best)
    wanted = (best >= ALIKE_FROM) & _comparable(stack, left, right)
    if i == j:
        wanted = np.triu(wanted, 1)
    rows, columns = np.nonzero(wanted)
    pairs = np.stack([rows + i, columns + j], axis=1)
    return Alike(pairs, level[rows, columns] >= SAME_FROM)


def _comparable(stack: _Stack, left: slice, right: slice) -> Bool[np.ndarray, "some others"]:
    lengths, speakers = stack.active_s, stack.speaker
    ratio = lengths[left, None] / lengths[None, right]
    apart = (speakers[left, None] != speakers[None, right]) | (speakers[left, None] < 0)
    return _as_long(ratio) & apart


def _as_long(ratio: Float32[np.ndarray, "some others"]) -> Bool[np.ndarray, "some others"]:
    return (ratio >= LENGTHS_FROM) & (ratio <= 1 / LENGTHS_FROM)
