"""Who speaks when, by the way that the command names, with the words that come along.

Turns and transcripts that are known beforehand come from files of many formats.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from encoders.analysis.voice_activity import Stretch
from encoders.asr.transcript import normalise
from encoders.messages import composed, with_count
from encoders.utterance import Fault
from experiments.annotations.lines import are_timed
from experiments.annotations.plain import AnnotationError, read_text
from experiments.annotations.turns import (
    FORMATS,
    Annotation,
    Turn,
    read_annotation,
    read_turns,
    within,
    words_apart,
)
from experiments.config import OptionError
from experiments.interviews.diarisation import (
    SpeechDescriber,
    enough_for,
    guess_speakers,
    voice_changes,
    voice_runs,
)
from experiments.interviews.options import InterviewOptions
from experiments.interviews.segmentation import SHORTEST_S, SpeakerTurn
from experiments.interviews.speech_scan import SpeechScan
from experiments.interviews.voices import Voice, matches, renamed

#: The one speaker of a recording of which nothing is said.
SOMEONE = "speaker"
#: The speaker of a turn whose file names none.
NOBODY = "unknown"
#: Speech without words, between sentences that have some, is kept from this length on.
LEFT_OVER_S = 0.5


@dataclass(frozen=True, slots=True)
class SpeakerTurns:
    """The voices of a recording, and how they were told apart.

    ``turns`` are the voices before a transcript cut them; empty where none did. ``notes`` say how
    files of turns and words were read and who sounds like whom, and quote from them; ``cautions``
    quote nothing. ``changes`` are the times at which one ``speaker`` sounds like another.
    """

    voices: tuple[SpeakerTurn, ...]
    how: str
    turns: tuple[SpeakerTurn, ...] = ()
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    changes: tuple[float, ...] = ()


def cast_of(
    path: Path,
    surveyed: SpeechScan,
    options: InterviewOptions,
    others: int,
    describer: SpeechDescriber | None,
    known: Sequence[Voice] = (),
) -> SpeakerTurns:
    """Voices of a recording, one of ``others`` + 1; words of ``--transcript`` are in them.

    ``describer`` has heard all speech, where speakers are to be guessed, or named by ``known``
    voices.

    Raises:
        AnnotationError: a file of turns or words has faults.
    """
    cast = _speakers_of(path, surveyed, options, others, describer)
    if (given := options.words_file) is None:
        return _named(cast, surveyed, describer, known)
    source = file_for(given, path, others, "--transcript")
    if _is_a_line_per_turn(source):
        cast = _named(cast, surveyed, describer, known)
        return replace(cast, voices=with_lines(cast.voices, source))
    said = _words_of(given, options).read(path, surveyed.duration_s, others)
    notes = (*cast.notes, *(note for note in said.notes if note not in cast.notes))
    # Who is not named in a file that names others is nobody.
    named = any(turn.speaker is not None for turn in said.turns if turn.text is not None)
    if cast.how == SOMEONE and named:
        told = SpeakerTurns(
            voices_of(said.turns), f"turns of {source.name}", (), notes, cast.cautions
        )
        return _named(told, surveyed, describer, known)
    cast = _named(replace(cast, notes=notes), surveyed, describer, known)
    return replace(cast, voices=with_words(cast.voices, said.turns), turns=cast.voices)


def _named(
    cast: SpeakerTurns,
    surveyed: SpeechScan,
    describer: SpeechDescriber | None,
    known: Sequence[Voice],
) -> SpeakerTurns:
    """Speakers by the names of voices they are like; stretches of each voice where nobody is known.

    Names that a file gives are kept, and what their speakers sound like is told.
    """
    speech = surveyed.speech()
    if describer is None or not known or not speech:
        return cast
    described = describer.described()
    if cast.how != SOMEONE:
        found = matches(cast.voices, speech, described, known)
        turns, how = renamed(cast.voices, found), f"{cast.how}, named by voices"
    else:
        runs = voice_runs(speech, described)
        near = matches(runs, speech, described, known, apart=False)
        names = {match.speaker: match.voice for match in near if match.same}
        turns = tuple(replace(run, speaker=names.get(run.speaker, NOBODY)) for run in runs)
        found = matches(turns, speech, described, known, apart=False)
        how = "each stretch by the nearest voice"
    notes = (*cast.notes, *(match.line for match in found))
    # Stretches of a voice each have been cut.
    return replace(cast, voices=turns, how=how, notes=notes, changes=())


def _speakers_of(
    path: Path,
    surveyed: SpeechScan,
    options: InterviewOptions,
    others: int,
    describer: SpeechDescriber | None,
) -> SpeakerTurns:
    if options.turns is not None:
        known = _turns_of(options.turns, options)
        annotation = known.read(path, surveyed.duration_s, others)
        how = f"turns of {known.file_of(path, others).name}"
        return SpeakerTurns(voices_of(annotation.turns), how, (), annotation.notes)
    if options.channels:
        voices = [
            SpeakerTurn(stretch.start_s, stretch.end_s, f"channel {number}", number - 1)
            for number, stretches in enumerate(surveyed.speech_by_channel(), start=1)
            for stretch in stretches
        ]
        return SpeakerTurns(tuple(voices), "one speaker per channel")
    if describer is not None and options.speakers is not None:
        return _guessed(surveyed.speech(), options.speakers, describer)
    return _anyone(surveyed.speech(), describer)


def _anyone(speech: Sequence[Stretch], describer: SpeechDescriber | None) -> SpeakerTurns:
    """All speech as one speaker's, with the times at which it sounds like another's."""
    voices = tuple(SpeakerTurn(one.start_s, one.end_s, SOMEONE) for one in speech)
    if describer is None or not describer.encoder.trained or not speech:
        return SpeakerTurns(voices, SOMEONE)
    return SpeakerTurns(voices, SOMEONE, changes=voice_changes(speech, describer.described()))


def _guessed(speech: Sequence[Stretch], count: int, describer: SpeechDescriber) -> SpeakerTurns:
    """A guess of so many speakers; one speaker, and a note, where that is the better guess."""
    speech_s = sum(stretch.length_s for stretch in speech)
    if not enough_for(count, speech_s):
        note = (
            f"{speech_s:.1f} s of speech, too little to tell {count} speakers apart (2 s for each "
            "of two, 10 s for each of more): taken for one speaker; --turns FILE says who speaks"
        )
        return replace(_anyone(speech, describer), cautions=(note,) if speech else ())
    guess = guess_speakers(speech, count, describer.described())
    about = f"{with_count(count, 'speaker')}, {describer.encoder.name}"
    return SpeakerTurns(guess, f"speaker guess ({about})")


# ---------------------------------------------------------------- turns and transcripts of files


def words_are_known(options: InterviewOptions) -> bool:
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


def check_names(paths: Sequence[Path], options: InterviewOptions) -> None:
    """Refuse recordings of one name where files of turns or words are found by it.

    Raises:
        OptionError: there are some.
    """
    given = [
        option
        for option, source in (("--turns", options.turns), ("--transcript", options.transcript))
        if source is not None
    ]
    found: dict[str, Path] = {}
    for path in paths:
        other = found.setdefault(composed(path.stem), path)
        if given and other is not path:
            raise OptionError(
                f"{' and '.join(given)}: {other} and {path} have one name, by which files are "
                "found for each recording: give one of them another name, or a command of its own"
            )


def check_files(path: Path, options: InterviewOptions, others: int) -> None:
    """Tell what is wrong with files of turns and words before hours of sound are listened to.

    That is all but what lies past the end of the recording.

    Raises:
        AnnotationError: a file has faults, or there is none for this recording.
    """
    if options.turns is not None:
        _turns_of(options.turns, options).read(path, math.inf, others)
    if (given := options.words_file) is not None:
        source = file_for(given, path, others, "--transcript")
        if not _is_a_line_per_turn(source):
            _words_of(given, options).read(path, math.inf, others)


def _turns_of(given: Path, options: InterviewOptions) -> "Known":
    return Known(given, "--turns", options.tier, options.turns_tiers)


def _words_of(given: Path, options: InterviewOptions) -> "Known":
    return Known(given, "--transcript", None, options.words_tiers or None)


def _is_a_line_per_turn(source: Path) -> bool:
    return source.suffix.lower() == ".txt" and not are_timed(source)


def file_for(source: Path, recording: Path, others: int, option: str) -> Path:
    """The file of one recording: the source itself, or the one in the folder with its name.

    Raises:
        AnnotationError: there is none, or one file is to serve several recordings.
    """
    if not source.is_dir():
        # A file of several recordings names them (RTTM, STM); any other holds one.
        if others and source.suffix.lower() not in (".rttm", ".stm"):
            what = "one file for several recordings: expected a folder with a file for each"
            raise AnnotationError(source, [Fault(option, what)])
        return source
    there = sorted(
        path
        for path in source.iterdir()
        # A name that came from another system may be spelt of other code points.
        if composed(path.stem) == composed(recording.stem)
        and path.suffix.lower() in FORMATS
        and path.is_file()
        # Words without times say nobody's turns; their folder may be that of the turns.
        and not (option == "--turns" and _is_a_line_per_turn(path))
    )
    if len(there) == 1:
        return there[0]
    names = ", ".join(path.name for path in there)
    what = f"several files of it ({names}): expected one"
    if not there:
        wanted = ", ".join(sorted(FORMATS))
        what = f"no file named {recording.stem} in it that is read ({wanted}): expected one"
    raise AnnotationError(source, [Fault(recording.name, what)])


@dataclass(frozen=True, slots=True)
class Known:
    """A file of an option, or a folder with one for each recording, and what of it is meant.

    ``tier`` is the one whose labels are names of speakers, ``tiers`` those of words.
    """

    source: Path
    option: str
    tier: str | None = None
    tiers: tuple[str, ...] | None = None

    def file_of(self, recording: Path, others: int) -> Path:
        """The file of one recording, one of ``others`` + 1."""
        return file_for(self.source, recording, others, self.option)

    def read(self, recording: Path, duration_s: float, others: int) -> Annotation:
        """Turns of a recording that lie in it and last.

        A file for one recording may call it by another name inside, as one that was renamed; of a
        file of several it is the one of that name.

        Raises:
            AnnotationError: with every fault of the file.
        """
        path = self.file_of(recording, others)
        read = partial(read_annotation, path, tier=self.tier, tiers=self.tiers)
        names = (recording.stem, None) if others else (None, recording.stem)
        try:
            every = read(recording=names[0], duration_s=duration_s)
        except AnnotationError as error:
            if others and not self.source.is_dir():
                raise
            try:
                every = read(recording=names[1], duration_s=duration_s)
            except AnnotationError:
                raise error from None
        annotation = words_apart(within(every, duration_s, path))
        lasting = tuple(t for t in annotation.turns if t.end_s - t.start_s >= SHORTEST_S)
        if not lasting:
            what = f"no turn of {SHORTEST_S:g} s or more: expected at least one"
            raise AnnotationError(path, [Fault("file", what)])
        return replace(annotation, turns=lasting)


def voices_of(turns: Sequence[Turn]) -> tuple[SpeakerTurn, ...]:
    """Turns as voices, with their words if they have some."""
    return tuple(_voice(turn, turn.speaker or NOBODY) for turn in turns)


def with_lines(voices: Sequence[SpeakerTurn], path: Path) -> tuple[SpeakerTurn, ...]:
    """The words of a plain text, one line per turn, in the order of the turns.

    Raises:
        AnnotationError: it has more or fewer lines than there are turns, or no words.
    """
    lines = read_text(path).removesuffix("\n").split("\n")
    if voices and not any(map(normalise, lines)):
        what = "no words in it: expected a line per turn, or --asr none in place of --transcript"
        raise AnnotationError(path, [Fault("file", what)])
    while len(lines) > len(voices) and not lines[-1].strip():
        lines.pop()
    if len(lines) != len(voices):
        what = (
            f"{with_count(len(lines), 'line')} for {with_count(len(voices), 'turn')}: expected one "
            "line per turn, an empty one where nothing is said"
        )
        raise AnnotationError(path, [Fault("file", what)])
    return tuple(
        replace(voice, text=normalise(line), doubts=())
        for voice, line in zip(voices, lines, strict=True)
    )


def with_words(
    voices: Sequence[SpeakerTurn], transcript: Sequence[Turn]
) -> tuple[SpeakerTurn, ...]:
    """Voices cut to the stretches of a transcript, each with its words.

    A stretch belongs to the speaker who speaks most in it, and lies where that speaker does; one
    in which nobody does is nobody's. What no stretch covers stays without words.
    """
    said = [turn for turn in transcript if normalise(turn.text) is not None]
    turns = [_spoken_by(turn, voices) for turn in said]
    for voice in voices:
        turns += _left_over(replace(voice, text=None, doubts=()), said)
    return tuple(sorted(turns, key=lambda turn: (turn.start_s, turn.end_s)))


def _spoken_by(turn: Turn, voices: Sequence[SpeakerTurn]) -> SpeakerTurn:
    shared: dict[tuple[str, int | None], list[SpeakerTurn]] = {}
    for voice in voices:
        if voice.start_s < turn.end_s and voice.end_s > turn.start_s:
            shared.setdefault((voice.speaker, voice.channel), []).append(voice)
    if not shared:
        return _voice(turn, turn.speaker or NOBODY)

    def seconds(stretches: Sequence[SpeakerTurn]) -> float:
        return sum(
            min(stretch.end_s, turn.end_s) - max(stretch.start_s, turn.start_s)
            for stretch in stretches
        )

    (speaker, channel), stretches = max(shared.items(), key=lambda item: seconds(item[1]))
    start_s = max(turn.start_s, min(stretch.start_s for stretch in stretches))
    end_s = min(turn.end_s, max(stretch.end_s for stretch in stretches))
    if end_s - start_s < SHORTEST_S:
        start_s, end_s = turn.start_s, turn.end_s
    return replace(_voice(turn, speaker), start_s=start_s, end_s=end_s, channel=channel)


def _voice(turn: Turn, speaker: str) -> SpeakerTurn:
    text = normalise(turn.text)
    return SpeakerTurn(turn.start_s, turn.end_s, speaker, text=text, doubts=turn.doubts)


def _left_over(voice: SpeakerTurn, said: Sequence[Turn]) -> list[SpeakerTurn]:
    """Parts of a voice that no stretch of the transcript covers."""
    left, start_s = [], voice.start_s
    for stretch in sorted(said, key=lambda turn: turn.start_s):
        if stretch.end_s <= start_s or stretch.start_s >= voice.end_s:
            continue
        left.append(replace(voice, start_s=start_s, end_s=max(start_s, stretch.start_s)))
        start_s = stretch.end_s
    left.append(replace(voice, start_s=start_s, end_s=max(start_s, voice.end_s)))
    return [stretch for stretch in left if stretch.length_s >= LEFT_OVER_S]
