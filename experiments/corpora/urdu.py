"""URDU: 400 utterances of Urdu talk shows in four emotions (Latif et al. 2018).

Names are ``SM1_F10_A010``: speaker (S, the sex, a number), file, initial of the emotion and number
(https://github.com/siddiquelatif/URDU-Dataset).
"""

from pathlib import Path

from encoders.utterance import Corpus, Utterance, one_hot
from experiments.corpora.entry import Entry
from experiments.corpora.tree import Named, as_corpus, scan

ENTRY = Entry(
    name="urdu",
    title="URDU",
    language="Urdu",
    size="400 utterances",
    speakers="27 men, 11 women",
    emotions="3 + neutral",
    truth="naturalistic (talk shows)",
    setup="uncontrolled setting",
    licence="none stated",
    where="https://github.com/siddiquelatif/URDU-Dataset",
    module=__name__,
    layout=("Angry/SM1_F10_A010.wav", "Happy/...", "Neutral/...", "Sad/..."),
    signature=r"(^|/)S[MF]\d+_F\d+_[AHNS]\d+\.\w+$",
)

EMOTIONS = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad"}
TARGETS = tuple(EMOTIONS.values())
RULE = r"S(?P<sex>[MF])(?P<speaker>\d+)_F(?P<file>\d+)_(?P<emotion>[AHNS])(?P<number>\d+)"


def read(root: Path) -> Corpus:
    """Read the folders of the emotions; folds are speaker groups by default.

    Raises:
        CorpusError: no file of URDU below the root.
    """
    tree = scan(ENTRY, root)
    media = tree.expect(RULE, lambda match: match[0].upper())
    return as_corpus(tree, media, TARGETS, _utterance, folds="groups")


def _utterance(file: Named) -> Utterance:
    return Utterance(
        id=file.id,
        audio=file.path,
        speaker=file.id.split("_")[0],
        target=one_hot(EMOTIONS[file.fields["emotion"].upper()], TARGETS),
        language="ur",
        sex="male" if file.fields["sex"].upper() == "M" else "female",
    )
