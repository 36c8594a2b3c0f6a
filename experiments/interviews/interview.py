"""``interview``: one recording after the other, each to a timeline in a folder of its own."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from encoders.analysis.speaker_embeddings import SpeakerEncoder
from encoders.analysis.voice_activity import Stretch
from encoders.audio.waveform import AudioError
from encoders.device import chosen_device
from encoders.extraction import Extractor, Failure, Progress, shared_encoders
from encoders.files import make_folder, mark_folder, marked, remove_own
from encoders.specs import Kind as EncoderKind
from encoders.store import EmbeddingStore, HeldStore
from encoders.weights.files import file_sha256
from experiments.annotations.plain import AnnotationError
from experiments.annotations.segments import Kind, Timeline
from experiments.annotations.turns import read_turns
from experiments.comparing.comparison import check_writable
from experiments.interviews.classify_segments import ClassifiedSegment, read_chunks, stage
from experiments.interviews.decisions import redacted, segments_of, without_names
from experiments.interviews.diarisation import SpeechDescriber, speaker_encoder
from experiments.interviews.emotion import (
    EmotionScores,
    baselines_of,
    check_suitable,
    embedded,
    extractors_of,
    sounds_of,
    threshold_of_sets,
)
from experiments.interviews.model_facts import about_answers, about_model, notes_on
from experiments.interviews.options import InterviewOptions
from experiments.interviews.outputs import (
    begin,
    belongs_to,
    content_of,
    finish,
    was_done,
    write_outputs,
)
from experiments.interviews.recognition import Recognition, recogniser_for
from experiments.interviews.segmentation import SpeechSegment, pieces_of
from experiments.interviews.speakers import SOMEONE, SpeakerTurns, cast_of
from experiments.interviews.speech_scan import SpeechScan, survey
from fusion.model.fusion_model import FusionModel, folder_of
from fusion.training.normalise import Baseline

#: Below a recording's folder: embeddings and transcripts so far. May be deleted at any time.
WORK = "work"
FORMAT_VERSION = 3
#: Called so where no name is to be told.
NAMELESS = "recording"


@dataclass(frozen=True, slots=True)
class Interviewed:
    """A recording that was done, now or before, with the seconds that each stage took now."""

    recording: Path
    folder: Path
    timeline: Timeline | None
    seconds: Mapping[str, float]
    #: New names of files that were in the way and were changed since they were written.
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """All recordings of a command: those that were done, and those that could not be."""

    done: tuple[Interviewed, ...]
    failures: tuple[Failure, ...]


def interview(
    model: Path | str,
    recordings: Sequence[Path | str],
    out: Path | str,
    options: InterviewOptions | None = None,
    *,
    device: str | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Timelines of recordings, each in ``out/<its name>/``.

    A recording that cannot be read, or whose turns or words cannot, is listed among the failures;
    the others are done. The same
    call after an interruption goes on where it stopped, and does not do a finished one again.

    ``model`` is a folder, or ``"demo"``: the one that ships.

    Raises:
        ValueError: no such model, one that hears nothing, or an option that cannot be met.
    """
    chosen, paths = options or InterviewOptions(), [Path(recording) for recording in recordings]
    loaded = FusionModel.load(model)
    # Before anything is heard: hours of sound would be listened to for nothing.
    check_suitable(loaded, chosen.abstain, chosen.sets)
    check_writable(Path(out))
    run = _Run(loaded, model_sha256(folder_of(model)), chosen, chosen_device(device))
    done: list[Interviewed] = []
    failures: list[Failure] = []
    folders = folders_of(paths, Path(out), named=not chosen.redact_name)
    for path, folder in zip(paths, folders, strict=True):
        try:
            done.append(run.one(path, folder, len(paths) - 1, progress))
        except (AudioError, AnnotationError) as error:
            failures.append(Failure(path.name, str(error)))
    return Outcome(tuple(done), tuple(failures))


def folders_of(recordings: Sequence[Path], out: Path, named: bool = True) -> Iterator[Path]:
    """A folder for each recording, by its name; a second one of that name gets a number.

    So does one whose folder is there and is somebody else's, or another recording's.
    """
    taken: set[str] = set()
    for path in recordings:
        stem = path.stem if named and path.stem.strip(".") else NAMELESS
        name, number = stem, 2
        while name in taken or not belongs_to(out / name, path):
            name, number = f"{stem}-{number}", number + 1
        taken.add(name)
        yield out / name


class _Run:
    """What the recordings of one command share."""

    def __init__(
        self, model: FusionModel, model_sha256: str, options: InterviewOptions, device: str
    ) -> None:
        self.model = model
        self.model_sha256 = model_sha256
        self.options = options
        self.context = max((m.context for m in model.modalities.values()), default=0)
        specs = [modality.encoder for modality in model.modalities.values()]
        self.encoders = shared_encoders(specs, device)
        self.speaker_encoder: SpeakerEncoder | None = None
        if (options.speakers or 1) > 1:
            self.speaker_encoder = speaker_encoder(options.speaker_model)
        self.recognition: Recognition | None = None
        if not _words_are_known(options):
            self.recognition = recogniser_for(options.asr, device, options.packing)

    def one(self, path: Path, folder: Path, others: int, progress: Progress | None) -> Interviewed:
        """One recording, unless it was done before with the same model and options."""
        identity = self._identity(path)
        if was_done(folder, identity):
            return Interviewed(path, folder, None, {})
        seconds: dict[str, float] = {}
        with stage("listening for speech", seconds):
            voices = self.speaker_encoder
            describer = None if voices is None else SpeechDescriber(voices)
            surveyed = survey(
                path, self.options.channels, describer, progress, self.options.channel
            )
        with stage("telling speakers apart", seconds):
            cast = cast_of(path, surveyed, self.options, others, describer)
        begin(folder, path)
        work = self._work(folder)
        if self.recognition is not None:
            self.recognition.moved_to(work)
        speech = surveyed.speech() if not self.options.channels else _all_speech(surveyed)
        pieces = pieces_of(cast.voices, speech, cast.turns)
        store = HeldStore() if work is None else EmbeddingStore(work)
        extractors = extractors_of(self.encoders, store)
        baselines = self._baselines(path, pieces, extractors, seconds, progress)
        heard: list[ClassifiedSegment] = []
        for chunk in read_chunks(path, pieces, self.recognition, seconds, self.options.channel):
            with stage("emotion", seconds):
                done = {
                    k: extractor.extract(k, chunk.sources(k, heard, self.context))
                    for k, extractor in extractors.items()
                }
                theirs = dict(zip(chunk.names, baselines[len(heard) :], strict=False))
                heard += chunk.heard(sounds_of(self.model, extractors, done, chunk.names, theirs))
            if progress is not None:
                progress("segments", len(heard), len(pieces))
        hidden = self.options.redact_name if self.options.redact else None
        told = heard if hidden is None else without_names(heard)
        timeline = self._timeline(path, surveyed, cast, told)
        with stage("writing", seconds):
            kept = finish(
                folder, path, identity, seconds,
                lambda place: write_outputs(timeline, surveyed, path, place, hidden),
            )  # fmt: skip
        return Interviewed(path, folder, timeline, seconds, tuple(kept))

    def _work(self, folder: Path) -> Path | None:
        """Folder of what was computed so far, to go on after a stop.

        None where words are redacted: nothing that could be made words again may lie on a disk.

        Raises:
            AudioError: there is a folder of that name that is not ours.
        """
        work = folder / WORK
        if self.options.redact or (work.exists() and marked(work) is None):
            if work.exists() and not remove_own(work):
                raise AudioError(
                    f"{work}: is there and was not made by serfusion; it was left as it is: move "
                    "it away, or choose another --out"
                )
            return None
        if not work.exists():
            make_folder(work, private=True)
            mark_folder(work)
        return work

    def _baselines(
        self,
        path: Path,
        pieces: Sequence[SpeechSegment],
        extractors: Mapping[EncoderKind, Extractor],
        seconds: dict[str, float],
        progress: Progress | None,
    ) -> list[Baseline]:
        """What standardises each piece where the model does so by others: a first pass over all.

        By speaker it is a person's own baseline in this recording; a recording is its own corpus.
        """
        if self.model.normaliser is None:
            return []
        read: list[Mapping[str, Tensor | None] | str] = []
        for chunk in read_chunks(path, pieces, self.recognition, seconds):
            with stage("emotion", seconds):
                done = {
                    k: extractor.extract(k, chunk.sources(k)) for k, extractor in extractors.items()
                }
                read += embedded(self.model, extractors, done, chunk.names)
            if progress is not None:
                progress("baselines", len(read), len(pieces))
        by_speaker = self.model.normaliser.by == "speaker"
        groups = [piece.voice.speaker if by_speaker else None for piece in pieces]
        names = [str(number) for number in range(len(pieces))]
        found = baselines_of(self.model, zip(names, groups, read, strict=True))
        alone = self.model.normaliser.baseline(())
        return [found.get(name, alone) for name in names]

    def _timeline(
        self,
        path: Path,
        surveyed: SpeechScan,
        cast: SpeakerTurns,
        heard: Sequence[ClassifiedSegment],
    ) -> Timeline:
        options, targets = self.options, self.model.targets
        kind: Kind = "values" if self.model.task == "regression" else "classes"
        of_set = threshold_of_sets(self.model, options.sets)
        backoff = self.model.backoff(options.abstain)
        segments = segments_of(heard, backoff, options.smooth, kind, of_set)
        return Timeline(
            recording=NAMELESS if options.redact_name else path.name,
            duration_s=surveyed.duration_s,
            targets=targets,
            segments=redacted(segments) if options.redact else segments,
            facts=self._facts(surveyed, cast, heard),
            kind=kind,
        )

    def _facts(
        self, surveyed: SpeechScan, cast: SpeakerTurns, heard: Sequence[ClassifiedSegment]
    ) -> dict[str, Any]:
        options, spoken = self.options, self.recognition
        unable = [segment for segment in heard if not isinstance(segment.sounds, EmotionScores)]
        return {
            "serfusion": version("serfusion"),
            **about_model(self.model),
            "model_sha256": self.model_sha256,
            "speakers": "not told apart" if cast.how == SOMEONE else self._nameless(cast.how),
            "words": self._nameless(self._words_from(cast)),
            **({"packed": spoken.packed} if spoken is not None and spoken.packed else {}),
            **({"channel": options.channel} if options.channel is not None else {}),
            **({"redacted": "words, names and sound are left out"} if options.redact else {}),
            "languages": dict(spoken.languages) if spoken is not None else {},
            **about_answers(self.model, options),
            "smoothed_over": options.smooth,
            "silent": sum(segment.silent for segment in heard),
            "not_classified": [
                f"{segment.piece.voice.start_s:.2f}-{segment.piece.voice.end_s:.2f} s: "
                f"{segment.sounds}"
                for segment in unable
            ],
            "notes": [
                *surveyed.notes,
                *notes_on(self.model, heard, cast.how != SOMEONE),
                *self._alike(cast),
            ],
        }

    def _nameless(self, fact: str) -> str:
        """A fact without names of files, where these are not to be told."""
        if not self.options.redact_name:
            return fact
        given = (self.options.turns, self.options.transcript)
        for path in (path for place in given if place is not None for path in _files(place)):
            fact = fact.replace(path.name, "a file")
        return fact

    def _alike(self, cast: SpeakerTurns) -> list[str]:
        """What it means that a model reads turns of speakers who are not told apart."""
        if not self.context or cast.how != SOMEONE:
            return []
        return [
            "the model reads turns before each segment, and took all of them for turns of the same "
            "speaker: --speakers, --channels or --turns tell speakers apart"
        ]

    def _words_from(self, cast: SpeakerTurns) -> str:
        if self.options.transcript is not None:
            return f"transcript {self.options.transcript.name}"
        if self.recognition is not None:
            return self.recognition.about
        with_turns = any(voice.text is not None for voice in cast.voices)
        return "with the turns" if with_turns else "none"

    def _identity(self, path: Path) -> str:
        """Sha256 over everything that decides the outputs of a recording."""
        if not path.is_file():
            raise AudioError(f"{path}: no such file")
        fields = {name: str(value) for name, value in asdict(self.options).items()}
        stamps = [_stamp(source) for source in (self.options.turns, self.options.transcript)]
        identity = [
            FORMAT_VERSION,
            version("serfusion"),
            [path.name, content_of(path)],
            self.model_sha256,
            fields,
            stamps,
        ]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def _words_are_known(options: InterviewOptions) -> bool:
    """Whether words come along, so that no recogniser is needed."""
    if options.transcript is not None:
        return True
    # Of a folder of turns some may be without words; faults are told with their recording.
    if options.turns is None or not options.turns.is_file():
        return False
    try:
        return all(turn.text is not None for turn in read_turns(options.turns))
    except AnnotationError:
        return False


def _all_speech(surveyed: SpeechScan) -> tuple[Stretch, ...]:
    """Stretches in which any channel holds speech, without overlap."""
    joined: list[Stretch] = []
    every = (interval for stretches in surveyed.speech_by_channel() for interval in stretches)
    for interval in sorted(every, key=lambda stretch: stretch.start_s):
        if joined and interval.start_s <= joined[-1].end_s:
            joined[-1] = Stretch(joined[-1].start_s, max(joined[-1].end_s, interval.end_s))
        else:
            joined.append(interval)
    return tuple(joined)


def _stamp(path: Path | None) -> list[Any] | None:
    """Content of a file of turns, or of every file of a folder of them."""
    if path is None:
        return None
    return [[file.name, file_sha256(file)] for file in _files(path)]


def _files(path: Path) -> list[Path]:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [file for file in files if file.is_file()]


def model_sha256(folder: Path) -> str:
    """Hash of what a model in a folder consists of."""
    digest = hashlib.sha256()
    for name in ("model.json", "heads.safetensors"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()
