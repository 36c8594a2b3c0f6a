"""``serfusion ablate``: one factor at a time, or two against each other."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from experiments.commands.options import (
    Config,
    Device,
    Engine,
    Jobs,
    Out,
    Storage,
    study_of,
    takes_study,
)
from experiments.commands.terminal import Json, bars, console, leave, print_json, tell
from experiments.config import Study

if TYPE_CHECKING:
    from experiments.ablation.grid import FactorSpec
    from experiments.ablation.result import Ablation

FACTORS = (
    "modality, audio, text, head, trials, layer, pooling, window, hop, context, ahead, time_pool, "
    "labels, transcript, missing, speakers, noise, normalise; audio@KEY, text@KEY, head@KEY for "
    "any option"
)

#: A cell scores no encoder on what it has seen, and no published classifier.
STUDY = tuple(
    field.name
    for field in fields(Study)
    if field.name not in ("map", "allow_contaminated", "recipe")
)


@takes_study(*STUDY, arms="Arms of every cell, as in audio,text,concat.")
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
    *,
    options: Mapping[str, Any],
    config: Config = None,
    noise_in: Annotated[
        Literal["test", "both"], typer.Option(help="Rows that --over noise makes noisy.")
    ] = "test",
    draw: Annotated[
        int, typer.Option(min=0, help="Seed of noise, word errors, missing rows and speakers.")
    ] = 0,
    jobs: Jobs = None,
    storage: Storage = None,
    device: Device = None,
    engine: Engine = "local",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """What matters? Change one factor at a time on the same rows, folds, seeds and trials."""
    from experiments.ablation.grid import FactorSpec, paired_values

    specs: tuple[FactorSpec, ...] = paired_values(over or [], values or [])
    if config is None:
        # What is ablated need not be named twice.
        named = {spec.factor: spec.first for spec in reversed(specs) if spec.first}
        ablated: dict[str, Any] = {name: named[name] for name in ("audio", "text") if name in named}
        options = {**ablated, **options}
    study = study_of(config, options)
    from experiments.cluster import on_engine

    with on_engine(engine):
        ablation = _run(study, specs, noise_in, draw, jobs, out, storage)
    _leave(ablation, as_json)


def _run(
    study: Study,
    specs: "tuple[FactorSpec, ...]",
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
            specs,
            out=out,
            side=side,
            seed=draw,
            jobs=jobs,
            progress=progress,
            notify=tell,
            storage=storage,
        )


def _leave(ablation: "Ablation", as_json: bool) -> None:
    from experiments.ablation.tables import content_of, print_ablation

    if as_json:
        print_json(content_of(ablation))
    else:
        print_ablation(ablation, console)
        console.print(f"page: {ablation.folder / 'ablation.html'}", soft_wrap=True, markup=False)
    leave(ablation.failures)
