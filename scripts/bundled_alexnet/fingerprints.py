"""Fingerprints for a record that has none: ``python -m scripts.bundled_alexnet.fingerprints ROOT``.

Of the recordings that the bundled AlexNet was trained and stopped on, and of no other: each must
have a key of its record, and every key must be among them.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from encoders.analysis.fingerprints import packed, signature_of
from encoders.audio.reading import read_utterance
from encoders.bundled import ALEXNET
from encoders.provenance import WEIGHTS, read_provenance, write_provenance
from encoders.store import audio_key
from experiments.corpora import ravdess


def main(arguments: Sequence[str]) -> None:
    """Write the fingerprints into the record that ships."""
    if len(arguments) != 1:
        raise SystemExit("usage: python -m scripts.bundled_alexnet.fingerprints RAVDESS_FOLDER")
    record = read_provenance(ALEXNET / WEIGHTS)
    assert record is not None, "the bundled weights have a record"
    signed = {}
    for utterance in ravdess.read(Path(arguments[0])).utterances:
        audio = read_utterance(utterance)
        signed[audio_key(audio)] = signature_of(audio)
    absent = set(record.keys) - signed.keys()
    if absent:
        raise SystemExit(f"{len(absent)} of {len(record.keys)} recordings are not there")
    prints = packed(signed[key] for key in record.keys)
    write_provenance(replace(record, fingerprints=prints), ALEXNET)
    sys.stderr.write(f"{len(record.keys)} recordings, {len(prints)} characters\n")


if __name__ == "__main__":
    main(sys.argv[1:])
