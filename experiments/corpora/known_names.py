"""Recordings that are known by their file names, whatever a manifest says of them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from encoders.utterance import Utterance
from experiments.corpora import crema_d, emodb, emovo, iemocap, msp_podcast, ravdess, savee, tess

#: By corpus: what names of its recordings are, and the speaker that a name gives, as its reader
#: has it. Only names that no other corpus has: ``dia0_utt1`` of MELD and ``0011_000001`` of ESD are
#: left out.
_NAMES: Mapping[str, tuple[str, Callable[[Mapping[str, str]], str | None]]] = MappingProxyType(
    {
        "ravdess": (ravdess.RULE, lambda name: name["actor"]),
        "emodb": (emodb.RULE, lambda name: name["speaker"]),
        "crema-d": (crema_d.RULE, lambda name: name["actor"]),
        "iemocap": (
            iemocap.NAME.pattern,
            lambda name: f"Ses0{name['session']}{name['speaker'].upper()}",
        ),
        "tess": (tess.RULE, lambda name: {"O": "OAF", "Y": "YAF"}[name["actress"][0].upper()]),
        "savee": (savee.RULE, lambda name: name["speaker"].upper()),
        "emovo": (emovo.RULE, lambda name: name["actor"].lower()),
        "msp-podcast": (msp_podcast.NAME.pattern, lambda _name: None),
    }
)
#: Before and behind a name stand no letters and digits: ``03-01-01-01-01-01-01_16k`` has one.
_PATTERNS = {
    corpus: re.compile(rf"(?<![^\W_])(?:{rule})(?![^\W_])", re.IGNORECASE)
    for corpus, (rule, _) in _NAMES.items()
}


@dataclass(frozen=True, slots=True)
class KnownName:
    """The corpus that a recording is of, its name there, and who speaks where the name says so."""

    corpus: str
    name: str
    speaker: str | None


def known_name(utterance: Utterance) -> KnownName | None:
    """What the name of a recording, or else the id of its row, tells; None where it tells nothing.

    >>> from pathlib import Path
    >>> known_name(Utterance(id="1", audio=Path("a/03-01-05-01-02-01-12_16k.wav"))).speaker
    '12'
    """
    stem = "" if utterance.audio is None else utterance.audio.stem
    for text in (stem, utterance.id):
        for corpus, pattern in _PATTERNS.items():
            match = pattern.search(text)
            if match is not None:
                return KnownName(corpus, match[0], _NAMES[corpus][1](match.groupdict()))
    return None
