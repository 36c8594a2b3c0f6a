"""The one table of corpora: :data:`CORPORA` have a reader, :data:`UNREAD` are known without one.

A corpus is one module here: its ``ENTRY``, which says what it is and has its sets of labels, and
its reader. Settings of the twenty corpora of senselab's page on speech emotion recognition are as
printed there (https://github.com/sensein/senselab, ``speech_emotion_recognition/doc.md``).
"""

from experiments.corpora import (
    aesdd,
    audformat_db,
    baved,
    coraa_ser,
    crema_d,
    emodb,
    emovo,
    esd,
    iemocap,
    meld,
    mosei,
    mosi,
    msp_podcast,
    nemo,
    ravdess,
    savee,
    smile,
    tess,
    urdu,
)
from experiments.corpora.entry import Entry
from experiments.corpora.unread_corpora import UNREAD

__all__ = ["CORPORA", "UNREAD"]

_DEMO = Entry(
    name="demo",
    title="Built-in corpus, synthetic speech",
    language="English",
    size="480 utterances",
    speakers="12 voices of a synthesiser",
    emotions="4 speaking styles",
    truth="simulated",
    setup="synthetic",
    licence="Apache-2.0",
    where="ships with the package",
    module="experiments.demo",
    layout=("no --root needed",),
    documented="experiments/demo_corpus/PROVENANCE.md",
    tried=True,
)
#: By name, in the order in which they are listed.
CORPORA: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        ravdess.ENTRY,
        emodb.ENTRY,
        tess.ENTRY,
        crema_d.ENTRY,
        iemocap.ENTRY,
        emovo.ENTRY,
        savee.ENTRY,
        baved.ENTRY,
        aesdd.ENTRY,
        nemo.ENTRY,
        esd.ENTRY,
        mosei.ENTRY,
        mosi.ENTRY,
        meld.ENTRY,
        coraa_ser.ENTRY,
        urdu.ENTRY,
        smile.ENTRY,
        msp_podcast.ENTRY,
        audformat_db.ENTRY,
        _DEMO,
    )
}
