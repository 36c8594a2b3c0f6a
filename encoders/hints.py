"""Hints that spare decoding on warm runs: path, size, time of change and segment → what was heard.

The file may be deleted at any time; a hint that does not match is ignored and made again.
"""

import json
from dataclasses import astuple, dataclass
from pathlib import Path

from encoders.audio import Audio, read_utterance
from encoders.store import audio_key, write_atomically
from encoders.utterance import Utterance


@dataclass(frozen=True, slots=True)
class Heard:
    """What decoding an utterance told: its content key, its length, whether it is silent."""

    key: str
    duration_s: float
    silent: bool


class KeyHints:
    """What was heard of each utterance, remembered in one JSON file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._heard = _load(path)
        self._changed = False

    def get(self, utterance: Utterance) -> Heard | None:
        """What is known of an utterance whose file has not changed since, or None."""
        stamp = _stamp(utterance)
        return None if stamp is None else self._heard.get(stamp)

    def decode(self, utterance: Utterance) -> tuple[Heard, Audio]:
        """Read an utterance, remember what was heard, return both.

        Raises:
            AudioError: the recording cannot be read.
        """
        audio = read_utterance(utterance)
        heard = Heard(audio_key(audio), round(audio.duration_s, 6), audio.is_silent)
        stamp = _stamp(utterance)
        if stamp is not None and self._heard.get(stamp) != heard:
            self._heard[stamp] = heard
            self._changed = True
        return heard, audio

    def save(self) -> None:
        """Write what was learned, keeping what another process has written meanwhile."""
        if not self._changed:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._heard = {**_load(self.path), **self._heard}
        content = {stamp: astuple(heard) for stamp, heard in self._heard.items()}
        write_atomically(self.path, json.dumps(content).encode())
        self._changed = False


def _load(path: Path) -> dict[str, Heard]:
    try:
        content = json.loads(path.read_text())
        return {stamp: Heard(*fields) for stamp, fields in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _stamp(utterance: Utterance) -> str | None:
    if utterance.audio is None:
        return None
    try:
        status = utterance.audio.stat()
    except OSError:
        return None
    path = utterance.audio.resolve()
    return f"{path}|{status.st_size}|{status.st_mtime_ns}|{utterance.start_s}|{utterance.end_s}"
