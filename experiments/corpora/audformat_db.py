"""A database in audformat: ``db.yaml``, a CSV per table, and the media they name.

Of all tables of files and segments the columns are put together whose name or scheme is one of
:data:`FIELDS`; what the scheme of speakers tells of them (``gender``, ``age``) is taken too. Tables
in pickle or parquet are not read: ``db.save(root, storage_format="csv")`` writes what is
(https://audeering.github.io/audformat/data-header.html).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.utterance import Corpus, CorpusError, Fault, Utterance, one_hot
from experiments.corpora.entry import Entry
from experiments.corpora.tables import read_table, read_text
from experiments.corpora.tree import own_folds, scan, without

ENTRY = Entry(
    name="audformat",
    title="Any database in audformat (such as those of audb)",
    language="any",
    size="any",
    speakers="any",
    emotions="any",
    truth="any",
    setup="any",
    licence="as its header states",
    where="https://audeering.github.io/audformat/",
    module=__name__,
    layout=("db.yaml", "db.files.csv  (one per table)", "audio/..."),
    documented="https://audeering.github.io/audformat/data-header.html",
    signature=r"(^|/)db\.yaml$",
)

#: What our fields may be called, as a column or as its scheme.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "label": ("emotion", "emotion.categories", "label"),
    "speaker": ("speaker", "speaker_id"),
    "transcript": ("transcription", "transcript", "text"),
    "language": ("language",),
    "sex": ("gender", "sex"),
    "age": ("age",),
}
SPLITS = ("train", "dev", "test")
#: A duration as pandas writes it: ``0 days 00:00:01.500000``.
DURATION = re.compile(r"(?:(\d+) days? )?(\d+):(\d\d):(\d\d(?:\.\d+)?)")
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,60}")
SECONDS = (86400.0, 3600.0, 60.0, 1.0)


@dataclass(frozen=True, slots=True)
class TableRow:
    """What a row of a table tells of a file, or of a segment of it, by our fields."""

    file: str
    start: str
    end: str
    fields: Mapping[str, str]


def read(root: Path) -> Corpus:
    """Read a database; folds are its split where all its files are in one.

    Raises:
        CorpusError: no header, no table in CSV, no emotions, a time that is none, or a file that
            lies outside the root.
    """
    tree = scan(ENTRY, root)
    path = tree.need("db.yaml")
    header = _header(path)
    faults: list[Fault] = []
    rows = _merged(
        _rows(path.parent, header, faults), _part(header, "schemes", "speaker", "labels")
    )
    targets = tuple(sorted({row.fields["label"] for row in rows if "label" in row.fields}))
    utterances = tuple(_utterance(row, targets, path.parent, faults) for row in rows)
    if not targets and not faults:
        what = f"no column or scheme of a table is called {' or '.join(FIELDS['label'])}"
        faults.append(Fault("tables", what))
    if faults:
        raise CorpusError(str(path), faults)
    lost = [u.id for u in utterances if u.audio is None]
    name = str(header.get("name"))
    return Corpus(
        # Two databases must not have one name where they are compared together.
        name=name if NAME.fullmatch(name) else "audformat",
        root=root,
        task="single-label",
        targets=targets,
        utterances=utterances,
        folds=own_folds(utterances),
        notes=without("recording", lost),
    )


def _header(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        header = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, RecursionError) as error:
        raise CorpusError(str(path), [Fault("header", f"not YAML ({error})")]) from error
    if not isinstance(header, dict) or not isinstance(header.get("tables"), dict):
        what = "expected 'tables', as audformat writes it"
        raise CorpusError(str(path), [Fault("header", what)])
    return header


def _part(header: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """What a header has below some names; nothing where it has none, or no mapping."""
    for name in names:
        part = header.get(name)
        header = part if isinstance(part, dict) else {}
    return header


def _rows(folder: Path, header: Mapping[str, Any], faults: list[Fault]) -> list[TableRow]:
    """Every row of every table of files or segments."""
    rows = []
    for name in _part(header, "tables"):
        table = _part(header, "tables", name)
        path = folder / f"db.{Path(name).name}.csv"
        if not path.is_file():
            what = f'expected {path.name}; db.save(root, storage_format="csv") writes it'
            faults.append(Fault(name, what, "table"))
            continue
        columns = _columns(_part(table, "columns"))
        split = next((s for s in SPLITS if s in (table.get("split_id"), *name.split("."))), None)
        for row in read_table(path, ["file"]):
            cells = {field: row[c] for field, c in columns.items() if row.get(c)}
            cells |= {"split": split} if split else {}
            rows.append(TableRow(row["file"], row.get("start", ""), row.get("end", ""), cells))
    return rows


def _columns(columns: Mapping[str, Any]) -> dict[str, str]:
    """Column of each of our fields that a table has."""
    column_of = {}
    for field, names in FIELDS.items():
        candidates = [
            c for c in columns if c in names or _part(columns, c).get("scheme_id") in names
        ]
        if candidates:
            column_of[field] = candidates[0]
    return column_of


def _merged(rows: list[TableRow], speakers: Mapping[str, Any]) -> list[TableRow]:
    """One row per segment, or per file; what is told of a file holds for its segments."""
    files: dict[str, dict[str, str]] = {}
    segments: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in rows:
        if row.start or row.end:
            segments.setdefault((row.file, row.start, row.end), {}).update(row.fields)
        else:
            files.setdefault(row.file, {}).update(row.fields)
    for file in files.keys() - {file for file, _, _ in segments}:
        segments[file, "", ""] = {}
    merged = []
    for (file, start, end), segment in sorted(segments.items()):
        fields = {**files.get(file, {}), **segment}
        known = _part(speakers, fields.get("speaker", ""))
        about = {f: str(known[n]) for f in ("sex", "age") for n in FIELDS[f] if n in known}
        merged.append(TableRow(file, start, end, about | fields))
    return merged


def _utterance(
    row: TableRow, targets: tuple[str, ...], folder: Path, faults: list[Fault]
) -> Utterance:
    fields = row.fields
    start_s, end_s = _seconds(row.start, row.file, faults), _seconds(row.end, row.file, faults)
    age = fields.get("age", "")
    return Utterance(
        id=row.file if not row.start else f"{row.file}@{row.start}-{row.end}",
        audio=_audio(row.file, folder, faults),
        start_s=start_s or 0.0,
        end_s=end_s,
        transcript=fields.get("transcript"),
        speaker=fields.get("speaker"),
        target=one_hot(fields["label"], targets) if "label" in fields else None,
        split=fields.get("split"),
        language=fields.get("language"),
        sex=fields.get("sex"),
        age=float(age) if re.fullmatch(r"\d+(\.\d+)?", age) else None,
    )


def _audio(file: str, folder: Path, faults: list[Fault]) -> Path | None:
    path = folder / file
    if not path.resolve().is_relative_to(folder.resolve()):
        faults.append(Fault(file, "lies outside the database's folder", "outside"))
    return path if path.is_file() else None


def _seconds(cell: str, where: str, faults: list[Fault]) -> float | None:
    """Seconds of a time; None where it is empty or pandas' ``NaT``, the end of the file."""
    if cell in ("", "NaT"):
        return None
    match = DURATION.fullmatch(cell)
    if match is None:
        faults.append(Fault(where, f"{cell!r} is no time as 0 days 00:00:01.5", "time"))
        return None
    return sum(unit * float(part or 0) for unit, part in zip(SECONDS, match.groups(), strict=True))
