"""Options that several commands share, with the words that explain them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from encoders.device import use_device
from experiments.config import OptionError

if TYPE_CHECKING:
    from experiments.config import Study

TRIALS = "Optuna trials per arm and fold; 0: documented defaults."
SEEDS = "Heads trained with different seeds, per arm and fold."


def _use(device: str | None) -> str | None:
    """Check a device before any work is done, and hand it to the processes that are started."""
    if device is not None:
        try:
            use_device(device)
        except ValueError as error:
            raise OptionError(f"--device or SERFUSION_DEVICE: {error}") from None
    return device


Corpus = Annotated[
    list[str] | None,
    typer.Option(help="Name of a known corpus (serfusion corpora); repeat it for several."),
]
Manifest = Annotated[
    list[Path] | None, typer.Option(help="CSV or JSONL with one utterance per row.")
]
Root = Annotated[
    list[Path] | None,
    typer.Option(help="Folder of the corpus or of the audio files; one for each corpus."),
]
Labels = Annotated[
    str | None,
    typer.Option(help="Classes as angry,happy,sad; a set as 4-class; common:ekman for any corpus."),
]
Audio = Annotated[
    str | None,
    typer.Option(help="Audio encoder, as in logmel, wav2vec2-base or finetuned:alexnet."),
]
Text = Annotated[str | None, typer.Option(help="Text encoder, as in minilm or bert-base.")]
Asr = Annotated[str | None, typer.Option(help="Recogniser of missing transcripts [whisper-base].")]
Transcript = Annotated[str | None, typer.Option(help="gold, asr or gold_else_asr [gold_else_asr].")]
Folds = Annotated[
    str | None, typer.Option(help="How folds are made; 'help' lists the ways [the corpus's own].")
]
Rows = Annotated[
    str | None,
    typer.Option(help="complete, or all: keep rows that lack a modality [complete]."),
]
HeadValues = Annotated[
    str | None,
    typer.Option(
        help="Hyperparameters of heads that are not tuned, as in "
        "loss=focal,modality_dropout=0.3,unimodal_loss=0.2,hidden=64."
    ),
]
Trials = Annotated[int | None, typer.Option(min=0, help=f"{TRIALS} [20]")]
Seeds = Annotated[int | None, typer.Option(min=1, help=f"{SEEDS} [5]")]
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
Out = Annotated[Path | None, typer.Option(help="Folder of the run [runs/<hash of the command>].")]


def some(given: Sequence[str | Path] | None) -> str | tuple[str, ...] | None:
    """An option that may be repeated: nothing, what was given once, or all of it."""
    if not given:
        return None
    texts = tuple(map(str, given))
    return texts[0] if len(texts) == 1 else texts


def listed(typed: str | None) -> tuple[str, ...] | None:
    """The parts of an option that were separated by commas."""
    if typed is None:
        return None
    return tuple(part.strip() for part in typed.split(",") if part.strip())


def study_of(config: Path | None, **options: object) -> "Study":
    """The study of an experiment file, or that of options; both at once are refused.

    Raises:
        ConfigError: with every fault of the file; OptionError: of the options.
    """
    from experiments.config import read_study, study_from_options

    if config is None:
        return study_from_options(**options)
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if given:
        raise OptionError(f"--config holds the whole study; {', '.join(given)} cannot go with it")
    return read_study(config)
