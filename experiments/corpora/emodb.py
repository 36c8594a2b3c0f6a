"""EmoDB, the Berlin database of emotional speech (Burkhardt et al. 2005), German.

Names are ``SSTTTEV``: speaker (two digits), text (a or b and two digits), emotion (the initial of
its German name), version. Ten fixed sentences, unevenly crossed with the emotions.
"""

import re
from pathlib import Path

from encoders.utterance import Corpus, CorpusError, Fault, Utterance, one_hot
from experiments.corpora import expect_files

EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "N": "neutral",
    "T": "sadness",
}
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
NAME = re.compile(r"(03|08|09|10|11|12|13|14|15|16)([ab]\d\d)([WLEAFNT])[a-z]")
PATTERN = "wav/*.{wav,flac}"


def read(root: Path) -> Corpus:
    """Read ``wav/SSTTTEV.wav`` (or ``.flac``); leave-one-speaker-out by default.

    Raises:
        CorpusError: no file of EmoDB below the root.
    """
    files = sorted(p for p in root.glob("**/*") if p.suffix in (".wav", ".flac"))
    expect_files("emodb", root, PATTERN, files)
    named = {path.stem: path for path in reversed(files) if NAME.fullmatch(path.stem)}
    if not named:
        what = f"no file is named as in EmoDB (03a01Fa), for example {files[0].name}"
        raise CorpusError("--corpus emodb", [Fault(str(root), what)])
    left_out = len(files) - len(named)
    return Corpus(
        name="emodb",
        root=root,
        task="single-label",
        targets=tuple(EMOTIONS.values()),
        utterances=tuple(_utterance(named[stem]) for stem in sorted(named)),
        folds="speaker",
        notes=(f"{left_out} files left out (not named as in EmoDB)",) if left_out else (),
    )


def _utterance(path: Path) -> Utterance:
    speaker, text, emotion = path.stem[:2], path.stem[2:5], path.stem[5]
    return Utterance(
        id=path.stem,
        audio=path,
        transcript=SENTENCES.get(text),
        speaker=speaker,
        target=one_hot(EMOTIONS[emotion], tuple(EMOTIONS.values())),
        script=text,
        language="de",
        sex="male" if speaker in MALE else "female",
    )
