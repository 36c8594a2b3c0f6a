"""``serfusion convert``: a corpus as a manifest, an audio folder, or audformat."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from encoders.messages import printable, with_count
from experiments.commands.options import SOURCE, takes_study
from experiments.commands.terminal import bars, console, leave
from experiments.config import OptionError


@takes_study(*(name for name in SOURCE if name != "extra"))
def convert(
    options: Mapping[str, Any],
    out: Annotated[
        Path | None, typer.Option(help="A manifest (.csv, .jsonl), or a new folder; needed.")
    ] = None,
    form: Annotated[
        Literal["manifest", "audiofolder", "audformat"],
        typer.Option(
            help="manifest; audiofolder: Hugging Face's, recordings copied or cut, with a "
            "metadata.csv; audformat: db.yaml and tables, recordings copied."
        ),
    ] = "manifest",
) -> None:
    """Write any corpus that can be read in a form that other programs read."""
    from experiments.corpora import load_source
    from experiments.corpora.writing import write_corpus

    if out is None:
        raise OptionError("--out is required, for example --out corpus.csv")
    corpus = load_source(*(options.get(name) for name in SOURCE))
    with bars() as progress:
        written = write_corpus(corpus, out, form, progress)
    for note in corpus.notes:
        console.print(f"- {printable(note)}", soft_wrap=True, markup=False, highlight=False)
    count = with_count(written.rows, "utterance")
    where = f", audio below {corpus.root}" if form == "manifest" else ""
    console.print(f"written: {written.path} ({count}{where})", soft_wrap=True, markup=False)
    leave(written.failures)
