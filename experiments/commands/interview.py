"""``serfusion interview``: a recording in, who spoke when, what was said and how it sounded out."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from encoders.messages import with_count
from experiments.commands.options import Channel, Device
from experiments.config import channel_asked

if TYPE_CHECKING:
    from experiments.interviews.interview import Interviewed, Outcome

console = Console(emoji=False)

Model = Annotated[
    str,
    typer.Argument(
        help="Folder of a model, as a run leaves it in model/; or demo, the one that ships."
    ),
]
Recordings = Annotated[list[Path], typer.Argument(help="Audio or video files, of any length.")]
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
        typer.Option(help="x-vector checkpoint or folder of the guess [cepstral statistics]."),
    ] = None,
    transcript: Annotated[
        Path | None,
        typer.Option(help="What is said: formats as of --turns, or text with a line per turn."),
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
        bool,
        typer.Option(
            "--packing/--no-packing",
            help="Let short segments share Whisper's windows of 30 s: fewer of them; it cost no "
            "words where that was tried.",
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
    device: Device = None,
) -> None:
    """Find the speech in recordings, transcribe it, and classify every segment."""
    from experiments.commands.terminal import bars
    from experiments.interviews.interview import interview as run_interview
    from experiments.interviews.options import InterviewOptions

    options = InterviewOptions(
        turns=turns,
        channels=channels,
        channel=channel_asked(channel),
        speakers=speakers,
        speaker_model=speaker_model,
        transcript=transcript,
        asr=asr,
        abstain=abstain,
        sets=sets,
        smooth=smooth,
        redact=redact,
        redact_name=redact_name,
        packing=packing,
    )
    with bars() as progress:
        outcome = run_interview(model, recordings, out, options, progress=progress)
    _show(outcome)


def _show(outcome: "Outcome") -> None:
    printed: set[str] = set()
    for result in outcome.done:
        # What holds for all recordings of a command, as a model's caution, is told once.
        for line in (line for line in _lines(result) if line not in printed):
            printed.add(line)
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    if outcome.failures:
        console.print(f"{len(outcome.failures)} could not be used:", markup=False)
        for failure in outcome.failures:
            console.print(f"  {failure.why}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)


def _lines(result: "Interviewed") -> Iterator[str]:
    if result.timeline is None:
        yield f"{result.recording.name}: done before, in {result.folder}"
        return
    timeline = result.timeline
    segments, speakers = len(timeline.segments), len(timeline.speakers)
    counts = f"{with_count(segments, 'segment')}, {with_count(speakers, 'speaker')}"
    yield f"{result.recording.name}: {timeline.duration_s:.1f} s, {counts}, in {result.folder}"
    for name in result.kept:
        yield f"  a file was changed since it was written, and is kept as {name}"
    yield f"  who: {timeline.facts['speakers']}; words: {timeline.facts['words']}"
    for note in (*timeline.facts["warnings"], *timeline.facts["notes"]):
        yield f"  {note}"
    yield f"  {_pace(result.seconds, timeline.duration_s)}"


def _pace(seconds: Mapping[str, float], duration_s: float) -> str:
    """Seconds of each stage, and their share of the recording's length (real-time factor)."""
    parts = [f"{stage} {took:.1f} s ({took / duration_s:.3f})" for stage, took in seconds.items()]
    return "took " + ", ".join(parts)
