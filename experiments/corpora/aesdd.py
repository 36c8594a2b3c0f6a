"""AESDD: acted Greek speech in five emotions (Vryzas et al. 2018).

Names are ``a01 (1)``: initial of the emotion, sentence, and the speaker in brackets; a letter may
follow where there are several takes
(http://m3c.web.auth.gr/research/aesdd-speech-emotion-recognition/).
"""

from pathlib import Path

from encoders.utterance import Corpus, Utterance, one_hot
from experiments.corpora.entry import Entry
from experiments.corpora.tree import Named, as_corpus, scan

ENTRY = Entry(
    name="aesdd",
    title="Acted Emotional Speech Dynamic Database",
    language="Greek",
    size="about 600 utterances of 20 sentences",
    speakers="2 men, 3 women, and later ones, actors",
    emotions="5",
    truth="simulated",
    setup="controlled setting",
    licence="research",
    where="http://m3c.web.auth.gr/research/aesdd-speech-emotion-recognition/",
    module=__name__,
    layout=("anger/a01 (1).wav", "disgust/d01 (1).wav", "fear/...", "happiness/..."),
    signature=r"(^|/)[adfhs]\d\d \(\d\)\w*\.\w+$",
)

EMOTIONS = {"a": "anger", "d": "disgust", "f": "fear", "h": "happiness", "s": "sadness"}
TARGETS = tuple(EMOTIONS.values())
RULE = r"(?P<emotion>[adfhs])(?P<sentence>\d\d) ?\((?P<speaker>\d+)\)(?P<take>[a-z]?)"


def read(root: Path) -> Corpus:
    """Read ``anger/a01 (1).wav`` and so on; leave-one-speaker-out by default.

    Raises:
        CorpusError: no file of AESDD below the root.
    """
    tree = scan(ENTRY, root)
    media = tree.expect(RULE)
    return as_corpus(tree, media, TARGETS, _utterance)


def _utterance(file: Named) -> Utterance:
    return Utterance(
        id=file.id,
        audio=file.path,
        speaker=file.fields["speaker"],
        target=one_hot(EMOTIONS[file.fields["emotion"].lower()], TARGETS),
        script=file.fields["sentence"],
        language="el",
    )
