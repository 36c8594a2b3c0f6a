"""Transcripts of utterances: recognised once, then read from disk.

Every recogniser is a function of the audio: no sampling, no text carried from window to window,
no state carried from utterance to utterance. Arrays at 16 kHz go in, never paths.
"""

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Protocol, runtime_checkable

from encoders.asr.recognisers import ENGINES, RecogniserSpec, recogniser_fingerprint, weights_sha256
from encoders.asr.transcript import Segment, Transcript
from encoders.audio.waveform import Audio, AudioError
from encoders.dealing import ENGINE, Engine, Lost
from encoders.decode_index import DecodedAudio, DecodeIndex
from encoders.device import chosen_device
from encoders.extraction import Failure, Progress
from encoders.files import make_folder, read_sealed, sealed, write_atomically
from encoders.manifest_rows import parse_json
from encoders.store import text_key
from encoders.utterance import Utterance

#: Utterances that a worker of an engine recognises before it reports.
CHUNK = 16


@runtime_checkable
class Recogniser(Protocol):
    """Anything that turns audio into a transcript, each independent of the others."""

    def transcribe(self, audio: Audio) -> Transcript:
        """The transcript of one utterance."""
        ...


@runtime_checkable
class TimedRecogniser(Recogniser, Protocol):
    """A recogniser that hears windows of 30 s and knows when each word was said."""

    def words(self, audio: Audio) -> Transcript:
        """A transcript with a segment per word, in seconds of the audio."""
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
    hints: DecodeIndex | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> Transcription:
    """Transcripts of all utterances, each alone, read from ``root`` where it has them.

    A recording that cannot be read is listed among the failures; the others are done. The model
    is loaded when the first transcript is missing.

    Raises:
        MissingWeightsError: a transcript is missing, and so is the model.
    """
    transcriber = Transcriber(spec, root, chosen_device(device))
    outcomes: dict[str, Transcript | str] = {}
    known = hints or DecodeIndex(root / "hints.json")
    engine = ENGINE.get()
    try:
        found = (
            ((u.id, transcriber.hear(u, known)) for u in utterances)
            if engine is None
            else _dealt(engine, utterances, transcriber, known)
        )
        for name, outcome in found:
            outcomes[name] = outcome
            if progress is not None:
                progress("transcripts", len(outcomes), len(utterances))
    finally:
        known.save()
    ordered = [(u.id, outcomes[u.id]) for u in utterances]
    failures = tuple(Failure(name, why) for name, why in ordered if isinstance(why, str))
    cached = len(utterances) - len(failures) - transcriber.recognised
    transcripts = {name: made for name, made in ordered if isinstance(made, Transcript)}
    return Transcription(transcripts, transcriber.recognised, cached, failures)


def _dealt(
    engine: Engine, utterances: Sequence[Utterance], transcriber: "Transcriber", known: DecodeIndex
) -> Iterator[tuple[str, Transcript | str]]:
    """What is said in utterances, by id: what is known first, then what workers recognise."""
    left = []
    for utterance in utterances:
        heard = known.get(utterance)
        if heard is None or (kept := transcriber.cache.read(heard.key)) is None:
            left.append(utterance)
        else:
            yield utterance.id, kept
    chunks = [left[start : start + CHUNK] for start in range(0, len(left), CHUNK)]
    for chunk, done in engine(TranscriptionJob(transcriber.spec, transcriber.root), chunks):
        if isinstance(done, Lost):
            yield from ((utterance.id, done.why) for utterance in chunk)
            continue
        known.learn(done.heard)
        transcriber.recognised += done.recognised
        yield from done.outcomes.items()


class Transcriber:
    """One recogniser with its transcripts below ``root``; loaded when first needed.

    Raises:
        MissingWeightsError: where it is loaded, and its weights are not to be had.
    """

    def __init__(self, spec: RecogniserSpec, root: Path, device: str) -> None:
        self.spec = spec
        self.root = root.absolute()
        self.device = device
        self.cache = TranscriptCache(root, spec)
        self.recognised = 0

    @cached_property
    def recogniser(self) -> Recogniser:
        """The model, loaded now if it was not before."""
        return load_recogniser(self.spec, self.device)

    def hear(self, utterance: Utterance, known: DecodeIndex) -> Transcript | str:
        """What is said in an utterance, or why its recording cannot be read."""
        try:
            heard = known.get(utterance)
            transcript = None if heard is None else self.cache.read(heard.key)
            if transcript is None:
                heard, audio = known.decode(utterance)
                transcript = self.transcript(heard.key, audio)
        except AudioError as error:
            return str(error)
        return transcript

    def transcript(self, key: str, audio: Audio) -> Transcript:
        """What is said in a recording, under its content key; remembered, or recognised now."""
        return self.cache.read(key) or self._kept(key, self.recogniser.transcribe(audio))

    def timed_words(self, key: str, audio: Audio) -> Transcript:
        """The same with a segment per word, by a recogniser that knows their times."""
        if (known := self.cache.read(key)) is not None:
            return known
        assert isinstance(self.recogniser, TimedRecogniser)
        return self._kept(key, self.recogniser.words(audio))

    def _kept(self, key: str, transcript: Transcript) -> Transcript:
        self.cache.write(key, transcript, self.device)
        self.recognised += 1
        return transcript


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a worker found of a chunk: transcripts or reasons by id, and what it heard."""

    outcomes: Mapping[str, Transcript | str]
    recognised: int
    heard: Mapping[str, DecodedAudio]


@dataclass(frozen=True)
class TranscriptionJob:
    """What a worker of an engine does: recognise chunks of utterances, and keep the transcripts."""

    spec: RecogniserSpec
    root: Path

    @cached_property
    def transcriber(self) -> Transcriber:
        """Its own, made where it works."""
        return Transcriber(self.spec, self.root, chosen_device())

    def __call__(self, chunk: Sequence[Utterance]) -> Recognised:
        """Recognise what is missing."""
        known, before = DecodeIndex(Path(os.devnull)), self.transcriber.recognised
        outcomes = {one.id: self.transcriber.hear(one, known) for one in chunk}
        return Recognised(outcomes, self.transcriber.recognised - before, known.heard)


class TranscriptCache:
    """``ROOT/transcripts/whisper-<engine>-<fingerprint>/<audio key>.json``, a file each."""

    def __init__(self, root: Path, spec: RecogniserSpec) -> None:
        self.spec = spec
        fingerprint = recogniser_fingerprint(spec)
        self.folder = root / "transcripts" / f"whisper-{spec.engine}-{fingerprint[:32]}"

    def read(self, key: str) -> Transcript | None:
        """The transcript under an audio key; None where there is none, or a damaged one."""
        return read_transcript(self.folder / f"{key}.json")

    def write(self, key: str, transcript: Transcript, device: str) -> None:
        """Write a transcript with its checksum: complete on disk, or not there at all."""
        make_folder(self.folder.parent, private=True)
        make_folder(self.folder, private=True)
        self._describe(device)
        fields = asdict(transcript)
        record = {"transcript": fields, "sha256": text_key(json.dumps(fields, sort_keys=True))}
        path = self.folder / f"{key}.json"
        write_atomically(path, json.dumps(record).encode(), private=True)

    def _describe(self, device: str) -> None:
        path = self.folder / "spec.json"
        if read_sealed(path) is not None:
            return
        package = ENGINES[self.spec.engine]
        versions = {name: version(name) for name in (package, "torch", "soxr", "soundfile")}
        content = {
            "spec": asdict(self.spec),
            "weights": weights_sha256(self.spec),
            "provenance": {**versions, "device": device, "machine": platform.machine()},
        }
        write_atomically(path, json.dumps(sealed(content), indent=2).encode())


class HeldTranscripts(TranscriptCache):
    """The same in memory, for words that must not lie on any disk."""

    def __init__(self, spec: RecogniserSpec) -> None:
        super().__init__(Path(), spec)
        self._held: dict[str, Transcript] = {}

    def read(self, key: str) -> Transcript | None:
        """The transcript under an audio key; None where there is none."""
        return self._held.get(key)

    def write(self, key: str, transcript: Transcript, device: str) -> None:
        """Hold a transcript."""
        del device
        self._held[key] = transcript


def read_transcript(path: Path) -> Transcript | None:
    """The transcript in a file of a cache; None where there is none, or a damaged one."""
    try:
        record = parse_json(path.read_bytes())
        fields = record["transcript"]
        if record["sha256"] != text_key(json.dumps(fields, sort_keys=True)):
            return None
        segments = tuple(Segment(**segment) for segment in fields["segments"])
        return Transcript(**{**fields, "segments": segments})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load_recogniser(spec: RecogniserSpec, device: str = "cpu") -> Recogniser:
    """Load the recogniser of a spec.

    Raises:
        MissingWeightsError: in under five seconds where its weights are not to be had.
        ValueError: the checkpoint is damaged, of a layout that the engine does not read, or does
            not know the language or task.
    """
    if spec.engine == "transformers":
        from encoders.asr.hub_whisper import HubWhisperRecogniser

        return HubWhisperRecogniser(spec, device)
    from encoders.asr.timed_whisper import FasterWhisperRecogniser, OpenAIRecogniser

    if spec.engine == "faster":
        return FasterWhisperRecogniser(spec, device)
    return OpenAIRecogniser(spec, device)
