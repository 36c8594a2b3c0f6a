"""Hints that spare decoding on warm runs: path, size, times, inode and segment → what was heard.

The file may be deleted at any time; a hint that does not match is ignored and made again. A file
that was put in another's place with its size and time of writing has another inode or another time
of change; where a file system keeps neither, ``serfusion --rehash`` hears all files again.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from encoders.audio.reading import read_utterance
from encoders.audio.waveform import Audio
from encoders.files import StoreError, make_folder, read_sealed, sealed, write_atomically
from encoders.messages import cut, with_count
from encoders.store import audio_key
from encoders.utterance import Utterance

#: Decoded samples that a command holds for its next reader: 4.3 hours of speech at 16 kHz.
HELD_BYTES = 1_000_000_000
#: Set, it makes this process hear every file again.
REHASH = "SERFUSION_REHASH"
#: Recordings that a line names.
SHOWN = 3


@dataclass(frozen=True, slots=True)
class DecodedAudio:
    """What decoding an utterance told: its content key, its length, whether it is silent.

    ``notes`` are what was odd about the file: more sound than declared, gaps, channels that cancel.
    """

    key: str
    duration_s: float
    silent: bool
    notes: tuple[str, ...] = ()


def odd_recordings(heard: Mapping[str, DecodedAudio]) -> tuple[str, ...]:
    """A line for each thing that was odd about recordings, with their ids."""
    named: dict[str, list[str]] = {}
    for name, audio in heard.items():
        for note in audio.notes:
            named.setdefault(note, []).append(name)
    lines = []
    for note, names in named.items():
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        shown = ", ".join(map(cut, names[:SHOWN])) + more
        lines.append(f"{with_count(len(names), 'recording')} ({shown}): {note}")
    return tuple(lines)


class DecodeIndex:
    """What was heard of each utterance, remembered in one JSON file.

    Up to ``hold_bytes`` of decoded samples stay in memory, so that a recording that several
    readers want, one after the other, is decoded once. As a context it is saved at its end, and
    lets go of them.
    """

    def __init__(self, path: Path, hold_bytes: int = 0) -> None:
        self.path = path
        self._held: dict[str, Audio] = {}
        self._room = hold_bytes
        # Asked to hear everything again, it believes only what it heard itself.
        self._heard = {} if os.environ.get(REHASH) else _load(path)
        self._changed = False

    def get(self, utterance: Utterance) -> DecodedAudio | None:
        """What is known of an utterance whose file has not changed since, or None."""
        stamp = _stamp(utterance)
        return None if stamp is None else self._heard.get(stamp)

    def decode(self, utterance: Utterance) -> tuple[DecodedAudio, Audio]:
        """Read an utterance, remember what was heard, return both.

        Raises:
            AudioError: the recording cannot be read.
        """
        stamp = _stamp(utterance)
        if stamp is not None and stamp in self._held:
            return self._heard[stamp], self._held[stamp]
        audio = read_utterance(utterance)
        heard = DecodedAudio(
            audio_key(audio), round(audio.duration_s, 6), audio.is_silent, audio.notes
        )
        if stamp is not None and self._heard.get(stamp) != heard:
            self._heard[stamp] = heard
            self._changed = True
        if stamp is not None and audio.samples.nbytes <= self._room:
            self._held[stamp] = audio
            self._room -= audio.samples.nbytes
        return heard, audio

    @property
    def heard(self) -> Mapping[str, DecodedAudio]:
        """Everything that is known, by path, times and segment of the file."""
        return self._heard

    def learn(self, heard: Mapping[str, DecodedAudio]) -> None:
        """Believe what another process heard of files that are the same here."""
        self._changed |= not heard.items() <= self._heard.items()
        self._heard |= heard

    def __reduce__(self) -> tuple[type["DecodeIndex"], tuple[Path]]:
        """Sent to another process it is empty; what that one hears comes back by :meth:`learn`."""
        return DecodeIndex, (Path(os.devnull),)

    def silent(self, utterances: Iterable[Utterance]) -> tuple[str, ...]:
        """Ids of those that are known to hold no sound."""
        known = {u.id: self.get(u) for u in utterances}
        return tuple(name for name, heard in known.items() if heard is not None and heard.silent)

    def odd(self, utterances: Iterable[Utterance]) -> tuple[str, ...]:
        """Lines on what is known to be odd about their recordings."""
        known = {u.id: self.get(u) for u in utterances}
        return odd_recordings({name: heard for name, heard in known.items() if heard is not None})

    def __enter__(self) -> "DecodeIndex":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.save()
        self._held.clear()

    def save(self) -> str | None:
        """Write what was learned, keeping what another process has written meanwhile.

        Returns why that could not be: hints spare time, and their loss must not cost a result.
        """
        if not self._changed:
            return None
        self._heard = {**_load(self.path), **self._heard}
        content = {stamp: astuple(heard) for stamp, heard in self._heard.items()}
        try:
            make_folder(self.path.parent)
            # It names every recording that was heard.
            write_atomically(self.path, json.dumps(sealed(content)).encode(), private=True)
        except (OSError, StoreError) as error:
            return str(error)
        self._changed = False
        return None


def _load(path: Path) -> dict[str, DecodedAudio]:
    return {
        stamp: DecodedAudio(fields[0], fields[1], fields[2], tuple(fields[3]))
        for stamp, fields in (read_sealed(path) or {}).items()
        if _is_heard(fields)
    }


def _is_heard(fields: object) -> bool:
    """Whether some JSON is a key of 64 hexadecimal digits, seconds, a yes or no, and texts."""
    if not isinstance(fields, list) or len(fields) != 4:
        return False
    key, duration_s, silent, notes = fields
    known = isinstance(key, str) and re.fullmatch("[0-9a-f]{64}", key) is not None
    texts = isinstance(notes, list) and all(isinstance(note, str) for note in notes)
    return known and isinstance(duration_s, float) and isinstance(silent, bool) and texts


def _stamp(utterance: Utterance) -> str | None:
    if utterance.audio is None:
        return None
    try:
        status = utterance.audio.stat()
    except OSError:
        return None
    path = utterance.audio.resolve()
    times = f"{status.st_mtime_ns}|{status.st_ctime_ns}|{status.st_ino}"
    segment = f"{utterance.start_s}|{utterance.end_s}|{utterance.channel}"
    return f"{path}|{status.st_size}|{times}|{segment}"
