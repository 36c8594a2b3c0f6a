"""A corpus as a table: written as a manifest that reads back as it was, or as a data frame.

pandas is no dependency: whoever has a data frame has it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.files import write_atomically
from encoders.manifest import ReadSoFar, corpus_of
from encoders.manifest_rows import COLUMNS, Row, guarded_csv
from encoders.utterance import Corpus, Utterance

if TYPE_CHECKING:
    from pandas import DataFrame

#: A row of a manifest by column; what is not known is left out.
Record = Mapping[str, str | float]
#: Fields of an utterance that are columns of the same name.
_SAME = tuple(
    field.name for field in fields(Utterance) if field.name in COLUMNS and field.name != "audio"
)


def records_of(corpus: Corpus) -> list[Record]:
    """Rows of a manifest of a corpus, audio relative to its root."""
    return [_record(corpus, utterance) for utterance in corpus.utterances]


def write_manifest(corpus: Corpus, path: Path | str) -> None:
    """Write a corpus as ``.csv`` or ``.jsonl``; :func:`encoders.manifest.read_manifest` reads it.

    Audio is relative to the root of the corpus, which the reader is told where the manifest lies
    elsewhere. What a manifest has no column for is lost: synthetic, votes of listeners, rows that
    only train.

    Raises:
        ValueError: the name ends otherwise.
    """
    path, records = Path(path), records_of(corpus)
    if path.suffix == ".jsonl":
        text = "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)
    elif path.suffix == ".csv":
        text = csv_text(_columns(records), records)
    else:
        raise ValueError(f"{path}: expected a name that ends with .csv or .jsonl")
    write_atomically(path, text.encode())


def csv_text(columns: Sequence[str], records: Sequence[Record]) -> str:
    """A CSV table; empty where a record has nothing, no text can be taken for a formula."""
    return guarded_csv([columns, *([record.get(name) for name in columns] for record in records)])


def to_frame(corpus: Corpus) -> "DataFrame":
    """The manifest of a corpus as a pandas data frame, with the columns that any row has."""
    from pandas import DataFrame

    records = records_of(corpus)
    return DataFrame(records, columns=_columns(records))


def from_frame(
    frame: "DataFrame",
    root: Path | str,
    *,
    name: str = "frame",
    labels: Sequence[str] | None = None,
    channel: int | None = None,
) -> Corpus:
    """A corpus of a pandas data frame with the columns of a manifest; audio is relative to root.

    Raises:
        CorpusError: as :func:`encoders.manifest.read_manifest`; the first row is line 1.
    """
    rows = [
        Row(number, _cells(record)) for number, record in enumerate(frame.to_dict("records"), 1)
    ]
    return corpus_of(name, rows, Path(root), labels, channel, ReadSoFar(name))


def _columns(records: Sequence[Record]) -> list[str]:
    return [name for name in COLUMNS if any(name in record for record in records)]


def _record(corpus: Corpus, utterance: Utterance) -> Record:
    known = {name: getattr(utterance, name) for name in _SAME}
    known["start_s"] = utterance.start_s or None
    if utterance.audio is not None:
        known["audio"] = _relative(utterance.audio, corpus.root)
    if utterance.target is not None and corpus.task == "regression":
        known |= dict(zip(corpus.targets, utterance.target, strict=True))
    elif utterance.target is not None:
        known["label"] = _label(corpus, utterance.target)
    return {name: known[name] for name in COLUMNS if known.get(name) is not None}


def _relative(path: Path, root: Path) -> str:
    """Path as a manifest gives it; a link inside the root keeps its own name."""
    for place, above in ((path, root), (path.resolve(), root.resolve())):
        if place.is_relative_to(above):
            return place.relative_to(above).as_posix()
    return str(path)


def _label(corpus: Corpus, target: tuple[float, ...]) -> str:
    """A label as a cell has it: one class, several with ``|``, or shares behind ``:``."""
    named = zip(corpus.targets, target, strict=True)
    if corpus.task == "distribution":
        return "|".join(f"{name}:{share!r}" for name, share in named if share)
    return "|".join(name for name, value in named if value) or "none"


def _cells(record: Mapping[Any, Any]) -> dict[str, str]:
    """Cells as a file would hold them; a number that pandas made of a whole one is whole."""
    cells = {str(name): _cell(value) for name, value in record.items()}
    return {name: cell for name, cell in cells.items() if cell}


def _cell(value: object) -> str:
    # NaN, NaT and NA are not equal to themselves, or say neither.
    if value is None or str(value) in ("nan", "NaN", "NaT", "<NA>"):
        return ""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value).strip()  # type: ignore[call-overload]
