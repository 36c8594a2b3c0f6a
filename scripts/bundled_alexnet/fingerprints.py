"""Fingerprints and landmarks for a record without: ``python -m`` this module ``RAVDESS_FOLDER``.

Of the recordings that the bundled AlexNet was trained and stopped on, and of no other: each must
have a key of its record, and every key must be among them.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from encoders.analysis import fingerprints, landmarks
from encoders.analysis.recording_quality import sound_of
from encoders.audio.reading import read_utterance
from encoders.bundled import ALEXNET
from encoders.provenance import WEIGHTS, read_provenance, write_provenance
from encoders.store import audio_key
from experiments.corpora import ravdess


def main(arguments: Sequence[str]) -> None:
    """Write them into the record that ships."""
    if len(arguments) != 1:
        raise SystemExit("usage: python -m scripts.bundled_alexnet.fingerprints RAVDESS_FOLDER")
    record = read_provenance(ALEXNET / WEIGHTS)
    assert record is not None, "the bundled weights have a record"
    sounds = {}
    for utterance in ravdess.read(Path(arguments[0])).utterances:
        audio = read_utterance(utterance)
        sounds[audio_key(audio)] = sound_of(audio)
    absent = set(record.keys) - sounds.keys()
    if absent:
        raise SystemExit(f"{len(absent)} of {len(record.keys)} recordings are not there")
    heard = [sounds[key] for key in record.keys]
    prints = fingerprints.packed(sound.signature for sound in heard)
    marks = landmarks.packed(sound.landmarks for sound in heard)
    write_provenance(replace(record, fingerprints=prints, landmarks=marks), ALEXNET)
    sys.stderr.write(f"{len(heard)} recordings, {len(prints) + len(marks)} characters\n")


if __name__ == "__main__":
    main(sys.argv[1:])
