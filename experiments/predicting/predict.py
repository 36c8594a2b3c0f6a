"""``serfusion predict``: one row of a table for each file or segment."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from encoders.extraction import Failure, Progress
from encoders.manifest import read_manifest
from encoders.manifest_rows import guarded
from encoders.messages import with_count
from encoders.store import write_atomically
from encoders.utterance import Utterance
from experiments.comparing.comparison import check_writable
from experiments.config import ConfigError, OptionError, TranscriptSource, default_asr
from experiments.corpora.tree import MEDIA, first_few
from experiments.interviews.emotion import EmotionScores
from experiments.interviews.model_facts import about_model
from experiments.predicting.answers import Answer, Answers, ask
from fusion.model.fusion_model import FusionModel

#: Seconds from which on a file is more than an utterance.
LONG_S = 60.0
#: Decimals of a probability.
DIGITS = 6


@dataclass(frozen=True, slots=True)
class Predicted:
    """A table of answers, where it lies, and what could not be used."""

    out: Path
    answers: Answers
    failures: tuple[Failure, ...]
    warnings: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """What was done, in lines."""
        yield from self.warnings
        done, answers = self.answers, self.answers.answers
        yield (
            f"{with_count(len(answers), 'row')} ({done.encoded} encoded, {done.cached} from the "
            f"cache, words of {done.recognised} recognised): {self.out}"
        )


def predict(
    model: Path | str,
    out: Path,
    *,
    files: Sequence[Path] = (),
    folder: Path | None = None,
    manifest: Path | None = None,
    root: Path | None = None,
    transcript: TranscriptSource = "gold_else_asr",
    asr: str | None = None,
    progress: Progress | None = None,
) -> Predicted:
    """Write what a model says of files, of a folder's, or of a manifest's rows as a CSV table.

    ``model`` is a folder, or ``"demo"``: the one that ships. Embeddings and words are kept in the
    cache, so that the same call goes on where it was stopped. A file that cannot be read has a
    row that says why.

    Raises:
        ValueError: no such model, one of another format or of precomputed features, or nothing to
            predict for; nothing is written then.
    """
    loaded = FusionModel.load(model)
    utterances = utterances_of(files, folder, manifest, root)
    check_writable(out.parent)
    if out.is_dir():
        raise OptionError(f"--out {out}: is a folder; give a file, as in predictions.csv")
    answers = ask(loaded, utterances, transcript, asr or default_asr(), progress)
    write_atomically(out, table(loaded, answers.answers).encode())
    failed = [
        Failure(answer.utterance.id, answer.scores)
        for answer in answers.answers
        if isinstance(answer.scores, str)
    ]
    return Predicted(out, answers, tuple(failed), tuple(about_model(loaded)["warnings"]))


def utterances_of(
    files: Sequence[Path], folder: Path | None, manifest: Path | None, root: Path | None
) -> tuple[Utterance, ...]:
    """What is to be predicted: each file, each file below a folder, or each row of a manifest.

    Raises:
        OptionError: none of them is given, or several; ConfigError: a file is not there, or the
            folder has none; CorpusError: with every fault of the manifest.
    """
    given = [bool(files), folder is not None, manifest is not None]
    if sum(given) != 1:
        which = "none is" if not any(given) else "several are"
        raise OptionError(f"expected FILES, --folder DIR or --manifest FILE, and {which} given")
    if manifest is not None:
        return read_manifest(manifest, root=root).utterances
    if folder is None:
        return _named(files, None)
    if not folder.is_dir():
        raise ConfigError(f"--folder {folder}: is no folder")
    inside = sorted(path for path in folder.rglob("*") if _is_media(path.relative_to(folder)))
    paths = [path for path in inside if path.is_file()]
    if not paths:
        raise ConfigError(f"--folder {folder}: holds no file that ends in {', '.join(MEDIA)}")
    return _named(paths, folder)


def _is_media(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in MEDIA and not hidden


def _named(paths: Sequence[Path], folder: Path | None) -> tuple[Utterance, ...]:
    """Files by their names without an ending, where these differ; else by their paths."""
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise ConfigError(f"{with_count(len(missing), 'file')} not there: {first_few(missing)}")
    stems = Counter(path.stem for path in paths)
    whole = [path if folder is None else path.relative_to(folder) for path in paths]
    alike = any(count > 1 for count in stems.values())
    names = [full.as_posix() if alike else full.stem for full in whole]
    again = [name for name, count in Counter(names).items() if count > 1]
    if again:
        raise ConfigError(f"given more than once: {first_few(again)}")
    pairs = zip(names, paths, strict=True)
    return tuple(Utterance(id=name, audio=path) for name, path in pairs)


# ---------------------------------------------------------------- the table


def table(model: FusionModel, answers: Sequence[Answer]) -> str:
    """Answers as CSV, a row each.

    Columns: what was asked, the decision and the class that is most probable, a column for each
    target (``scores:`` of a comparison reads them), for each that voice and words said alone where
    the model has heads that do, the words and where they are from, and what is to be known.
    """
    alone = [
        name
        for name in ("voice", "words")
        if any(isinstance(a.scores, EmotionScores) and getattr(a.scores, name) for a in answers)
    ]
    decided = ["decision"] if model.task != "regression" else []
    decided += ["most_probable"] if model.task in ("single-label", "distribution") else []
    header = ["id", "audio", "start_s", "end_s", *decided, *model.targets]
    header += [f"{name}_{target}" for name in alone for target in model.targets]
    header += ["transcript", "transcript_from", "note"]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(guarded, header))
    for answer in answers:
        writer.writerow(map(guarded, _row(model, answer, alone, len(decided))))
    return text.getvalue()


def _row(model: FusionModel, answer: Answer, alone: Sequence[str], decided: int) -> list[str]:
    one, scores = answer.utterance, answer.scores
    cells = [
        one.id,
        "" if one.audio is None else one.audio.as_posix(),
        f"{one.start_s:g}",
        "" if one.end_s is None else f"{one.end_s:g}",
    ]
    if isinstance(scores, str):
        cells += [""] * (decided + len(model.targets) * (1 + len(alone)))
    else:
        cells += _decisions(model, scores)
        parts = [scores.fused, *(getattr(scores, name) for name in alone)]
        cells += [
            cell
            for part in parts
            for cell in (map(_cell, part) if part is not None else [""] * len(model.targets))
        ]
    come = "recognised" if answer.recognised else "given" if answer.words else ""
    return [*cells, answer.words or "", come, scores if isinstance(scores, str) else _note(answer)]


def _cell(value: float) -> str:
    return f"{value:.{DIGITS}f}"


def _decisions(model: FusionModel, scores: EmotionScores) -> list[str]:
    """The decision, empty where the model is too unsure, and the most probable class."""
    by_name = dict(zip(model.targets, scores.fused, strict=True))
    if model.task == "regression":
        return []
    if model.task == "multi-label":
        return ["|".join(model.labels(by_name)) or "none"]
    return [model.decide(by_name) or "", max(by_name, key=lambda name: by_name[name])]


def _note(answer: Answer) -> str:
    notes = [*(["silent"] * answer.silent), *answer.notes]
    if answer.duration_s is not None and answer.duration_s > LONG_S:
        notes.append(
            f"{answer.duration_s:.0f} s as one utterance: serfusion interview finds its segments"
        )
    return "; ".join(notes)
