"""Rows that every cell of an ablation has; what not all cells have leaves all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from encoders.extraction import Failure, Progress, default_store
from encoders.utterance import Corpus, Utterance
from experiments.ablation.cells import Cell, Changes
from experiments.ablation.hearing import crowds
from experiments.ablation.subsets import fewer_speakers
from experiments.ablation.words import with_errors
from experiments.comparing.comparison import chosen_arms, load_corpus
from experiments.comparing.contamination import check_unseen, scored_rows
from experiments.comparing.finetuned import is_finetuned
from experiments.comparing.inputs import (
    check_sequences,
    gather,
    inputs_needed,
    preflight,
    reads_words,
    typed_encoders,
)
from experiments.comparing.plan import make_folds
from experiments.comparing.published import find_published
from experiments.comparing.rows import labelled
from experiments.comparing.words import find_words
from experiments.config import ConfigError
from fusion.splitting.splits import Fold, InnerFolds, rows_of


@dataclass(frozen=True, slots=True)
class Common:
    """Ids of the rows that all cells have, how many not all have, and what gathering took."""

    rows: frozenset[str]
    left_out: int
    encoded: int
    cached: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Rows that one cell has."""

    rows: tuple[str, ...]
    encoded: int
    cached: int
    failures: tuple[Failure, ...]


def check_ready(cell: Cell) -> None:
    """Find every fault of a cell that can be found before any work.

    Raises:
        CorpusError, ConfigError, SplitError, MissingWeightsError: as a comparison; ConfigError:
            some inner fold has too few speakers, or somebody has nobody to hear in babble.
    """
    study = cell.draft.study
    corpus = load_corpus(study)
    if corpus.task != "single-label":
        raise ConfigError(
            f"{corpus.name}: {corpus.task} targets; this version ablates single-label "
            "classification only: serfusion compare with one study for each value instead"
        )
    protocol = study.folds or corpus.folds
    rows = rows_of(labelled(corpus), protocol)
    arms, _ = check_sequences(study, chosen_arms(study))
    finetuned = any(is_finetuned(typed) for _, typed in typed_encoders(study))
    folds, inner = make_folds(corpus, rows, protocol, held_out=finetuned)
    _check_changes(cell.draft.changes, corpus, rows, folds, inner)
    preflight(study, rows, arms, find_published(study, arms, corpus))
    check_unseen(study, corpus, arms, scored_rows(rows, folds), {})


def _check_changes(
    changes: Changes,
    corpus: Corpus,
    rows: Sequence[Utterance],
    folds: Sequence[Fold],
    inner: Sequence[InnerFolds],
) -> None:
    if changes.speakers is not None:
        labels = {row.id: corpus.label(row) or "" for row in rows}
        fewer_speakers(inner, {row.id: row for row in rows}, labels, changes.speakers, changes.seed)
    noise = changes.noise
    if noise is not None and noise.kind == "babble":
        tested = {name for fold in folds for name in fold.test}
        everyone = {row.id for row in rows}
        crowds(rows, folds, changes.seed, tested if noise.side == "test" else everyone)


def common_rows(cells: Sequence[Cell], progress: Progress | None) -> Common:
    """Encode what every cell needs, and find the rows that all of them have."""
    known: dict[object, Gathered] = {}
    for cell in cells:
        asked = _asked(cell)
        if asked not in known:
            known[asked] = _gathered(cell, progress)
    found = list(known.values())
    shared = frozenset(found[0].rows).intersection(*(one.rows for one in found[1:]))
    everything = {name for one in found for name in one.rows}
    failed = {f.utterance: f for one in found for f in one.failures}
    return Common(
        rows=shared,
        left_out=len(everything - shared),
        encoded=sum(one.encoded for one in found),
        cached=sum(one.cached for one in found),
        failures=tuple(failed.values()),
    )


def _asked(cell: Cell) -> object:
    """What the rows of a cell depend on."""
    study, changes = cell.draft.study, cell.draft.changes
    needed = inputs_needed(chosen_arms(study))
    words = (study.transcript, study.asr, changes.word_errors, changes.seed)
    return study.audio, study.text, needed, words, study.rows, study.labels


def _gathered(cell: Cell, progress: Progress | None) -> Gathered:
    study, changes, store = cell.draft.study, cell.draft.changes, default_store()
    corpus = load_corpus(study)
    rows = rows_of(labelled(corpus), study.folds or corpus.folds)
    arms, _ = check_sequences(study, chosen_arms(study))
    published = find_published(study, arms, corpus)
    source = study.transcript if reads_words(study, arms, published) else "gold"
    words = find_words(rows, source, study.asr, store, progress)
    if changes.word_errors:
        words = with_errors(words, rows, changes.word_errors, changes.seed)
    inputs = gather(corpus, rows, words, study, arms, store, progress, published)
    return Gathered(inputs.data.ids, inputs.encoded, inputs.cached, inputs.failures)
