"""An audio folder as Hugging Face's datasets read it: a table beside recordings, or their folders.

``metadata.csv`` or ``metadata.jsonl`` beside recordings, or in a folder for each split, names a
recording in ``file_name`` and what is known of it in other columns: those of a manifest, or of
:data:`FIELDS`; others are left out, and told. Without such a table the folder of a recording is its
class (https://huggingface.co/docs/datasets/audio_dataset).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from encoders.manifest import ReadSoFar, corpus_of
from encoders.manifest_rows import COLUMNS, Row, lacks, read_rows
from encoders.utterance import Corpus, CorpusError, Fault
from experiments.corpora import audformat_db
from experiments.corpora.entry import Entry
from experiments.corpora.tree import Tree, first_few, own_folds, scan

ENTRY = Entry(
    name="audiofolder",
    title="Any folder of recordings with a metadata.csv (Hugging Face's audio folder)",
    language="any",
    size="any",
    speakers="any",
    emotions="any",
    truth="any",
    setup="any",
    licence="as its owner states",
    where="https://huggingface.co/docs/datasets/audio_dataset",
    module=__name__,
    layout=(
        "metadata.csv  (file_name, label, speaker, ...)",
        "data/...",
        "or train/LABEL/..., test/LABEL/...",
    ),
    signature=r"(^|/)metadata\.(csv|jsonl)$",
)

TABLES = ("metadata.csv", "metadata.jsonl")
FILE = "file_name"
#: What our columns may be called.
FIELDS: Mapping[str, tuple[str, ...]] = {
    **audformat_db.FIELDS,
    "transcript": (*audformat_db.FIELDS["transcript"], "sentence"),
}
_OURS = {name: column for column, names in FIELDS.items() for name in names}
#: Folders that are splits, whatever their case.
SPLITS: Mapping[str, str] = {
    **{name: name for name in ("train", "dev", "test")},
    **dict.fromkeys(("training",), "train"),
    **dict.fromkeys(("validation", "valid", "val"), "dev"),
    **dict.fromkeys(("testing", "eval", "evaluation"), "test"),
}


def read(root: Path) -> Corpus:
    """Read a folder; folds are its split where it has one.

    Raises:
        CorpusError: no table and no folders of classes, or every fault of the rows.
    """
    tree = scan(ENTRY, root)
    so_far = ReadSoFar(str(root))
    tables = [path for path in tree.files if path.name in TABLES]
    if tables:
        rows = [row for table in tables for row in _rows(tree, table, so_far)]
    else:
        rows = list(_folders(tree))
    if not rows and not so_far.faults:
        tree.refuse()
    if rows and not any("label" in row.cells for row in rows):
        raise CorpusError(str(root), [Fault("columns", f"none of {', '.join(FIELDS['label'])}")])
    corpus = corpus_of(ENTRY.name, rows, root, None, None, so_far)
    return replace(corpus, folds=own_folds(corpus.utterances))


def _rows(tree: Tree, table: Path, so_far: ReadSoFar) -> Iterator[Row]:
    """Rows of a table with our columns, each with the recording that it names."""
    rows = read_rows(table, so_far.faults, so_far.notes)
    folder, name = tree.relative(table.parent), tree.relative(table)
    left_out = {column for row in rows for column in row.cells if _column(column) is None}
    if left_out:
        so_far.notes.append(f"{name}: columns left out: {first_few(sorted(left_out))}")
    for row in rows:
        file = row.cells.get(FILE)
        if file is None:
            so_far.faults.append(Fault(f"{name} line {row.line}", f"no {FILE}", FILE))
            continue
        path = (Path(folder) / file).as_posix()
        named = ((_column(name), cell) for name, cell in row.cells.items())
        cells = {ours: cell for ours, cell in named if ours and not lacks(ours, cell)}
        yield Row(row.line, {"id": path, **_split(path), **cells, "audio": path})


def _column(name: str) -> str | None:
    """What a column is called here; None where it is none of ours."""
    if name == FILE:
        return "audio"
    return name if name in COLUMNS else _OURS.get(name.lower())


def _folders(tree: Tree) -> Iterator[Row]:
    """Recordings whose folder is their class."""
    for number, path in enumerate(tree.media, 1):
        name = tree.relative(path)
        if path.parent != tree.root and path.parent.name.lower() not in SPLITS:
            yield Row(
                number, {"id": name, "audio": name, "label": path.parent.name, **_split(name)}
            )


def _split(path: str) -> dict[str, str]:
    top = path.partition("/")[0].lower()
    return {"split": SPLITS[top]} if top in SPLITS else {}
