"""``serfusion ablate``: one factor at a time, or two against each other."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from experiments.config import OptionError, Study
from experiments.terminal import bars, console, errors, leave

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
    corpus: Annotated[list[str] | None, typer.Option(help="Name of a known corpus.")] = None,
    manifest: Annotated[
        list[Path] | None, typer.Option(help="CSV or JSONL with one utterance per row.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Experiment file (TOML).")] = None,
    root: Annotated[list[Path] | None, typer.Option(help="Folder of the corpus.")] = None,
    labels: Annotated[str | None, typer.Option(help="Classes, or a set of them.")] = None,
    audio: Annotated[str | None, typer.Option(help="Audio encoder.")] = None,
    text: Annotated[str | None, typer.Option(help="Text encoder.")] = None,
    asr: Annotated[
        str | None, typer.Option(help="Recogniser of missing transcripts [whisper-base].")
    ] = None,
    transcript: Annotated[
        str | None, typer.Option(help="gold, asr or gold_else_asr [gold_else_asr].")
    ] = None,
    arms: Annotated[
        str | None, typer.Option(help="Arms of every cell, as in audio,text,concat.")
    ] = None,
    folds: Annotated[str | None, typer.Option(help="How folds are made.")] = None,
    rows: Annotated[str | None, typer.Option(help="complete or all [complete].")] = None,
    trials: Annotated[
        int | None, typer.Option(min=0, help="Optuna trials per arm and fold [20].")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds of heads [5].")] = None,
    head: Annotated[str | None, typer.Option(help="Hyperparameters that are not tuned.")] = None,
    noise_in: Annotated[
        Literal["test", "both"], typer.Option(help="Rows that --over noise makes noisy.")
    ] = "test",
    draw: Annotated[
        int, typer.Option(min=0, help="Seed of noise, word errors, missing rows and speakers.")
    ] = 0,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes that train heads [number of cores].")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the ablation [runs/<hash of the command>].")
    ] = None,
) -> None:
    """What matters? Change one factor at a time on the same rows, folds, seeds and trials."""
    from experiments.ablation.grid import Over, paired_values

    told: tuple[Over, ...] = paired_values(over or [], values or [])
    study = _study(
        config,
        told,
        corpus=_some(corpus),
        manifest=_some(manifest),
        root=_some(root),
        labels=_list(labels),
        audio=audio,
        text=text,
        asr=asr,
        transcript=transcript,
        arms=_list(arms),
        folds=folds,
        rows=rows,
        trials=trials,
        seeds=seeds,
        head=_list(head),
    )
    _leave(_run(study, told, noise_in, draw, jobs, out))


def _run(
    study: Study,
    told: "tuple[Over, ...]",
    side: Literal["test", "both"],
    draw: int,
    jobs: int | None,
    out: Path | None,
) -> "Ablation":
    from experiments.ablation.ablate import ablate as run

    def tell(line: str) -> None:
        errors.print(line, markup=False, soft_wrap=True)

    with bars() as progress:
        return run(
            study, told, out=out, side=side, seed=draw, jobs=jobs, progress=progress, notify=tell
        )


def _leave(found: "Ablation") -> None:
    from experiments.ablation.printed import print_ablation

    print_ablation(found, console)
    console.print(f"page: {found.folder / 'ablation.html'}", soft_wrap=True, markup=False)
    leave(found.failures)


def _study(config: Path | None, told: "tuple[Over, ...]", **options: object) -> Study:
    from experiments.config import read_study, study_from_options

    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if config is not None:
        if given:
            raise OptionError(
                f"--config holds the whole study; {', '.join(given)} cannot go with it"
            )
        return read_study(config)
    for one in told:
        if one.factor in ("audio", "text") and options.get(one.factor) is None and one.first:
            # What is ablated need not be named twice.
            options[one.factor] = one.first
    return study_from_options(**options)


def _some(given: "list[str] | list[Path] | None") -> str | tuple[str, ...] | None:
    """An option that may be repeated: nothing, what was given once, or all of it."""
    if not given:
        return None
    texts = tuple(map(str, given))
    return texts[0] if len(texts) == 1 else texts


def _list(typed: str | None) -> tuple[str, ...] | None:
    if typed is None:
        return None
    return tuple(part.strip() for part in typed.split(",") if part.strip())
