"""nEMO: 4481 utterances of nine Polish actors in six emotions (Christop 2024).

``data.tsv`` has a row per file of ``samples`` (https://github.com/amu-cai/nEMO). Ninety sentences,
each in each emotion: the script is the number at the end of the name.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath

from encoders.utterance import Corpus, CorpusError, Fault, Utterance, one_hot
from experiments.corpora.entry import Entry
from experiments.corpora.tables import Row, read_table
from experiments.corpora.tree import scan, without

ENTRY = Entry(
    name="nemo",
    title="nEMO",
    language="Polish",
    size="4481 utterances of 90 sentences",
    speakers="9, actors",
    emotions="5 + neutral",
    truth="simulated",
    setup="controlled setting",
    licence="CC BY-NC-SA 4.0",
    where="https://github.com/amu-cai/nEMO",
    module=__name__,
    layout=("data.tsv", "samples/WR0_surprised_64.wav"),
    signature=r"(^|/)[A-Z]{2}\d_(anger|fear|happiness|neutral|sadness|surprised)_\d+\.\w+$",
)

TARGETS = ("anger", "fear", "happiness", "neutral", "sadness", "surprised")
COLUMNS = ("file_id", "emotion", "raw_text", "speaker_id", "gender", "age")


def read(root: Path) -> Corpus:
    """Read the rows of ``data.tsv``; leave-one-speaker-out by default.

    Raises:
        CorpusError: no table, or an unknown label in it.
    """
    tree = scan(ENTRY, root)
    table = tree.need("data.tsv")
    rows = read_table(table, COLUMNS, separator="\t")
    wrong = sorted({row["emotion"] for row in rows} - set(TARGETS))
    if wrong:
        what = f"unknown labels {', '.join(wrong)}: expected {', '.join(TARGETS)}"
        raise CorpusError(str(table), [Fault("emotion", what)])
    _check_names(rows, table)
    paths = tree.stems()
    lost = [row["file_id"] for row in rows if PureWindowsPath(row["file_id"]).stem not in paths]
    return Corpus(
        name="nemo",
        root=root,
        task="single-label",
        targets=TARGETS,
        utterances=tuple(_utterance(row, paths) for row in rows),
        folds="speaker",
        notes=without("recording", lost),
    )


def _check_names(rows: Sequence[Row], table: Path) -> None:
    """Names tell speaker and emotion too (``WR0_surprised_64``): a row moved is found."""
    other = [
        Fault(name, f"its row says {row['speaker_id']}, {row['emotion']}", "name")
        for row in rows
        if (name := PureWindowsPath(row["file_id"]).stem).split("_")[:2]
        != [row["speaker_id"], row["emotion"]]
    ]
    if other:
        raise CorpusError(str(table), other)


def _utterance(row: Row, paths: Mapping[str, Path]) -> Utterance:
    stem = PureWindowsPath(row["file_id"]).stem
    return Utterance(
        id=stem,
        audio=paths.get(stem),
        transcript=row["raw_text"] or None,
        speaker=row["speaker_id"],
        target=one_hot(row["emotion"], TARGETS),
        script=stem.rpartition("_")[2],
        language="pl",
        sex=row["gender"] or None,
        age=float(row["age"]) if row["age"].isdecimal() else None,
    )
