"""The generic manifest: a CSV (commas, semicolons or tabs) or JSONL table of utterances.

Columns: ``id,audio,start_s,end_s,transcript,speaker,label`` and any of ``dialogue, turn, session,
script, split, fold, language, sex, age, channel, valence, arousal, dominance``. ``turn`` is the
place in the dialogue. ``channel`` counts from 1, or is ``mean``, which is what an empty cell means
where nothing else was asked for.
``label`` is ``happy``, or ``happy|sad`` (several at once), or ``happy:0.7|sad:0.3`` (shares), or
``none`` (no class present); an empty cell is unlabelled. Every fault of a manifest is collected
before anything is raised.
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from encoders.manifest_rows import (
    COLUMNS,
    DIMENSIONS,
    TEXT_COLUMNS,
    Row,
    channel_of,
    did_you_mean,
    read_rows,
)
from encoders.messages import composed, cut, quoted
from encoders.utterance import Corpus, CorpusError, Fault, Task, Utterance

SPLITS = ("train", "dev", "test")
#: How far written shares may be from 1 in all: two decimals of seven classes.
SHARES_ERR = 0.04
#: What other tables call our columns.
SYNONYMS = MappingProxyType(
    {
        "emotion": "label",
        **dict.fromkeys(("path", "file", "wav", "filename"), "audio"),
        **dict.fromkeys(("text", "sentence"), "transcript"),
        **dict.fromkeys(("spk", "speaker_id"), "speaker"),
        **{"start": "start_s", "end": "end_s", "utterance": "id", "utt_id": "id"},
        **{"gender": "sex", "lang": "language", "conversation": "dialogue"},
    }
)


def read_manifest(
    path: Path | str,
    *,
    root: Path | str | None = None,
    labels: Sequence[str] | None = None,
    channel: int | None = None,
) -> Corpus:
    """Read a manifest; audio paths are relative to ``root`` (default: the manifest's folder).

    ``labels`` fixes the classes and their order; without it they are the labels found, sorted.
    ``channel``, from 1 on, is heard of recordings whose row names none (default: the mean of all).

    Raises:
        CorpusError: with every fault found: unknown columns, duplicate ids, missing files,
            segments that end before they start, unknown labels, ``split`` and ``fold`` together.
    """
    path = Path(path)
    root = Path(root) if root is not None else path.parent
    faults: list[Fault] = []
    notes: list[str] = []
    rows = read_rows(path, faults, notes)
    if any(fault.where == "header" for fault in faults):
        # Cells whose columns are in doubt say nothing.
        raise CorpusError(str(path), faults)
    return corpus_of(path.stem, rows, root, labels, channel, ReadSoFar(str(path), faults, notes))


@dataclass(frozen=True, slots=True)
class ReadSoFar:
    """What a table is called in messages, and the faults and notes of reading it so far."""

    source: str
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def corpus_of(
    name: str,
    rows: Sequence[Row],
    root: Path,
    labels: Sequence[str] | None,
    channel: int | None,
    read: ReadSoFar,
) -> Corpus:
    """A corpus of rows, wherever they were read.

    Raises:
        CorpusError: with the faults of reading and all others, as :func:`read_manifest` has them.
    """
    faults = read.faults
    if labels is not None:
        labels = [composed(label).strip() for label in labels]
        faults += _label_faults(labels)
    faults += _column_faults(rows) + _identity_faults(rows)
    task, targets = _task(rows, labels)
    utterances = [_utterance(row, root, task, targets, channel, faults) for row in rows]
    if not rows and not faults:
        faults.append(Fault(read.source, "no rows: expected a header and one line per utterance"))
    if faults:
        raise CorpusError(read.source, faults)
    return Corpus(
        name=name,
        root=root,
        task=task,
        targets=targets,
        utterances=tuple(utterances),
        folds=_protocol(utterances),
        notes=(
            *read.notes,
            *(f"{note}; --labels NEW=OLD+OLD joins some" for note in near_equal("labels", targets)),
            *near_equal("speakers", [u.speaker for u in utterances if u.speaker]),
            *_two_sexes(utterances),
            *_unread_values(rows, task),
        ),
    )


def near_equal(what: str, names: Iterable[str]) -> tuple[str, ...]:
    """A note on names that differ by case, blanks or accents only, or none where none do.

    >>> near_equal("labels", ["Happy", "happy ", "sad"])
    ('labels that differ by case, blanks or accents only, and count as different: Happy, happy ',)
    """
    alike: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        letters = unicodedata.normalize("NFKD", name).casefold()
        bare = "".join(c for c in letters if c.isalnum() and not unicodedata.combining(c))
        alike.setdefault(bare or letters, []).append(name)
    groups = ["; ".join(", ".join(map(cut, group)) for group in alike.values() if len(group) > 1)]
    told = f"{what} that differ by case, blanks or accents only, and count as different: "
    return (told + groups[0],) if groups[0] else ()


def _two_sexes(utterances: Iterable[Utterance]) -> Iterator[str]:
    sexes: dict[str, set[str]] = {}
    for utterance in utterances:
        if utterance.speaker is not None and utterance.sex is not None:
            sexes.setdefault(utterance.speaker, set()).add(utterance.sex)
    mixed = [f"{cut(name)} ({', '.join(sorted(of))})" for name, of in sexes.items() if len(of) > 1]
    if mixed:
        yield f"speakers of more than one sex, {', '.join(mixed)}: two people under one name?"


def _unread_values(rows: Sequence[Row], task: Task) -> Iterator[str]:
    given = [name for name in DIMENSIONS if any(name in row.cells for row in rows)]
    if given and task != "regression":
        yield (
            f"{', '.join(given)}: not read, because there are labels; without the column label "
            "these values are what is predicted"
        )


# ---------------------------------------------------------------- faults of the whole table


def _label_faults(labels: Sequence[str]) -> list[Fault]:
    """Faults of classes that the user names; a name must be one that a cell can hold."""
    wrong = [name for name in labels if name in ("", "none") or "|" in name or ":" in name]
    what = "no name of a class: expected a word that is not none, without | and :"
    faults = [Fault("--labels", f"{quoted(name)} is {what}") for name in dict.fromkeys(wrong)]
    doubled = [name for name, count in Counter(labels).items() if count > 1]
    faults += [Fault("--labels", f"{quoted(name)} is given twice") for name in doubled]
    if not labels:
        faults.append(Fault("--labels", "names no class: expected some, as in angry,happy,sad"))
    return faults


def _column_faults(rows: Sequence[Row]) -> list[Fault]:
    columns = {column for row in rows for column in row.cells}
    faults = [Fault("columns", _unknown_column(name)) for name in sorted(columns - set(COLUMNS))]
    if rows and "id" not in columns:
        faults.append(Fault("columns", "'id' is missing: every utterance needs one of its own"))
    if {"split", "fold"} <= columns:
        what = "'split' and 'fold' are both given: keep the one whose folds you mean"
        faults.append(Fault("columns", what))
    if rows and not columns & {"audio", "transcript", "id"}:
        faults.append(Fault("columns", f"expected some of {', '.join(COLUMNS)}"))
    return faults


def _unknown_column(name: str) -> str:
    meant = SYNONYMS.get(name.lower())
    return f"unknown column {quoted(name)}: {did_you_mean(meant or name.lower(), COLUMNS)}"


def _identity_faults(rows: Sequence[Row]) -> list[Fault]:
    faults, first = [], dict[str, Row]()
    for row in rows:
        name = row.cells.get("id")
        if name is None:
            faults.append(Fault(f"line {row.line}", "the id is empty"))
        elif name in first:
            faults.append(Fault(row.where, f"duplicate id, first on line {first[name].line}", "id"))
        else:
            first[name] = row
    return faults


def _task(rows: Sequence[Row], labels: Sequence[str] | None) -> tuple[Task, tuple[str, ...]]:
    """Task and targets that the cells imply; the most general form of label found decides."""
    cells = [row.cells["label"] for row in rows if "label" in row.cells]
    dimensions = tuple(name for name in DIMENSIONS if any(name in row.cells for row in rows))
    if not cells and dimensions:
        return "regression", dimensions
    names = {part.split(":")[0].strip() for cell in cells for part in cell.split("|")}
    names -= {"none", ""}
    targets = tuple(labels) if labels is not None else tuple(sorted(names))
    if any(":" in cell for cell in cells):
        return "distribution", targets
    several = any("|" in cell or cell == "none" for cell in cells)
    return ("multi-label" if several else "single-label"), targets


# ---------------------------------------------------------------- one row


def _utterance(
    row: Row,
    root: Path,
    task: Task,
    targets: tuple[str, ...],
    channel: int | None,
    faults: list[Fault],
) -> Utterance:
    start_s = _number(row, "start_s", faults) or 0.0
    end_s = _number(row, "end_s", faults)
    if start_s < 0:
        faults.append(Fault(row.where, f"start_s {start_s:g} is negative"))
    if end_s is not None and end_s <= start_s:
        what = "is empty (end_s equals start_s)" if end_s == start_s else "ends before it starts"
        faults.append(Fault(row.where, f"the segment {start_s:g}-{end_s:g} s {what}"))
    split = row.cells.get("split")
    if split is not None and split not in SPLITS:
        faults.append(Fault(row.where, f"split {quoted(split)}: expected {', '.join(SPLITS)}"))
    return Utterance(
        id=row.cells.get("id", ""),
        audio=_audio(row, root, faults),
        start_s=start_s,
        end_s=end_s,
        channel=_channel(row, channel, faults),
        transcript=row.cells.get("transcript"),
        turn=_number(row, "turn", faults),
        age=_number(row, "age", faults),
        target=_target(row, task, targets, faults),
        **{name: row.cells.get(name) for name in TEXT_COLUMNS},
    )


def _channel(row: Row, otherwise: int | None, faults: list[Fault]) -> int | None:
    cell = row.cells.get("channel")
    if cell is None:
        return otherwise
    try:
        return channel_of(cell)
    except ValueError as error:
        faults.append(Fault(row.where, str(error)))
        return None


def _number(row: Row, column: str, faults: list[Fault]) -> float | None:
    cell = row.cells.get(column)
    if cell is None:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        faults.append(Fault(row.where, f"{column} {quoted(cell)} is not a number"))
        return None
    return value


def _audio(row: Row, root: Path, faults: list[Fault]) -> Path | None:
    cell = row.cells.get("audio")
    if cell is None:
        return None
    path = root / cell
    if "\\" in cell and not path.exists():
        # Written on Windows: no other system parts folders so.
        path = root / cell.replace("\\", "/")
    try:
        inside, exists = path.resolve().is_relative_to(root.resolve()), path.is_file()
    # A name with a zero byte, one too long for the file system, a link to itself.
    except (ValueError, OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or cut(error)
        faults.append(Fault(row.where, f"audio {quoted(cell)} is no file name ({why})", "no name"))
        return None
    if not inside:
        what = f"audio {quoted(cell)} lies outside {root}: give the folder that holds all audio as"
        faults.append(Fault(row.where, f"{what} --root", "outside"))
    elif not exists:
        what = f"missing file {path} (--root names the folder that audio paths begin at)"
        faults.append(Fault(row.where, what, "missing"))
    return path


def _target(
    row: Row, task: Task, targets: tuple[str, ...], faults: list[Fault]
) -> tuple[float, ...] | None:
    if task == "regression":
        values = [_number(row, name, faults) for name in targets]
        return None if None in values else tuple(v for v in values if v is not None)
    cell = row.cells.get("label")
    if cell is None:
        return None
    shares = dict.fromkeys(targets, 0.0)
    named: list[str] = []
    for part in cell.split("|") if cell != "none" else ():
        name, _, share = (piece.strip() for piece in part.partition(":"))
        named.append(name)
        if name in shares:
            shares[name] = _share(row, part, share, faults)
        else:
            known = ", ".join(targets) or "no class (every cell is none or empty)"
            what = f"unknown label {quoted(name)}: expected one of {known}"
            faults.append(Fault(row.where, what))
    if len(set(named)) < len(named):
        faults.append(Fault(row.where, f"label {quoted(cell)} names a class twice"))
    total = sum(shares.values())
    if task == "distribution" and not math.isclose(total, 1.0, abs_tol=SHARES_ERR):
        what = f"label {quoted(cell)}: its shares add up to {total:g}, not to 1"
        faults.append(Fault(row.where, what))
    return tuple(shares.values())


def _share(row: Row, part: str, share: str, faults: list[Fault]) -> float:
    try:
        value = float(share) if share else 1.0
    except ValueError:
        value = math.nan
    if not 0.0 <= value < math.inf:
        faults.append(
            Fault(row.where, f"label {quoted(part)}: expected NAME:SHARE, as in happy:0.7")
        )
        return 0.0
    return value


def _protocol(utterances: Sequence[Utterance]) -> str:
    if any(utterance.split for utterance in utterances):
        return "split"
    return "fold" if any(utterance.fold for utterance in utterances) else "groups"
