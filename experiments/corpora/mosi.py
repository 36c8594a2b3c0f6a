"""CMU-MOSI: sentiment of 2199 segments of 93 videos of opinions (Zadeh et al. 2016)."""

from collections.abc import Mapping
from pathlib import Path

from encoders.utterance import Corpus, Fault
from experiments.corpora.clips import Segment
from experiments.corpora.cmu import corpus_of, of_sentiment, table_segments
from experiments.corpora.csd import csd_segments
from experiments.corpora.entry import Entry
from experiments.corpora.label_sets import LabelSet
from experiments.corpora.tables import Row, number
from experiments.corpora.tree import Tree, scan

ENTRY = Entry(
    name="mosi",
    title="CMU Multimodal Opinion-level Sentiment Intensity",
    language="English",
    size="2199 segments of 93 videos",
    speakers="89",
    emotions="sentiment from -3 to 3",
    truth="naturalistic",
    setup="uncontrolled setting (YouTube)",
    licence="CMU's own, research",
    where="http://multicomp.cs.cmu.edu/resources/cmu-mosi-dataset/",
    module=__name__,
    layout=(
        "mosi_bclstm.csv, CMU_MOSI_Opinion_Labels.csd or label.csv",
        "CMU_MOSI_TimestampedWords.csd  (transcripts, optional)",
        "Raw/Audio/WAV_16000/Segmented/VIDEO_3.wav",
    ),
    documented="https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK",
    signature=r"MOSI_|(^|/)mosi_\w+\.csv",
    tried=True,
    labels=(
        LabelSet("sentiment", "from -3 to 3", annotation="sentiment"),
        LabelSet("sentiment-2", "negative or not", annotation="sentiment-2"),
    ),
)

#: The table of the features of bc-LSTM (Poria et al. 2017) has 0 and 1.
BINARY = "mosi_bclstm.csv"


def read(root: Path, annotation: str = "") -> Corpus:
    """Read labels, words and recordings as far as they are there.

    Without ``annotation`` it is ``sentiment`` where it is there, else ``sentiment-2``.

    Raises:
        CorpusError: no labels, or none of that kind.
    """
    tree = scan(ENTRY, root)
    segments = _segments(tree)
    exact = any("sentiment" in segment.values for segment in segments)
    return corpus_of(tree, segments, annotation or ("sentiment" if exact else "sentiment-2"))


def _segments(tree: Tree) -> tuple[Segment, ...]:
    labels = tree.find("CMU_MOSI_Opinion_Labels.csd")
    if labels is not None:
        words = tree.find("CMU_MOSI_TimestampedWords.csd")
        return csd_segments(labels, words, ("sentiment",))
    table = tree.need("label.csv", BINARY)
    return table_segments(table, lambda row, faults: _values(row, table, faults))


def _values(row: Row, path: Path, faults: list[Fault]) -> Mapping[str, float]:
    value = number(row, "label", path, next(iter(row.values())), faults)
    if value is None:
        return {}
    return {"negative": 1.0 - value} if path.name == BINARY else of_sentiment(value)
