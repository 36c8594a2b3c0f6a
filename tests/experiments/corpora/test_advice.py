"""Every protocol that a corpus takes by default, or that its note names, makes folds that run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from encoders.utterance import Corpus
from experiments.comparing.certificate import DecodedCorpus, evidence_of
from experiments.comparing.plan import make_folds, protocol_of
from experiments.corpora import load_source, read_corpus
from experiments.corpora.registry import CORPORA
from fusion.leakage.certificate import certify
from fusion.splitting.splits import SplitError, is_leaky, rows_of
from tests.experiments.corpora.test_coded import grid

MELD = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,"
    "StartTime,EndTime\n"
)
NEMO = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n"
MSP = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
AUDFORMAT = """name: mini
source: internal
usage: unrestricted
languages: [eng]
schemes:
  emotion: {dtype: str, labels: [anger, joy]}
tables:
  emotion.train: {type: filewise, split_id: train, columns: {emotion: {}, speaker: {}}}
  emotion.test: {type: filewise, split_id: test, columns: {emotion: {}, speaker: {}}}
"""


def names(form: str, classes: str, speakers: tuple[str, ...]) -> tuple[str, ...]:
    """Names of empty recordings: each speaker says each class twice."""
    return tuple(
        form.format(s=s, c=c, n=n, k=k)
        for s in speakers
        for k, c in enumerate(classes.split())
        for n in (1, 2)
    )


def numbers(first: int, form: str = "{}") -> tuple[str, ...]:
    return tuple(form.format(n) for n in range(first, first + 6))


#: Recordings of corpora whose names tell everything.
NAMED = {
    "ravdess": names("Actor_{s}/03-01-{c}-01-01-0{n}-{s}.wav", "01 02 03 04 05 06 07 08",
                     tuple(f"{n:02}" for n in range(1, 25))),
    "emodb": names("wav/{s}a0{n}{c}a.wav", "W L E A F N T", ("03", "08", "09", "10", "11")),
    "crema-d": names("AudioWAV/{s}_IEO_{c}_X{n}.wav".replace("X{n}", "XX"),
                     "ANG DIS FEA HAP NEU SAD", numbers(1001)),
    "emovo": names("{s}/{c}-{s}-n{n}.wav", "neu dis gio pau rab sor tri",
                   ("f1", "f2", "f3", "m1", "m2", "m3")),
    "savee": names("AudioData/{s}/{c}0{n}.wav", "a d f h n sa su", ("DC", "JE", "JK", "KL")),
    "baved": names("{n}/{s}-M-23-{n}-{c}-541.wav", "0 1 2", numbers(10)),
    "aesdd": names("all/{c}0{n} ({s}).wav", "a d f h s", numbers(1)),
    "esd": names("{s}/{c}/{s}_0000{k}{n}.wav", "Neutral Angry Happy Sad Surprise",
                 numbers(11, "00{}")),
    "urdu": names("all/S{s}_F01_{c}0{n}.wav", "A H N S", numbers(1, "M{}")),
}  # fmt: skip


def iemocap(plant) -> None:
    labels = ("ang", "hap", "exc", "sad", "neu", "fru", "fea", "sur", "dis", "oth")
    for session in range(1, 6):
        name, folder = f"Ses0{session}F_impro01", f"Session{session}/dialog"
        lines = [
            f"[{n}.0 - {n}.5]\t{name}_{who}{n:03}\t{label}\t[2.5, 2.5, 2.5]\n"
            for n, (who, label) in enumerate((w, x) for w in "FM" for x in labels)
        ]
        plant.text(f"{folder}/EmoEvaluation/{name}.txt", "".join(lines))
        plant(f"{folder}/wav/{name}.wav")


def cmu(plant, head: str, cells: Callable[[int], str]) -> None:
    """Twelve videos of six segments in three splits."""
    sides = ("train", "train", "train", "valid", "test", "test") * 2
    rows = [f"v{v},{n},words,{cells(n)},{side}\n" for v, side in enumerate(sides) for n in range(6)]
    plant.text("label.csv", f"video_id,clip_id,text,{head},mode\n" + "".join(rows))


def mosei(plant) -> None:
    head = "happy,sad,anger,surprise,disgust,fear,sentiment"
    cmu(plant, head, lambda n: ",".join("1" if k == n else "0" for k in range(6)) + ",1")


def mosi(plant) -> None:
    cmu(plant, "label", lambda n: str(n % 2 - 0.5))


def meld(plant) -> None:
    """Friends talk with each other in every split; guests say as much in one dialogue each."""
    labels = ("neutral", "joy", "sadness", "anger", "surprise", "fear", "disgust") * 3
    said = [
        (who, label, k % 3)
        for k, label in enumerate(labels)
        for who in ("Ross", "Monica", f"Guest {k % 3}")
    ]
    rows = [
        f'{n},"w{n}",{who},{label},neutral,{dialogue},{n},1,1,"0:0:0,0","0:0:1,0"\n'
        for n, (who, label, dialogue) in enumerate(said)
    ]
    for split in ("train", "dev", "test"):
        plant.text(f"{split}_sent_emo.csv", MELD + "".join(rows))


def coraa(plant) -> None:
    labels = ("neutral", "non-neutral-female", "non-neutral-male")
    plant(*(f"train/b{s}_segment{n}_{c}.wav" for s in range(6) for c in labels for n in (1, 2)))
    rows = [f"test_ser/{n}.wav,{c}\n" for n, c in enumerate(labels)]
    plant.text("test_ser_metadata.csv", "wav_file,label\n" + "".join(rows))


def nemo(plant) -> None:
    labels = ("anger", "fear", "happiness", "neutral", "sadness", "surprised")
    rows = [
        f"W{s}0_{c}_{n}.wav\t{c}\tX {n}.\tx\tW{s}0\tmale\t23\n"
        for s in "ABCD"
        for c in labels
        for n in (1, 2)
    ]
    plant.text("data.tsv", NEMO + "".join(rows))


def smile(plant) -> None:
    labels = ("angry", "disgust", "happy", "sad", "surprise", "happy|sad")
    rows = [f"{n},tweet {n},{labels[n % 6]}\n" for n in range(36)]
    plant.text("smile-annotations-final.csv", "".join(rows))


def msp(plant) -> None:
    sides = ("Train", "Train", "Train", "Development", "Test1") * 2
    rows = [
        f"MSP-PODCAST_{s:04}_{n:04}.wav,{c},4,4,4,{s},Male,{side}\n"
        for s, side in enumerate(sides, 1)
        for n, c in enumerate("ANHSCUFDOX", 1)
    ]
    plant.text("Labels/labels_consensus.csv", MSP + "".join(rows))


def audformat(plant) -> None:
    """Everybody is on both sides of this database's own split."""
    plant.text("db.yaml", AUDFORMAT)
    for side in ("train", "test"):
        rows = [f"{side}{s}{c}.wav,{c},s{s}\n" for s in range(4) for c in ("anger", "joy")]
        plant.text(f"db.emotion.{side}.csv", "file,emotion,speaker\n" + "".join(rows))


def audiofolder(plant) -> None:
    rows = [f"{s}{c}.wav,{c},s{s}\n" for s in range(6) for c in ("anger", "joy")]
    plant(*(f"{s}{c}.wav" for s in range(6) for c in ("anger", "joy")))
    plant.text("metadata.csv", "file_name,label,speaker\n" + "".join(rows))


def coded(plant) -> None:
    for s in range(6):
        plant(f"{s}.wav")
        plant.text(f"{s}.TextGrid", grid(emotion="0 1 anger; 1 2 joy"))


def tess(plant) -> None:
    labels = ("angry", "disgust", "fear", "happy", "neutral", "ps", "sad")
    words = [f"ba{letter}k" for letter in "abcdefghijkl"]
    plant(*(f"{s}_x/{s}_{w}_{c}.wav" for s in ("OAF", "YAF") for w in words for c in labels))


WRITTEN = {"coraa-ser": coraa, "msp-podcast": msp} | {
    maker.__name__: maker
    for maker in (iemocap, mosei, mosi, meld, nemo, smile, audformat, audiofolder, coded, tess)
}


def planted(name: str, plant) -> Path:
    """A miniature of a corpus in its own layout, with every class and a few speakers."""
    if name in WRITTEN:
        WRITTEN[name](plant)
    return plant(*NAMED.get(name, ()))


def runs(corpus: Corpus, asked: str | None) -> str:
    """Make the folds, inner ones too, and certify them; the protocol that ran."""
    protocol = protocol_of(corpus, asked)
    rows = rows_of([u for u in corpus.utterances if u.target is not None], protocol)
    folds, inner = make_folds(corpus, rows, protocol)
    assert folds
    assert all(one.folds for one in inner)
    certify(evidence_of(corpus, rows, DecodedCorpus({}, {}, ()), protocol), folds, protocol).check()
    return protocol


def advice(corpus: Corpus) -> list[str]:
    return re.findall(r"--folds ([\w:-]+)", " ".join(corpus.notes))


@pytest.mark.parametrize("name", [name for name in CORPORA if name not in ("demo", "tess")])
def test_what_a_corpus_takes_and_what_its_note_names_runs(name, plant):
    corpus = read_corpus(name, planted(name, plant))
    for asked in (None, *advice(corpus)):
        assert runs(corpus, asked)


def test_meld_runs_its_official_split_and_says_so(plant):
    corpus = read_corpus("meld", planted("meld", plant))
    assert advice(corpus) == ["split"]
    assert [runs(corpus, asked) for asked in (None, "split")] == ["split-leaky", "split-leaky"]
    with pytest.raises(SplitError, match=r"--folds groups: dialogues join .*--folds split-leaky"):
        runs(corpus, "groups")


def test_a_split_that_shares_speakers_runs_as_published_whatever_the_corpus(plant):
    corpus = read_corpus("audformat", planted("audformat", plant))
    assert is_leaky(runs(corpus, None))


def test_two_speakers_are_told_what_runs_and_it_does(plant):
    corpus = read_corpus("tess", planted("tess", plant))
    with pytest.raises(SplitError, match=r"^2 speakers") as caught:
        runs(corpus, None)
    (way,) = re.findall(r"--folds ([\w:-]+)", str(caught.value))
    assert runs(corpus, way) == "random"


def test_the_demo_runs():
    assert runs(read_corpus("demo", None), None)


def test_a_manifest_of_twelve_pairs_runs_by_default(plant):
    rows = [f"{d}{w}{n},{w}{d},d{d},{'joy' if n % 2 else 'anger'},w\n"
            for d in range(12) for w in "xy" for n in range(4)]  # fmt: skip
    root = plant.text("m.csv", "id,speaker,dialogue,label,transcript\n" + "".join(rows))
    assert runs(load_source(None, str(root / "m.csv"), None), None) == "groups"


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "folder"),
    [("meld", "meld"), ("mosi", "mosi"), ("emodb", "emodb"), ("ravdess", "ravdess")],
)
def test_the_corpora_that_are_here_run(data_folder, name, folder):
    if not (data_folder / folder).is_dir():
        pytest.skip(f"no {folder} in {data_folder}")
    corpus = read_corpus(name, data_folder / folder)
    for asked in (None, *advice(corpus)):
        assert runs(corpus, asked)
