"""Whom and what a saved model was trained on, so that it is not scored there (law 4)."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from encoders.files import write_atomically
from encoders.messages import printable
from encoders.utterance import Utterance

FILE, FORMAT_VERSION = "seen.json", 1


@dataclass(frozen=True, slots=True)
class Seen:
    """Speakers and recordings of training and development, as hashes: no name leaves with a model.

    ``speakers`` are of the corpus that names them, ``recordings`` content keys
    (:func:`encoders.store.audio_key`).
    """

    speakers: frozenset[str]
    recordings: frozenset[str]

    @classmethod
    def of(cls, corpus: str, utterances: Iterable[Utterance], keys: Mapping[str, str]) -> "Seen":
        """Those of some utterances of a corpus, with the content keys of their recordings."""
        hashes = (_speaker(corpus, utterance) for utterance in utterances)
        speakers = frozenset(name for name in hashes if name is not None)
        return cls(speakers, frozenset(keys.values()))

    def holds(self, corpus: str, utterance: Utterance, key: str | None) -> bool:
        """Whether an utterance is among them, by its speaker or by its samples."""
        return key in self.recordings or _speaker(corpus, utterance) in self.speakers

    def write(self, folder: Path) -> None:
        """Write ``seen.json``."""
        content = {
            "format": FORMAT_VERSION,
            "speakers": sorted(self.speakers),
            "recordings": sorted(self.recordings),
        }
        write_atomically(folder / FILE, json.dumps(content, indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> "Seen | None":
        """What lies in a model's folder; None where it keeps no record.

        Raises:
            ValueError: the file is none that a model writes.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT_VERSION:
                raise ValueError(f"format {content['format']!r}, expected {FORMAT_VERSION}")
            speakers, recordings = content["speakers"], content["recordings"]
            if not all(isinstance(one, str) for one in [*speakers, *recordings]):
                raise TypeError("expected lists of hashes")
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(
                f"{path}: no record of what a model has seen ({printable(error)[:200]}); take the "
                "folder as it was written"
            ) from error
        return cls(frozenset(speakers), frozenset(recordings))


def _speaker(corpus: str, utterance: Utterance) -> str | None:
    """A speaker's hash; names mean something within their corpus only."""
    if utterance.speaker is None:
        return None
    origin = utterance.corpus or corpus
    # Corpora that were merged carry their names before those of speakers.
    name = utterance.speaker.removeprefix(f"{origin}/")
    return hashlib.sha256(f"{origin}/{name}".encode()).hexdigest()[:32]
