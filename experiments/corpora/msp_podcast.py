"""MSP-Podcast: segments of podcasts with emotions and attributes (Lotfian & Busso 2019).

``Labels/labels_consensus.csv`` (or ``labels_concensus.csv``, as older releases spell it) has a row
per file: emotion, activation, valence, dominance from 1 to 7, speaker, partition. As the page of
the corpus says, its test sets share speakers with each other; Test1 is the test set here.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PureWindowsPath

from encoders.messages import with_count
from encoders.utterance import Corpus, CorpusError, Fault, Utterance, one_hot
from experiments.corpora.entry import Entry
from experiments.corpora.label_sets import LabelSet, same
from experiments.corpora.tables import Row, number, read_table, read_text
from experiments.corpora.tree import own_folds, scan, without

ENTRY = Entry(
    name="msp-podcast",
    title="MSP-Podcast",
    language="English",
    size="by release, 1.11: about 150 000 segments, 238 h",
    speakers="more than 1400",
    emotions="7 + neutral + other; valence, arousal, dominance",
    truth="naturalistic",
    setup="controlled and uncontrolled setting",
    licence="UT Dallas's own, research, on request",
    where="ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Podcast.html",
    module=__name__,
    layout=(
        "Audios/MSP-PODCAST_0001_0008.wav",
        "Labels/labels_consensus.csv",
        "Transcripts/MSP-PODCAST_0001_0008.txt",
    ),
    documented="Lotfian and Busso 2019, IEEE TAC 10(4); readme of the release",
    signature=r"MSP-PODCAST_\d+_\d+\w*\.\w+$|labels_con[sc]ensus\.csv$",
    labels=(
        LabelSet("4-class", "angry, happy, neutral, sad", same("angry", "happy", "neutral", "sad")),
        LabelSet(
            "8-class",
            "without other and no agreement, as in the Odyssey 2024 challenge",
            same(
                *("angry", "sad", "happy", "surprise"),
                *("fear", "disgust", "contempt", "neutral"),
            ),
        ),
        LabelSet("vad", "valence, arousal, dominance from 1 to 7", annotation="vad"),
    ),
)

EMOTIONS = {
    "A": "angry",
    "S": "sad",
    "H": "happy",
    "U": "surprise",
    "F": "fear",
    "D": "disgust",
    "C": "contempt",
    "N": "neutral",
    "O": "other",
}
#: No agreement among the annotators.
UNDECIDED = "X"
TARGETS = tuple(EMOTIONS.values())
DIMENSIONS = {"valence": "EmoVal", "arousal": "EmoAct", "dominance": "EmoDom"}
SPLITS = {"Train": "train", "Development": "dev", "Validation": "dev", "Test1": "test"}
COLUMNS = ("FileName", "EmoClass", *DIMENSIONS.values(), "Split_Set")
NAME = re.compile(r"MSP-PODCAST_(?P<podcast>\d+)_\d+\w*", re.IGNORECASE)


def read(root: Path, annotation: str = "emotion") -> Corpus:
    """Read labels, words and recordings of Train, Development and Test1; ``vad`` gives attributes.

    Segments whose speaker is not known take the podcast for one.

    Raises:
        CorpusError: no labels, or with every fault of them.
    """
    tree = scan(ENTRY, root)
    table = tree.need("labels_consensus.csv", "labels_concensus.csv")
    rows = read_table(table, COLUMNS)
    used = [row for row in rows if row["Split_Set"] in SPLITS]
    faults: list[Fault] = []
    heard = tree.stems()
    words = {path.stem: path for path in tree.files if path.suffix.lower() == ".txt"}
    utterances = tuple(_utterance(row, annotation, table, heard, words, faults) for row in used)
    if faults:
        raise CorpusError(str(table), faults)
    dimensional = annotation == "vad"
    return Corpus(
        name="msp-podcast",
        root=root,
        task="regression" if dimensional else "single-label",
        targets=tuple(DIMENSIONS) if dimensional else TARGETS,
        utterances=utterances,
        folds=own_folds(utterances),
        notes=tuple(_notes(utterances, len(rows) - len(used))),
    )


def _utterance(
    row: Row,
    annotation: str,
    table: Path,
    heard: Mapping[str, Path],
    words: Mapping[str, Path],
    faults: list[Fault],
) -> Utterance:
    stem = PureWindowsPath(row["FileName"]).stem
    name = NAME.fullmatch(stem)
    if name is None:
        faults.append(Fault(stem, "expected a name as MSP-PODCAST_0001_0008", "name"))
    target = _attributes if annotation == "vad" else _emotion
    sex = row.get("Gender", "").lower()
    return Utterance(
        id=stem,
        audio=heard.get(stem),
        transcript=read_text(words[stem]).strip() or None if stem in words else None,
        speaker=_speaker(row, name["podcast"] if name else ""),
        target=target(row, table, stem, faults),
        split=SPLITS[row["Split_Set"]],
        language="en",
        sex=sex if sex in ("male", "female") else None,
    )


def _speaker(row: Row, podcast: str) -> str:
    named = row.get("SpkrID", "")
    return f"podcast-{podcast}" if named.lower() in ("", "unknown") else named


def _emotion(row: Row, table: Path, where: str, faults: list[Fault]) -> tuple[float, ...] | None:
    label = row["EmoClass"]
    if label in ("", UNDECIDED):
        return None
    if label not in EMOTIONS:
        faults.append(Fault(where, f"{table.name}: unknown emotion {label!r}", "emotion"))
        return None
    return one_hot(EMOTIONS[label], TARGETS)


def _attributes(row: Row, table: Path, where: str, faults: list[Fault]) -> tuple[float, ...] | None:
    values = [number(row, column, table, where, faults) for column in DIMENSIONS.values()]
    return tuple(v for v in values if v is not None) if None not in values else None


def _notes(utterances: tuple[Utterance, ...], left_out: int) -> Iterator[str]:
    if left_out:
        yield f"{with_count(left_out, 'segment')} left out (other partitions: Test2, Test3)"
    guessed = sum((u.speaker or "").startswith("podcast-") for u in utterances)
    if guessed:
        segments = with_count(guessed, "segment")
        yield f"speaker unknown, so that the podcast stands for one: {segments}"
    yield from without("recording", [u.id for u in utterances if u.audio is None], "segment")
    undecided = sum(u.target is None for u in utterances)
    if undecided:
        yield f"unlabelled, as annotators did not agree: {with_count(undecided, 'segment')}"
