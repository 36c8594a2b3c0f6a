"""``serfusion ablate``: one factor at a time, or two against each other."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from experiments.cli_options import (
    Asr,
    Audio,
    Corpus,
    Device,
    Folds,
    HeadValues,
    Jobs,
    Labels,
    Manifest,
    Out,
    Root,
    Rows,
    Seeds,
    Storage,
    Text,
    Transcript,
    Trials,
    listed,
    some,
    study_of,
)
from experiments.config import Study
from experiments.terminal import bars, console, leave, tell

if TYPE_CHECKING:
    from experiments.ablation.ablate import Ablation
    from experiments.ablation.grid import Over

FACTORS = (
    "modality, audio, text, head, trials, layer, pooling, window, hop, time_pool, labels, "
    "transcript, missing, speakers, noise; audio@KEY, text@KEY, head@KEY for any option"
)


def ablate(
    over: Annotated[
        list[str] | None, typer.Option(help=f"Factor, repeated for a factorial of two: {FACTORS}.")
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            help="Values of the factor, as in concat,late; ';' between values that hold commas. "
            "One for each --over, in their order; '' for the usual ones."
        ),
    ] = None,
    corpus: Corpus = None,
    manifest: Manifest = None,
    config: Annotated[Path | None, typer.Option(help="Experiment file (TOML).")] = None,
    root: Root = None,
    labels: Labels = None,
    audio: Audio = None,
    text: Text = None,
    asr: Asr = None,
    transcript: Transcript = None,
    arms: Annotated[
        str | None, typer.Option(help="Arms of every cell, as in audio,text,concat.")
    ] = None,
    folds: Folds = None,
    rows: Rows = None,
    trials: Trials = None,
    seeds: Seeds = None,
    head: HeadValues = None,
    noise_in: Annotated[
        Literal["test", "both"], typer.Option(help="Rows that --over noise makes noisy.")
    ] = "test",
    draw: Annotated[
        int, typer.Option(min=0, help="Seed of noise, word errors, missing rows and speakers.")
    ] = 0,
    jobs: Jobs = None,
    storage: Storage = None,
    device: Device = None,
    out: Out = None,
) -> None:
    """What matters? Change one factor at a time on the same rows, folds, seeds and trials."""
    from experiments.ablation.grid import Over, paired_values

    told: tuple[Over, ...] = paired_values(over or [], values or [])
    if config is None:
        # What is ablated need not be named twice.
        named = {one.factor: one.first for one in reversed(told) if one.first}
        audio = named.get("audio") if audio is None else audio
        text = named.get("text") if text is None else text
    study = study_of(
        config,
        corpus=some(corpus),
        manifest=some(manifest),
        root=some(root),
        labels=listed(labels),
        audio=audio,
        text=text,
        asr=asr,
        transcript=transcript,
        arms=listed(arms),
        folds=folds,
        rows=rows,
        trials=trials,
        seeds=seeds,
        head=listed(head),
    )
    _leave(_run(study, told, noise_in, draw, jobs, out, storage))


def _run(
    study: Study,
    told: "tuple[Over, ...]",
    side: Literal["test", "both"],
    draw: int,
    jobs: int | None,
    out: Path | None,
    storage: str | None,
) -> "Ablation":
    from experiments.ablation.ablate import ablate as run

    with bars() as progress:
        return run(
            study,
            told,
            out=out,
            side=side,
            seed=draw,
            jobs=jobs,
            progress=progress,
            notify=tell,
            storage=storage,
        )


def _leave(found: "Ablation") -> None:
    from experiments.ablation.printed import print_ablation

    print_ablation(found, console)
    console.print(f"page: {found.folder / 'ablation.html'}", soft_wrap=True, markup=False)
    leave(found.failures)
