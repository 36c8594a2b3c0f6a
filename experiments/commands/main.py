"""The command line: parse, then one call. Nothing heavy is imported before it is needed."""

import errno
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from encoders.plugins import load_plugins
from experiments.commands import (
    ablate as cli_ablate,
    cache as cli_cache,
    convert as cli_convert,
    doctor as cli_doctor,
    interview as cli_interview,
    models as cli_models,
    predict as cli_predict,
    runs as cli_runs,
    train as cli_train,
)
from experiments.commands.options import (
    SOURCE,
    Config,
    Device,
    Engine,
    Jobs,
    Out,
    Storage,
    study_of,
    takes_study,
)
from experiments.commands.terminal import (
    Json,
    bars,
    console,
    errors,
    leave,
    print_json,
    show_run,
    tell,
)
from experiments.config import SEEDS, TRIALS, OptionError, Study, default_asr

if TYPE_CHECKING:
    from experiments.comparing.comparison import Outcome

app = typer.Typer(
    name="serfusion",
    help="Does text help? Compare audio, text and fused speech emotion classifiers honestly.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"serfusion {version('serfusion')}")
        raise typer.Exit


@app.callback()
def plugins(
    plugin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="A Python file or module with encoders, heads or corpora of your own "
            "(docs/adding.md); more than one may be given, or listed in SERFUSION_PLUGINS.",
        ),
    ] = None,
    rehash: Annotated[
        bool,
        typer.Option(
            "--rehash",
            help="Read every recording again, also where its path, size and times are known.",
        ),
    ] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_tell_version,
            is_eager=True,
            help="Tell the version; those of all else are in serfusion doctor.",
        ),
    ] = False,
) -> None:
    """Load them before any name is looked up."""
    load_plugins(plugin or ())
    if rehash:
        from encoders.decode_index import REHASH

        os.environ[REHASH] = "1"


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/demo"),
    trials: Annotated[int, typer.Option(min=0, help=TRIALS)] = 3,
    seeds: Annotated[int, typer.Option(min=1, help=SEEDS)] = 3,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Compare audio, text and fused arms on the built-in corpus (synthetic speech), offline."""
    from experiments.demo import check_offline

    check_offline()
    study = Study(
        corpus="demo",
        audio="whisper-tiny.en-encoder@layer=2",
        text="minilm",
        asr="whisper-tiny.en",
        trials=trials,
        seeds=seeds,
    )
    from experiments.comparing.comparison import compare as run_comparison

    with bars() as progress:
        outcome = run_comparison(study, out=out, jobs=jobs, progress=progress, notify=tell)
    _show(outcome, as_json)


@app.command()
@takes_study()
def compare(
    options: Mapping[str, Any],
    config: Config = None,
    jobs: Jobs = None,
    storage: Storage = None,
    device: Device = None,
    engine: Engine = "local",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Compare audio-only, text-only and fused classifiers on a corpus."""
    _help_with(options.get("folds"))
    from experiments.cluster import on_engine
    from experiments.comparing.comparison import compare as run_comparison

    study = study_of(config, options)
    with on_engine(engine), bars() as progress:
        outcome = run_comparison(
            study, out=out, jobs=jobs, progress=progress, notify=tell, storage=storage
        )
    _show(outcome, as_json)


@app.command()
@takes_study(*SOURCE, "folds", "audio", "text")
def check(
    options: Mapping[str, Any],
    html: Annotated[Path | None, typer.Option(help="Write what was found as HTML too.")] = None,
    as_json: Json = False,
) -> None:
    """Validate a corpus: files, labels, speakers, sound, words, duplicates, leaks of its folds.

    With --audio or --text two utterances are encoded, and the time and disk for all estimated.
    """
    _help_with(options.get("folds"))
    from experiments.checking.check import check_corpus
    from experiments.checking.check_table import content_of, print_check
    from experiments.corpora import load_source

    corpus = load_source(*(options.get(name) for name in SOURCE))
    encoders = {name: options.get(name) for name in ("folds", "audio", "text")}
    with bars() as progress:
        result = check_corpus(corpus, progress, **encoders)
    if as_json:
        print_json(content_of(result))
    else:
        print_check(result, console)
    if html is not None:
        from experiments.checking.check_page import write_check

        write_check(result, html)
        tell(f"written: {html}")
    leave(result.failures)
    if result.obstacle is not None:
        raise typer.Exit(1)


@app.command()
@takes_study(
    *(*SOURCE, "audio", "text", "asr"),
    text="Text encoder, as in minilm; missing transcripts are recognised first. Without it no "
    "words are needed.",
)
def embed(
    options: Mapping[str, Any],
    shard: Annotated[
        str, typer.Option(help="i/N: the i-th of N parts, for many machines.")
    ] = "1/1",
    device: Device = None,
    engine: Engine = "local",
) -> None:
    """Fill the cache: transcribe what is missing and embed, without training anything."""
    from experiments.cluster import on_engine
    from experiments.corpora import load_source
    from experiments.embed import embed_corpus

    corpus = load_source(*(options.get(name) for name in SOURCE))
    encoders = {name: options.get(name) for name in ("audio", "text")}
    asr = options.get("asr") or default_asr()
    with on_engine(engine), bars() as progress:
        done = embed_corpus(corpus, **encoders, asr=asr, shard=shard, progress=progress)
    console.print(f"{done.encoded} encoded, {done.cached} from the cache")
    leave(done.failures)


@app.command()
def corpora(as_json: Json = False) -> None:
    """List the corpora that can be read, with licence, layout and where to get them."""
    from experiments.commands.listing import corpora_content, print_corpora

    if as_json:
        print_json(corpora_content())
    else:
        print_corpora(console)


# Behind those above, which most people begin with.
app.command()(cli_ablate.ablate)
app.command()(cli_interview.interview)
app.command()(cli_train.train)
app.command()(cli_predict.predict)
app.command()(cli_predict.evaluate)
app.command()(cli_runs.report)
app.command()(cli_runs.verify)
app.command()(cli_runs.predictions)
app.command()(cli_runs.track)
app.command()(cli_convert.convert)
app.command()(cli_doctor.doctor)
app.add_typer(cli_cache.app, name="cache")
app.add_typer(cli_models.app, name="models")

#: Exit code after Ctrl-C.
INTERRUPTED = 130


def main() -> None:
    """Entry point: 0 done, 1 the user can mend it (one message), 2 usage."""
    try:
        app()
    except SystemExit as leaving:
        # What typer makes of Ctrl-C, without a word.
        if leaving.code == INTERRUPTED:
            errors.print("stopped; the same command goes on from what was kept", markup=False)
        raise
    except OptionError as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        sys.exit(2)
    except RuntimeError as error:
        # Python's own, wherever a path is looked for that begins at home.
        if "home directory" not in str(error):
            raise
        errors.print(f"error: {error} Set HOME to a folder that you can write to", markup=False)
        sys.exit(1)
    except (ValueError, OSError) as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            errors.print("free some space; the same command goes on where this one was")
        sys.exit(1)


def _show(outcome: "Outcome", as_json: bool) -> None:
    from experiments.reporting.cost import read_cost

    show_run(outcome.results, outcome.folder, read_cost(outcome.folder), as_json=as_json)
    leave(outcome.failures)


def _help_with(folds: str | None) -> None:
    """List the protocols and stop where they are asked for."""
    if folds == "help":
        from experiments.commands.listing import print_protocols

        print_protocols(console)
        raise typer.Exit
