"""TESS: 2800 utterances of two actresses of 26 (YAF) and 64 years (OAF) (Dupuis et al. 2010).

Names are ``OAF_back_fear``: actress, word, emotion. Every word is spoken in every emotion, so that
words cannot tell it; the script is the word. Two speakers can train or be tested on, not both:
beside another corpus, or by ``--folds random``, stamped LEAKY.
"""

from pathlib import Path

from encoders.utterance import Corpus, Utterance, one_hot
from experiments.corpora.entry import Entry
from experiments.corpora.tree import Named, as_corpus, scan

ENTRY = Entry(
    name="tess",
    title="Toronto Emotional Speech Set",
    language="English",
    size="2800 utterances of 200 words",
    speakers="2 women (26 and 64 years), professional",
    emotions="6 + neutral",
    truth="simulated",
    setup="controlled setting",
    licence="CC BY-NC-ND 4.0",
    where="https://doi.org/10.5683/SP2/E8H2MF",
    module=__name__,
    layout=("OAF_angry/OAF_back_angry.wav", "YAF_pleasant_surprised/YAF_back_ps.wav"),
    signature=r"(^|/)[OY]AF?_[a-z]+_(angry|disgust|fear|happy|neutral|ps|sad)\.\w+$",
)

EMOTIONS = {
    "angry": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    "ps": "surprise",
    "sad": "sad",
}
TARGETS = tuple(EMOTIONS.values())
AGES = {"OAF": 64.0, "YAF": 26.0}
#: One file of the release lacks the F of its actress (``OA_bite_neutral``).
RULE = rf"(?P<actress>[OY]AF?)_(?P<word>[a-z]+)_(?P<emotion>{'|'.join(EMOTIONS)})"


def read(root: Path) -> Corpus:
    """Read ``OAF_angry/OAF_back_angry.wav`` and so on, in whatever folders.

    Raises:
        CorpusError: no file of TESS below the root.
    """
    tree = scan(ENTRY, root)
    media = tree.expect(RULE, lambda match: match[0].replace("OA_", "OAF_"))
    return as_corpus(tree, media, TARGETS, _utterance)


def _utterance(file: Named) -> Utterance:
    speaker, word = file.id[:3].upper(), file.fields["word"].lower()
    return Utterance(
        id=file.id,
        audio=file.path,
        transcript=f"Say the word {word}",
        speaker=speaker,
        target=one_hot(EMOTIONS[file.fields["emotion"].lower()], TARGETS),
        script=word,
        language="en",
        sex="female",
        age=AGES[speaker],
    )
