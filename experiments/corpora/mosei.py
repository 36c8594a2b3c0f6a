"""CMU-MOSEI: sentiment and six emotions of 23 259 segments of videos (Zadeh et al. 2018).

Emotions go from 0 to 3, several at once. Rules of the single-label sets: a segment with exactly
one emotion above 0 has that label, one with none is neutral, those with more are left out.
"""

from collections.abc import Mapping
from pathlib import Path

from encoders.utterance import Corpus, Fault
from experiments.corpora.clips import Segment
from experiments.corpora.cmu import EMOTIONS, corpus_of, of_sentiment, table_segments
from experiments.corpora.csd import csd_segments
from experiments.corpora.entry import Entry
from experiments.corpora.label_sets import LabelSet, same
from experiments.corpora.tables import Row, number
from experiments.corpora.tree import Tree, scan

ENTRY = Entry(
    name="mosei",
    title="CMU Multimodal Opinion Sentiment and Emotion Intensity",
    language="English",
    size="23 259 labelled segments of 3293 videos, 65 h",
    speakers="more than 1000",
    emotions="6, several at once, from 0 to 3; sentiment from -3 to 3",
    truth="naturalistic",
    setup="uncontrolled setting (YouTube)",
    licence="CMU's own, research",
    where="http://multicomp.cs.cmu.edu/resources/cmu-mosei-dataset/",
    module=__name__,
    layout=(
        "CMU_MOSEI_Labels.csv, CMU_MOSEI_Labels.csd or label.csv",
        "CMU_MOSEI_TimestampedWords.csd  (transcripts, optional)",
        "Raw/Audio/Segmented/train/VIDEO_3.wav  (or VIDEO[3].wav)",
        "Raw/Audio/Full/WAV_16000/VIDEO.wav  (where there are no segments)",
    ),
    documented="https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK",
    signature=r"MOSEI",
    tried=True,
    labels=(
        LabelSet("multi-label", "an emotion is present above 0", annotation="multi-label"),
        LabelSet("intensity", "six emotions from 0 to 3", annotation="intensity"),
        LabelSet("7-class", "rows with one emotion, or none: neutral", annotation="one-emotion"),
        LabelSet(
            "4-class",
            "rows with one of three emotions, or none: neutral",
            same("happy", "sad", "neutral", "angry"),
            annotation="one-emotion",
        ),
        LabelSet("label6", "column label6", annotation="label6"),
        LabelSet("sentiment", "from -3 to 3", annotation="sentiment"),
        LabelSet("sentiment-2", "negative or not", annotation="sentiment-2"),
        LabelSet("sentiment-3", "the sign", annotation="sentiment-3"),
        LabelSet("sentiment-7", "rounded", annotation="sentiment-7"),
    ),
)

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
    tree = scan(ENTRY, root)
    segments = _segments(tree)
    names = {name for segment in segments for name in segment.values}
    best = "multi-label" if names >= set(EMOTIONS) else "label6"
    chosen = annotation or (best if names & {"label6", *EMOTIONS} else "sentiment-2")
    return corpus_of(tree, segments, chosen, [LABEL6] if chosen == "label6" else [])


def _segments(tree: Tree) -> tuple[Segment, ...]:
    labels = tree.find("CMU_MOSEI_Labels.csd")
    if labels is not None:
        names = ("sentiment", *EMOTIONS)
        return csd_segments(labels, tree.find("CMU_MOSEI_TimestampedWords.csd"), names)
    table = tree.need("CMU_MOSEI_Labels.csv", "label.csv")
    return table_segments(table, lambda row, faults: _values(row, table, faults))


def _values(row: Row, path: Path, faults: list[Fault]) -> Mapping[str, float]:
    """What a row says, by our names: intensities, ``label6``, and what of sentiment is there."""
    where = next(iter(row.values()))
    values = {
        name: value
        for name in (*EMOTIONS, "label6", "label7", "sentiment", "label")
        if (value := number(row, name, path, where, faults)) is not None
    }
    whole, exact = values.pop("label7", None), values.pop("label", values.pop("sentiment", None))
    if exact is not None:
        values |= of_sentiment(exact)
    elif whole is not None:
        values |= {name: v for name, v in of_sentiment(whole).items() if name != "sentiment"}
    return values
