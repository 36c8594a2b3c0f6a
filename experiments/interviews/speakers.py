"""Who speaks when, by the way that the command names, with the words that come along."""

from dataclasses import dataclass
from pathlib import Path

from experiments.interviews.annotated import (
    file_for,
    read_known,
    voices_of,
    with_lines,
    with_words,
)
from experiments.interviews.diarisation import SpeechDescriber, guess_speakers
from experiments.interviews.options import InterviewOptions
from experiments.interviews.segmentation import SpeakerTurn
from experiments.interviews.speech_scan import SpeechScan

#: The one speaker of a recording of which nothing is said.
SOMEONE = "speaker"


@dataclass(frozen=True, slots=True)
class SpeakerTurns:
    """The voices of a recording, and how they were told apart.

    ``turns`` are the voices before a transcript cut them; empty where none did.
    """

    voices: tuple[SpeakerTurn, ...]
    how: str
    turns: tuple[SpeakerTurn, ...] = ()


def cast_of(
    path: Path,
    surveyed: SpeechScan,
    options: InterviewOptions,
    others: int,
    describer: SpeechDescriber | None,
) -> SpeakerTurns:
    """Voices of a recording, one of ``others`` + 1; words of ``--transcript`` are in them.

    ``describer`` has heard all speech, where speakers are to be guessed.

    Raises:
        AnnotationError: a file of turns or words has faults.
        ValueError: speakers cannot be told apart.
    """
    cast = _speakers_of(path, surveyed, options, others, describer)
    if options.transcript is None:
        return cast
    source = file_for(options.transcript, path, others, "--transcript")
    if source.suffix.lower() == ".txt":
        return SpeakerTurns(with_lines(cast.voices, source), cast.how)
    name, from_folder = path.stem if others else None, options.transcript.is_dir()
    said = read_known(source, surveyed.duration_s, name, from_folder)
    named = all(turn.speaker is not None for turn in said if turn.text is not None)
    if cast.how == SOMEONE and named:
        return SpeakerTurns(voices_of(said), f"turns of {source.name}")
    return SpeakerTurns(with_words(cast.voices, said), cast.how, cast.voices)


def _speakers_of(
    path: Path,
    surveyed: SpeechScan,
    options: InterviewOptions,
    others: int,
    describer: SpeechDescriber | None,
) -> SpeakerTurns:
    if options.turns is not None:
        source = file_for(options.turns, path, others, "--turns")
        name, from_folder = path.stem if others else None, options.turns.is_dir()
        turns = read_known(source, surveyed.duration_s, name, from_folder)
        return SpeakerTurns(voices_of(turns), f"turns of {source.name}")
    if options.channels:
        voices = [
            SpeakerTurn(stretch.start_s, stretch.end_s, f"channel {number}", number - 1)
            for number, stretches in enumerate(surveyed.speech_by_channel(), start=1)
            for stretch in stretches
        ]
        return SpeakerTurns(tuple(voices), "one speaker per channel")
    if describer is not None and options.speakers is not None:
        guess = guess_speakers(path, surveyed.speech(), options.speakers, describer)
        about = f"{options.speakers} speakers, {describer.encoder.name}"
        return SpeakerTurns(guess, f"speaker guess ({about})")
    everyone = [
        SpeakerTurn(stretch.start_s, stretch.end_s, SOMEONE) for stretch in surveyed.speech()
    ]
    return SpeakerTurns(tuple(everyone), SOMEONE)
