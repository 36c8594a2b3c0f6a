"""What is lost, served wrong or left hanging when processes die, disks fill and files are damaged.

`python -m benchmarks reliability` takes all parts at full size; `python -m benchmarks.reliability
PART [COUNT]` one of them. Commands and readers that may die work in processes of their own, forked
from a server that has imported what they need; each has a time limit.
"""

import faulthandler
import hashlib
import multiprocessing
import os
import resource
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile

from benchmarks import mutations

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        *("benchmarks.reliability", "benchmarks.mutations", "experiments.commands.main"),
        *("experiments.comparing.comparison", "experiments.interviews.interview"),
        *("experiments.embed", "fusion.tuning.tune", "encoders.pretrained.text"),
    ]
)
#: Seconds after which a case counts as hanging, on a machine that others may share.
CASE_S, COMMAND_S = 60, 900
#: A recording whose length is off by more has lost sound.
SHORTER_S = 0.1
RECORDING_S = 1.0
KILLS = {"cache, two writers": 90, "journal": 60, "embed": 20, "compare": 15, "interview": 15}
RECORDINGS, ANNOTATIONS, FLIPS, DISK_POINTS, WORKERS, KILLS_EACH = 10_000, 5_000, 10_000, 50, 8, 20
#: What a run leaves, but for results, which count embeddings that were in the cache before, and
#: are computed from these.
LEFT = ("predictions.safetensors", "folds.json")
#: Trials of a study that workers share.
BUDGET = 120
FIRST = {"hidden": 64, "dropout": 0.5, "learning_rate": 1e-3, "weight_decay": 1.0}
Act = Callable[..., object]


# ---------------------------------------------------------------- processes that may die


def started(act: Act, *arguments: object, log: Path, limit_s: float = COMMAND_S) -> Any:  # noqa: ANN401
    """A process at work; what it prints is in ``log``, and it ends itself when it hangs."""
    process = CONTEXT.Process(target=_work, args=(act, arguments, log, limit_s))
    process.start()
    return process


def _work(act: Act, arguments: Sequence[object], log: Path, limit_s: float) -> None:
    opened = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(opened, 1)
    os.dup2(opened, 2)
    faulthandler.dump_traceback_later(limit_s, exit=True)
    act(*arguments)


def command(cache: Path, words: Sequence[str]) -> None:
    """A command of serfusion, as typed."""
    os.environ["SERFUSION_CACHE"] = str(cache)
    sys.argv = ["serfusion", *words]
    from experiments.commands.main import main

    main()


def ended(process: ForkServerProcess, log: Path) -> str:
    """How a process ended: well, in a message, or in what must not be."""
    process.join()
    said = log.read_text(errors="replace") if log.exists() else ""
    if "Timeout (" in said:
        return "hung"
    if "Traceback (most recent call last)" in said or process.exitcode not in (0, 1, 2):
        return "traceback"
    return "well" if process.exitcode == 0 else "message"


# ---------------------------------------------------------------- what the commands work at


def write_tones(folder: Path, rows: int = 24) -> Path:
    """A manifest of high and low tones with words, in two folds of three speakers."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["id,audio,speaker,label,transcript,fold"]
    for number in range(rows):
        rng, label = np.random.default_rng(number), ("high", "low")[number % 2]
        hertz = (1200 if label == "high" else 300) * rng.uniform(0.9, 1.1)
        wave = 0.3 * np.sin(2 * np.pi * hertz * np.arange(5600) / 8000)
        wave += 0.05 * rng.standard_normal(len(wave))
        soundfile.write(folder / f"{number}.wav", wave.astype("f4"), 8000, subtype="FLOAT")
        speaker = number * 6 // rows
        lines.append(f"u{number},{number}.wav,s{speaker},{label},word {number},{speaker % 2}")
    (folder / "tones.csv").write_text("\n".join(lines))
    soundfile.write(folder / "talk.wav", _talk(folder, rows), 8000)
    turns = "".join(f"SPEAKER talk 1 {n * 2} 1.5 <NA> <NA> s{n % 2} <NA> <NA>\n" for n in range(6))
    (folder / "talk.rttm").write_text(turns)
    return folder / "tones.csv"


def _talk(folder: Path, rows: int) -> np.ndarray:
    parts = [soundfile.read(folder / f"{number}.wav")[0] for number in range(rows)]
    return np.concatenate(parts)


def compare_words(manifest: Path, out: Path) -> list[str]:
    words = ["compare", "--manifest", str(manifest), "--audio", "logmel", "--text", "minilm"]
    return [*words, *("--arms", "audio,text", "--trials", "1", "--seeds", "1", "--jobs", "1"),
            "--out", str(out)]  # fmt: skip


def embed_words(manifest: Path) -> list[str]:
    return ["embed", "--manifest", str(manifest), "--audio", "logmel", "--text", "minilm"]


def interview_words(model: Path, recording: Path, out: Path) -> list[str]:
    turns = str(recording.with_suffix(".rttm"))
    return ["interview", str(model), str(recording), "--turns", turns, "--words", "off",
            "--out", str(out)]  # fmt: skip


def hash_of(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def embeddings_in(cache: Path) -> str:
    """Hash of all that a cache has embedded, each by its key; an error where any is damaged."""
    from encoders.store import EmbeddingStore

    digest = hashlib.sha256()
    for space in EmbeddingStore(cache).spaces():
        keys = sorted(space._index)
        for key, entry in zip(keys, space.read(keys), strict=True):
            digest.update(key.encode() + entry.values.tobytes())
    return digest.hexdigest()


# ---------------------------------------------------------------- kills


@dataclass(frozen=True)
class Case:
    """Work that is killed and done again: processes at once, and what they leave when done."""

    acts: Sequence[tuple[Act, Sequence[object]]]
    left: Callable[[], object]
    folders: Sequence[Path]


@dataclass
class Killed:
    """What came of kills; ``slowest_s`` is the longest that the same command took afterwards."""

    kills: int = 0
    again: int = 0
    same: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    undisturbed_s: float = 0.0
    slowest_s: float = 0.0


def kill(case: Case, kills: int, folder: Path, in_a_row: int = 4, seed: int = 0) -> Killed:
    """Kill at random times, let it end, and compare with what an undisturbed one left."""
    rng, log, killed = np.random.default_rng(seed), folder / "log", Killed()
    _clear(case)
    killed.undisturbed_s, _ = _run(case, log, killed.ends)
    expected = case.left()
    while killed.kills < kills:
        _clear(case)
        for _ in range(in_a_row):
            killed.kills += _kill_once(case, rng, killed.undisturbed_s, log)
        took, _ = _run(case, log, killed.ends)
        killed.slowest_s = max(killed.slowest_s, took)
        killed.again += 1
        with suppress(ValueError, OSError):
            killed.same += case.left() == expected
    return killed


def _clear(case: Case) -> None:
    for place in case.folders:
        shutil.rmtree(place, ignore_errors=True)


def _run(case: Case, log: Path, ends: Counter[str]) -> tuple[float, list[str]]:
    log.unlink(missing_ok=True)
    begun = time.monotonic()
    processes = [started(act, *arguments, log=log) for act, arguments in case.acts]
    how = [ended(process, log) for process in processes]
    ends.update(how)
    return time.monotonic() - begun, how


def _kill_once(case: Case, rng: np.random.Generator, most_s: float, log: Path) -> int:
    """Start and kill after a while; returns how many processes were alive to be killed."""
    processes = [started(act, *arguments, log=log) for act, arguments in case.acts]
    kills = 0
    for process in processes:
        process.join(rng.uniform(0, most_s / len(processes)))
        kills += process.is_alive()
        process.kill()
        process.join()
    return kills


def write_entries(cache: Path, first: int) -> None:
    """A writer of a cache: 24 shards of 4 embeddings, of which another one writes half."""
    from encoders.specs import LogMelSpec
    from encoders.store import Embedding, EmbeddingStore, text_key

    space = EmbeddingStore(cache).space(LogMelSpec(), "f" * 64)
    for number in range(first, first + 24):
        values = np.full((4, 100, 64), float(number), np.float32)
        entry = Embedding(values, 100, np.zeros(0, np.float32))
        keys = space.missing([text_key(f"{number} {part}") for part in range(4)])
        space.write(dict.fromkeys(keys, entry), {})


def _tuning(place: Any, trials: int) -> Any:  # noqa: ANN401 - our own classes, imported late
    from fusion.networks.heads import HEADS
    from fusion.tuning.tune import Tuning

    return Tuning(HEADS["mlp"].space, FIRST, trials, 0, place)


def search(journal: Path, trials: int) -> None:
    """A study that is kept in a journal."""
    from fusion.tuning.storage import StudyStorage

    journal.parent.mkdir(exist_ok=True)
    for trial in _tuning(StudyStorage(journal=journal), trials):
        time.sleep(0.01)
        trial.value = -abs(trial.parameters["dropout"] - 0.3)


def finished_trials(journal: Path) -> list[tuple[dict[str, Any], float | None]]:
    """Trials that a journal knows to be over."""
    from fusion.tuning.storage import StudyStorage
    from fusion.tuning.tune import _finished

    with StudyStorage(journal=journal).opened() as study:
        return [(trial.params, trial.value) for trial in _finished(study)]


def cases(folder: Path) -> Iterator[tuple[str, Case]]:
    """What is killed; a run is left in ``folder/run``, with its cache beside it."""
    manifest, cache = write_tones(folder / "tones"), folder / "killed"
    run, out, journal = folder / "run", folder / "out", folder / "studies" / "s.log"
    writers = [(write_entries, (cache, first)) for first in (0, 12)]
    yield "cache, two writers", Case(writers, partial(embeddings_in, cache), [cache])
    yield "journal", Case([(search, (journal, 12))], partial(finished_trials, journal),
                          [journal.parent])  # fmt: skip
    embedding = [(command, (cache, embed_words(manifest)))]
    yield "embed", Case(embedding, partial(embeddings_in, cache), [cache])
    comparing = [(command, (cache, compare_words(manifest, out)))]
    parts = [out / name for name in LEFT]
    yield "compare", Case(comparing, partial(hash_of, parts), [cache, out])
    ready(folder, manifest, run)
    told = [out / "talk" / name for name in ("timeline.json", "segments.csv", "timeline.eaf")]
    words = interview_words(run / "model", manifest.with_name("talk.wav"), out)
    yield "interview", Case([(command, (cache, words))], partial(hash_of, told), [out])


def ready(folder: Path, manifest: Path, run: Path) -> None:
    """A finished run with its cache."""
    if not (run / "results.json").exists():
        log = folder / "ready"
        words = compare_words(manifest, run)
        how = ended(started(command, folder / "cache", words, log=log), log)
        if how != "well":
            raise RuntimeError(f"no run to work at: {log.read_text()}")


def kills(folder: Path, counts: Mapping[str, int] = KILLS) -> list[str]:
    """A table of kills."""
    lines = ["| killed | kills | done again | same result | ended otherwise | s, undisturbed | "
             "s at most, after kills |", "|--" * 7 + "|"]  # fmt: skip
    total = 0
    for name, case in cases(folder):
        if not counts.get(name):
            continue
        came = kill(case, counts[name], folder)
        total += came.kills
        wrong = {how: count for how, count in came.ends.items() if how != "well"}
        lines.append(
            f"| {name} | {came.kills} | {came.again} | {came.same} | {_counted(wrong)} | "
            f"{came.undisturbed_s:.1f} | {came.slowest_s:.1f} |"
        )
    return [*lines, f"| all | {total} | | | | | |"]


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "0"


# ---------------------------------------------------------------- mutants


def hear(path: Path) -> str:
    """What becomes of a mutated recording: read, shorter and told so or not, or refused."""
    from encoders.audio.reading import read_segment
    from encoders.audio.waveform import AudioError

    try:
        audio = read_segment(path)
    except AudioError:
        return "refused"
    if audio.duration_s > RECORDING_S - SHORTER_S:
        return "read"
    return "read shorter, and told" if audio.notes else "read shorter, unsaid"


def read_annotation(path: Path) -> str:
    """What becomes of a mutated annotation."""
    from experiments.annotations.turns import AnnotationError, read_turns

    try:
        return "read" if read_turns(path) else "nothing, unsaid"
    except AnnotationError:
        return "refused"


def _mutants(
    whole: Path, read: Callable[[Path], str], kinds: str, numbers: range, said: Path
) -> None:
    """Read mutants one after the other, and say of each what became of it."""
    content, choice = whole.read_bytes(), getattr(mutations, kinds)
    with said.open("a") as out:
        for number in numbers:
            rng = np.random.default_rng(number)
            # Readers remember files by name, size and time.
            path = said.with_name(f"mutant-{number}{whole.suffix}")
            path.write_bytes(mutations.mutated(content, rng, choice))
            faulthandler.dump_traceback_later(CASE_S, exit=True)
            try:
                outcome = read(path)
            except Exception as error:  # what it is that was looked for
                outcome = f"traceback ({type(error).__name__})"
            faulthandler.cancel_dump_traceback_later()
            out.write(f"{number}\t{outcome}\n")
            out.flush()
            path.unlink()


def mutants(
    folder: Path, whole: Path, read: Callable[[Path], str], kinds: str, count: int
) -> Counter[str]:
    """What became of so many mutants of a file; who dies of one is started again behind it."""
    said, log, first = folder / f"said-{whole.suffix[1:]}", folder / "mutants.log", 0
    said.write_text("")
    came: Counter[str] = Counter()
    while first < count:
        log.unlink(missing_ok=True)
        numbers = range(first, count)
        how = ended(started(_mutants, whole, read, kinds, numbers, said, log=log), log)
        lines = said.read_text().splitlines()
        first = int(lines[-1].split("\t")[0]) + 1 if lines else first
        if how != "well" and first < count:
            came["hung" if how == "hung" else "killed its process"] += 1
            said.write_text("".join(f"{line}\n" for line in [*lines, f"{first}\t"]))
            first += 1
    came.update(text for line in said.read_text().splitlines() if (text := line.split("\t")[1]))
    return came


def all_mutants(
    folder: Path, recordings: int = RECORDINGS, annotations: int = ANNOTATIONS
) -> list[str]:
    """Tables of mutated recordings and annotations."""
    from experiments.annotations.turns import FORMATS

    lines = ["| mutants | of | what became of them |", "|--|--|--|"]
    heard = [mutations.write_recording(name, folder, RECORDING_S) for name in mutations.FORMATS]
    noted = [mutations.write_annotation(suffix, folder) for suffix in sorted(FORMATS)]
    for wholes, read, kinds, count in (
        (heard, hear, "RECORDINGS", recordings),
        (noted, read_annotation, "ANNOTATIONS", annotations),
    ):
        each, total = -(-count // len(wholes)), Counter[str]()
        for whole in wholes:
            came = mutants(folder, whole, read, kinds, each)
            total += came
            lines.append(f"| {each} | {whole.suffix[1:]} | {_counted(came)} |")
        lines.append(f"| {total.total()} | all {kinds.lower()} | {_counted(total)} |")
    return lines


# ---------------------------------------------------------------- flips


@dataclass(frozen=True)
class Kept:
    """A file and what reads it: None where it is as if absent, an error where it is refused."""

    path: Path
    read: Callable[[], object]


def flip(kept: Kept, count: int, rng: np.random.Generator) -> Counter[str]:
    """What becomes of a file with one other bit, so many times."""
    content, came = kept.path.read_bytes(), Counter[str]()
    expected = repr(kept.read())
    for _ in range(count):
        kept.path.write_bytes(mutations.flipped(content, b"", rng))
        came[_outcome(kept.read, expected)] += 1
    kept.path.write_bytes(content)
    return came


def _outcome(read: Callable[[], object], expected: str) -> str:
    try:
        value = read()
    except (ValueError, OSError):
        return "refused"
    except Exception as error:  # what it is that was looked for
        return f"traceback ({type(error).__name__})"
    if value is None:
        return "made again"
    return "harmless" if repr(value) == expected else "SERVED WRONG"


def kept_files(folder: Path) -> dict[str, list[Kept]]:
    """Files of a cache, a run, a model and an interview by kind, with what commands read them."""
    cache, run, talk = folder / "cache", folder / "run", folder / "talk" / "talk"
    model = run / "model"
    return {
        "shards of embeddings": [Kept(p, partial(_shard, p)) for p in _files(cache, "*-*/*.saf*")],
        "what was heard of recordings (sounds)": [
            Kept(path, partial(_shard, path)) for path in _files(cache, "sounds/*/*.safetensors")
        ],
        "spec.json of encoders": [Kept(p, partial(_sealed, p)) for p in _files(cache, "*/spec.j*")],
        "hints.json": [Kept(cache / "hints.json", partial(_hints, cache / "hints.json"))],
        "transcripts": [Kept(p, partial(_transcript, p)) for p in [_written_transcript(folder)]],
        "kept fits (scores)": [Kept(p, partial(_fit, p)) for p in _files(cache, "fits/*.scores")],
        "model.json, heads.safetensors, seen.json": [
            Kept(model / name, partial(_model, model))
            for name in ("model.json", "heads.safetensors", "seen.json")
            if (model / name).exists()
        ],
        "folds, environment, predictions, config, model of a run": [
            Kept(path, partial(_unchanged, run))
            for name in ("folds.json", "environment.json", "predictions.safetensors", "config.toml")
            if (path := run / name).exists()
        ]
        + [Kept(model / "model.json", partial(_unchanged, run))],
        "files of an interview": [Kept(p, partial(_unchanged, talk)) for p in _files(talk, "*.*")],
    }


def _files(folder: Path, pattern: str) -> list[Path]:
    paths = (path for path in folder.glob(pattern) if path.is_file())
    found = sorted(path for path in paths if not path.name.startswith("."))
    assert found, f"nothing kept as {folder / pattern}"
    return found


def _shard(path: Path) -> object:
    """All entries of a shard that is read as a command reads it; None where one is missing."""
    from encoders.store import Space

    space, keys = Space(path.parent, None), KEYS.setdefault(path, _keys_of(path))
    if space.missing(keys):
        return None
    entries = space.read(keys)
    return [(e.values.tobytes(), e.frame_count, e.start_s.tobytes(), e.extent) for e in entries]


#: Keys of shards before anything was done to them.
KEYS: dict[Path, list[str]] = {}


def _keys_of(path: Path) -> list[str]:
    from encoders.store import shard_keys

    return shard_keys(path) if path not in KEYS else []


def _sealed(path: Path) -> object:
    """None where the next run writes it again; an error where the space is of another version."""
    from encoders.files import read_sealed
    from encoders.store import foreign_format

    if (why := foreign_format(path.parent)) is not None:
        raise ValueError(why)
    return read_sealed(path)


def _hints(path: Path) -> object:
    from encoders.decode_index import DecodeIndex

    return dict(DecodeIndex(path).heard) or None


def _written_transcript(folder: Path) -> Path:
    from encoders.asr.recognisers import default_recogniser, parse_recogniser
    from encoders.asr.transcript import NOTHING, Segment
    from encoders.asr.transcription import TranscriptCache

    cache = TranscriptCache(folder / "cache", parse_recogniser(default_recogniser()))
    said = (Segment(0.0, 1.5, " What a wonderful surprise.", -0.2, 0.01),)
    cache.write("a" * 64, replace(NOTHING, segments=said, language="en", avg_logprob=-0.2), "cpu")
    return cache.folder / f"{'a' * 64}.json"


def _transcript(path: Path) -> object:
    from encoders.asr.transcription import read_transcript

    return read_transcript(path)


def _fit(path: Path) -> object:
    from fusion.training.fit_cache import read_fit

    if (kept := read_fit(path)) is None:
        return None
    told, tensors = kept
    return told, {name: values.numpy().tobytes() for name, values in tensors.items()}


def _model(folder: Path) -> object:
    import torch

    from fusion.model.fusion_model import FusionModel

    model = FusionModel.load(folder)
    dims = [pair for part in model.parts for pair in zip(part.inputs, part.dims, strict=True)]
    inputs = {name: torch.ones(1, dim) for name, dim in dims}
    return model.predict_embeddings(inputs), model.temperature, model.seen


def _unchanged(folder: Path) -> object:
    """What ``verify`` and a second ``interview`` ask: an error where a file is another."""
    from encoders.files import changed_files

    changed = changed_files(folder)
    if changed:
        raise ValueError(f"changed: {changed}")
    return changed


def flips(folder: Path, count: int = FLIPS) -> list[str]:
    """A table of flipped bits."""
    manifest, model = write_tones(folder / "tones"), folder / "run" / "model"
    ready(folder, manifest, folder / "run")
    if not (folder / "talk").exists():
        words = interview_words(model, manifest.with_name("talk.wav"), folder / "talk")
        ended(started(command, folder / "cache", words, log=folder / "log"), folder / "log")
    rng, total = np.random.default_rng(0), Counter[str]()
    lines = ["| one bit of | files | flips | what became of them |", "|--" * 4 + "|"]
    kinds = kept_files(folder)
    for kind, files in kinds.items():
        each = -(-count // (len(kinds) * len(files)))
        came = sum((flip(kept, each, rng) for kept in files), Counter[str]())
        total += came
        lines.append(f"| {kind} | {len(files)} | {came.total()} | {_counted(came)} |")
    return [*lines, f"| all | | {total.total()} | {_counted(total)} |"]


# ---------------------------------------------------------------- workers of one study


def work(storage: str, trials: int, notes: Path) -> None:
    """A worker of a shared study, that notes each trial once the study has its value."""
    from fusion.tuning import shared
    from fusion.tuning.storage import StudyStorage

    # Half an hour is right for people, not for a benchmark.
    shared.LOOK_S, shared.SILENT_S = 0.1, 20.0
    earlier: list[str] = []
    for trial in _tuning(StudyStorage(storage=storage, name="study"), trials):
        # The study has a trial's value once the next one is asked for.
        _note(notes, earlier)
        time.sleep(0.02)
        trial.value = -abs(trial.parameters["dropout"] - 0.3)
        earlier = [str(trial._trial.number)]
    _note(notes, earlier)


def _note(notes: Path, numbers: Sequence[str]) -> None:
    if numbers:
        with notes.open("a") as file:
            file.write("".join(f"{number}\n" for number in numbers))


def workers(folder: Path, count: int = WORKERS, each: int = KILLS_EACH) -> list[str]:
    """A table of workers that share a study and are killed, each so often."""
    from optuna.trial import TrialState

    from fusion.tuning.storage import StudyStorage

    lines = ["| storage | workers | kills | trials wanted | finished | finished and lost | s |",
             "|--" * 7 + "|"]  # fmt: skip
    for storage in (str(folder / "shared.log"), f"sqlite:///{folder / 'shared.db'}"):
        begun, rng = time.monotonic(), np.random.default_rng(1)
        notes, log = folder / "notes", folder / "workers.log"
        notes.write_text("")
        begin = partial(started, work, storage, BUDGET, notes, log=log)
        team, killed = [begin() for _ in range(count)], 0
        while killed < count * each // 2:
            time.sleep(rng.uniform(0, 0.3))
            place = int(rng.integers(count))
            killed += team[place].is_alive()
            team[place].kill()
            team[place].join()
            team[place] = begin()
        how = Counter(ended(process, log) for process in team)
        with StudyStorage(storage=storage, name="study").opened() as study:
            done = {t.number for t in study.trials if t.state == TrialState.COMPLETE}
        noted = {int(line) for line in notes.read_text().split()}
        kind = "SQLite" if "://" in storage else "journal"
        lines.append(
            f"| {kind} | {count} ({_counted(how)}) | {killed} | {BUDGET} | {len(done)} | "
            f"{len(noted - done)} | {time.monotonic() - begun:.0f} |"
        )
    return lines


# ---------------------------------------------------------------- full disks


def limited(bytes_: int, cache: Path, words: Sequence[str]) -> None:
    """A command whose files cannot grow beyond so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, resource.RLIM_INFINITY))
    command(cache, words)


def disks(folder: Path, points: int = DISK_POINTS) -> list[str]:
    """A table of runs on disks that are full at so many levels, and of the same runs afterwards."""
    manifest, out, cache = write_tones(folder / "tones"), folder / "out", folder / "full"
    ready(folder, manifest, folder / "run")
    expected = hash_of([folder / "run" / name for name in LEFT])
    sizes = sorted(p.stat().st_size for p in chain(folder.glob("cache/**/*"), folder.glob("run/*")))
    levels = np.linspace(4096, sizes[-1], points).astype(int)
    ends, same, log = Counter[str](), 0, folder / "log"
    words = compare_words(manifest, out)
    for level in levels.tolist():
        for place in (cache, out):
            shutil.rmtree(place, ignore_errors=True)
        log.unlink(missing_ok=True)
        ends[ended(started(limited, level, cache, words, log=log), log)] += 1
        log.unlink()
        how = ended(started(command, cache, words, log=log), log)
        same += how == "well" and hash_of([out / name for name in LEFT]) == expected
    return ["| points | the command ended | same result with room again |", "|--" * 3 + "|",
            f"| {points} | {_counted(ends)} | {same} |"]  # fmt: skip


PARTS: Mapping[str, Callable[[Path], list[str]]] = {
    "kills": kills, "mutants": all_mutants, "flips": flips, "workers": workers, "disks": disks,
}  # fmt: skip


def measure() -> str:
    """All tables."""
    with TemporaryDirectory() as folder:
        tables = ["\n".join(part(Path(folder))) for part in PARTS.values()]
    return "\n\n".join(tables)


if __name__ == "__main__":
    with TemporaryDirectory() as place:
        for name in sys.argv[1:] or PARTS:
            begun = time.monotonic()
            print("\n".join(PARTS[name](Path(place))))
            print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
