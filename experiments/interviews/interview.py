"""``interview``: one recording after the other, each to a timeline in a folder of its own."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from shutil import rmtree
from typing import Any

from torch import Tensor

from encoders.analysis.speaker_embeddings import SpeakerEncoder
from encoders.audio.waveform import AudioError
from encoders.device import chosen_device
from encoders.extraction import Extractor, Failure, Progress, shared_encoders
from encoders.manifest_rows import parse_json
from encoders.specs import Kind as EncoderKind
from encoders.store import EmbeddingStore, make_folder, write_atomically
from encoders.weights.sources import GE2E_FILES, installed
from experiments.annotations.plain import AnnotationError
from experiments.annotations.segments import Kind, Timeline
from experiments.annotations.turns import read_turns
from experiments.comparing.comparison import check_writable
from experiments.interviews.classify_segments import (
    Chunk,
    ClassifiedSegment,
    ReadingPlan,
    read_chunks,
    stage,
)
from experiments.interviews.decisions import redacted, segments_of
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
from experiments.interviews.index_page import write_index
from experiments.interviews.model_facts import (
    about_answers,
    about_model,
    notes_on,
    text_languages,
    turns_and_speech,
    words_and_speech,
)
from experiments.interviews.options import InterviewOptions
from experiments.interviews.outputs import OUTPUTS, write_outputs
from experiments.interviews.recognition import Recognition, WordUse, recogniser_for
from experiments.interviews.segmentation import (
    MAX_S,
    Cutting,
    OtherSpeakers,
    SpeechIndex,
    WordCutter,
    pieces_of,
)
from experiments.interviews.speakers import SOMEONE, SpeakerTurns, cast_of
from experiments.interviews.speech_scan import SpeechScan, survey
from experiments.interviews.voices import Voice, enrolled
from experiments.interviews.voices import notes_on as notes_on_voices
from fusion.model.fusion_model import FusionModel, folder_of
from fusion.training.normalise import Baseline

#: Below a recording's folder: embeddings and transcripts so far. May be deleted at any time.
WORK = "work"
#: What a finished recording was made from; without it, the recording is done (again).
DONE = "done.json"
FORMAT_VERSION = 3
#: What is said of a damaged recording besides.
KEEP = "; --keep-damaged goes on with what can be read of it"


@dataclass(frozen=True, slots=True)
class Interviewed:
    """A recording that was done, now or before, with the seconds that each stage took now."""

    recording: Path
    folder: Path
    timeline: Timeline | None
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """All recordings of a command, done or not, and the list of all that lie in the folder."""

    done: tuple[Interviewed, ...]
    failures: tuple[Failure, ...]
    index: Path | None = None


def interview(
    model: Path | str,
    recordings: Sequence[Path | str],
    out: Path | str,
    options: InterviewOptions | None = None,
    *,
    device: str | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Timelines of recordings, each in ``out/<its name>/``, and ``out/index.html`` of several.

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
    for path, folder in zip(paths, folders_of(paths, Path(out)), strict=True):
        try:
            done.append(run.one(path, folder, len(paths) - 1, progress))
        except (AudioError, AnnotationError) as error:
            hint = "" if chosen.keep_damaged or "damaged" not in str(error) else KEEP
            failures.append(Failure(path.name, f"{error}{hint}"))
    return Outcome(tuple(done), tuple(failures), write_index(Path(out)))


def folders_of(recordings: Sequence[Path], out: Path) -> Iterator[Path]:
    """A folder for each recording, by its name; a second one of that name gets a number."""
    taken: set[str] = set()
    for path in recordings:
        name, number = path.stem or "recording", 2
        while name in taken:
            name, number = f"{path.stem}-{number}", number + 1
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
        self.voices: tuple[Voice, ...] = ()
        if options.voices is not None:
            self.speaker_encoder = speaker_encoder(options.speaker_model or "ge2e")
            self.voices = enrolled(options.voices, self.speaker_encoder)
        elif (options.speakers or 1) > 1:
            self.speaker_encoder = speaker_encoder(options.speaker_model)
        elif options.nobody_is_known and installed(GE2E_FILES):
            # It tells where the voice changes, though not who speaks.
            self.speaker_encoder = speaker_encoder("ge2e")
        self.recognition: Recognition | None = None
        self.use = WordUse(options.words, text_languages(model))
        if options.words != "off" and not _words_are_known(options):
            self.recognition = recogniser_for(options.asr, device, options.packing)

    def one(self, path: Path, folder: Path, others: int, progress: Progress | None) -> Interviewed:
        """One recording, unless it was done before with the same model and options."""
        identity = self._identity(path)
        if _was_done(folder, identity):
            return Interviewed(path, folder, None, {})
        seconds: dict[str, float] = {}
        with stage("listening for speech", seconds):
            voices = self.speaker_encoder
            describer = None if voices is None else SpeechDescriber(voices)
            surveyed = survey(
                *(path, self.options.channels, describer, progress, self.options.channel),
                *(self.options.activity, self.options.keep_damaged),
            )
        with stage("telling speakers apart", seconds):
            cast = cast_of(path, surveyed, self.options, others, describer, self.voices)
        make_folder(folder / WORK)
        if self.recognition is not None:
            self.recognition.moved_to(folder / WORK)
        speech = surveyed.all_speech()
        cutting, changes, cutter = self.options.cutting, cast.changes, None
        if self._times_words and cutting.window_s is None:
            # Recognised in long pieces, which are cut between words.
            everyone = OtherSpeakers([*cast.voices, *cast.turns])
            alike = cast.how == SOMEONE and self.options.nobody_is_known
            cutter = WordCutter(cutting.most_s, changes, alike, everyone, SpeechIndex(speech))
            cutting, changes = Cutting(MAX_S), ()
        pieces = pieces_of(cast.voices, speech, cast.turns, cutting, changes)
        plan = ReadingPlan(
            path,
            pieces,
            self.recognition,
            self.use,
            cutter,
            self.options.channel,
            self.options.keep_damaged,
        )
        read = partial(read_chunks, plan, seconds)
        extractors = extractors_of(self.encoders, EmbeddingStore(folder / WORK))
        baselines = self._baselines(read, len(pieces), extractors, seconds, progress)
        heard: list[ClassifiedSegment] = []
        for chunk in read():
            with stage("emotion", seconds):
                done = {
                    k: extractor.extract(k, chunk.sources(k, heard, self.context))
                    for k, extractor in extractors.items()
                }
                theirs = dict(zip(chunk.names, baselines[len(heard) :], strict=False))
                heard += chunk.heard(sounds_of(self.model, extractors, done, chunk.names, theirs))
            if progress is not None:
                progress("segments", chunk.read, len(pieces))
        timeline = self._timeline(path, surveyed, cast, heard)
        with stage("writing", seconds):
            write_outputs(timeline, surveyed, path, folder, heard=not self.options.redact)
        if self.options.redact:
            # Words so far, and what could be made words again, served to go on after a stop.
            rmtree(folder / WORK)
            make_folder(folder / WORK)
        content = json.dumps({"identity": identity, "seconds": seconds}, indent=2)
        write_atomically(folder / WORK / DONE, content.encode())
        return Interviewed(path, folder, timeline, seconds)

    @property
    def _times_words(self) -> bool:
        return isinstance(self.recognition, Recognition) and self.recognition.timed

    def _baselines(
        self,
        read: Callable[[], Iterator[Chunk]],
        total: int,
        extractors: Mapping[EncoderKind, Extractor],
        seconds: dict[str, float],
        progress: Progress | None,
    ) -> list[Baseline]:
        """What standardises each piece where the model does so by others: a first pass over all.

        By speaker it is a person's own baseline in this recording; a recording is its own corpus.
        """
        if self.model.normaliser is None:
            return []
        encoded: list[Mapping[str, Tensor | None] | str] = []
        groups: list[str | None] = []
        by_speaker = self.model.normaliser.by == "speaker"
        for chunk in read():
            with stage("emotion", seconds):
                done = {
                    k: extractor.extract(k, chunk.sources(k)) for k, extractor in extractors.items()
                }
                encoded += embedded(self.model, extractors, done, chunk.names)
            groups += [piece.voice.speaker if by_speaker else None for piece in chunk.pieces]
            if progress is not None:
                progress("baselines", chunk.read, total)
        names = [str(number) for number in range(len(encoded))]
        found = baselines_of(self.model, zip(names, groups, encoded, strict=True))
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
            recording=path.name,
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
            "speakers": "not told apart" if cast.how == SOMEONE else cast.how,
            "words": self._words_from(cast),
            **({"packed": spoken.packed} if spoken is not None and spoken.packed else {}),
            **({"channel": options.channel} if options.channel is not None else {}),
            **({"redacted": "words and sound are left out"} if options.redact else {}),
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
                *notes_on_voices(self.voices),
                *cast.notes,
                *self._coverage(surveyed, cast),
                *notes_on(self.model, heard, cast.how != SOMEONE, surveyed.level()),
                *self._unread(heard),
                *self._alike(cast),
            ],
        }

    def _coverage(self, surveyed: SpeechScan, cast: SpeakerTurns) -> Iterator[str]:
        """What turns and words that were given leave out of the speech, and hold that is none."""
        options = self.options
        if options.turns is not None or cast.how.startswith("turns of"):
            yield from turns_and_speech(cast.turns or cast.voices, surveyed.all_speech())
        if options.transcript is not None:
            yield from words_and_speech(cast.voices, surveyed.all_speech())

    def _unread(self, heard: Sequence[ClassifiedSegment]) -> Iterator[str]:
        """Which words are shown and not classified, and why."""
        if self.options.words == "show":
            yield "words are shown, not classified (--words show)"
        foreign = Counter(s.said.language for s in heard if self.use.is_foreign(s.said))
        if foreign:
            counts = ", ".join(f"{number} in {code}" for code, number in foreign.items())
            yield (
                f"{counts}: another language than the text model's "
                f"({', '.join(sorted(self.use.languages))}): these words are shown and not "
                "classified; --asr whisper-base@task=translate gives English ones, --words "
                "classify takes them all"
            )

    def _alike(self, cast: SpeakerTurns) -> list[str]:
        """What it means that a model reads turns of speakers who are not told apart."""
        if not self.context or cast.how != SOMEONE:
            return []
        return [
            "the model reads turns before each segment, and took all of them for turns of the same "
            "speaker: --speakers, --channels or --turns tell speakers apart"
        ]

    def _words_from(self, cast: SpeakerTurns) -> str:
        if self.options.words == "off":
            return "none"
        if (source := self.options.words_file) is not None:
            return f"transcript {source.name}"
        if self.recognition is not None:
            return self.recognition.about
        with_turns = any(voice.text is not None for voice in cast.voices)
        return "with the turns" if with_turns else "none"

    def _identity(self, path: Path) -> str:
        """Sha256 over everything that decides the outputs of a recording."""
        if not path.is_file():
            raise AudioError(f"{path}: no such file")
        status, options = path.stat(), self.options
        fields = {name: str(value) for name, value in asdict(options).items()}
        stamps = [_stamp(source) for source in (options.turns, options.transcript, options.voices)]
        identity = [
            FORMAT_VERSION,
            version("serfusion"),
            [path.name, status.st_size, status.st_mtime_ns],
            self.model_sha256,
            # Which one is taken where none is named depends on what is installed.
            self.speaker_encoder.name if self.speaker_encoder else None,
            fields,
            stamps,
        ]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def _words_are_known(options: InterviewOptions) -> bool:
    """Whether words come along, so that no recogniser is needed."""
    if options.words_file is not None:
        return True
    # Of a folder of turns some may be without words; faults are told with their recording.
    if options.turns is None or not options.turns.is_file():
        return False
    try:
        turns = read_turns(options.turns, tier=options.tier, tiers=options.turns_tiers)
        return all(turn.text is not None for turn in turns)
    except AnnotationError:
        return False


def _was_done(folder: Path, identity: str) -> bool:
    try:
        record = parse_json((folder / WORK / DONE).read_bytes())
    except (OSError, ValueError):
        return False
    whole = all((folder / name).is_file() for name in OUTPUTS)
    return whole and isinstance(record, dict) and record.get("identity") == identity


def _stamp(path: Path | None) -> list[Any] | None:
    """Content of a file of turns, or of every file of a folder of them."""
    if path is None:
        return None
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [
        [file.name, hashlib.sha256(file.read_bytes()).hexdigest()]
        for file in files
        if file.is_file()
    ]


def model_sha256(folder: Path) -> str:
    """Hash of what a model in a folder consists of."""
    digest = hashlib.sha256()
    for name in ("model.json", "heads.safetensors"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()
