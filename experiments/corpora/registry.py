"""The one table of corpora: :data:`CORPORA` have a reader, :data:`UNREAD` are known without one.

A corpus is one module here: its ``ENTRY``, which says what it is and has its sets of labels, and
its reader. Settings of the twenty corpora of senselab's page on speech emotion recognition are as
printed there (https://github.com/sensein/senselab, ``speech_emotion_recognition/doc.md``); of those
in ``unread.csv`` licences and addresses are as far as known, to be checked with the owner.
"""

import csv
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from encoders.plugins import Table
from experiments.corpora import (
    aesdd,
    audformat_db,
    audiofolder,
    baved,
    coded,
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
#: In the order in which they are listed.
_READERS = (
    *(ravdess, emodb, tess, crema_d, iemocap, emovo, savee, baved, aesdd, nemo, esd),
    *(mosei, mosi, meld, coraa_ser, urdu, smile, msp_podcast, audformat_db, audiofolder, coded),
)
#: By name.
CORPORA: Table[Entry] = Table(
    {entry.name: entry for entry in (*(module.ENTRY for module in _READERS), _DEMO)}
)


def _unread() -> dict[str, Entry]:
    """Rows of ``unread.csv``, by name."""
    with (Path(__file__).parent / "unread.csv").open(encoding="utf-8", newline="") as table:
        rows: list[dict[str, Any]] = list(csv.DictReader(table))
    return {row["name"]: Entry(**row) for row in rows}


UNREAD: Mapping[str, Entry] = MappingProxyType(_unread())
