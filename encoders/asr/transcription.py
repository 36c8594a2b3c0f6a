"""Transcripts of utterances: recognised once, then read from disk.

Every recogniser is a function of the audio: no sampling, no text carried from window to window,
no state carried from utterance to utterance. Arrays at 16 kHz go in, never paths.
"""

import json
import platform
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from encoders.asr.recognisers import (
    NOTHING,
    FasterWhisperSpec,
    HubWhisperSpec,
    PocketsphinxSpec,
    RecogniserSpec,
    Segment,
    Transcript,
    WhisperSpec,
    check_language,
    locate_whisper,
    normalise,
    parse_recogniser,
    recogniser_fingerprint,
    weights_sha256,
)
from encoders.asr.sphinx import PocketsphinxRecogniser
from encoders.asr.transcript import heard_samples
from encoders.audio import Audio, AudioError
from encoders.extraction import Failure, Progress
from encoders.hints import KeyHints
from encoders.rows import parse_json
from encoders.store import make_folder, text_key, write_atomically
from encoders.utterance import Utterance

__all__ = ["PocketsphinxSpec", "Recogniser", "RecogniserSpec", "Segment", "Transcript"]
__all__ += ["Transcription", "WhisperSpec", "load_recogniser", "normalise", "parse_recogniser"]
__all__ += ["TranscriptCache", "transcribe"]

#: The package that computes each family of recognisers.
PACKAGES = {
    "pocketsphinx": "pocketsphinx",
    "whisper": "openai-whisper",
    "faster-whisper": "faster-whisper",
    "transformers-whisper": "transformers",
}


@runtime_checkable
class Recogniser(Protocol):
    """Anything that turns audio into a transcript, each independent of the others."""

    def transcribe(self, audio: Audio) -> Transcript:
        """The transcript of one utterance."""
        ...


@dataclass(frozen=True, slots=True)
class Transcription:
    """Transcripts by utterance id, and what it took; an utterance that failed has none."""

    transcripts: Mapping[str, Transcript]
    recognised: int
    cached: int
    failures: tuple[Failure, ...] = ()


def transcribe(
    utterances: Sequence[Utterance],
    spec: RecogniserSpec,
    root: Path,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Transcription:
    """Transcripts of all utterances, each alone, read from ``root`` where it has them.

    A recording that cannot be read is listed among the failures; the others are done. The model
    is loaded when the first transcript is missing.

    Raises:
        MissingWeightsError: a transcript is missing, and so is the model.
    """
    transcriber = _Transcriber(spec, root, device)
    transcripts: dict[str, Transcript] = {}
    failures: list[Failure] = []
    try:
        for done, utterance in enumerate(utterances, start=1):
            try:
                transcripts[utterance.id] = transcriber.transcript(utterance)
            except AudioError as error:
                failures.append(Failure(utterance.id, str(error)))
            if progress is not None:
                progress("transcripts", done, len(utterances))
    finally:
        transcriber.hints.save()
    cached = len(utterances) - len(failures) - transcriber.recognised
    return Transcription(transcripts, transcriber.recognised, cached, tuple(failures))


class _Transcriber:
    """One recogniser with its cache; loaded when first needed."""

    def __init__(self, spec: RecogniserSpec, root: Path, device: str) -> None:
        self.spec = spec
        self.device = device
        self.hints = KeyHints(root / "hints.json")
        self.cache = TranscriptCache(root, spec)
        self.recognised = 0
        self._recogniser: Recogniser | None = None

    def transcript(self, utterance: Utterance) -> Transcript:
        heard = self.hints.get(utterance)
        if heard is not None and (found := self.cache.read(heard.key)) is not None:
            return found
        heard, audio = self.hints.decode(utterance)
        return self.cache.read(heard.key) or self._recognise(heard.key, audio)

    def _recognise(self, key: str, audio: Audio) -> Transcript:
        if self._recogniser is None:
            self._recogniser = load_recogniser(self.spec, self.device)
        transcript = self._recogniser.transcribe(audio)
        self.cache.write(key, transcript, self.device)
        self.recognised += 1
        return transcript


class TranscriptCache:
    """``ROOT/transcripts/<family>-<fingerprint>/<audio key>.json``, one file per transcript."""

    def __init__(self, root: Path, spec: RecogniserSpec) -> None:
        self.spec = spec
        fingerprint = recogniser_fingerprint(spec)
        self.folder = root / "transcripts" / f"{spec.family}-{fingerprint[:32]}"

    def read(self, key: str) -> Transcript | None:
        """The transcript under an audio key; None where there is none, or a damaged one."""
        try:
            record = parse_json((self.folder / f"{key}.json").read_bytes())
            fields = record["transcript"]
            if record["sha256"] != text_key(json.dumps(fields, sort_keys=True)):
                return None
            segments = tuple(Segment(**segment) for segment in fields["segments"])
            return Transcript(**{**fields, "segments": segments})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, key: str, transcript: Transcript, device: str) -> None:
        """Write a transcript with its checksum: complete on disk, or not there at all."""
        make_folder(self.folder)
        self._describe(device)
        fields = asdict(transcript)
        record = {"transcript": fields, "sha256": text_key(json.dumps(fields, sort_keys=True))}
        write_atomically(self.folder / f"{key}.json", json.dumps(record).encode())

    def _describe(self, device: str) -> None:
        path = self.folder / "spec.json"
        if path.exists():
            return
        package = PACKAGES[self.spec.family]
        found = {name: version(name) for name in (package, "torch", "soxr", "soundfile")}
        content = {
            "spec": asdict(self.spec),
            "weights": weights_sha256(self.spec),
            "provenance": {**found, "device": device, "machine": platform.machine()},
        }
        write_atomically(path, json.dumps(content, indent=2).encode())


def load_recogniser(spec: RecogniserSpec, device: str = "cpu") -> Recogniser:
    """Load the recogniser of a spec; pocketsphinx computes on the CPU, whatever the device.

    Raises:
        MissingWeightsError: in under five seconds where its weights are not to be had.
        ValueError: the checkpoint is damaged or does not know the language.
    """
    if isinstance(spec, PocketsphinxSpec):
        return PocketsphinxRecogniser()
    if isinstance(spec, FasterWhisperSpec):
        from encoders.asr.faster import FasterWhisperRecogniser

        return FasterWhisperRecogniser(spec, device)
    if isinstance(spec, HubWhisperSpec):
        from encoders.asr.hub_whisper import HubWhisperRecogniser

        return HubWhisperRecogniser(spec, device)
    return WhisperRecogniser(spec, device)


# ---------------------------------------------------------------- Whisper


class WhisperRecogniser:
    """openai-whisper; what is longer than 30 s it cuts into windows itself."""

    def __init__(self, spec: WhisperSpec, device: str = "cpu") -> None:
        from whisper.tokenizer import LANGUAGES

        self.spec = spec
        self.model = _load_whisper(spec.checkpoint, device)
        languages = list(LANGUAGES)[: self.model.num_languages]
        known = languages if self.model.is_multilingual else ["en"]
        check_language(f"whisper {spec.checkpoint}", spec.language, known)

    def transcribe(self, audio: Audio) -> Transcript:
        """The transcript of one utterance; what is silent is not shown to the model."""
        samples = heard_samples(audio)
        if len(samples) == 0:
            return NOTHING
        with warnings.catch_warnings():
            # Our caller chose the device.
            warnings.filterwarnings("ignore", message="Performing inference on CPU")
            result = self.model.transcribe(
                samples,
                language=self.spec.language,
                temperature=0.0,
                condition_on_previous_text=False,
                fp16=False,
                verbose=None,
            )
        return _whisper_transcript(result, audio.duration_s)


def _load_whisper(checkpoint: str, device: str) -> Any:  # noqa: ANN401 - a model of whisper's
    import whisper

    path = locate_whisper(checkpoint)
    try:
        # By path, because by name whisper would download again what it does not recognise.
        return whisper.load_model(str(path), device=device).eval()
    # Pickles, archives and missing entries each fail in their own way; to a user they are one.
    except Exception as error:
        raise ValueError(f"{path}: is no checkpoint of openai-whisper ({error})") from error


def _whisper_transcript(result: Mapping[str, Any], duration_s: float) -> Transcript:
    kept = [row for row in result["segments"] if normalise(row["text"])]
    if not kept:
        return NOTHING
    segments = tuple(_whisper_segment(row, duration_s) for row in kept)
    tokens = [len(row["tokens"]) for row in kept]
    return Transcript(
        segments,
        str(result["language"]),
        float(np.average([row["avg_logprob"] for row in kept], weights=tokens)),
        float(np.average([row["no_speech_prob"] for row in kept], weights=tokens)),
    )


def _whisper_segment(row: Mapping[str, Any], duration_s: float) -> Segment:
    # Whisper pads to 30 s and may hear a word end in the padding.
    start_s, end_s = (round(min(float(row[name]), duration_s), 3) for name in ("start", "end"))
    text = normalise(row["text"]) or ""
    return Segment(start_s, end_s, text, float(row["avg_logprob"]), float(row["no_speech_prob"]))
