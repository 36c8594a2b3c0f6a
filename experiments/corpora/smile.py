"""SMILE: 3085 tweets to British museums, annotated with five emotions (Wang et al. 2016).

``smile-annotations-final.csv`` has no header: number, text, labels with ``|`` between several
(https://doi.org/10.6084/m9.figshare.3187909). Text only, for training beside other corpora;
``nocode`` and ``not-relevant`` are unlabelled. Who wrote a tweet is not published: each counts as a
speaker of its own.
"""

from pathlib import Path

from encoders.messages import with_count
from encoders.utterance import Corpus, CorpusError, Fault, Utterance
from experiments.corpora.entry import Entry
from experiments.corpora.label_sets import LabelSet
from experiments.corpora.tables import Row, read_table
from experiments.corpora.tree import scan

ENTRY = Entry(
    name="smile",
    title="SMILE Twitter Emotion (text only)",
    language="English",
    size="3085 tweets",
    speakers="writers are not published",
    emotions="5, several at once",
    truth="naturalistic",
    setup="text of British museums' followers",
    licence="CC BY 4.0",
    where="https://doi.org/10.6084/m9.figshare.3187909",
    module=__name__,
    layout=("smile-annotations-final.csv",),
    signature=r"smile-annotations-final\.csv$",
    labels=(LabelSet("one-emotion", "tweets with one emotion", annotation="one-emotion"),),
)

TARGETS = ("angry", "disgust", "happy", "sad", "surprise")
UNLABELLED = ("nocode", "not-relevant")
HEADER = ("id", "text", "label")


def read(root: Path, annotation: str = "multi-label") -> Corpus:
    """Read the table; ``one-emotion`` keeps the tweets with exactly one.

    Raises:
        CorpusError: no table, or an unknown label in it.
    """
    tree = scan(ENTRY, root)
    table = tree.need("smile-annotations-final.csv")
    rows = read_table(table, HEADER, header=HEADER)
    faults = [
        Fault(row["id"], f"unknown label {label!r}: expected {', '.join(TARGETS)}", "label")
        for row in rows
        for label in row["label"].split("|")
        if label not in (*TARGETS, *UNLABELLED)
    ]
    if faults:
        raise CorpusError(str(table), faults)
    utterances = tuple(_utterance(row) for row in rows)
    single = tuple(u for u in utterances if u.target is not None and sum(u.target) == 1)
    left_out = f"{with_count(len(rows) - len(single), 'tweet')} left out (no emotion, or several)"
    return Corpus(
        name="smile",
        root=root,
        task="single-label" if annotation == "one-emotion" else "multi-label",
        targets=TARGETS,
        utterances=single if annotation == "one-emotion" else utterances,
        notes=(
            "writers are not published: each tweet counts as a speaker of its own",
            *((left_out,) if annotation == "one-emotion" else ()),
        ),
    )


def _utterance(row: Row) -> Utterance:
    labels = row["label"].split("|")
    known = not set(labels) & set(UNLABELLED)
    return Utterance(
        id=row["id"],
        transcript=row["text"] or None,
        speaker=row["id"],
        target=tuple(float(name in labels) for name in TARGETS) if known else None,
        language="en",
    )
