"""A corpus written in a form that others read: a manifest, an audio folder, or audformat."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from encoders.audio.reading import read_utterance
from encoders.audio.waveform import AudioError
from encoders.extraction import Failure, Progress
from encoders.files import write_atomically
from encoders.manifest_tables import Record, csv_text, records_of, write_manifest
from encoders.utterance import Corpus, CorpusError, Fault, Utterance
from experiments.config import OptionError

Form = Literal["manifest", "audiofolder", "audformat"]
#: What is said of the place in a recording, which is cut out.
_PLACE = ("audio", "start_s", "end_s", "channel")
#: What Hugging Face calls the folder of a split.
_FOLDERS: Mapping[str | None, str] = {
    None: ".",
    "train": "train",
    "dev": "validation",
    "test": "test",
}
#: Columns of audformat's tables, and the fields of an utterance that they hold.
_AUDFORMAT = {
    "emotion": "label",
    "speaker": "speaker",
    "transcription": "transcript",
    "language": "language",
}


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: the file or folder, its rows, and recordings that could not be used."""

    path: Path
    rows: int
    failures: tuple[Failure, ...] = ()


def write_corpus(
    corpus: Corpus, out: Path, form: Form | None = None, progress: Progress | None = None
) -> Written:
    """Write a corpus; ``form`` None is a manifest, whose name ends with .csv or .jsonl.

    Recordings of an audio folder are copied, and cut where an utterance is a part of one; those of
    audformat are copied whole. A manifest names those of the corpus, relative to its root.

    Raises:
        OptionError: a folder that is there already, a file that no manifest is called.
        CorpusError: audformat has no place for what the corpus holds.
    """
    if form in (None, "manifest"):
        if out.suffix not in (".csv", ".jsonl"):
            raise OptionError(
                f"{out}: expected a manifest, as in corpus.csv or corpus.jsonl, or a folder with "
                "--form audiofolder or --form audformat"
            )
        write_manifest(corpus, out)
        return Written(out, len(corpus.utterances))
    if out.exists():
        raise OptionError(f"{out}: is there already; expected the name of a new folder")
    if form == "audiofolder":
        return _write_audiofolder(corpus, out, progress)
    return _write_audformat(corpus, out, progress)


# ---------------------------------------------------------------- an audio folder


def _write_audiofolder(corpus: Corpus, out: Path, progress: Progress | None) -> Written:
    """``metadata.csv`` beside the recordings, in a folder for each split where there are splits."""
    tables: dict[str, list[Record]] = {}
    failures = []
    records = records_of(corpus)
    for number, (utterance, record) in enumerate(
        zip(corpus.utterances, records, strict=True), start=1
    ):
        folder = _FOLDERS[utterance.split]
        try:
            name = _copied(utterance, out / folder, f"{number:06}")
        except AudioError as error:
            failures.append(Failure(utterance.id, str(error)))
            continue
        known = {k: v for k, v in record.items() if k not in _PLACE}
        tables.setdefault(folder, []).append({"file_name": name, **known})
        if progress is not None:
            progress("recordings", number, len(records))
    for folder, rows in tables.items():
        columns = list(dict.fromkeys(name for row in rows for name in row))
        write_atomically(out / folder / "metadata.csv", csv_text(columns, rows).encode())
    return Written(out, sum(map(len, tables.values())), tuple(failures))


def _copied(utterance: Utterance, folder: Path, stem: str) -> str:
    """Copy a recording, or write the part of it that an utterance is; returns its name."""
    import soundfile

    whole = utterance.start_s == 0 and utterance.end_s is None and utterance.channel is None
    suffix = utterance.audio.suffix.lower() if utterance.audio and whole else ".wav"
    name = f"data/{stem}{suffix}"
    audio = None if whole and utterance.audio else read_utterance(utterance)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    if audio is None:
        assert utterance.audio is not None
        shutil.copyfile(utterance.audio, folder / name)
    else:
        # Samples as they are: 16 bits would round them.
        soundfile.write(folder / name, audio.samples, audio.sample_rate_hz, subtype="FLOAT")
    return name


# ---------------------------------------------------------------- audformat


def _write_audformat(corpus: Corpus, out: Path, progress: Progress | None) -> Written:
    """``db.yaml``, a table for each split, and the recordings below their own names."""
    import yaml

    rows = [
        (utterance, record)
        for utterance, record in zip(corpus.utterances, records_of(corpus), strict=True)
        if utterance.audio is not None
    ]
    _check_audformat(corpus, rows)
    tables: dict[str, list[tuple[Utterance, Record]]] = {}
    for utterance, record in rows:
        name = "emotion" if utterance.split is None else f"emotion.{utterance.split}"
        tables.setdefault(name, []).append((utterance, record))
    out.mkdir(parents=True)
    segmented = any(u.start_s or u.end_s is not None for u, _ in rows)
    places = ("file", "start", "end") if segmented else ("file",)
    columns = [c for c, field in _AUDFORMAT.items() if any(field in r for _, r in rows)]
    for name, some in tables.items():
        lines = [_line(utterance, record, places) for utterance, record in some]
        write_atomically(out / f"db.{name}.csv", csv_text([*places, *columns], lines).encode())
    header = _header(corpus, tables, columns, "segmented" if segmented else "filewise")
    write_atomically(out / "db.yaml", yaml.safe_dump(header, sort_keys=False).encode())
    files = {str(record["audio"]): utterance.audio for utterance, record in rows}
    for number, (name, path) in enumerate(files.items(), start=1):
        assert path is not None
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, out / name)
        if progress is not None:
            progress("recordings", number, len(files))
    return Written(out, len(rows))


def _check_audformat(corpus: Corpus, rows: Sequence[tuple[Utterance, Record]]) -> None:
    faults = []
    if corpus.task != "single-label":
        what = f"{corpus.task} targets: expected one class per utterance; write a manifest"
        faults.append(Fault("targets", what))
    for utterance, record in rows:
        if utterance.channel is not None:
            what = "a channel, which audformat does not know: write an audiofolder, which cuts it"
            faults.append(Fault(utterance.id, what, "channel"))
        if PurePosixPath(str(record["audio"])).is_absolute():
            faults.append(Fault(utterance.id, f"lies outside {corpus.root}", "outside"))
    if not rows:
        faults.append(Fault(corpus.name, "no utterance has a recording: write a manifest"))
    if faults:
        raise CorpusError(f"{corpus.name} as audformat", faults)


def _line(utterance: Utterance, record: Record, places: Sequence[str]) -> Record:
    times = {"start": _time(utterance.start_s), "end": _time(utterance.end_s)}
    place = {"file": record["audio"], **{name: times[name] for name in places[1:]}}
    return {**place, **{c: record[f] for c, f in _AUDFORMAT.items() if f in record}}


def _time(seconds: float | None) -> str:
    """A time as pandas writes it; the end of a file is none.

    >>> _time(3723.5), _time(None)
    ('0 days 01:02:03.500000', 'NaT')
    """
    if seconds is None:
        return "NaT"
    millionths = round(seconds * 1_000_000)
    days, rest = divmod(millionths, 86_400_000_000)
    minutes, rest = divmod(rest, 60_000_000)
    return f"{days} days {minutes // 60:02}:{minutes % 60:02}:{rest / 1_000_000:09.6f}"


def _header(
    corpus: Corpus, tables: Mapping[str, Any], columns: Sequence[str], kind: str
) -> dict[str, Any]:
    labels: dict[str, Any] = {"emotion": list(corpus.targets), "speaker": dict(_speakers(corpus))}
    schemes = {
        column: {"dtype": "str", **({"labels": labels[column]} if labels.get(column) else {})}
        for column in columns
    }
    splits = sorted({u.split for u in corpus.utterances if u.split is not None})
    of = {f"emotion.{split}": split for split in splits}
    return {
        "name": corpus.name,
        "source": "written by serfusion",
        "usage": "other",
        "splits": {split: {"type": split} for split in splits},
        "schemes": schemes,
        "tables": {
            name: {
                "type": kind,
                **({"split_id": of[name]} if name in of else {}),
                "columns": {column: {"scheme_id": column} for column in columns},
            }
            for name in tables
        },
    }


def _speakers(corpus: Corpus) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is known of each speaker, as their scheme holds it."""
    seen = set()
    for utterance in corpus.utterances:
        if utterance.speaker is not None and utterance.speaker not in seen:
            seen.add(utterance.speaker)
            about = {"gender": utterance.sex, "age": utterance.age}
            yield utterance.speaker, {k: v for k, v in about.items() if v is not None}
