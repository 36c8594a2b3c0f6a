"""EmoDB, the Berlin database of emotional speech (Burkhardt et al. 2005), German.

Names are ``SSTTTEV``: speaker (two digits), text (a or b and two digits), emotion (the initial of
its German name), version. Ten fixed sentences, unevenly crossed with the emotions.
"""

from dataclasses import replace
from pathlib import Path

from encoders.utterance import Corpus, CorpusError, Fault, Listeners, Utterance, one_hot
from experiments.corpora.entry import Entry
from experiments.corpora.tables import number, read_table
from experiments.corpora.tree import Media, Named, Tree, as_corpus, scan

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
    return replace(as_corpus(tree, media, TARGETS, _utterance), listeners=_listeners(tree, media))


def _listeners(tree: Tree, media: Media) -> Listeners | None:
    """Listeners who named the emotion that was meant; what the others named is not in the file."""
    path = tree.find("erkennung.txt")
    if path is None:
        return None
    rows = read_table(path, ["Satz", "erkannt"], separator="\t")
    faults: list[Fault] = []
    meant = {file.id: EMOTIONS[file.fields["emotion"].upper()] for file in media.named}
    votes = {}
    for row in rows:
        name = row["Satz"].rpartition(".")[0]
        cells = {"erkannt": row["erkannt"].replace(",", ".")}
        percent = number(cells, "erkannt", path, row["Satz"], faults)
        if name in meant and percent is not None:
            right, rest = percent / 100, (1 - percent / 100) / (len(TARGETS) - 1)
            votes[name] = tuple(right if t == meant[name] else rest for t in TARGETS)
    if faults:
        raise CorpusError(str(path), faults)
    return Listeners(
        votes,
        "listeners who recognised the emotion meant (erkennung.txt; what the others named is not "
        "told and is spread evenly); utterances were published where at least 80 % did, so that "
        "their majority agrees by selection",
    )


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
