"""``serfusion interview``: a recording in, who spoke when, what was said and how it sounded out."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console

from encoders.messages import printable, with_count
from experiments.commands.options import Channel, Device
from experiments.config import OptionError, channel_asked

if TYPE_CHECKING:
    from experiments.interviews.interview import Interviewed, Outcome
    from experiments.interviews.options import Words

console = Console(emoji=False)

Model = Annotated[
    str,
    typer.Argument(
        help="Folder of a model, as a run leaves it in model/; or demo, the one that ships."
    ),
]
Recordings = Annotated[
    list[Path], typer.Argument(help="Audio or video files, of any length; or folders of them.")
]
Out = Annotated[Path, typer.Option(help="Folder; each recording gets one of its own in it.")]


def interview(
    model: Model,
    recordings: Recordings,
    out: Out,
    turns: Annotated[
        Path | None,
        typer.Option(
            help="Who speaks when: RTTM, STM, TextGrid, .eaf, VTT, SRT or CSV; for several "
            "recordings a folder with a file of the same name for each."
        ),
    ] = None,
    channels: Annotated[
        bool, typer.Option("--channels", help="Each channel is one speaker.")
    ] = False,
    channel: Channel = None,
    speakers: Annotated[
        int | None, typer.Option(help="Guess which of N speakers is heard when.")
    ] = None,
    speaker_model: Annotated[
        str | None,
        typer.Option(
            help="What tells speakers apart: ge2e, cepstra, or an x-vector checkpoint or folder "
            "[ge2e where its weights are here, see models ls; else cepstra]."
        ),
    ] = None,
    voices: Annotated[
        Path | None,
        typer.Option(
            help="Folder with a recording of each person alone (NAME.wav): who sounds like one "
            "gets the name."
        ),
    ] = None,
    segment_max: Annotated[
        float,
        typer.Option(help="Longest segment in seconds; one phrase may be longer."),
    ] = 8.0,
    window: Annotated[
        float | None,
        typer.Option(help="Segments of S seconds each, wherever sentences end."),
    ] = None,
    hop: Annotated[
        float | None, typer.Option(help="Seconds from one window to the next [--window].")
    ] = None,
    transcript: Annotated[
        Path | None,
        typer.Option(help="What is said: formats as of --turns, or text with a line per turn."),
    ] = None,
    tier: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of --turns, TextGrid or .eaf: the tier that tells who speaks. Its labels are "
            "names; or sentences of one speaker.",
        ),
    ] = None,
    words_tier: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Of --transcript, else of --turns, TextGrid or .eaf: a tier whose labels are "
            "words; several times for several speakers [told by names and labels].",
        ),
    ] = None,
    asr: Annotated[
        str | None,
        typer.Option(
            help="Recogniser, as in whisper-small@language=de; or none [whisper-base, or "
            "whisper-tiny.en where only that is here]."
        ),
    ] = None,
    abstain: Annotated[
        float | None,
        typer.Option(
            help="Name no class where the highest probability is below P, but what is coarser if "
            "that is sure; 0: always name one [the model's own]."
        ),
    ] = None,
    sets: Annotated[
        float | None,
        typer.Option(
            help="Give each segment a set of classes that holds the true one in a share P of "
            "segments of new speakers, as in 0.9."
        ),
    ] = None,
    smooth: Annotated[
        int, typer.Option(help="Mean over so many neighbouring segments of a speaker.")
    ] = 1,
    packing: Annotated[
        bool | None,
        typer.Option(
            "--packing/--no-packing",
            help="Let short segments share Whisper's windows of 30 s: several times as fast "
            "[from whisper-base on, not with engine=transformers or task=translate].",
        ),
    ] = None,
    words: Annotated[
        str | None,
        typer.Option(
            help="classify: the model reads all words; show: none of them; off: there are none "
            "[those of its text model's language]."
        ),
    ] = None,
    speech_threshold: Annotated[
        float, typer.Option(help="Probability from which on a moment is speech (Silero).")
    ] = 0.5,
    speech_padding: Annotated[
        float, typer.Option(help="Seconds that each stretch of speech is longer on both sides.")
    ] = 0.03,
    keep_damaged: Annotated[
        bool,
        typer.Option(
            "--keep-damaged",
            help="Go on with what can be read of a damaged recording, and tell the seconds lost.",
        ),
    ] = False,
    redact: Annotated[
        bool,
        typer.Option(
            "--redact",
            help="Leave words and names of speakers out of everything that is written; a run that "
            "is stopped begins again.",
        ),
    ] = False,
    redact_name: Annotated[
        bool,
        typer.Option("--redact-name", help="With --redact: leave names of files out too."),
    ] = False,
    table: Annotated[
        Path | None,
        typer.Option(help="Write a CSV with a line for each segment of all recordings."),
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option(help="Write a CSV of means by recording, speaker and stretch of time."),
    ] = None,
    bins: Annotated[
        str | None,
        typer.Option(
            help="Stretches of --summary: 10 equal ones of each recording, or 30s each [1]."
        ),
    ] = None,
    device: Device = None,
) -> None:
    """Find the speech in recordings, transcribe it, and classify every segment."""
    from experiments.commands.terminal import bars
    from experiments.interviews.interview import interview as run_interview
    from experiments.interviews.options import InterviewOptions
    from experiments.interviews.study_table import StudyTables

    recordings = [file for path in recordings for file in _files(path)]
    tables = StudyTables(table, summary, bins)
    tables.spare([*recordings, turns, transcript, voices])
    options = InterviewOptions(
        turns=turns,
        channels=channels,
        channel=channel_asked(channel),
        speakers=speakers,
        speaker_model=speaker_model,
        voices=voices,
        segment_max=segment_max,
        window=window,
        hop=hop,
        transcript=transcript,
        tier=tier,
        words_tiers=tuple(words_tier or ()),
        asr=asr,
        abstain=abstain,
        sets=sets,
        smooth=smooth,
        redact=redact,
        redact_name=redact_name,
        packing=packing,
        words=cast("Words | None", words),
        speech_threshold=speech_threshold,
        speech_padding=speech_padding,
        keep_damaged=keep_damaged,
    )
    with bars() as progress:
        outcome = run_interview(model, recordings, out, options, progress=progress)
    _show(outcome, tables.write([one.folder for one in outcome.done]))


def _files(path: Path) -> list[Path]:
    """A file, or the recordings that lie in a folder, in the order of their names."""
    from experiments.corpora.tree import MEDIA, is_media

    if not path.is_dir():
        return [path]
    files = [one for one in path.iterdir() if is_media(Path(one.name)) and one.is_file()]
    if not files:
        raise OptionError(f"{path}: holds no file that ends in {', '.join(MEDIA)}")
    return sorted(files)


def _show(outcome: "Outcome", tables: Sequence[str] = ()) -> None:
    cautions: set[str] = set()
    for result in outcome.done:
        for line in _lines(result, cautions):
            _print(line)
    if outcome.index is not None:
        _print(f"all of them: {outcome.index}")
    for line in tables:
        _print(line)
    if outcome.failures:
        _print(f"{len(outcome.failures)} could not be used:")
        for failure in outcome.failures:
            _print(f"  {failure.why}")
        raise typer.Exit(1)


def _print(text: str) -> None:
    """Print lines without what a terminal obeys, as names of files may hold it."""
    for line in text.split("\n"):
        margin = line[: len(line) - len(line.lstrip(" "))]
        console.print(margin + printable(line), markup=False, highlight=False, soft_wrap=True)


def _lines(result: "Interviewed", cautions: set[str]) -> Iterator[str]:
    """What is told of a recording; a model's ``cautions`` hold for all, and are told once."""
    name, folder = printable(result.recording.name), printable(result.folder)
    if result.timeline is None:
        yield f"{name}: done before, in {folder}"
        return
    timeline = result.timeline
    segments, speakers = len(timeline.segments), len(timeline.speakers)
    counts = f"{with_count(segments, 'segment')}, {with_count(speakers, 'speaker')}"
    yield f"{name}: {timeline.duration_s:.1f} s, {counts}, in {folder}"
    for kept in result.kept:
        yield f"  a file was changed since it was written, and is kept as {kept}"
    yield f"  who: {timeline.facts['speakers']}; words: {timeline.facts['words']}"
    fresh = [caution for caution in timeline.facts["warnings"] if caution not in cautions]
    cautions.update(fresh)
    for note in (*fresh, *timeline.facts["notes"]):
        yield f"  {note}"
    yield f"  {_pace(result.seconds, timeline.duration_s)}"


def _pace(seconds: Mapping[str, float], duration_s: float) -> str:
    """Seconds of each stage, and their share of the recording's length (real-time factor)."""
    parts = [f"{stage} {took:.1f} s ({took / duration_s:.3f})" for stage, took in seconds.items()]
    return "took " + ", ".join(parts)
