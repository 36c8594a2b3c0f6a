"""Scores of any other model among the arms: a table with a row for each utterance (``scores:``)."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float64

from encoders.manifest import SHARES_ERR
from encoders.manifest_rows import Row, did_you_mean, read_rows
from encoders.messages import printable, quoted, with_count
from encoders.utterance import Corpus, CorpusError, Fault, Utterance, one_hot
from experiments.config import ConfigError, Study
from experiments.corpora.label_map import LabelMap, map_labels, parse_map
from experiments.reporting.arm_names import arm_name
from experiments.reporting.results_schema import ScoresFact
from fusion.evaluation.emotions import SYNONYMS, word
from fusion.training.arm_table import LISTENERS, SCORES, ScoresArm, arm_of

Form = Literal["probabilities", "logits", "votes", "labels", "values"]
#: Ends the name of a file where its numbers do not say what they are.
AS = "@as="
#: Columns that may hold a label, where no column is a class.
LABEL_COLUMNS = ("prediction", "label")
#: Logit of what is impossible, far below what six decimals show.
IMPOSSIBLE = -80.0
#: What is taken off a label's logit, so that it loses a tie: less than any vote.
TIE = 1e-4
#: Forms that a user may name; the others follow from the columns and the task.
NAMED: tuple[Form, ...] = ("probabilities", "logits", "votes")
Values = Float64[np.ndarray, "rows labels"]


@dataclass(frozen=True, slots=True)
class FileScores:
    """Scores of a file as an arm.

    ``rows`` are by utterance, in the order of ``labels``: logits (logarithms of probabilities), or
    of sets of labels and values what the file says. ``unread`` are its other columns; ``lacking``
    counts utterances without a row, and ``strange`` rows of utterances that ``--labels`` left out.
    ``why`` is why an utterance has no row, where that is known; ``people`` says of listeners who
    they are.
    """

    arm: str
    sha256: str
    form: Form
    labels: LabelMap
    rows: Mapping[str, tuple[float, ...]]
    unread: tuple[str, ...]
    lacking: int = 0
    strange: int = 0
    why: Mapping[str, str] = field(default_factory=dict)
    people: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The file's name."""
        return Path(_path_of(self.arm)).name

    @property
    def fact(self) -> ScoresFact:
        """What ``results.json`` keeps."""
        pairs, absent = self.labels.pairs, self.labels.absent
        return ScoresFact(self.arm, self.sha256, self.form, pairs, self.unread, tuple(absent))

    @property
    def remark(self) -> str:
        """How the file was read, in one line."""
        pairs = [f"{label} is {name}" for label, name in self.labels.pairs.items() if label != name]
        read = f"{with_count(len(self.rows), 'row')} of {self.form}"
        others = [f"not read: {', '.join(map(printable, self.unread))}"] * bool(self.unread)
        left = [f"{self.strange} of utterances that --labels leaves out"] * bool(self.strange)
        return f"{arm_name(self.arm)}: {'; '.join([read, *pairs, *others, *left])}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of its row must know."""
        name = arm_name(self.arm)
        lines = [f"{name}: {line}" for line in self.people] or [
            f"{name}: scored as the file has it, nothing trained or tuned here (0 trials); what it "
            "learned from is not known, and may have been these utterances or their speakers, "
            "which no fold can undo"
        ]
        if self.form == "labels" and not self.people:
            lines.append(f"{name}: labels without probabilities: its AUC is that of one point")
        if self.lacking:
            lines.append(
                f"{name}: has no row for {with_count(self.lacking, 'utterance')}, which left every "
                "arm; where these are the hard ones every number here is too good"
            )
        return (*lines, *(f"{name}: {line}" for line in self.labels.lines("column")))


def find_scores(
    study: Study,
    arms: Sequence[str],
    corpus: Corpus,
    rows: Sequence[Utterance],
    others: Sequence[str] = (),
) -> dict[str, FileScores]:
    """The files among the arms, read and checked; ``rows`` are the utterances that are compared.

    ``others`` are labels of published classifiers, which ``--map`` may mean too.

    Raises:
        CorpusError: with every fault of a file; ConfigError: its columns and the classes do not
            meet, or the study does not allow it.
    """
    named = [arm for arm in arms if isinstance(arm_of(arm), ScoresArm)]
    if not named:
        return {}
    if study.rows == "all":
        raise ConfigError(
            f"--rows all cannot go with {', '.join(named)}: a file has no answer where its row is "
            "missing; use --rows complete"
        )
    names = Counter(Path(_path_of(arm)).name for arm in named)
    alike = [name for name, count in names.items() if count > 1]
    if alike:
        raise ConfigError(
            f"--arms: {len(named)} files, of which several are named {', '.join(alike)}: give them "
            "other names, or nobody can tell their rows apart"
        )
    asked, chosen = parse_map(study.map or (), corpus.targets), bool(study.labels)
    files = {
        arm: votes_of(corpus, rows)
        if arm == LISTENERS
        else read_scores(arm, corpus, asked, rows, chosen=chosen)
        for arm in named
    }
    said = [*others, *(label for scores in files.values() for label in scores.labels.labels)]
    if unknown := asked.keys() - set(map(word, said)):
        raise ConfigError(
            f"--map: nothing says {', '.join(sorted(unknown))}; there are {', '.join(said)}"
        )
    return files


def votes_of(corpus: Corpus, utterances: Sequence[Utterance]) -> FileScores:
    """Listeners' votes as an arm: what most of them heard, which a tie is not.

    Of classes with equally many votes the label comes last, so that a tie never agrees with it.

    Raises:
        ConfigError: the corpus has no votes beside its labels.
    """
    people = corpus.listeners
    if people is None or corpus.task != "single-label":
        raise ConfigError(
            f"--arms {LISTENERS}: {corpus.name} has no votes of listeners beside its labels; "
            "CREMA-D (as intended) and EmoDB (with erkennung.txt) have"
        )
    rows, agreed = {}, dict[str, list[float]]()
    for utterance in utterances:
        shares = people.votes.get(utterance.id)
        if shares is None or (label := corpus.label(utterance)) is None:
            continue
        agreed.setdefault(label, []).append(shares[corpus.targets.index(label)])
        behind = [0.0 if target != label else TIE for target in corpus.targets]
        with np.errstate(divide="ignore"):
            logits = np.log(np.array(shares)).clip(IMPOSSIBLE) - behind
        rows[utterance.id] = tuple(map(float, logits))
    each = ", ".join(f"{name} {np.mean(of):.0%}" for name, of in sorted(agreed.items()))
    lines = [f"{people.source}; a tie of votes counts as another class"]
    lines += [f"a single listener agrees with the label: {each}"] * people.counted
    content = json.dumps([people.source, sorted(people.votes.items())])
    return FileScores(
        LISTENERS,
        hashlib.sha256(content.encode()).hexdigest(),
        "votes" if people.counted else "labels",
        LabelMap(corpus.targets, corpus.targets, corpus.targets),
        rows,
        (),
        sum(utterance.id not in rows for utterance in utterances),
        people=tuple(lines),
    )


def read_scores(
    arm: str,
    corpus: Corpus,
    asked: Mapping[str, str],
    utterances: Sequence[Utterance],
    *,
    chosen: bool = False,
) -> FileScores:
    """Read the table of an arm: ``id`` and a column per class, or ``id`` and ``prediction``.

    Numbers are probabilities where they add up to 1, logits where some are below 0, votes where
    all are whole; ``@as=`` says so where they are otherwise. Other columns are not read. ``chosen``
    says that classes were chosen, so that the file may have rows of utterances that are left out.

    Raises:
        CorpusError: with every fault of the file; ConfigError: no column is a class, or columns are
            classes that the corpus does not have.
    """
    path, asked_form = Path(_path_of(arm)), _asked_form(arm)
    faults: list[Fault] = []
    table = read_rows(path, faults)
    if faults:
        raise CorpusError(f"{SCORES}{path}", faults)
    columns = list(dict.fromkeys(name for row in table for name in row.cells if name != "id"))
    table, strange = _known_rows(table, corpus, faults, chosen=chosen)
    classes = _class_columns(arm, columns, corpus, asked)
    if classes:
        labels = map_labels(arm, classes, corpus.targets, asked)
        values = _numbers(table, classes, faults)
        _raise(path, faults)
        _check_complete(arm, labels, table, columns, corpus)
        unread = tuple(name for name in columns if name not in classes)
        form, values = _as_logits(path, table, values, corpus, asked_form, unread)
    else:
        column = next((name for name in LABEL_COLUMNS if name in columns), None)
        if column is None or corpus.task not in ("single-label", "distribution"):
            raise _no_columns(arm, columns, corpus)
        labels, values = _one_hot_rows(arm, table, column, corpus, asked, faults)
        form, unread = "labels", tuple(name for name in columns if name != column)
    _raise(path, faults)
    rows = {
        row.cells["id"]: tuple(map(float, numbers))
        for row, numbers in zip(table, values, strict=True)
    }
    lacking = sum(utterance.id not in rows for utterance in utterances)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return FileScores(arm, sha256, form, labels, rows, unread, lacking, strange)


def _raise(path: Path, faults: Sequence[Fault]) -> None:
    if faults:
        raise CorpusError(f"{SCORES}{path}", faults)


def _path_of(arm: str) -> str:
    return arm.removeprefix(SCORES).rpartition(AS)[0] or arm.removeprefix(SCORES)


def _asked_form(arm: str) -> Form | None:
    _, as_, form = arm.rpartition(AS)
    if as_ and form not in NAMED:
        raise ConfigError(f"--arms {arm}: after {AS} expected one of {', '.join(NAMED)}")
    return next((known for known in get_args(Form) if as_ and known == form), None)


# ---------------------------------------------------------------- rows and columns


def _known_rows(
    table: Sequence[Row], corpus: Corpus, faults: list[Fault], *, chosen: bool
) -> tuple[list[Row], int]:
    """Rows of utterances of the corpus, and how many are of others where that is no fault."""
    known, first = {utterance.id for utterance in corpus.utterances}, dict[str, Row]()
    strange = 0
    for row in table:
        name = row.cells.get("id")
        if name is None:
            faults.append(Fault(f"line {row.line}", "the id is empty", "id"))
        elif name in first:
            what = f"duplicate id, first on line {first[name].line}"
            faults.append(Fault(row.where, what, "twice"))
        elif name in known:
            first[name] = row
        elif chosen:
            strange += 1
        else:
            near = did_you_mean(name, list(known)) if not strange else ""
            near = near if near.startswith("did") else f"its ids are as {corpus.utterances[0].id}"
            what = f"{quoted(name)} is no utterance of {corpus.name}: {near}"
            faults.append(Fault(row.where, what, "unknown"))
            strange += 1
    if not first and not faults:
        what = f"no row is of an utterance of {corpus.name} (ids as {corpus.utterances[0].id})"
        faults.append(Fault("rows", what))
    return list(first.values()), strange


def _class_columns(
    arm: str, columns: Sequence[str], corpus: Corpus, asked: Mapping[str, str]
) -> list[str]:
    """Columns that are a class of the corpus by their name, a synonym or ``--map``.

    Raises:
        ConfigError: a column is an emotion that is no class here, and ``--map`` does not say which.
    """
    targets = corpus.targets
    if corpus.task in ("multi-label", "regression"):
        exact = {word(target) for target in targets}
        return [name for name in columns if word(name) in exact]
    classes, others = [], []
    for name in columns:
        if word(name) in asked or _has_class(arm, name, targets):
            classes.append(name)
        elif any(word(name) in group for group in SYNONYMS):
            others.append(name)
    if others:
        raise ConfigError(
            f"{arm}: the columns {', '.join(map(printable, others))} are no classes of "
            f"{corpus.name}, which has {', '.join(targets)}; say what each is as in "
            f"--map {others[0]}={targets[0]}, or --map {others[0]}=none to share out what it gets"
        )
    return classes


def _has_class(arm: str, name: str, targets: Sequence[str]) -> bool:
    try:
        map_labels(arm, [name], targets, {})
    except ConfigError as error:
        if "could be" in str(error):
            raise
        return False
    return True


def _no_columns(arm: str, columns: Sequence[str], corpus: Corpus) -> ConfigError:
    has = ", ".join(map(printable, columns)) or "none besides id"
    or_label = ", or one column 'prediction' with a class" * (corpus.task == "single-label")
    return ConfigError(
        f"{arm}: expected a column for each of {', '.join(corpus.targets)}{or_label}; found {has}"
    )


def _check_complete(
    arm: str, labels: LabelMap, table: Sequence[Row], columns: Sequence[str], corpus: Corpus
) -> None:
    """Refuse a class without a column where one may be it, spelt otherwise, or must be there.

    Raises:
        ConfigError: it is.
    """
    if not labels.absent:
        return
    if corpus.task in ("multi-label", "regression"):
        raise _no_columns(arm, columns, corpus)
    left = [name for name in columns if name not in labels.labels and _is_numeric(table, name)]
    if left:
        absent = ", ".join(labels.absent)
        raise ConfigError(
            f"{arm}: no column is {absent}, and the numbers of {', '.join(map(printable, left))} "
            f"are no class; say what is what as in --map {left[0]}={labels.absent[0]}, or "
            f"--map {left[0]}=none, or take these columns out"
        )


def _is_numeric(table: Sequence[Row], column: str) -> bool:
    cells = [row.cells[column] for row in table if column in row.cells]
    return bool(cells) and all(_number(cell) is not None for cell in cells)


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _numbers(table: Sequence[Row], columns: Sequence[str], faults: list[Fault]) -> Values:
    values = np.zeros((len(table), len(columns)))
    for at, row in enumerate(table):
        for place, column in enumerate(columns):
            cell = row.cells.get(column, "")
            value = _number(cell)
            if value is None:
                what = f"{printable(column)} {quoted(cell)} is not a finite number"
                faults.append(Fault(row.where, what, f"number {column}"))
            else:
                values[at, place] = value
    return values


# ---------------------------------------------------------------- what the numbers are


def _as_logits(
    path: Path,
    table: Sequence[Row],
    values: Values,
    corpus: Corpus,
    asked: Form | None,
    unread: Sequence[str],
) -> tuple[Form, Values]:
    """What the numbers are, and the same as logits where a row is one class.

    Raises:
        CorpusError: they are nothing that they could be, or not what the user says.
    """
    if corpus.task == "regression":
        return "values", values
    if corpus.task == "multi-label":
        _raise(path, list(_beyond(table, values, asked)))
        if asked == "logits":
            return asked, 1 / (1 + np.exp(-values.clip(IMPOSSIBLE, -IMPOSSIBLE)))
        return "probabilities", values
    form = asked or _form_of(values)
    if form == "logits":
        return form, values
    if form is None or form == "probabilities":
        _raise(path, list(_unequal(table, values, unread)))
        form = "probabilities"
    else:
        _raise(path, list(_no_votes(table, values)))
    with np.errstate(divide="ignore"):
        return form, np.log(values / values.sum(axis=1, keepdims=True)).clip(IMPOSSIBLE)


def _form_of(values: Values) -> Form | None:
    """What numbers can only be; None where most rows are probabilities and some are not."""
    near = np.abs(values.sum(axis=1) - 1) <= SHARES_ERR
    if near.mean() >= 0.5:
        return None
    if (values < 0).any():
        return "logits"
    return "votes" if (values == values.round()).all() else None


def _unequal(table: Sequence[Row], values: Values, unread: Sequence[str]) -> Iterator[Fault]:
    total = values.sum(axis=1)
    others = f" (columns not read: {', '.join(map(printable, unread))})" if unread else ""
    for row, numbers, of_row in zip(table, values, total, strict=True):
        if (numbers < 0).any():
            what = f"{numbers.min():g} is no probability; where they are logits say {AS}logits"
            yield Fault(row.where, what, "below")
        elif abs(of_row - 1) > SHARES_ERR:
            what = (
                f"its probabilities add up to {of_row:g}, not to 1{others}; where they are scores "
                f"before the softmax say {AS}logits behind the file's name, where they are counts "
                f"or shares {AS}votes"
            )
            yield Fault(row.where, what, "sum")


def _no_votes(table: Sequence[Row], values: Values) -> Iterator[Fault]:
    for row, numbers in zip(table, values, strict=True):
        if (numbers < 0).any() or not numbers.any():
            what = f"expected votes from 0 on and at least one, got {numbers.tolist()}"
            yield Fault(row.where, what, "votes")


def _beyond(table: Sequence[Row], values: Values, asked: Form | None) -> Iterator[Fault]:
    for row, numbers in zip(table, values, strict=True):
        if asked != "logits" and not ((numbers >= 0) & (numbers <= 1)).all():
            what = (
                f"expected a probability of each label, got {numbers.tolist()}; where they are "
                f"logits say {AS}logits behind the file's name"
            )
            yield Fault(row.where, what, "beyond")


def _one_hot_rows(
    arm: str,
    table: Sequence[Row],
    column: str,
    corpus: Corpus,
    asked: Mapping[str, str],
    faults: list[Fault],
) -> tuple[LabelMap, Values]:
    """Labels as certain answers; what no class has is a fault, because no row may say nothing."""
    said = sorted({row.cells[column] for row in table if column in row.cells})
    labels = map_labels(arm, said, corpus.targets, asked) if said else None
    classes = labels.pairs if labels is not None else {}
    values = np.full((len(table), len(said)), IMPOSSIBLE)
    for at, row in enumerate(table):
        label = row.cells.get(column, "")
        if label in classes:
            values[at] = np.where(one_hot(label, tuple(said)), 0.0, IMPOSSIBLE)
        else:
            what = (
                f"{column} {quoted(label)} is none of {', '.join(corpus.targets)}; say which as in "
                f"--map {printable(label) or 'LABEL'}={corpus.targets[0]}, or leave the row out"
            )
            faults.append(Fault(row.where, what, f"label {label}"))
    return labels or LabelMap((), (), corpus.targets), values
