"""SAVEE: 480 utterances of four British men (Haq & Jackson 2010).

Files are ``AudioData/DC/a01`` or ``ALL/DC_a01``: speaker, emotion, number of the sentence
(http://kahlan.eps.surrey.ac.uk/savee/Database.html). Sentences differ between the emotions but for
three that all share, so that words tell much of the emotion; their texts are not in the release.
"""

from pathlib import Path

from encoders.utterance import Corpus, Utterance, one_hot
from experiments.corpora.entry import Entry
from experiments.corpora.tree import Named, as_corpus, scan

ENTRY = Entry(
    name="savee",
    title="Surrey Audio-Visual Expressed Emotion",
    language="English (British)",
    size="480 utterances",
    speakers="4 men, amateur",
    emotions="6 + neutral",
    truth="simulated",
    setup="controlled setting",
    licence="research, on registration",
    where="http://kahlan.eps.surrey.ac.uk/savee/",
    module=__name__,
    layout=("AudioData/DC/a01.wav", "AudioData/JE/...  (or ALL/DC_a01.wav)"),
    documented="http://kahlan.eps.surrey.ac.uk/savee/Database.html",
    signature=r"(^|/)(DC|JE|JK|KL)[_/](a|d|f|h|n|sa|su)\d\d\.\w+$",
)

EMOTIONS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}
TARGETS = tuple(EMOTIONS.values())
RULE = r"(?P<speaker>DC|JE|JK|KL)[_/](?P<emotion>sa|su|a|d|f|h|n)(?P<sentence>\d\d)"


def read(root: Path) -> Corpus:
    """Read one folder per speaker, or all in one; leave-one-speaker-out by default.

    Raises:
        CorpusError: no file of SAVEE below the root.
    """
    tree = scan(ENTRY, root)
    media = tree.expect(RULE, lambda match: match[0].replace("/", "_"))
    return as_corpus(tree, media, TARGETS, _utterance)


def _utterance(file: Named) -> Utterance:
    return Utterance(
        id=file.id,
        audio=file.path,
        speaker=file.fields["speaker"].upper(),
        target=one_hot(EMOTIONS[file.fields["emotion"].lower()], TARGETS),
        language="en",
        sex="male",
    )
