"""MELD: utterances of the series Friends, with the words of the scripts (Poria et al. 2019).

Official tables with one utterance per row (https://github.com/declare-lab/MELD); clips are named
``diaX_uttY.mp4``, numbered anew in each of the folders train, dev and test.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from encoders.messages import with_count
from encoders.utterance import Corpus, CorpusError, Fault, Utterance, one_hot
from experiments.corpora.clips import has_length
from experiments.corpora.entry import Entry
from experiments.corpora.label_sets import LabelSet
from experiments.corpora.tables import Row, read_table
from experiments.corpora.tree import Tree, first_few, own_folds, scan, without

ENTRY = Entry(
    name="meld",
    title="Multimodal EmotionLines Dataset (the series Friends)",
    language="English",
    size="9989 + 1109 + 2610 utterances (train, dev, test)",
    speakers="more than 300, six of whom speak most",
    emotions="6 + neutral; sentiment",
    truth="simulated (television)",
    setup="controlled setting, with laughter of an audience",
    licence="GPL-3.0 (annotations)",
    where="https://github.com/declare-lab/MELD",
    module=__name__,
    layout=(
        "train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv",
        "train_splits/dia0_utt0.mp4",
        "dev_splits_complete/dia0_utt0.mp4",
        "output_repeated_splits_test/dia0_utt0.mp4",
    ),
    signature=r"(^|/)(dia\d+_utt\d+\.\w+|(train|dev|test)_sent_emo\.csv)$",
    tried=True,
    labels=(LabelSet("sentiment", "three classes", annotation="sentiment"),),
)

TARGETS = ("neutral", "joy", "sadness", "anger", "surprise", "fear", "disgust")
SENTIMENTS = ("negative", "neutral", "positive")
SPLITS = ("train", "dev", "test")
#: Rows of each split in the paper.
PUBLISHED = {"train": 9989, "dev": 1109, "test": 2610}
COLUMNS = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
RULE = r"(?P<clip>dia\d+_utt\d+)"
#: How far a clip may be from the EndTime minus the StartTime of its row: films are cut at frames.
CLIP_TOLERANCE_S = 1.0
TIME = re.compile(r"(\d+):(\d+):(\d+)[,.](\d+)")
#: Speakers that are several at once.
SEVERAL = re.compile(r"^(all|both|everyone)\b|\band\b|[&,]", re.IGNORECASE)


def read(root: Path, annotation: str = "emotion") -> Corpus:
    """Read the three tables, and the clips as far as they are there.

    Speakers are named across the splits, so that the official split is not speaker-independent; it
    runs as published, stamped LEAKY, because dialogues join nearly everybody who speaks.

    Raises:
        CorpusError: none of the tables, or faults of their rows.
    """
    tree = scan(ENTRY, root)
    tables = {split: tree.find(f"{split}_sent_emo.csv") for split in SPLITS}
    there = {split: path for split, path in tables.items() if path is not None}
    if not there:
        tree.refuse()
    targets = SENTIMENTS if annotation == "sentiment" else TARGETS
    clips = _clips(tree)
    faults: list[Fault] = []
    rows = [(split, row) for split, path in there.items() for row in read_table(path, COLUMNS)]
    other = [
        name for split, row in rows if _has_other_length(name := _name(split, row), row, clips)
    ]
    clips = {name: path for name, path in clips.items() if name not in set(other)}
    utterances = [
        utterance
        for split, row in rows
        if (utterance := _utterance(split, row, targets, clips, faults)) is not None
    ]
    if faults:
        raise CorpusError("--corpus meld", faults)
    return Corpus(
        name="meld",
        root=root,
        task="single-label",
        targets=targets,
        utterances=tuple(utterances),
        folds=own_folds(utterances),
        notes=(*_notes(utterances, there), *_other_lengths(other)),
    )


def _clips(tree: Tree) -> dict[str, Path]:
    """Clips by ``train/dia0_utt0``; the folder that is named after a split tells which it is."""
    clips: dict[str, Path] = {}
    for path in tree.media:
        # The innermost folder that names a split: MELD.Raw/train/train_splits/dia0_utt0.mp4.
        folders = reversed(tree.relative(path).lower().split("/")[:-1])
        split = next((split for part in folders for split in SPLITS if split in part), None)
        if split is not None and re.fullmatch(RULE, path.stem.lower()):
            clips.setdefault(f"{split}/{path.stem.lower()}", path)
    return clips


def _name(split: str, row: Row) -> str:
    return f"{split}/dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"


def _has_other_length(name: str, row: Row, clips: Mapping[str, Path]) -> bool:
    start_s, end_s = _seconds(row.get("StartTime", "")), _seconds(row.get("EndTime", ""))
    if name not in clips or start_s is None or end_s is None or end_s <= start_s:
        return False
    return not has_length(clips[name], end_s - start_s, CLIP_TOLERANCE_S)


def _seconds(cell: str) -> float | None:
    match = TIME.fullmatch(cell.strip())
    if match is None:
        return None
    hours, minutes, seconds, part = match.groups()
    return 3600 * int(hours) + 60 * int(minutes) + float(f"{seconds}.{part}")


def _other_lengths(names: list[str]) -> list[str]:
    if not names:
        return []
    count = with_count(len(names), "clip")
    why = f"longer or shorter than EndTime − StartTime by more than {CLIP_TOLERANCE_S:g} s"
    return [f"{count} left out ({why}): {first_few(names)}"]


def _utterance(
    split: str,
    row: Row,
    targets: tuple[str, ...],
    clips: Mapping[str, Path],
    faults: list[Fault],
) -> Utterance | None:
    dialogue = f"{split}/dia{row['Dialogue_ID']}"
    name = _name(split, row)
    label = row["Sentiment" if targets is SENTIMENTS else "Emotion"].lower()
    if label not in targets:
        what = f"unknown label {label!r}: expected one of {', '.join(targets)}"
        faults.append(Fault(name, what, "label"))
        return None
    return Utterance(
        id=name,
        audio=clips.get(name),
        transcript=row["Utterance"] or None,
        speaker=row["Speaker"] or None,
        target=one_hot(label, targets),
        dialogue=dialogue,
        split=split,
        language="en",
    )


def _notes(utterances: list[Utterance], tables: Mapping[str, Path]) -> list[str]:
    counts = {split: sum(u.split == split for u in utterances) for split in SPLITS}
    notes = [
        f"{split}: {counts[split]} utterances, {PUBLISHED[split]} were published"
        for split in SPLITS
        if counts[split] != PUBLISHED[split]
    ]
    notes += without("clip", [u.id for u in utterances if u.audio is None])
    several = [u.id for u in utterances if u.speaker and SEVERAL.search(u.speaker)]
    if several:
        notes.append(
            f"spoken by several at once, who count as a speaker of their own: "
            f"{with_count(len(several), 'utterance')} ({first_few(several)})"
        )
    if {"train", "test"} <= tables.keys():
        notes.append(
            "the official split shares its main speakers between train and test, and dialogues "
            "join nearly everybody, so that no other folds keep speakers apart: --folds split runs "
            "it as published, stamped LEAKY"
        )
    return notes
