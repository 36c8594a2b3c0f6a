"""EmoDB, the Berlin database of emotional speech (Burkhardt et al. 2005), German.

Names are ``SSTTTEV``: speaker (two digits), text (a or b and two digits), emotion (the initial of
its German name), version. Ten fixed sentences, unevenly crossed with the emotions.
"""

from pathlib import Path

from encoders.utterance import Corpus, Utterance, one_hot
from experiments.corpora.entry import Entry
from experiments.corpora.tree import Named, as_corpus, scan

ENTRY = Entry(
    name="emodb",
    title="Berlin Database of Emotional Speech",
    language="German",
    size="535 utterances",
    speakers="5 men, 5 women, professional",
    emotions="6 + neutral",
    truth="simulated",
    setup="controlled setting",
    licence="free for research",
    where="http://emodb.bilderbar.info",
    module=__name__,
    layout=("wav/03a01Fa.wav",),
    documented="http://emodb.bilderbar.info/index-1280.html",
    signature=r"(^|/)[01]\d[ab]\d\d[WLEAFNT][a-z]\.\w+$",
    tried=True,
)

EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "N": "neutral",
    "T": "sadness",
}
TARGETS = tuple(EMOTIONS.values())
#: As printed on the database's page, http://emodb.bilderbar.info/index-1280.html.
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
MALE = ("03", "10", "11", "12", "15")
RULE = r"(?P<speaker>03|08|09|10|11|12|13|14|15|16)(?P<text>[ab]\d\d)(?P<emotion>[WLEAFNT])[a-z]"


def read(root: Path) -> Corpus:
    """Read ``wav/SSTTTEV.wav`` (or ``.flac``); leave-one-speaker-out by default.

    Raises:
        CorpusError: no file of EmoDB below the root.
    """
    tree = scan(ENTRY, root)
    media = tree.expect(RULE)
    return as_corpus(tree, media, TARGETS, _utterance)


def _utterance(file: Named) -> Utterance:
    speaker, text = file.fields["speaker"], file.fields["text"].lower()
    return Utterance(
        id=file.id,
        audio=file.path,
        transcript=SENTENCES.get(text),
        speaker=speaker,
        target=one_hot(EMOTIONS[file.fields["emotion"].upper()], TARGETS),
        script=text,
        language="de",
        sex="male" if speaker in MALE else "female",
    )
