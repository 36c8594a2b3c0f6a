"""pocketsphinx: a small English recogniser whose package carries its model."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from encoders.asr.transcript import NOTHING, SAMPLE_RATE_HZ, Segment, Transcript, heard_samples
from encoders.audio.waveform import Audio
from encoders.weights.files import files_sha256
from encoders.weights.locate import locate
from encoders.weights.sources import POCKETSPHINX

SPHINX_FRAME_S = 0.01
_FILLER = re.compile(r"[<\[+]")
_VARIANT = re.compile(r"\(\d+\)$")


def sphinx_sha256() -> str:
    """Hash of every file of its model."""
    # Over the files, not the version of the package: POCKETSPHINX_PATH may name another model.
    return files_sha256(
        (f"{part.name} {file.name}", file)
        for part in sphinx_model().values()
        for file in (sorted(part.iterdir()) if part.is_dir() else [part])
    )


def sphinx_model() -> dict[str, Path]:
    """Parts of pocketsphinx's model, by the option of its decoder that takes them.

    Raises:
        MissingWeightsError: pocketsphinx is not installed.
    """
    folder = locate(POCKETSPHINX)
    # As the package itself reads it.
    if named := os.environ.get("POCKETSPHINX_PATH"):
        folder = Path(named) / "en-us"
    names = {"hmm": "en-us", "lm": "en-us.lm.bin", "dict": "cmudict-en-us.dict"}
    return {option: folder / name for option, name in names.items()}


class PocketsphinxRecogniser:
    """pocketsphinx with its own English model; one segment from the first word to the last."""

    def __init__(self) -> None:
        model = {option: str(path) for option, path in sphinx_model().items()}
        from pocketsphinx import Decoder

        self.decoder = Decoder(**model, samprate=SAMPLE_RATE_HZ, loglevel="FATAL")

    def transcribe(self, audio: Audio) -> Transcript:
        """The transcript of one utterance, equal to that of a decoder made for it alone."""
        samples = heard_samples(audio)
        if len(samples) == 0:
            return NOTHING
        self._decode(np.rint(samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
        words = list(_words(self.decoder.seg() or ()))
        if not words:
            return NOTHING
        text = " ".join(word.text for word in words)
        segment = Segment(words[0].start_s, words[-1].end_s, text, None, None)
        return Transcript((segment,), "en", None, None)

    def _decode(self, pcm: bytes) -> None:
        # The front end tracks the noise level across utterances; without a new one the words of
        # an utterance depend on what was heard before it.
        self.decoder.reinit_feat()
        self.decoder.start_utt()
        self.decoder.process_raw(pcm, full_utt=True)
        self.decoder.end_utt()


def _words(segments: Any) -> Iterator[Segment]:  # noqa: ANN401 - pocketsphinx's iterator
    for word in segments:
        if not _FILLER.match(word.word):
            start_s = round(word.start_frame * SPHINX_FRAME_S, 2)
            end_s = round((word.end_frame + 1) * SPHINX_FRAME_S, 2)
            yield Segment(start_s, end_s, _VARIANT.sub("", word.word), None, None)
