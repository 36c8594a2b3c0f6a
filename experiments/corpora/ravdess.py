"""RAVDESS, speech part: 1440 utterances of 24 actors (Livingstone & Russo 2018).

File names are seven two-digit fields, ``MM-CC-EE-II-SS-RR-AA``: modality (03 audio only), channel
(01 speech), emotion, intensity, statement, repetition, actor (odd male, even female). Two fixed
sentences: the transcript cannot tell the emotion, and the script is the statement.
"""

import re
from pathlib import Path

from encoders.utterance import Corpus, CorpusError, Fault, Utterance, one_hot
from experiments.corpora import expect_files

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}
STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
#: The six actor-disjoint folds of the EmoBox benchmark (Ma et al. 2024), four test actors each.
EMOBOX_FOLDS = (
    ("01", "11", "20", "21"),
    ("04", "10", "12", "14"),
    ("08", "09", "19", "23"),
    ("03", "05", "07", "24"),
    ("02", "15", "16", "18"),
    ("06", "13", "17", "22"),
)
FOLD_OF = {actor: str(n) for n, actors in enumerate(EMOBOX_FOLDS, start=1) for actor in actors}
NAME = re.compile(r"03-01-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4])")
PATTERN = "Actor_*/*.{wav,flac}"


def read(root: Path) -> Corpus:
    """Read ``Actor_NN/*.wav`` (or ``.flac``); video, song and doubled files are left out, counted.

    Raises:
        CorpusError: no file of RAVDESS below the root.
    """
    files = sorted(p for p in root.glob("**/Actor_*/*") if p.suffix in (".wav", ".flac"))
    expect_files("ravdess", root, PATTERN, files)
    speech = {path.stem: path for path in reversed(files) if NAME.fullmatch(path.stem)}
    if not speech:
        what = "no file is audio-only speech (names start with 03-01-)"
        raise CorpusError("--corpus ravdess", [Fault(str(root), what)])
    left_out = len(files) - len(speech)
    return Corpus(
        name="ravdess",
        root=root,
        task="single-label",
        targets=tuple(EMOTIONS.values()),
        utterances=tuple(_utterance(speech[stem]) for stem in sorted(speech)),
        folds="fold",
        notes=(f"{left_out} files left out (song, video or doubled)",) if left_out else (),
    )


def _utterance(path: Path) -> Utterance:
    _, _, emotion, _, statement, _, actor = path.stem.split("-")
    return Utterance(
        id=path.stem,
        audio=path,
        transcript=STATEMENTS[statement],
        speaker=actor,
        target=one_hot(EMOTIONS[emotion], tuple(EMOTIONS.values())),
        script=statement,
        fold=FOLD_OF[actor],
        language="en",
        sex="male" if int(actor) % 2 else "female",
    )
