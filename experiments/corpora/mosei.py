"""CMU-MOSEI: sentiment and six emotions of 23 259 segments of videos (Zadeh et al. 2018).

Emotions go from 0 to 3, several at once. Rules of the single-label sets: a segment with exactly
one emotion above 0 has that label, one with none is neutral, those with more are left out.
"""

from collections.abc import Mapping
from pathlib import Path

from encoders.utterance import Corpus, Fault
from experiments.corpora.cmu import EMOTIONS, Segment, corpus_of, of_sentiment, table_segments
from experiments.corpora.csd import csd_segments
from experiments.corpora.tables import Row, number
from experiments.corpora.tree import Tree, scan

LABEL6 = (
    "label6 holds one emotion for every segment, happy (0) for more than half: whether that stands "
    "for none too is not documented, so it has no neutral; the six intensities are in the .csd"
)


def read(root: Path, annotation: str = "") -> Corpus:
    """Read labels, words and recordings as far as they are there.

    Without ``annotation`` it is ``multi-label`` where the six intensities are there, else
    ``label6`` or ``sentiment-2``.

    Raises:
        CorpusError: no labels, or none of that kind.
    """
    tree = scan("mosei", root)
    segments = _segments(tree)
    found = {name for one in segments for name in one.values}
    best = "multi-label" if found >= set(EMOTIONS) else "label6"
    chosen = annotation or (best if found & {"label6", *EMOTIONS} else "sentiment-2")
    return corpus_of(tree, segments, chosen, [LABEL6] if chosen == "label6" else [])


def _segments(tree: Tree) -> tuple[Segment, ...]:
    labels = tree.find("CMU_MOSEI_Labels.csd")
    if labels is not None:
        names = ("sentiment", *EMOTIONS)
        return csd_segments(labels, tree.find("CMU_MOSEI_TimestampedWords.csd"), names)
    table = tree.find("CMU_MOSEI_Labels.csv", "label.csv")
    if table is None:
        tree.refuse()
    return table_segments(table, lambda row, faults: _values(row, table, faults))


def _values(row: Row, path: Path, faults: list[Fault]) -> Mapping[str, float]:
    """What a row says, by our names: intensities, ``label6``, and what of sentiment is there."""
    where = next(iter(row.values()))
    found = {
        name: value
        for name in (*EMOTIONS, "label6", "label7", "sentiment", "label")
        if (value := number(row, name, path, where, faults)) is not None
    }
    whole, exact = found.pop("label7", None), found.pop("label", found.pop("sentiment", None))
    if exact is not None:
        found |= of_sentiment(exact)
    elif whole is not None:
        found |= {name: v for name, v in of_sentiment(whole).items() if name != "sentiment"}
    return found
