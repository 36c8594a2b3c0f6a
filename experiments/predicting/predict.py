"""``serfusion predict``: one row of a table for each file or segment."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from encoders.extraction import Failure, Progress
from encoders.files import write_atomically
from encoders.manifest import read_manifest
from encoders.manifest_rows import guarded_csv
from encoders.messages import with_count
from encoders.utterance import Utterance
from experiments.comparing.comparison import check_writable
from experiments.config import ConfigError, OptionError, TranscriptSource, default_asr
from experiments.corpora.tree import MEDIA, first_few, is_media
from experiments.interviews.emotion import EmotionScores, threshold_of_sets
from experiments.interviews.facts import about_model
from experiments.predicting.answers import Answer, Answers, ask
from fusion.evaluation.conformal import prediction_set
from fusion.evaluation.emotions import DERIVED, derived_values
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
    out: Path | str,
    *,
    files: Sequence[Path | str] = (),
    folder: Path | str | None = None,
    manifest: Path | str | None = None,
    root: Path | str | None = None,
    channel: int | None = None,
    transcript: TranscriptSource = "gold_else_asr",
    asr: str | None = None,
    sets: float | None = None,
    progress: Progress | None = None,
) -> Predicted:
    """Write what a model says of files, of a folder's, or of a manifest's rows as a CSV table.

    ``model`` is a folder, or ``"demo"``: the one that ships. Embeddings and words are kept in the
    cache, so that the same call goes on where it was stopped. A file that cannot be read has a
    row that says why. ``sets`` is the share of rows whose true class is to be in the set that each
    then has. ``channel``, from 1 on, is heard where a manifest's row names none; None is the mean
    of all.

    Raises:
        ValueError: no such model, one of another format or of precomputed features, or nothing to
            predict for; nothing is written then.
    """
    out = Path(out)
    loaded = FusionModel.load(model)
    of_set = threshold_of_sets(loaded, sets)
    utterances = utterances_of(files, folder, manifest, root, channel)
    check_writable(out.parent)
    if out.is_dir():
        raise OptionError(f"--out {out}: is a folder; give a file, as in predictions.csv")
    answers = ask(loaded, utterances, transcript, asr or default_asr(), progress)
    # It holds what people said.
    out.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(out, table(loaded, answers.answers, of_set).encode(), private=True)
    failed = [
        Failure(answer.utterance.id, answer.scores)
        for answer in answers.answers
        if isinstance(answer.scores, str)
    ]
    warnings = (*about_model(loaded)["warnings"], *answers.notes)
    return Predicted(out, answers, tuple(failed), warnings)


def utterances_of(
    files: Sequence[Path | str],
    folder: Path | str | None,
    manifest: Path | str | None,
    root: Path | str | None,
    channel: int | None = None,
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
        return read_manifest(manifest, root=root, channel=channel).utterances
    if folder is None:
        return _named([*map(Path, files)], None, channel)
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"--folder {folder}: is no folder")
    inside = sorted(path for path in folder.rglob("*") if is_media(path.relative_to(folder)))
    paths = [path for path in inside if path.is_file()]
    if not paths:
        raise ConfigError(f"--folder {folder}: holds no file that ends in {', '.join(MEDIA)}")
    return _named(paths, folder, channel)


def _named(
    paths: Sequence[Path], folder: Path | None, channel: int | None
) -> tuple[Utterance, ...]:
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
    return tuple(Utterance(id=name, audio=path, channel=channel) for name, path in pairs)


# ---------------------------------------------------------------- the table


def table(model: FusionModel, answers: Sequence[Answer], of_set: float | None = None) -> str:
    """Answers as CSV, a row each.

    Columns: what was asked, the decision with its level (a class, or the group of classes or the
    arousal of a coarser answer) and probability, the class that is most probable, the classes that
    reach ``of_set`` where that is given, a column for each target (``scores:`` of a comparison
    reads them), for each that voice and words said alone where the model has heads that do, valence
    and arousal that follow from the probabilities, the words and where they are from, and what is
    to be known.
    """
    alone = [
        name
        for name in ("voice", "words")
        if any(isinstance(a.scores, EmotionScores) and getattr(a.scores, name) for a in answers)
    ]
    decided = ["decision"] if model.task != "regression" else []
    derived: list[str] = []
    if model.task in ("single-label", "distribution"):
        decided += ["level", "probability", "most_probable"]
        decided += ["prediction_set"] * (of_set is not None)
        derived = [f"derived_{name}" for name in DERIVED]
    header = ["id", "audio", "start_s", "end_s", *decided, *model.targets]
    header += [f"{name}_{target}" for name in alone for target in model.targets]
    header += [*derived, "transcript", "transcript_from", "note"]
    more = len(decided), len(derived)
    return guarded_csv([header, *(_row(model, one, alone, more, of_set) for one in answers)])


def _row(
    model: FusionModel,
    answer: Answer,
    alone: Sequence[str],
    more: tuple[int, int],
    of_set: float | None,
) -> list[str]:
    """Cells of a row, with ``more`` of them before and after the scores."""
    one, scores = answer.utterance, answer.scores
    cells = [
        one.id,
        "" if one.audio is None else one.audio.as_posix(),
        f"{one.start_s:g}",
        "" if one.end_s is None else f"{one.end_s:g}",
    ]
    if isinstance(scores, str):
        cells += [""] * (sum(more) + len(model.targets) * (1 + len(alone)))
    else:
        cells += _decisions(model, scores, of_set)
        parts = [scores.fused, *(getattr(scores, name) for name in alone)]
        cells += [
            cell
            for part in parts
            for cell in (map(_cell, part) if part is not None else [""] * len(model.targets))
        ]
        if more[1]:
            derived = derived_values(scores.fused, model.targets)
            cells += [""] * more[1] if derived is None else map(_cell, derived)
    come = "recognised" if answer.recognised else "given" if answer.words else ""
    return [*cells, answer.words or "", come, _note(model, answer)]


def _cell(value: float) -> str:
    return f"{value:.{DIGITS}f}"


def _decisions(model: FusionModel, scores: EmotionScores, of_set: float | None) -> list[str]:
    """The decision, empty where the model is too unsure, the most probable class and the set."""
    by_name = dict(zip(model.targets, scores.fused, strict=True))
    if model.task == "regression":
        return []
    if model.task == "multi-label":
        return ["|".join(model.labels(by_name)) or "none"]
    answer = model.answer(by_name)
    said = ["", "", ""]
    if answer is not None:
        said = [answer.label, answer.level, _cell(answer.probability)]
    likeliest = max(by_name, key=lambda name: by_name[name])
    if of_set is None:
        return [*said, likeliest]
    return [*said, likeliest, "|".join(prediction_set(scores.fused, model.targets, of_set))]


def _note(model: FusionModel, answer: Answer) -> str:
    if isinstance(answer.scores, str):
        return answer.scores
    notes = [*(["silent"] * answer.silent), *answer.notes]
    if model.seen is not None and answer.key in model.seen.recordings:
        notes.append("the model was trained on this recording")
    if answer.duration_s is not None and answer.duration_s > LONG_S:
        notes.append(
            f"{answer.duration_s:.0f} s as one utterance: serfusion interview finds its segments"
        )
    return "; ".join(notes)
