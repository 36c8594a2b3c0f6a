"""Options that several commands share, with the words that explain them."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import Field, fields, replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from encoders.device import use_device
from experiments.config import CHANNEL, PLACES, OptionError, Study, read_study, study_from_options

#: Options that may be given several times.
REPEATED: Mapping[str, Any] = {
    "corpus": list[str],
    "manifest": list[Path],
    "root": list[Path],
    "extra": list[str],
}
SOURCE = ("corpus", "manifest", "root", "labels", "extra", "channel")


def _use(device: str | None) -> str | None:
    """Check a device before any work is done, and hand it to the processes that are started."""
    if device is not None:
        try:
            use_device(device)
        except ValueError as error:
            raise OptionError(f"--device or SERFUSION_DEVICE: {error}") from None
    return device


Config = Annotated[Path | None, typer.Option(help="Experiment file (TOML).")]
Jobs = Annotated[
    int | None, typer.Option(min=1, help="Processes that train heads [number of cores].")
]
Storage = Annotated[
    str | None,
    typer.Option(
        envvar="SERFUSION_STORAGE",
        show_envvar=True,
        help="Optuna storage that several workers share: sqlite:///FILE, postgresql://…, or the "
        "path of a journal [a journal for each fit, in the cache].",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        envvar="SERFUSION_DEVICE",
        show_envvar=True,
        callback=_use,
        help="Where models compute and are trained: cpu, cuda, cuda:N [cpu].",
    ),
]
Engine = Annotated[
    Literal["local", "ray"],
    typer.Option(
        help="Who embeds, transcribes and trains: processes of this machine, or Ray's cluster "
        "(docs/cluster.md; needs serfusion[ray]).",
    ),
]
Channel = Annotated[str | None, typer.Option(help=CHANNEL)]
Out = Annotated[Path | None, typer.Option(help="Folder of the run [runs/<hash of the command>].")]


def takes_study(
    *names: str, **explained: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command options of a study in place of its ``options``, a mapping of what was typed.

    ``names`` are fields of :class:`experiments.config.Study`, whose words explain them [all];
    ``explained`` has other words for some. What was not typed is left out.
    """
    known = {field.name: field for field in fields(Study)}
    wanted = names or tuple(known)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        study = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=_option(known[name], explained.get(name)),
            )
            for name in wanted
        ]
        parameters = []
        for parameter in signature.parameters.values():
            keyword = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            parameters += study if parameter.name == "options" else [keyword]

        @wraps(command)
        def run(**typed: Any) -> None:  # noqa: ANN401 - typer has checked them
            given = {name: _as_field(known[name], typed.pop(name)) for name in wanted}
            options = {name: value for name, value in given.items() if value is not None}
            command(options=options, **typed)

        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def _option(known: "Field[Any]", explained: str | None) -> Any:  # noqa: ANN401 - a type
    """The type of a field of a study as an option."""
    words, flag = explained or known.metadata["help"], f"--{known.name.replace('_', '-')}"
    if known.name in REPEATED:
        return Annotated[REPEATED[known.name] | None, typer.Option(help=words)]
    if known.type is bool:
        return Annotated[bool | None, typer.Option(flag, help=words)]
    if known.type is int:
        return Annotated[int | None, typer.Option(min=int(known.name == "seeds"), help=words)]
    return Annotated[str | None, typer.Option(flag, help=words)]


def _as_field(known: "Field[Any]", typed: Any) -> Any:  # noqa: ANN401 - the type of the field
    """What was typed as the field has it: one or several sources, parts between commas."""
    if known.name in REPEATED:
        texts = tuple(map(str, typed or ()))
        return texts[0] if len(texts) == 1 else texts or None
    if isinstance(typed, str) and known.type == tuple[str, ...] | None:
        return tuple(part.strip() for part in typed.split(",") if part.strip())
    return typed


def study_of(config: Path | None, options: Mapping[str, Any]) -> Study:
    """The study of an experiment file, or that of options; beside a file only places are taken.

    Raises:
        ConfigError: with every fault of the file; OptionError: of the options.
    """
    if config is None:
        return study_from_options(**options)
    if more := [name for name in options if name not in PLACES]:
        given = ", ".join(f"--{name.replace('_', '-')}" for name in more)
        raise OptionError(f"--config holds the whole study; {given} cannot go with it")
    return replace(read_study(config), **options)
