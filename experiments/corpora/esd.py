"""ESD: 350 sentences in five emotions by ten English and ten Mandarin speakers (Zhou et al. 2022).

Files are ``0011/Angry/0011_000351`` (also in ``train``, ``evaluation`` and ``test`` below the
emotion); ``0011/0011.txt`` has a line per file: name, words, emotion
(https://github.com/HLTSingapore/Emotional-Speech-Data). Numbers count through the emotions, 350
each, so that the script is the number modulo 350.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from encoders.messages import quoted
from encoders.utterance import Corpus, CorpusError, Fault, Utterance, one_hot
from experiments.corpora.entry import Entry
from experiments.corpora.tables import read_text
from experiments.corpora.tree import Media, Named, Tree, as_corpus, scan

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
#: What Mandarin tables are in where they are not Unicode; GB18030 holds GB2312 and GBK.
ENCODINGS = ("gb18030",)
#: Cells are parted by tabs, or by blanks.
LINE = re.compile(r"(?P<name>\d{4}_\d{6})\s+(?P<words>\S.*?)\s+(?P<emotion>\S+)")
RULE = (
    r"(?P<emotion>Neutral|Angry|Happy|Sad|Surprise)/(?:(?:train|evaluation|test)/)?"
    r"(?P<speaker>00[012]\d)_(?P<number>\d{6})"
)


def read(root: Path) -> Corpus:
    """Read recordings and words; folds are speaker groups by default.

    The folders train, evaluation and test hold the same speakers and are not used.

    Raises:
        CorpusError: no file of ESD below the root, or tables that cannot be right.
    """
    tree = scan(ENTRY, root)
    media = tree.expect(RULE, lambda match: match[0].rpartition("/")[2])
    words = _words(tree, media)
    return as_corpus(tree, media, TARGETS, lambda file: _utterance(file, words), folds="groups")


def _words(tree: Tree, media: Media) -> dict[str, str]:
    """Words by name of the file, from the tables of the speakers.

    Raises:
        CorpusError: a table of which no line can be read, or one that gives files other emotions
            than their folders.
    """
    words, faults = {}, list[Fault]()
    folders = {file.id: file.fields["emotion"].lower() for file in media.named}
    for path in tree.files:
        if path.suffix.lower() != ".txt" or path.stem != path.parent.name:
            continue
        lines = [line for line in read_text(path, ENCODINGS).splitlines() if line.strip()]
        rows = [row for line in lines if (row := LINE.fullmatch(line.strip()))]
        if lines and not rows:
            what = f"no line of it is name, words, emotion: the first is {quoted(lines[0])}"
            faults.append(Fault(path.name, what))
        for row in rows:
            words[row["name"]] = row["words"].strip()
            said = row["emotion"].lower()
            if said in TARGETS and folders.get(row["name"], said) != said:
                what = f"its table says {said}, its folder {folders[row['name']]}"
                faults.append(Fault(row["name"], what, "emotion"))
    if faults:
        raise CorpusError("--corpus esd", faults)
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
