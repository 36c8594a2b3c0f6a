"""EMOVO: 588 utterances of six Italian actors (Costantini et al. 2014, LREC, pp. 3501-3504).

Names are ``dis-f1-b1``: emotion, actor (f or m and a number), sentence. Fourteen fixed sentences,
some of them nonsense, each spoken by each actor in each emotion.
"""

from pathlib import Path

from encoders.utterance import Corpus, Utterance, one_hot
from experiments.corpora.entry import Entry
from experiments.corpora.tree import Named, as_corpus, scan

ENTRY = Entry(
    name="emovo",
    title="EMOVO",
    language="Italian",
    size="588 utterances of 14 sentences",
    speakers="3 men, 3 women, professional",
    emotions="6 + neutral",
    truth="simulated",
    setup="controlled setting",
    licence="free for research",
    where="http://voice.fub.it/activities/corpora/emovo/index.html",
    module=__name__,
    layout=("f1/dis-f1-b1.wav", "f2/...", "m3/..."),
    documented="Costantini et al. 2014, LREC, pp. 3501-3504",
    signature=r"(^|/)(dis|gio|neu|pau|rab|sor|tri)-[fm][123]-[bdln]\d\.\w+$",
)

EMOTIONS = {
    "neu": "neutral",
    "dis": "disgust",
    "gio": "joy",
    "pau": "fear",
    "rab": "anger",
    "sor": "surprise",
    "tri": "sadness",
}
TARGETS = tuple(EMOTIONS.values())
SENTENCES = {
    "b1": "Gli operai si alzano presto.",
    "b2": "I vigili sono muniti di pistola.",
    "b3": "La cascata fa molto rumore.",
    "l1": "L'autunno prossimo Tony partirà per la Spagna nella prima metà di ottobre.",
    "l2": "Ora prendo la felpa di là ed esco per fare una passeggiata.",
    "l3": "Un attimo dopo s'è incamminato ed è inciampato.",
    "l4": "Vorrei il numero telefonico del Signor Piatti.",
    "n1": "La casa forte vuole col pane.",
    "n2": "La forza trova il passo e l'aglio rosso.",
    "n3": "Il gatto sta scorrendo nella pera.",
    "n4": "Insalata pastasciutta coscia d'agnello limoncello.",
    "n5": "Uno quarantatré dieci mille cinquantasette venti.",
    "d1": "Sabato sera cosa farà?",
    "d2": "Porti con te quella cosa?",
}
RULE = (
    rf"(?P<emotion>{'|'.join(EMOTIONS)})-(?P<actor>[fm][123])-(?P<sentence>{'|'.join(SENTENCES)})"
)


def read(root: Path) -> Corpus:
    """Read ``f1/dis-f1-b1.wav`` and so on; leave-one-speaker-out by default.

    Raises:
        CorpusError: no file of EMOVO below the root.
    """
    tree = scan(ENTRY, root)
    media = tree.expect(RULE, lambda match: match[0].lower())
    return as_corpus(tree, media, TARGETS, _utterance)


def _utterance(file: Named) -> Utterance:
    emotion, actor, sentence = file.id.split("-")
    return Utterance(
        id=file.id,
        audio=file.path,
        transcript=SENTENCES[sentence],
        speaker=actor,
        target=one_hot(EMOTIONS[emotion], TARGETS),
        script=sentence,
        language="it",
        sex="female" if actor.startswith("f") else "male",
    )
