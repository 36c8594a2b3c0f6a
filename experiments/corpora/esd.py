"""ESD: 350 sentences in five emotions by ten English and ten Mandarin speakers (Zhou et al. 2022).

Files are ``0011/Angry/0011_000351`` (also in ``train``, ``evaluation`` and ``test`` below the
emotion); ``0011/0011.txt`` has a line per file: name, words, emotion
(https://github.com/HLTSingapore/Emotional-Speech-Data). Numbers count through the emotions, 350
each, so that the script is the number modulo 350.
"""

from collections.abc import Mapping
from pathlib import Path

from encoders.utterance import Corpus, Utterance, one_hot
from experiments.corpora.entry import Entry
from experiments.corpora.tables import read_text
from experiments.corpora.tree import Named, Tree, as_corpus, scan

ENTRY = Entry(
    name="esd",
    title="Emotional Speech Database",
    language="English and Mandarin",
    size="35 000 utterances of 350 sentences per language",
    speakers="10 English, 10 Mandarin",
    emotions="4 + neutral",
    truth="simulated",
    setup="controlled setting",
    licence="research",
    where="https://github.com/HLTSingapore/Emotional-Speech-Data",
    module=__name__,
    layout=("0011/0011.txt", "0011/Angry/0011_000351.wav", "0012/..."),
    signature=r"(^|/)00[012]\d_\d{6}\.\w+$",
)

TARGETS = ("neutral", "angry", "happy", "sad", "surprise")
SENTENCES = 350
#: Speakers up to this one speak Mandarin.
LAST_MANDARIN = 10
RULE = (
    r"(?P<emotion>Neutral|Angry|Happy|Sad|Surprise)/(?:(?:train|evaluation|test)/)?"
    r"(?P<speaker>00[012]\d)_(?P<number>\d{6})"
)


def read(root: Path) -> Corpus:
    """Read recordings and words; folds are speaker groups by default.

    The folders train, evaluation and test hold the same speakers and are not used.

    Raises:
        CorpusError: no file of ESD below the root.
    """
    tree = scan(ENTRY, root)
    media = tree.expect(RULE, lambda match: match[0].rpartition("/")[2])
    words = _words(tree)
    return as_corpus(tree, media, TARGETS, lambda file: _utterance(file, words), folds="groups")


def _words(tree: Tree) -> dict[str, str]:
    """Words by name of the file, from the tables of the speakers."""
    words = {}
    for path in tree.files:
        if path.suffix.lower() == ".txt" and path.stem == path.parent.name:
            for line in read_text(path).splitlines():
                cells = [cell.strip() for cell in line.split("\t")]
                if len(cells) == 3 and cells[1]:
                    words[cells[0]] = cells[1]
    return words


def _utterance(file: Named, words: Mapping[str, str]) -> Utterance:
    speaker, number = file.fields["speaker"], int(file.fields["number"])
    language = "zh" if int(speaker) <= LAST_MANDARIN else "en"
    return Utterance(
        id=file.id,
        audio=file.path,
        transcript=words.get(file.id),
        speaker=speaker,
        target=one_hot(file.fields["emotion"].lower(), TARGETS),
        # Equal numbers are equal sentences within a language only.
        script=f"{language}-{(number - 1) % SENTENCES + 1}",
        language=language,
    )
