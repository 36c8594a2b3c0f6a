"""The one table of corpora: :data:`CORPORA` have a reader, :data:`UNREAD` are known without one.

Settings of the twenty corpora of senselab's page on speech emotion recognition are as printed
there (https://github.com/sensein/senselab, ``speech_emotion_recognition/doc.md``).
"""

from collections.abc import Mapping
from types import MappingProxyType

from experiments.corpora.acted_corpora import ACTED
from experiments.corpora.entry import Entry
from experiments.corpora.natural_corpora import NATURAL
from experiments.corpora.unread_corpora import UNREAD

__all__ = ["CORPORA", "UNREAD"]

CORPORA: Mapping[str, Entry] = MappingProxyType(
    {
        **ACTED,
        **NATURAL,
        "demo": Entry(
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
        ),
    }
)
