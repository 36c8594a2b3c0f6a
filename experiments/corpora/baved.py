"""BAVED: 1935 recordings of seven Arabic words at three levels of emotion.

Names are ``12-M-23-0-2-541``: speaker, sex, age, word, level, number of the recording
(https://github.com/40uf411/Basic-Arabic-Vocal-Emotions-Dataset). Level 0 is low (tired), 1 neutral,
2 high, whether pleased or not.
"""

from pathlib import Path

from encoders.utterance import Corpus, Utterance, one_hot
from experiments.corpora.entry import Entry
from experiments.corpora.tree import Named, as_corpus, scan

ENTRY = Entry(
    name="baved",
    title="Basic Arabic Vocal Emotions Dataset",
    language="Arabic",
    size="1935 recordings of 7 words",
    speakers="45 men, 16 women",
    emotions="3 levels: low, neutral, high",
    truth="simulated",
    setup="uncontrolled setting",
    licence="as the repository states",
    where="https://github.com/40uf411/Basic-Arabic-Vocal-Emotions-Dataset",
    module=__name__,
    layout=("0/12-M-23-0-2-541.wav  (speaker-sex-age-word-level-number)", "1/..."),
    signature=r"(^|/)\d+-[MF]-\d+-[0-6]-[012]-\d+\.\w+$",
)

TARGETS = ("low", "neutral", "high")
#: As printed on the page of the corpus.
WORDS = ("اعجبني", "لم يعجبني", "هذا", "الفيلم", "رائع", "مقول", "سيئ")
RULE = (
    r"(?P<speaker>\d+)-(?P<sex>[mf])-(?P<age>\d+)-(?P<word>[0-6])-(?P<level>[012])-(?P<number>\d+)"
)


def read(root: Path) -> Corpus:
    """Read the folders of the words; folds are speaker groups by default.

    Raises:
        CorpusError: no file of BAVED below the root.
    """
    tree = scan(ENTRY, root)
    media = tree.expect(RULE)
    return as_corpus(tree, media, TARGETS, _utterance, folds="groups")


def _utterance(file: Named) -> Utterance:
    fields = file.fields
    return Utterance(
        id=file.id,
        audio=file.path,
        transcript=WORDS[int(fields["word"])],
        speaker=fields["speaker"],
        target=one_hot(TARGETS[int(fields["level"])], TARGETS),
        script=fields["word"],
        language="ar",
        sex="male" if fields["sex"].lower() == "m" else "female",
        age=float(fields["age"]),
    )
