"""``interview``: one recording after the other, each to a timeline in a folder of its own."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from encoders.analysis.speaker_embeddings import SpeakerEncoder
from encoders.audio.waveform import AudioError
from encoders.device import chosen_device
from encoders.extraction import Extractor, Failure, Progress, shared_encoders
from encoders.specs import Kind as EncoderKind
from encoders.store import EmbeddingStore, HeldStore
from encoders.weights.sources import GE2E_FILES, installed
from experiments.annotations.plain import AnnotationError
from experiments.annotations.segments import Kind, Timeline
from experiments.comparing.comparison import check_writable
from experiments.interviews.classify_segments import (
    Chunk,
    ClassifiedSegment,
    ReadingPlan,
    plan_of,
    read_chunks,
    stage,
)
from experiments.interviews.decisions import redacted, segments_of, without_names
from experiments.interviews.diarisation import SpeechDescriber, speaker_encoder
from experiments.interviews.emotion import (
    baselines_of,
    check_suitable,
    embedded,
    extractors_of,
    sounds_of,
    threshold_of_sets,
)
from experiments.interviews.facts import Account, text_languages
from experiments.interviews.index_page import write_index
from experiments.interviews.options import InterviewOptions
from experiments.interviews.outputs import (
    begin,
    belongs_to,
    finish,
    identity_of,
    was_done,
    work_folder,
    write_outputs,
)
from experiments.interviews.recognition import Recognition, WordUse, recogniser_for
from experiments.interviews.speakers import (
    SpeakerTurns,
    cast_of,
    check_files,
    check_names,
    words_are_known,
)
from experiments.interviews.speech_scan import SpeechScan, survey
from experiments.interviews.voices import Voice, enrolled
from fusion.model.fusion_model import FusionModel, folder_of
from fusion.training.normalise import Baseline

#: Called so where no name is to be told.
NAMELESS = "recording"
#: What is said of a damaged recording besides.
KEEP = "; --keep-damaged goes on with what can be read of it"


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
    chosen = options or InterviewOptions()
    # One that is named twice, as beside a pattern that it matches, is one.
    paths = [*{os.path.realpath(path): Path(path) for path in recordings}.values()]
    loaded = FusionModel.load(model)
    # Before anything is heard: hours of sound would be listened to for nothing.
    check_suitable(loaded, chosen.abstain, chosen.sets)
    check_names(paths, chosen)
    check_writable(Path(out))
    run = _Run(loaded, model_sha256(folder_of(model)), chosen, chosen_device(device), progress)
    done: list[Interviewed] = []
    failures: list[Failure] = []
    folders = folders_of(paths, Path(out), named=not chosen.redact_name)
    for path, folder in zip(paths, folders, strict=True):
        try:
            done.append(run.one(path, folder, len(paths) - 1))
        except (AudioError, AnnotationError) as error:
            hint = "" if chosen.keep_damaged or "damaged" not in str(error) else KEEP
            failures.append(Failure(path.name, f"{error}{hint}"))
    return Outcome(tuple(done), tuple(failures), write_index(Path(out)))


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


def model_sha256(folder: Path) -> str:
    """Hash of what a model in a folder consists of."""
    digest = hashlib.sha256()
    for name in ("model.json", "heads.safetensors"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


class _Run:
    """What the recordings of one command share."""

    def __init__(
        self,
        model: FusionModel,
        model_sha256: str,
        options: InterviewOptions,
        device: str,
        progress: Progress | None,
    ) -> None:
        self.model = model
        self.model_sha256 = model_sha256
        self.options = options
        self.progress = progress
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
        if options.words != "off" and not words_are_known(options):
            self.recognition = recogniser_for(options.asr, device, options.packing)

    def one(self, path: Path, folder: Path, others: int) -> Interviewed:
        """One recording, unless it was done before with the same model and options."""
        options, seconds = self.options, dict[str, float]()
        identity = identity_of(
            path,
            (options.turns, options.transcript, options.voices),
            self.model_sha256,
            # Which one is taken where none is named depends on what is installed.
            self.speaker_encoder.name if self.speaker_encoder else None,
            {name: str(value) for name, value in asdict(options).items()},
        )
        if was_done(folder, identity):
            return Interviewed(path, folder, None, {})
        surveyed, cast = self._who(path, others, seconds)
        begin(folder, path)
        # Where words are redacted, nothing that could be made words again may lie on a disk.
        work = work_folder(folder, wanted=not options.redact)
        if self.recognition is not None:
            self.recognition.moved_to(work)
        plan = plan_of(path, cast, surveyed.all_speech(), options, self.recognition, self.use)
        store = HeldStore() if work is None else EmbeddingStore(work)
        extractors = extractors_of(self.encoders, store)
        baselines = self._baselines(plan, extractors, seconds)
        heard: list[ClassifiedSegment] = []
        for chunk in self._chunks("segments", plan, seconds):
            with stage("emotion", seconds):
                done = {
                    k: extractor.extract(k, chunk.sources(k, heard, self.context))
                    for k, extractor in extractors.items()
                }
                theirs = dict(zip(chunk.names, baselines[len(heard) :], strict=False))
                heard += chunk.heard(sounds_of(self.model, extractors, done, chunk.names, theirs))
        told = without_names(heard) if options.redact else heard
        timeline = self._timeline(path, surveyed, cast, told)
        hidden = options.redact_name if options.redact else None
        with stage("writing", seconds):
            write = partial(write_outputs, timeline, surveyed, path, hidden)
            kept = finish(folder, path, identity, seconds, write)
        return Interviewed(path, folder, timeline, seconds, tuple(kept))

    def _who(
        self, path: Path, others: int, seconds: dict[str, float]
    ) -> tuple[SpeechScan, SpeakerTurns]:
        """Where speech is in a recording, and whose."""
        options, encoder = self.options, self.speaker_encoder
        check_files(path, options, others)
        describer = None if encoder is None else SpeechDescriber(encoder)
        with stage("listening for speech", seconds):
            surveyed = survey(
                *(path, options.channels, describer, self.progress, options.channel),
                *(options.activity, options.keep_damaged),
            )
        with stage("telling speakers apart", seconds):
            return surveyed, cast_of(path, surveyed, options, others, describer, self.voices)

    def _baselines(
        self,
        plan: ReadingPlan,
        extractors: Mapping[EncoderKind, Extractor],
        seconds: dict[str, float],
    ) -> list[Baseline]:
        """What standardises each piece where the model does so by others: a first pass over all.

        By speaker it is a person's own baseline in this recording; a recording is its own corpus.
        """
        if self.model.normaliser is None:
            return []
        encoded: list[Mapping[str, Tensor | None] | str] = []
        groups: list[str | None] = []
        by_speaker = self.model.normaliser.by == "speaker"
        for chunk in self._chunks("baselines", plan, seconds):
            with stage("emotion", seconds):
                done = {
                    k: extractor.extract(k, chunk.sources(k)) for k, extractor in extractors.items()
                }
                encoded += embedded(self.model, extractors, done, chunk.names)
            groups += [piece.voice.speaker if by_speaker else None for piece in chunk.pieces]
        names = [str(number) for number in range(len(encoded))]
        found = baselines_of(self.model, zip(names, groups, encoded, strict=True))
        alone = self.model.normaliser.baseline(())
        return [found.get(name, alone) for name in names]

    def _chunks(self, what: str, plan: ReadingPlan, seconds: dict[str, float]) -> Iterator[Chunk]:
        for chunk in read_chunks(plan, seconds):
            yield chunk
            if self.progress is not None:
                self.progress(what, chunk.read, len(plan.pieces))

    def _timeline(
        self,
        path: Path,
        surveyed: SpeechScan,
        cast: SpeakerTurns,
        heard: Sequence[ClassifiedSegment],
    ) -> Timeline:
        model, options = self.model, self.options
        kind: Kind = "values" if model.task == "regression" else "classes"
        of_set = threshold_of_sets(model, options.sets)
        segments = segments_of(heard, model.backoff(options.abstain), options.smooth, kind, of_set)
        account = Account(
            path=path,
            model=model,
            model_sha256=self.model_sha256,
            options=options,
            recognition=self.recognition,
            use=self.use,
            voices=self.voices,
            surveyed=surveyed,
            cast=cast,
            heard=heard,
        )
        return Timeline(
            recording=NAMELESS if options.redact_name else path.name,
            duration_s=surveyed.duration_s,
            targets=model.targets,
            segments=redacted(segments) if options.redact else segments,
            facts=account.facts(),
            kind=kind,
        )
